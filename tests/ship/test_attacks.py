"""TUF's ten attacks (specification 1.0, section 1.5.2), Uptane's two, and the downgrade: each is refused by name.

The attacker holds whatever the name of the attack gives him: the way between, an old copy, a mirror, a stolen key. The
repository, the keys and the client are the real ones.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from tests.ship.release_bench import CHEAP, Altered, Bench, Trap, pack
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from trapkit.update.client import take_first
from trapkit.update.offer import Refused
from trapkit.update.sources import FolderSource
from trapkit.update.trouble import Waits
from trapship.release import keys
from trapship.release.roles import ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trapship.release.rotate import rotate
from trapship.vault import Vault


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.first(tmp_path)


def refused(trap: Trap, code: str, ask: Callable[[], object]) -> Refused:
    """Asking is refused with this code, and what runs is what ran; the words are for a person."""
    before = trap.running
    with pytest.raises(Refused) as raised:
        ask()
    assert raised.value.code == code, raised.value.words
    assert len(raised.value.words) > 20
    assert trap.running == before
    return raised.value


class Thief:
    """Signs with the keys of some roles what a repository published, changed."""

    def __init__(self, bench: Bench, *roles: str) -> None:
        root = bench.repository.read().root.signed
        stolen = {keyid for role in roles for keyid in root.roles[role].keyids}
        self._signers = {keyid: signer for keyid, signer in bench.signers.items() if keyid in stolen}
        self._root, self._bench = root, bench
        published = bench.repository.read()
        assert published.timestamp
        assert published.snapshot
        assert published.targets
        self.timestamp, self.snapshot, self.targets = published.timestamp, published.snapshot, published.targets
        self.files: dict[str, bytes] = {}

    def sign(self) -> Altered:
        """All of it anew, as far as he has the keys; what he has not keeps the signature that it had."""
        change: dict[str, bytes] = dict(self.files)
        change[f"{self.targets.signed.version}.targets.json"] = self._signed(TARGETS, self.targets)
        meta = MetaFile.from_data(
            self.targets.signed.version, change[f"{self.targets.signed.version}.targets.json"], ["sha256"]
        )
        if self._has(SNAPSHOT):
            self.snapshot.signed.meta["targets.json"] = meta
        change[f"{self.snapshot.signed.version}.snapshot.json"] = self._signed(SNAPSHOT, self.snapshot)
        data = change[f"{self.snapshot.signed.version}.snapshot.json"]
        if self._has(TIMESTAMP):
            self.timestamp.signed.snapshot_meta = MetaFile.from_data(self.snapshot.signed.version, data, ["sha256"])
        change["timestamp.json"] = self._signed(TIMESTAMP, self.timestamp)
        return Altered(self._bench.source, dict(change))

    def later(self) -> None:
        """All of it one version on, so that a unit looks at it."""
        for each in (self.timestamp.signed, self.snapshot.signed, self.targets.signed):
            each.version += 1

    def _has(self, role: str) -> bool:
        return bool(set(self._root.roles[role].keyids) & set(self._signers))

    def _signed(self, role: str, metadata: "Metadata[Timestamp] | Metadata[Snapshot] | Metadata[Targets]") -> bytes:
        for keyid in self._root.roles[role].keyids:
            if keyid in self._signers:
                metadata.sign(self._signers[keyid])
        return metadata.to_bytes()

    def put(self, name: str, data: bytes) -> None:
        """A target of his own."""
        target = TargetFile.from_data(name, data, ["sha256"])
        self.targets.signed.targets[name] = target
        self.files[target.get_prefixed_paths()[0]] = data

    def release(self, change: Callable[[dict[str, object]], None]) -> None:
        """The published release's list, changed."""
        name = max(n for n in self.targets.signed.targets if n.startswith("releases/2"))
        place = self._bench.repository.targets / self.targets.signed.targets[name].get_prefixed_paths()[0]
        told = json.loads(place.read_bytes())
        change(told)
        self.put(name, json.dumps(told).encode())


# --- TUF's ten -------------------------------------------------------------------------------------------------------


