"""`trapship revoke` of an operator's unit: what the base refuses then, what its partner hears, who cannot undo it."""

import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.base.parts import NOW, envelope
from tests.ship.desk_parts import PASSPHRASE, Say, desk_of
from tests.support import Broker, wait_for

from trapbase import cli as trapbase_cli
from trapbase import ingest
from trapbase.ingest import Ingest
from trapbase.keyring import LOOK_EVERY_MS, Keyring
from trapbase.request_store import RequestStore
from trapbase.shutout import Partners, ShutOut, open_list, watched_traps
from trapbase.store import Store
from trapkit import topics
from trapkit.bus import Bus
from trapkit.errors import SetupError
from trapkit.operator import revoked
from trapship.desk import basefiles, trapfiles
from trapship.desk.provisioning import BaseWish, TrapWish, place_base, place_repeater, place_trap
from trapship.desk.revoking import revoke
from trapsim.memorybus import MemoryBroker
from trapwire.objects import CROP


def sealed_crop(trap: int, number: int) -> tuple[str, bytes]:
    return topics.up(trap, "crop"), envelope(trap, number, CROP, b"sealed").encode()


UTC = "2026-11-22T06:00:00Z"


class Machine:
    """A base's machine with what it was provisioned with: base 1, traps 7 and 8."""

    def __init__(self, operator: Path, folder: Path) -> None:
        self.operator, self.folder = operator, folder
        desk = desk_of(operator)
        for name, given in basefiles.machine(desk, desk.register.bases["1"], b"", {}, b"").items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(given.data)
        desk.save()
        (folder / "fleet/ca.crl").write_bytes(desk.authority.revocation_list(desk.register.spent))
        (folder / "base.toml").write_text(
            f'folder = "{folder}/data"\nrevoked = "{folder}/revoked"\noperator_key = "{folder}/operator.pub"\n'
            f'[bus]\ncertificates = "{folder}/fleet"\n'
        )

    def shut_out(self) -> ShutOut:
        return open_list(str(self.folder / "revoked"), str(self.folder / "operator.pub"), str(self.folder / "fleet"))

    def say(self, *words: str) -> int:
        return trapbase_cli.main([*words, "--config", str(self.folder / "base.toml")])


@pytest.fixture
def machine(stocked: Path, tmp_path: Path) -> Machine:
    return Machine(stocked, tmp_path / "var")


def test_one_command_shuts_a_trap_out_and_says_what_is_left(say: Say, stocked: Path, tmp_path: Path) -> None:
    words = ("revoke", stocked, "trap", 7, "--out", tmp_path / "stick", "--passphrase-file", tmp_path / "phrase")
    code, said, _ = say(*words)
    assert code == 0
    assert "trap 7 is shut out: list 1\n" in said
    assert "trap 8, its partner, is told by radio to heed its calls no more" in said
    assert f"at each base: trapbase shut-out {tmp_path}/stick/pugmark-revoked" in said
    assert list(desk_of(stocked).register.traps) == ["8"]
    assert say(*words)[1].startswith("trap 7 is on the list already, number 1\n")
    words = ("provision", "trap", stocked, "--number", 7, "--station", "S001", "--side", "left")
    code, _, complaint = say(*words, "--passphrase-file", tmp_path / "phrase")
    assert (code, "this trap was shut out; its number is not given again: take another" in complaint) == (2, True)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("trap", "9"), "trap 9 was never provisioned here; there are traps: 7, 8"),
        (("repeater", "1"), "there are repeaters: none"),
        (("cat", "7"), "'cat' is no kind of unit; allowed are trap, base, repeater"),
        (("trap", "x"), "say which unit: trap 7, base 1 or repeater 1"),
        (("7",), "say which unit: trap 7, base 1 or repeater 1"),
        ((), "say which unit"),
    ],
)
def test_who_cannot_be_shut_out_is_named(
    say: Say, stocked: Path, tmp_path: Path, words: tuple[str, ...], complaint: str
) -> None:
    before = (stocked / "units.json").read_bytes()
    code, _, said = say("revoke", stocked, *words, "--passphrase-file", tmp_path / "phrase")
    assert (code, complaint in said) == (2, True), said
    assert (stocked / "units.json").read_bytes() == before


