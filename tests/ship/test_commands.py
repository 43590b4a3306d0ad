"""`trapship`: what an operator pastes, from keys to a trap that reaches the broker of another machine."""

import json
import re
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.support import Broker, free_port, wait_for

from trapbase.config import Settings
from trapbase.keyring import read_hop_keys, read_link_keys
from trapcam.seal import open_sealer
from trapkit.bus import Bus
from trapkit.errors import SetupError
from trapkit.sealing import open_box, read_key
from trapkit.settings import load_settings
from trapmcu.settings import complete
from trapship import unitsettings
from trapship.certificates import server_names
from trapship.cli import main
from trapship.names import LOCAL
from trapwire.linkkeys import UP, direction_key, parse_key
from trapwire.objects import CROP

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def buses() -> Iterator[list[Bus]]:
    made: list[Bus] = []
    yield made
    for bus in made:
        bus.stop()


def test_a_trap_reaches_the_base_under_the_name_that_it_was_given(
    say: Say, mosquitto: str, tmp_path: Path, buses: list[Bus], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way. 127.0.0.2 plays another machine's address, and base.local a name for it."""
    fleet, folder, port = tmp_path / "fleet", tmp_path / "broker", free_port()
    assert say("keys", tmp_path / "keys")[0] == 0
    assert say("fleet", fleet, "--trap", 7)[0] == 0
    code, said, _ = say("broker", folder, "--certificates", fleet, "--port", port, "--address", "0.0.0.0")
    assert code == 0
    assert f"say `trapship fleet {fleet} --name ADDRESS`" in said
    carried = tmp_path / "trap"
    carried.mkdir()
    for name in ("ca.crt", "7.crt", "7.key"):
        shutil.copy(fleet / name, carried / name)

    asked = socket.getaddrinfo

    def resolve(host: Any, *more: Any, **named: Any) -> Any:
        return asked("127.0.0.2" if host == "base.local" else host, *more, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)

    def connect(host: str) -> Bus:
        bus = Bus(host, port, carried / "ca.crt", carried / "7.crt", carried / "7.key", "7", ())
        bus._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]  # a test does not wait a second
        buses.append(bus)
        bus.start()
        return bus

    broker = Broker(mosquitto, folder, fleet)
    # The harness has written a configuration of its own; the command's takes its place again.
    broker.port, broker.config = port, folder / "mosquitto.conf"
    say("broker", folder, "--certificates", fleet, "--port", port, "--address", "0.0.0.0")
    try:
        broker.start()
        bus = connect("127.0.0.2")
        wait_for(lambda: "shows a certificate that does not fit" in bus.last_error)
        code, said, _ = say("fleet", fleet, "--name", "127.0.0.2", "--name", "Base.Local")
        assert code == 0
        assert f"{fleet}/server.crt: replaced, now for 127.0.0.2, base.local too" in said
        assert server_names(fleet) == ["localhost", "base", "base.local", "127.0.0.1", "::1", "127.0.0.2"]
        broker.kill()
        broker.start()
        wait_for(lambda: bus.connected)
        bus.stop()
        named = connect("base.local")
        wait_for(lambda: named.connected)
    finally:
        broker.stop()