def test_arbitrary_software_a_program_of_his_own_is_not_signed(bench: Bench) -> None:
    trap = bench.unit()
    own = Bench(bench.folder / "his", "his")
    own.release("2027.1.1", "his program")
    his = Altered(own.source, {"root.json": None})
    refused(trap, "not-signed", lambda: trap.take(his))


def test_arbitrary_software_a_changed_program_is_not_what_was_signed(bench: Bench) -> None:
    trap = bench.unit()
    real = next(bench.repository.targets.rglob("*.whl")).read_bytes()
    refused(trap, "altered", lambda: trap.take(Altered(bench.source, {".whl": bytes(len(real))})))


def test_arbitrary_software_a_changed_list_is_not_signed(bench: Bench) -> None:
    trap = bench.unit()
    thief = Thief(bench)
    thief.put("application/x.whl", b"his")
    thief.timestamp.signed.version += 1
    refused(trap, "not-signed", lambda: trap.take(thief.sign()))


def test_rollback_an_older_publication_is_known_for_older(bench: Bench) -> None:
    trap = bench.unit()
    old = bench.copy("old")
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"
    refused(trap, "rollback", lambda: trap.take(old.folder))


def test_fast_forward_ends_when_the_stolen_keys_are_replaced(bench: Bench) -> None:
    """With a stolen timestamp and snapshot key he makes units believe in version two milliards."""
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    thief = Thief(bench, TIMESTAMP, SNAPSHOT)
    thief.timestamp.signed.version = thief.snapshot.signed.version = 2_000_000_000
    thief.snapshot.signed.meta["targets.json"].version = 1
    trap.take(thief.sign())
    bench.release("2026.12.2")
    refused(trap, "rollback", trap.take)
    for role in (TIMESTAMP, SNAPSHOT):
        rotate(bench.repository, role, [bench.vault], bench.signers, bench.now)
        bench.publish()
    assert trap.update() == "2026.12.2"


def test_indefinite_freeze_an_old_copy_is_over_when_its_timestamp_is(bench: Bench) -> None:
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    frozen = bench.copy("frozen")
    bench.later(days=89)
    assert trap.take(frozen.folder) is None
    bench.release("2026.12.2")
    bench.later(days=2)
    refused(trap, "expired", lambda: trap.take(frozen.folder))
    assert trap.update() == "2026.12.2"