def test_a_list_on_a_stick_shuts_the_trap_out_by_radio_within_seconds(
    machine: Machine, say: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shut = machine.shut_out()
    ring = Keyring(machine.folder / "keys/link", tmp_path / "heard", [7, 8], gone=lambda: shut.traps)
    assert [len(keys) for keys in ring.keys.values()] == [1, 1]
    say("revoke", machine.operator, "trap", 7, "--out", tmp_path / "stick", "--passphrase-file", tmp_path / "phrase")
    assert machine.say("shut-out", str(tmp_path / "stick/pugmark-revoked")) == 0
    assert "trap 7: shut out since 20" in capsys.readouterr().out
    shut.step(LOOK_EVERY_MS)
    ring.step(LOOK_EVERY_MS)
    assert [len(keys) for keys in ring.keys.values()] == [0, 1], "its key file still lies there, and counts no more"
    assert (ring.trouble, shut.trouble) == ("", "")
    again = Keyring(machine.folder / "keys/link", tmp_path / "heard", [7, 8], gone=lambda: machine.shut_out().traps)
    assert [len(keys) for keys in again.keys.values()] == [0, 1]


def test_nobody_is_let_in_again_by_an_old_list_a_strangers_or_none(
    machine: Machine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = (machine.folder / "revoked").read_bytes()
    desk = desk_of(machine.operator)
    revoke(desk.register, "trap", 7, UTC)
    (tmp_path / "new").write_bytes(desk.revoked())
    (tmp_path / "old").write_bytes(old)
    assert machine.say("shut-out", str(tmp_path / "new")) == 0
    crl = (machine.folder / "fleet/ca.crl").read_bytes()
    assert machine.say("shut-out", str(tmp_path / "old")) == 2
    assert "is list 0, and list 1 is in force; an older one is not taken" in capsys.readouterr().err
    theirs = revoked.encode(revoked.RevokedList(serial=9, units=[], crl=""), bytes(32))
    (tmp_path / "theirs").write_bytes(theirs)
    assert machine.say("shut-out", str(tmp_path / "theirs")) == 2
    assert "is signed by 3b6a27bcceb6a42d" in capsys.readouterr().err
    assert (machine.folder / "fleet/ca.crl").read_bytes() == crl
    shut = machine.shut_out()
    (machine.folder / "revoked").unlink()
    shut.step(LOOK_EVERY_MS)
    assert (shut.traps, "the list is gone; list 1 stays in force" in shut.trouble) == (frozenset({7}), True)
    (machine.folder / "revoked").write_bytes(old)
    shut.step(2 * LOOK_EVERY_MS)
    assert (shut.traps, "the list is an older one" in shut.trouble) == (frozenset({7}), True)
    (machine.folder / "revoked").write_bytes(b"garbage")
    with pytest.raises(SetupError, match="is no file of ours"):
        machine.shut_out()


def test_over_the_bus_it_is_in_force_at_once_answered_and_what_comes_in_its_name_is_not_taken(
    machine: Machine, tmp_path: Path
) -> None:
    broker, shut = MemoryBroker(), machine.shut_out()
    own = broker.connect("ingest", ingest.SUBSCRIPTIONS)
    listener = broker.connect("operator", (topics.every(topics.SHUT), topics.every(topics.ACK)))
    store = Store(tmp_path / "data")
    part = Ingest(own, store, shut=shut, base="north")
    try:

        def send(topic: str, payload: bytes) -> list[tuple[str, bytes]]:
            listener.publish(topic, payload)
            part.step(NOW)
            return [(m.topic, m.payload) for m in listener.take(10)]

        assert [topic for topic, _ in send(*sealed_crop(7, 1))] == ["pugmark/1/ack/7"]
        desk = desk_of(machine.operator)
        revoke(desk.register, "trap", 7, UTC)
        said = send(topics.revoked(7), desk.revoked())
        assert said == [("pugmark/1/shut/7", b'{"base": "north", "serial": 1}')]
        assert send(*sealed_crop(7, 2)) == []
        assert [topic for topic, _ in send(*sealed_crop(8, 1))] == ["pugmark/1/ack/8"]
        for garbage in (b"", b"pugmark-revoked 1 x y\n{}", desk.revoked()[:-5], desk.revoked() * 90):
            assert send(topics.revoked(7), garbage) == []
        assert send(topics.revoked(7), desk.revoked()) == said, "said again, answered again"
    finally:
        store.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_taken_as_root_it_belongs_to_whoever_the_folder_belongs_to(machine: Machine, say: Say, tmp_path: Path) -> None:
    phrase = ("--passphrase-file", tmp_path / "phrase", "--out", tmp_path / "stick")
    assert say("revoke", machine.operator, "trap", 7, *phrase)[0] == 0
    for folder in (machine.folder, machine.folder / "fleet"):
        os.chown(folder, 4711, 4712)
    assert machine.say("shut-out", str(tmp_path / "stick/pugmark-revoked")) == 0
    for name in ("revoked", "fleet/ca.crl"):
        owner = (machine.folder / name).stat()
        assert (owner.st_uid, owner.st_gid) == (4711, 4712), name


def test_who_shows_or_waits_for_it_knows_the_list_as_it_is_now(machine: Machine, say: Say, tmp_path: Path) -> None:
    config = (str(machine.folder / "revoked"), str(machine.folder / "operator.pub"))
    traps = watched_traps(*config)
    assert traps() == frozenset()
    phrase = ("--passphrase-file", tmp_path / "phrase", "--out", tmp_path / "stick")
    assert say("revoke", machine.operator, "trap", 7, *phrase)[0] == 0
    assert machine.say("shut-out", str(tmp_path / "stick/pugmark-revoked")) == 0
    assert traps() == watched_traps(*config)() == frozenset({7})
    (machine.folder / "revoked").write_bytes(b"no list of ours")
    assert traps() == frozenset({7}), "what was read stays in force"
    assert watched_traps(*config)() == watched_traps("", "")() == frozenset()


def test_its_partner_is_asked_once_by_radio_to_heed_it_no_more(machine: Machine, tmp_path: Path) -> None:
    shut, folder = machine.shut_out(), tmp_path / "data"
    Store(folder).close()
    kept = RequestStore(folder)
    try:
        Partners(shut, folder, kept.set).step(NOW)
        assert kept.open(10) == []
        desk = desk_of(machine.operator)
        revoke(desk.register, "trap", 7, UTC)
        shut.take(desk.revoked())
        for _ in range(2):  # the second after a restart
            Partners(shut, folder, kept.set).step(NOW)
        assert [(r.trap, r.setting, r.value) for r in kept.open(10)] == [(8, "pair", 0)]
        revoke(desk.register, "trap", 8, UTC)
        shut.take(desk.revoked())
        assert shut.lonely() == [], "both gone: nobody is left to be told"
    finally:
        kept.close()


def test_a_stolen_base_and_a_repeater_say_whose_keys_they_had(stocked: Path) -> None:
    desk = desk_of(stocked)
    before = desk.register.traps["7"].link
    said = revoke(desk.register, "base", 1, UTC)
    assert "it had the radio keys of its traps (7, 8): each gets a new one" in " ".join(said)
    assert desk.register.traps["7"].link != before
    wish = BaseWish(number=2, name="south", country="RU", region="ru864", hosts=("10.0.0.6",))
    place_base(desk.register, wish)
    trap, said = place_trap(desk.register, TrapWish(number=7, base=2))
    assert said == ["base 1, its home before, is shut out: there is nothing to do there"]
    assert trap.link_next is None, "its new radio key is its only one: base 1 had the one before"
    with pytest.raises(SetupError, match="base 3 was never provisioned here; there are bases: 2"):
        revoke(desk.register, "base", 3, UTC)
    desk = desk_of(stocked)
    place_repeater(desk.register, 3, [7], None, None)
    assert desk.register.traps["7"].hop is not None
    said = revoke(desk.register, "repeater", 3, UTC)
    assert "traps that went by it: 7; it read nothing of them" in said
    assert (desk.register.traps["7"].repeater, desk.register.traps["7"].hop) == (0, None)


@pytest.fixture
def base_thread(machine: Machine, tmp_path: Path) -> Iterator[list[Bus]]:
    """An ingest of this machine, turning in a thread of its own as `trapbase run` does, at the bus that is put in."""
    buses: list[Bus] = []
    done = threading.Event()

    def turn() -> None:
        store = Store(tmp_path / "data")
        part: Ingest | None = None
        while not done.wait(0.01):
            if buses and part is None:
                part = Ingest(buses[0], store, shut=machine.shut_out(), base="north")
            if part is not None:
                part.step(NOW)
        store.close()

    thread = threading.Thread(target=turn)
    thread.start()
    yield buses
    done.set()
    thread.join(20)
    for bus in buses:
        bus.stop()


def test_one_command_over_a_real_broker_and_the_stolen_trap_gets_in_no_more(
    machine: Machine, mosquitto: str, say: Say, tmp_path: Path, base_thread: list[Bus]
) -> None:
    fleet = machine.folder / "fleet"
    desk = desk_of(machine.operator)
    for name, given in trapfiles.certificates(desk, desk.register.traps["7"]).items():
        (fleet / Path(name).name).write_bytes(given.data)
    desk.save()
    broker = Broker(mosquitto, tmp_path / "broker", fleet)
    broker.start()
    try:
        base_thread.append(broker.bus("ingest", *ingest.SUBSCRIPTIONS))
        thief = broker.bus("7", topics.ack(7))
        wait_for(lambda: thief.connected)
        words = ("revoke", machine.operator, "trap", 7, "--broker", "127.0.0.1", "--port", broker.port)
        code, said, complaint = say(*words, "--passphrase-file", tmp_path / "phrase")
        assert (code, complaint) == (0, "")
        assert "base north has the list in force\n" in said
        broker.kill()  # as pugmark-broker-revoked.path has systemd do
        broker.start()
        wait_for(lambda: "was revoked" in thief.last_error)
        assert not thief.connected
    finally:
        broker.stop()


def test_a_trap_whose_card_has_the_list_knows_a_stolen_base_by_its_certificate(
    machine: Machine, mosquitto: str, tmp_path: Path
) -> None:
    desk = desk_of(machine.operator)
    theirs = dict(desk.register.bases["1"].serials)
    certificates = machine.folder / "fleet"
    for name, given in trapfiles.certificates(desk, desk.register.traps["7"]).items():
        if name.endswith((".crt", ".key")):
            (certificates / Path(name).name).write_bytes(given.data)
    broker = Broker(mosquitto, tmp_path / "broker", certificates)
    broker.start()
    card = shutil.copytree(certificates, tmp_path / "etc")

    def trap() -> Bus:
        return Bus("127.0.0.1", broker.port, card / "ca.crt", card / "7.crt", card / "7.key", "7", ())

    before, after = trap(), None
    try:
        before.start()
        wait_for(lambda: before.connected)
        (card / "ca.crl").write_bytes(desk.authority.revocation_list([theirs["server"]]))
        after = trap()
        after.start()
        wait_for(lambda: after is not None and "a stolen base answers there" in after.last_error)
    finally:
        for bus in (before, after):
            if bus is not None:
                bus.stop()
        broker.stop()


def test_the_broker_is_started_again_when_its_list_changes() -> None:
    units = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
    watch = (units / "pugmark-broker-revoked.path").read_text()
    assert f"PathChanged={basefiles.INTO}/fleet/ca.crl\n" in watch
    service = (units / "pugmark-broker-revoked.service").read_text()
    assert "ExecStart=/usr/bin/systemctl try-restart pugmark-broker.service\n" in service
    assert (units / "pugmark-broker.service").is_file()


def test_a_broker_that_is_not_there_is_said_and_the_list_is_made_all_the_same(
    stocked: Path, say: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trapship.desk import tell

    monkeypatch.setattr(tell.tell_base, "__defaults__", (0.2, lambda seconds: None))
    words = ("revoke", stocked, "trap", 7, "--broker", "127.0.0.1", "--port", 1)
    code, said, complaint = say(*words, "--passphrase-file", tmp_path / "phrase")
    assert (code, "no base answered in 0 s" in complaint) == (1, True), complaint
    assert "trap 7 is shut out: list 1" in said
    assert "take a stick" in complaint
    assert PASSPHRASE not in (stocked / "revoked").read_bytes()