def test_what_is_there_is_kept_and_said(say: Say, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    code, said, _ = say("fleet", fleet, "--trap", 1, "--trap", 2, "--name", "10.0.0.5")
    assert code == 0
    for name in ("ca.crt", "server.crt", "gateway.crt", "1.crt", "2.crt", "ca.crl"):
        assert f"{fleet / name}" in said
    (fleet / "1.key").unlink()  # carried to its trap
    before = {path.name: path.read_bytes() for path in fleet.iterdir()}
    assert say("fleet", fleet, "--trap", 1) == (0, f"{fleet}: all is there, nothing was changed\n", "")
    assert say("fleet", fleet, "--name", "10.0.0.5") == (0, f"{fleet}: all is there, nothing was changed\n", "")
    assert {path.name: path.read_bytes() for path in fleet.iterdir()} == before
    assert say("fleet", fleet, "--name", "fd00::5")[0] == 0
    assert server_names(fleet) == ["localhost", "base", "127.0.0.1", "::1", "10.0.0.5", "fd00::5"]
    assert (fleet / "server.key").read_bytes() == before["server.key"], "a broker never finds half a pair"
    x509.load_pem_x509_certificate((fleet / "server.crt").read_bytes()).verify_directly_issued_by(
        x509.load_pem_x509_certificate(before["ca.crt"])
    )
    (fleet / "server.key").unlink()
    assert "a new pair" in say("fleet", fleet)[1]
    assert "fd00::5" in server_names(fleet), "no name is lost with a key"


@pytest.mark.parametrize(
    "name",
    ["", "base local", "base.local:8883", "-base", "base-", "a..b", "10.0.0.256", "10.0.0.0/24", "0.0.0.0", "::",
     "224.0.0.1", "fe80::1%eth0", "*.local", "bäse", "base.local.", "x" * 64, ".".join(["x" * 60] * 5), "a\nb"],
)  # fmt: skip
def test_a_name_that_is_none_is_named_and_nothing_is_written(say: Say, tmp_path: Path, name: str) -> None:
    code, _, complaint = say("fleet", tmp_path / "fleet", "--name", "base.local", f"--name={name}")
    assert code == 2
    assert f"{name!r} is n" in complaint
    assert "allowed are names like base.local and addresses like 10.0.0.5" in complaint
    assert not (tmp_path / "fleet").exists()


@pytest.mark.parametrize("number", ["0", "65536", "-1"])
def test_a_trap_number_that_is_none_is_named(say: Say, tmp_path: Path, number: str) -> None:
    code, _, complaint = say("fleet", tmp_path / "fleet", f"--trap={number}")
    assert (code, complaint) == (2, f"trapship: --trap {number}: is no trap's number; allowed is 1–65535\n")


def test_a_broker_that_only_its_own_machine_reaches_says_so_and_one_that_is_changed_keeps_what_it_was(
    say: Say, fleet: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "broker"
    code, said, _ = say("broker", folder, "--certificates", fleet)
    assert code == 0
    assert f"{folder}/mosquitto.conf: new\n{folder}/acl: new\n" in said
    assert "for this machine alone; traps with a network need --address 0.0.0.0" in said
    assert f"start it with: mosquitto -c {folder}/mosquitto.conf" in said
    first = (folder / "mosquitto.conf").read_bytes()
    assert "listener 8883 127.0.0.1\n" in first.decode()
    assert f"{folder}/mosquitto.conf: as it was\n{folder}/acl: as it was\n" in say(
        "broker", folder, "--certificates", fleet
    )[1]  # fmt: skip
    _, said, _ = say("broker", folder, "--certificates", fleet, "--address", "10.0.0.5")
    assert f"{folder}/mosquitto.conf: replaced; what it was is in {folder}/mosquitto.conf.old\n" in said
    assert (folder / "mosquitto.conf.old").read_bytes() == first
    assert "listener 8883 10.0.0.5\n" in (folder / "mosquitto.conf").read_text()


@pytest.mark.parametrize("address", ["", "base.local", "10.0.0.256", "0.0.0.0\nallow_anonymous true"])
def test_an_address_that_nobody_can_listen_on_is_named(say: Say, fleet: Path, tmp_path: Path, address: str) -> None:
    code, _, complaint = say("broker", tmp_path / "broker", "--certificates", fleet, "--address", address)
    assert code == 2
    assert f"address {address!r} is none to listen on; allowed are 0.0.0.0" in complaint
    assert not (tmp_path / "broker").exists()


def test_keys_are_what_the_settings_of_base_and_trap_want(say: Say, tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    code, said, _ = say("keys", folder)
    assert (code, said.count(": new\n")) == (0, 6)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    secret, public = dict.fromkeys(("base.key", "review.key", "permit.key"), 0o600), ("base.pub", "permit.pub")
    assert modes == secret | dict.fromkeys((*public, "recipients.txt"), 0o644)
    sealer = open_sealer(folder / "base.pub", folder / "recipients.txt")
    crop = sealer.seal(CROP, b"a crop")
    assert open_box(read_key(folder / "base.key", "key"), crop.body) == b"a crop"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name in ("base.pub", "recipients.txt", "permit.pub"):
        (folder / name).unlink()
    _, said, _ = say("keys", folder)
    assert f"{folder}/base.key: kept\n{folder}/base.pub: new\n" in said
    assert f"{folder}/permit.key: kept\n{folder}/permit.pub: new\n" in said
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before, "a public half is made again"
    (folder / "review.key").unlink()
    assert "recipients.txt: kept, so no review.key is made" in say("keys", folder)[1]
    assert not (folder / "review.key").exists()


def test_keys_that_do_not_fit_are_named(say: Say, tmp_path: Path) -> None:
    say("keys", tmp_path / "one")
    say("keys", tmp_path / "two")
    shutil.copy(tmp_path / "one" / "base.pub", tmp_path / "two" / "base.pub")
    code, _, complaint = say("keys", tmp_path / "two")
    assert code == 2
    assert f"{tmp_path}/two/base.pub: does not belong to {tmp_path}/two/base.key" in complaint
    (tmp_path / "one" / "base.key").unlink()
    code, _, complaint = say("keys", tmp_path / "one")
    assert code == 2
    assert "base.pub: is there" in complaint
    (tmp_path / "one" / "base.pub").unlink()
    shutil.copy(tmp_path / "two" / "permit.pub", tmp_path / "one" / "permit.pub")
    assert "permit.pub: does not belong to" in say("keys", tmp_path / "one")[2]
    (tmp_path / "one" / "permit.pub").unlink()
    (tmp_path / "one" / "review.key").write_text("AGE-SECRET-KEY-1X")
    code, _, complaint = say("keys", tmp_path / "one")
    assert code == 2
    assert "review.key: is no age key" in complaint


def test_revoking_says_what_to_do_next(say: Say, tmp_path: Path) -> None:
    say("fleet", tmp_path, "--trap", 7)
    code, said, _ = say("revoke", tmp_path, 7)
    assert code == 0
    assert f"{tmp_path}/ca.crl: 7 is revoked; start the broker again" in said
    assert "move 7.crt and 7.key away" in said
    assert "its link key, by which it speaks by radio, stays: trapship revoke KEYS 7" in said
    code, said, _ = say("revoke", tmp_path, 7)
    assert (code, said.splitlines()[0]) == (0, "7 was revoked already")


def test_each_trap_gets_a_link_key_of_its_own_and_keeps_it(say: Say, tmp_path: Path) -> None:
    code, said, _ = say("keys", tmp_path, "--trap", 1, "--trap", 2)
    paths = [tmp_path / "link" / f"{trap}.key" for trap in (1, 2)]
    assert code == 0
    assert f"{paths[0]}: new; it goes into link_key of that trap's mcu.json" in said
    keys = [read_link_keys(tmp_path / "link", trap) for trap in (1, 2)]
    assert [len(found) for found in keys] == [1, 1]
    assert keys[0] != keys[1]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    assert (tmp_path / "link").stat().st_mode & 0o777 == 0o700
    assert f"{paths[0]}: kept" in say("keys", tmp_path, "--trap", 1)[1]
    assert read_link_keys(tmp_path / "link", 1) == keys[0]
    unit = complete({"trap": 1, "plan": "cn470", "link_key": paths[0].read_text().strip()})
    assert parse_key(unit["link_key"]) == keys[0][0]


def test_a_next_link_key_waits_beside_the_one_in_use(say: Say, tmp_path: Path) -> None:
    say("keys", tmp_path, "--trap", 7)
    code, said, _ = say("keys", tmp_path, "--renew", 7)
    assert (code, f"{tmp_path}/link/7.next: new" in said) == (0, True)
    assert len(read_link_keys(tmp_path / "link", 7)) == 2
    code, _, complaint = say("keys", tmp_path, "--renew", 7)
    assert code == 2
    assert f"--renew 7: {tmp_path}/link/7.next waits to be heard already: put it on trap 7" in complaint
    assert "--renew 8: there is no" in say("keys", tmp_path, "--renew", 8)[2]
    assert "trap 0 is no trap's number; allowed is 1–65535" in say("keys", tmp_path, "--trap", 0)[2]


def test_what_another_base_listens_with_follows_the_link_key(say: Say, tmp_path: Path) -> None:
    assert "--listen 7: there is no" in say("keys", tmp_path, "--listen", 7)[2]
    code, said, _ = say("keys", tmp_path, "--trap", 7, "--listen", 7)
    up = tmp_path / "listen" / "7.up"
    assert code == 0
    assert f"{up}: new; it goes into gateway.keys of the other base" in said
    key = parse_key((tmp_path / "link" / "7.key").read_text())
    assert parse_key(up.read_text()) == direction_key(key, UP, 7)
    assert (up.stat().st_mode & 0o777, up.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert f"{up}: kept" in say("keys", tmp_path, "--listen", 7)[1]
    (tmp_path / "link" / "7.key").write_text("05" * 16)
    assert f"{up}: replaced, the link key is another" in say("keys", tmp_path, "--listen", 7)[1]
    (tmp_path / "link" / "7.key").write_text("none")
    assert "cannot be used: 4 characters; allowed are 32" in say("keys", tmp_path, "--listen", 7)[2]
    assert f"{up}: gone; take it off the other base too" in say("revoke", tmp_path, 7)[1]


def test_a_forwarder_gets_a_certificate_and_its_lines_in_the_access_list(say: Say, tmp_path: Path) -> None:
    fleet = tmp_path / "fleet"
    code, said, _ = say("fleet", fleet, "--forwarder", "south")
    assert (code, "say `trapship broker` again" in said) == (0, True)
    assert (fleet / "forwarder-south.crt").exists()
    say("broker", tmp_path / "broker", "--certificates", fleet)
    access = (tmp_path / "broker" / "acl").read_text()
    assert access.count("user forwarder-south\n") == 1
    for name in ("so/uth", "", "x" * 33, ".."):
        assert "is no base's name; allowed are" in say("fleet", fleet, "--forwarder", name)[2]


def test_hop_and_station_keys_are_made_like_link_keys(say: Say, tmp_path: Path) -> None:
    code, said, _ = say("keys", tmp_path, "--trap", 7, "--hop", 7, "--pair", 8, 7)
    link = tmp_path / "link"
    paths = [link / "7.key", link / "7.hop", link / "7-8.pair"]
    assert code == 0
    assert f"{paths[1]}: new; it goes into hop_key of that trap's mcu.json and hops of its repeater's" in said
    assert f"{paths[2]}: new; it goes into station_key of both traps' mcu.json" in said
    texts = [path.read_text().strip() for path in paths]
    assert len(set(texts)) == 3
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in paths)
    assert f"{paths[2]}: kept" in say("keys", tmp_path, "--pair", 7, 8)[1]
    complete({"trap": 7, "plan": "cn470", "link_key": texts[0], "hop_key": texts[1], "station_key": texts[2]})
    complete({"role": "repeater", "plan": "cn470", "hops": {"7": texts[1]}})
    assert list(read_hop_keys(link, [7, 8])) == [7]
    assert len(read_link_keys(link, 7)) == 1
    assert "--pair 7 7: a trap is no partner of its own" in say("keys", tmp_path, "--pair", 7, 7)[2]
    assert "trap 0 is no trap's number" in say("keys", tmp_path, "--hop", 0)[2]
    assert f"{paths[2]}: gone; take it off the other unit too" in say("revoke", tmp_path, 7)[1]
    assert list(link.iterdir()) == []


def test_revoking_takes_the_link_key_too(say: Say, tmp_path: Path) -> None:
    fleet, keys = tmp_path / "fleet", tmp_path / "keys"
    say("fleet", fleet, "--trap", 7)
    say("keys", keys, "--trap", 7, "--trap", 8)
    say("keys", keys, "--renew", 7)
    code, said, _ = say("revoke", fleet, keys, 7)
    assert code == 0
    assert f"{keys}/link/7.key: gone; the base refuses trap 7 by radio within seconds" in said
    assert f"{keys}/link/7.next: gone" in said
    assert f"{fleet}/ca.crl: 7 is revoked" in said
    assert "stays" not in said
    assert [path.name for path in (keys / "link").iterdir()] == ["8.key"]
    assert say("revoke", keys, 7) == (0, f"{keys}: 7 has no link key here\n", "")


def test_a_trap_without_a_certificate_loses_its_link_key_all_the_same(say: Say, tmp_path: Path) -> None:
    fleet, keys = tmp_path / "fleet", tmp_path / "keys"
    say("fleet", fleet)
    say("keys", keys, "--trap", 7)
    code, said, complaint = say("revoke", fleet, keys, 7)
    assert (code, "7 cannot be revoked: " in complaint) == (2, True)
    assert f"{keys}/link/7.key: gone" in said
    assert say("revoke", keys, "../../x")[1] == f"{keys}: ../../x has no link key here\n"


@pytest.mark.parametrize("name", ["8", "ca", "server", "../fleet/7", ""])
def test_what_cannot_be_revoked_is_named(say: Say, tmp_path: Path, name: str) -> None:
    say("fleet", tmp_path / "fleet", "--trap", 7)
    code, _, complaint = say("revoke", tmp_path / "fleet", name)
    assert code == 2
    assert f"{name} cannot be revoked: " in complaint


def test_a_folder_without_a_fleet_gets_none_by_revoking(say: Say, tmp_path: Path) -> None:
    code, _, complaint = say("revoke", tmp_path, 7)
    assert code == 2
    assert "there is no fleet's authority (ca.crt)" in complaint
    assert list(tmp_path.iterdir()) == []


def test_an_authority_with_a_passphrase_is_named(say: Say, tmp_path: Path) -> None:
    say("fleet", tmp_path)
    path = tmp_path / "ca.key"
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    code, _, complaint = say("fleet", tmp_path, "--trap", 7)
    assert code == 2
    assert f"{path}: has a passphrase; write it without one" in complaint


def test_help_and_wrong_use(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for words in (["--help"], ["fleet", "--help"], ["broker", "--help"], ["keys", "--help"], ["revoke", "--help"]):
        with pytest.raises(SystemExit) as left:
            main(words)
        assert left.value.code == 0
    with pytest.raises(SystemExit) as left:
        main(["broker", str(tmp_path)])
    assert left.value.code == 2
    assert "--certificates" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["keys", str(tmp_path / "file")]) == 1
    assert "File exists" in capsys.readouterr().err


def test_the_settings_find_what_trapship_writes(say: Say, tmp_path: Path) -> None:
    say("keys", tmp_path / "keys")
    say("fleet", tmp_path / "certificates")
    config = tmp_path / "base.toml"
    config.write_text(f'box_key = "{tmp_path}/keys/base.key"\n[bus]\ncertificates = "{tmp_path}/certificates"\n')
    settings = load_settings(Settings, config)
    assert len(read_key(Path(settings.box_key), "key")) == 32
    assert settings.bus.host in LOCAL, "the base's own parts reach the broker without a --name"


@pytest.mark.parametrize("wait", ["nan", "-3", "inf", "long"])
def test_a_wait_that_is_no_time_is_named(wait: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["doctor", "--port", "/dev/none", "--wait", wait])
    assert caught.value.code == 2
    assert f"{wait!r} is no time to wait; allowed is 0–3600 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"role": "supervisor", "trap": True}, "trap is True; allowed is the trap's number, 1–65535"),
        ({"role": "supervisor", "trap": 70000}, "trap is 70000; allowed is the trap's number, 1–65535"),
        ({"role": "repeater", "hops": {"../base": ""}}, "hops has '../base'; allowed are traps' numbers, 1–65535"),
        ({"role": "repeater", "hops": {"07": ""}}, "hops has '07'; allowed are traps' numbers"),
    ],
)
def test_a_unit_number_that_is_none_reaches_no_file(
    say: Say, tmp_path: Path, settings: dict[str, Any], words: str
) -> None:
    assert say("keys", tmp_path / "keys", "--trap", 7)[0] == 0
    (tmp_path / "unit.json").write_text(json.dumps(settings))
    with pytest.raises(SetupError, match=re.escape(words)):
        unitsettings.load_settings(tmp_path / "unit.json", settings["role"], tmp_path / "keys")