@pytest.mark.parametrize(
    "name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json", ".whl", "current"]
)
def test_endless_data_ends_at_what_was_announced(bench: Bench, name: str) -> None:
    trap = bench.unit()
    given = []

    class Endless(Altered):
        def fetch(self, name_: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
            if name not in name_:
                yield from super().fetch(name_, max_bytes, start)
                return
            while True:
                given.append(1 << 14)
                yield bytes(1 << 14)

    refused(trap, "too-large", lambda: trap.take(Endless(bench.source, {})))
    assert sum(given) <= 1 << 18


def test_extraneous_dependencies_are_not_taken(bench: Bench) -> None:
    """With the key of targets even: what a unit does not know as a part of itself never comes onto it."""
    trap = bench.unit()
    thief = Thief(bench, TARGETS, SNAPSHOT, TIMESTAMP)
    thief.put("miner/1/miner.whl", b"his")

    def add(told: dict[str, object]) -> None:
        assert isinstance(told["parts"], dict)
        told["parts"]["miner"] = {"version": "1", "target": "miner/1/miner.whl"}

    thief.release(add)
    refused(trap, "extra-part", lambda: trap.take(thief.sign()))


def test_mix_and_match_lists_of_different_days_do_not_belong_together(bench: Bench) -> None:
    trap = bench.unit()
    old = bench.copy("old")
    bench.release("2026.12.2")
    bench.release("2026.12.3")
    snapshot = (old.metadata / "1.snapshot.json").read_bytes()
    refused(trap, "mixed", lambda: trap.take(Altered(bench.source, {"3.snapshot.json": snapshot})))
    targets = (old.metadata / "1.targets.json").read_bytes()
    refused(trap, "mixed", lambda: trap.take(Altered(bench.source, {"3.targets.json": targets})))


def test_wrong_software_a_signed_file_of_another_kind_does_not_stand_in(bench: Bench, tmp_path: Path) -> None:
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    trap = bench.unit()
    files = {p.name.split(".", 1)[1]: p for p in bench.repository.targets.rglob("*") if p.is_file()}
    length = next(bench.repository.targets.rglob("*.whl")).stat().st_size
    data = files["pack.toml"].read_bytes().ljust(length, b"\n")
    refused(trap, "altered", lambda: trap.take(Altered(bench.source, {".whl": data})))
    thief = Thief(bench, TARGETS, SNAPSHOT, TIMESTAMP)
    thief.later()

    def swap(told: dict[str, object]) -> None:
        parts = told["parts"]
        assert isinstance(parts, dict)
        parts["settings"]["target"] = parts["application"]["target"]

    thief.release(swap)
    refused(trap, "wrong-file", lambda: trap.take(thief.sign()))


def test_malicious_mirrors_keep_no_unit_from_a_good_one(bench: Bench, tmp_path: Path) -> None:
    trap = bench.unit()
    whl = next(bench.repository.targets.rglob("*.whl")).read_bytes()
    mirrors = {
        "empty": FolderSource(tmp_path / "nothing"),
        "withholds": Altered(bench.source, {".whl": None}),
        "changes": Altered(bench.source, {".whl": whl[:-1] + b"?"}),
        "garbage": Altered(bench.source, {"timestamp.json": b"{" * 2000}),
    }
    said = refused(trap, "altered", lambda: take_first(mirrors, trap.state, trap, unit=trap.unit))
    assert "empty: no-source; withholds: incomplete; changes: altered; garbage: garbage" in said.words
    offered = take_first({**mirrors, "good": bench.source}, trap.state, trap, unit=trap.unit)
    assert offered is not None
    assert offered.files["application"].read_bytes() == whl


@pytest.mark.parametrize(
    "stolen", [(TIMESTAMP,), (SNAPSHOT,), (TIMESTAMP, SNAPSHOT), (TARGETS,), (TARGETS, SNAPSHOT), (TARGETS, TIMESTAMP)]
)
def test_key_compromise_fewer_than_three_online_keys_put_nothing_onto_a_unit(
    bench: Bench, stolen: tuple[str, ...]
) -> None:
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    thief = Thief(bench, *stolen)
    thief.later()
    thief.put("application/2026.12.1/pugmark-0.1.0-py3-none-any.whl", b"his")
    thief.release(lambda told: told.update(serial=9, release="2027.1.1"))
    thief.put("releases/2027.1.1.json", next(iter(d for n, d in thief.files.items() if "2026.12.1.json" in n)))
    told = {"release": "2027.1.1", "serial": 9, "serial_floor": 9, "back_from": 0}
    thief.put("releases/current.json", json.dumps(told).encode())
    refused(trap, "not-signed", lambda: trap.take(thief.sign()))


def test_key_compromise_one_root_key_replaces_nothing(bench: Bench) -> None:
    trap = bench.unit()
    root = Metadata.from_bytes(bench.root)
    assert isinstance(root.signed, Root)
    root.signed.version = 2
    his = keys.add(Vault(bench.folder / "his", b"his own pass phrase", cost=CHEAP), "tuf/targets.key")
    root.signed.add_key(his.public_key, TARGETS)
    keyid = root.signed.roles[ROOT].keyids[0]
    root.sign(bench.signers[keyid])
    refused(trap, "not-signed", lambda: trap.take(Altered(bench.source, {"2.root.json": root.to_bytes()})))


def test_key_compromise_is_over_when_the_key_is_replaced(bench: Bench) -> None:
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    thief = Thief(bench, TARGETS, SNAPSHOT, TIMESTAMP)
    for role in (TARGETS, SNAPSHOT, TIMESTAMP):
        rotate(bench.repository, role, [bench.vault], bench.signers, bench.now)
        bench.publish()
    thief.timestamp.signed.version = thief.snapshot.signed.version = 50
    refused(trap, "not-signed", lambda: trap.take(thief.sign()))


# --- Uptane's two, and the downgrade ---------------------------------------------------------------------------------


def test_partial_bundle_half_of_what_belongs_together_is_not_taken(bench: Bench) -> None:
    """A supervisor of another serial line is needed, and the release does not bring it."""
    trap = bench.unit()
    thief = Thief(bench, TARGETS, SNAPSHOT, TIMESTAMP)

    def need(told: dict[str, object]) -> None:
        assert isinstance(told["parts"], dict)
        told["parts"]["application"]["needs"] = {"serial_line": [2]}

    thief.release(need)
    source = thief.sign()
    said = refused(trap, "misfit", lambda: trap.take(source))
    assert "needs serial_line 2; the others give 1" in said.words
    assert not any(".whl" in name for name, _ in source.asked), "it is known before a byte of a part is fetched"


@pytest.mark.parametrize("slow", ["timestamp.json", ".whl"])
def test_slow_retrieval_is_given_up_and_what_came_is_kept(bench: Bench, slow: str) -> None:
    """In virtual time: a byte a minute, from a mirror that never says no."""
    bench.release("2026.12.2", "x" * 50_000)
    trap = bench.unit()
    real = bench.source

    class Drip(Altered):
        def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
            for chunk in real.fetch(name, max_bytes, start):
                if slow not in name:
                    yield chunk
                    continue
                for byte in chunk:
                    trap.ticks_ms += 60_000
                    yield bytes([byte])

    with pytest.raises(Waits) as raised:
        trap.take(Drip(real, {}))
    assert raised.value.code == "too-slow"
    assert trap.ticks_ms < 3 * 60_000
    assert trap.update() == "2026.12.2"


def test_slow_retrieval_just_fast_enough_ends_after_half_an_hour(bench: Bench) -> None:
    bench.release("2026.12.2", Random(1).randbytes(2_400_000).hex())
    trap = bench.unit()
    real = bench.source

    class Trickle(Altered):
        def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
            for chunk in real.fetch(name, max_bytes, start):
                trap.ticks_ms += len(chunk) * 1000 // 1_010
                yield chunk

    tries = []
    while trap.running != "2026.12.2":
        began = trap.ticks_ms
        with suppress(Waits):
            trap.update(Trickle(real, {}))
        tries.append((trap.ticks_ms - began) // 60_000)
    assert tries == [30, 15], "each goes on where the last one ended"


def test_downgrade_an_older_release_signed_again_by_mistake_is_not_taken(bench: Bench) -> None:
    trap = bench.unit()
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"
    thief = Thief(bench, TARGETS, SNAPSHOT, TIMESTAMP)
    told = {"release": "2026.12.1", "serial": 1, "serial_floor": 1, "back_from": 0}
    thief.put("releases/current.json", json.dumps(told).encode())
    thief.timestamp.signed.version = thief.snapshot.signed.version = thief.targets.signed.version = 9
    refused(trap, "downgrade", lambda: trap.take(thief.sign()))


def test_downgrade_goes_back_where_the_operator_says_so_and_only_from_there(bench: Bench) -> None:
    trap, other = bench.unit(), bench.unit("other")
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"
    bench.rollback("2026.12.1")
    assert trap.update() == "2026.12.1"
    assert trap.take() is None
    rolled_back = bench.copy("rolled-back")
    bench.release("2026.12.3")
    assert trap.update() == "2026.12.3"
    assert other.update() == "2026.12.3"
    for each in (trap, other):
        refused(each, "rollback", lambda each=each: each.take(rolled_back.folder))


def test_downgrade_a_unit_that_is_new_here_but_not_new_does_not_follow_an_old_mirror(bench: Bench) -> None:
    """Its memory was lost, but the floor of its clock was not: the old copy's time is over."""
    old = bench.copy("old")
    bench.later(days=91)
    bench.release("2026.12.2")
    seen = bench.unit("seen")
    assert seen.update() == "2026.12.2"
    trap = bench.unit()
    trap.state.mkdir()
    (trap.state / "floor").write_bytes((seen.state / "floor").read_bytes())
    bench.now -= timedelta(days=91)
    refused(trap, "expired", lambda: trap.take(old.folder))
