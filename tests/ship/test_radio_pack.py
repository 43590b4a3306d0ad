"""A settings pack for the radio: made with a release, proved by a unit's own root, or refused by name."""

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ship.release_bench import Bench, Trap, bundle, pack

from trapkit.sealing import make_sign_key, sign
from trapkit.update import radiopack as rp
from trapkit.update.mirror import mirror
from trapkit.update.offer import Offered, Refused
from trapkit.update.radiotake import take_by_radio
from trapship.release.rotate import rotate

ONE, TWO, THREE = "2026.12.1", "2026.12.2", "2026.12.3"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Has published an application, and after it settings."""
    bench = Bench(tmp_path)
    bench.release(ONE)
    bench.release(TWO, settings=[pack(tmp_path / "two", "two")])
    return bench


def on_air(bench: Bench, release: str = TWO) -> bytes:
    """The file that goes by radio."""
    targets = bench.repository.read().targets
    assert targets is not None
    path = targets.signed.targets[f"radio/{release}.pack"].get_prefixed_paths()[0]
    return (bench.repository.targets / path).read_bytes()


def hear(unit: Trap, data: bytes) -> Offered | None:
    return take_by_radio(data, unit.state, unit, unit=unit.unit)


def code_of(unit: Trap, data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        hear(unit, data)
    return caught.value.code


@pytest.fixture
def unit(bench: Bench, tmp_path: Path) -> Trap:
    """Took the application from a stick, and has no network; it knows its base's time."""
    whole = bench.folder / "first"
    first = Bench(whole)
    first.release(ONE)
    unit = bench.unit()
    unit.take(first.source)
    unit.running = ONE
    return unit


def test_a_pack_by_radio_is_some_hundred_bytes_and_brings_the_release_as_a_stick_would(
    bench: Bench, unit: Trap, tmp_path: Path
) -> None:
    data = on_air(bench)
    assert len(data) < 600
    heard = hear(unit, data)
    other = bench.unit("other", running=ONE)
    other.update()
    by_stick = Bench(tmp_path / "again").unit("stick")
    by_stick.take(bench.source)
    assert heard is not None
    assert heard.release.parts.keys() == {"settings"}
    assert heard.files["settings"].read_bytes() == (tmp_path / "two/pack.toml").read_bytes()
    unit.running = TWO
    assert hear(unit, data) is None, "it runs already"
    assert unit.take() is None, "and so says the network"


def test_a_fleet_that_never_had_but_settings_gets_its_first_by_radio(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.release(ONE, settings=[pack(tmp_path / "one", "one")])
    assert hear(bench.unit(), on_air(bench, ONE)) is not None


def test_a_unit_that_lacks_more_of_the_release_takes_none_of_it(bench: Bench) -> None:
    assert code_of(bench.unit(), on_air(bench)) == "misfit"


Sign = Callable[[bytes], bytes]


def altered(data: bytes, change: Callable[[rp.RadioPack], rp.RadioPack], by: Sign) -> bytes:
    return rp.write(change(rp.read(data)), by)


def test_a_forged_one_is_not_signed_whatever_is_changed(bench: Bench, unit: Trap) -> None:
    data = on_air(bench)
    stranger = altered(data, lambda told: told, lambda message: sign(bytes(32), message))
    for forged in (stranger, data[:20] + bytes([data[20] ^ 1]) + data[21:], data[:-1] + bytes([data[-1] ^ 1])):
        assert code_of(unit, forged) == "not-signed"
    others = Bench(bench.folder / "theirs", whose="theirs")
    others.release(ONE, settings=[pack(bench.folder / "x", "x")])
    assert code_of(unit, on_air(others, ONE)) == "not-signed", "another fleet's"
    assert hear(unit, data) is not None, "and nothing of that keeps the right one away"


def test_an_older_one_is_a_downgrade_unless_the_operator_says_go_back(bench: Bench, unit: Trap) -> None:
    older = on_air(bench)
    bench.release(THREE, settings=[pack(bench.folder / "three", "three")])
    assert hear(unit, on_air(bench, THREE)) is not None
    unit.running = THREE
    assert code_of(unit, older) == "downgrade"
    bench.rollback(TWO)
    back = hear(unit, on_air(bench))
    assert back is not None
    assert back.release.release == TWO


def test_without_a_proved_time_it_waits_and_after_its_own_it_is_over(bench: Bench, unit: Trap) -> None:
    data = on_air(bench)
    unit.authenticated = False
    assert code_of(unit, data) == "time-unknown"
    unit.authenticated = True
    bench.later(days=366)
    assert code_of(unit, data) == "expired"
    bench.later(days=-366)
    assert hear(unit, data) is not None, "who said next year by mistake keeps nothing back"
    bench.later(days=300)
    unit.own_ms = int(bench.now.timestamp() * 1000)
    assert hear(unit, data) is not None
    unit.own_ms -= 299 * 86_400_000
    made = altered(data, lambda told: replace(told, until_ms=unit.own_ms + 86_400_000), by_targets(bench))
    assert code_of(unit, made) == "expired", "and a clock that goes back makes nothing young again"


def test_a_root_that_is_over_vouches_for_nothing(bench: Bench, unit: Trap) -> None:
    data = altered(on_air(bench), lambda told: replace(told, until_ms=0xFFFFFFFF * 1000), by_targets(bench))
    bench.later(days=5 * 365 + 1)
    assert code_of(unit, data) == "expired"


def by_targets(bench: Bench) -> Sign:
    """The fleet's own key for releases."""
    signer = bench.signers[bench.repository.read().root.signed.roles["targets"].keyids[0]]
    return lambda message: bytes.fromhex(signer.sign(message).signature)


def test_a_replaced_key_counts_once_the_unit_has_seen_its_root(bench: Bench, unit: Trap) -> None:
    rotate(bench.repository, "targets", [bench.vault], bench.signers, bench.now)
    bench.publish()
    bench.release(THREE, settings=[pack(bench.folder / "three", "three")])
    data = on_air(bench, THREE)
    assert code_of(unit, data) == "not-signed"
    unit.take()  # by a stick, say; what it offers is not installed
    assert hear(unit, data) is not None


def garbled(data: bytes, bench: Bench, packed: bytes, size: int) -> bytes:
    """Another content, signed by the fleet's own key: an operator's tool gone wrong."""
    told = rp.read(data)
    head = struct.pack(">BIIII16sH", 1, told.serial, 0, 1, 0xFFFFFFFF, told.rest, size)
    fields = head + bytes([len(TWO)]) + TWO.encode() + b"\x01v" + packed
    return fields + by_targets(bench)(rp.LABEL + fields)


def test_what_unpacks_to_more_than_it_says_or_never_ends_is_garbage(bench: Bench, unit: Trap) -> None:
    bomb = zlib.compressobj(9, wbits=-15)
    large = bomb.compress(bytes(1 << 20)) + bomb.flush()
    for packed in (large, large[:-4], b"\xff" * 40, b""):
        assert code_of(unit, garbled(on_air(bench), bench, packed, rp.MAX_PACK_BYTES)) == "garbage"


def test_a_pack_too_large_for_the_radio_is_signed_without_and_that_is_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    noise = "".join(make_sign_key().hex() for _ in range(160))
    path = pack(tmp_path / "one", noise)
    said = bench.sign(ONE, settings=[path])
    assert any("by radio go 3839; units without a network get them by stick or phone" in line for line in said)
    bench.publish()
    assert not list(bench.repository.targets.glob("radio/*"))


def test_a_mirror_has_it_beside_the_release(bench: Bench, tmp_path: Path) -> None:
    unit = bench.unit("base")
    made = mirror(bench.source, tmp_path / "mirror", tmp_path / "state", unit, root=bench.root)
    (path,) = (tmp_path / "mirror/targets/radio").iterdir()
    assert path.read_bytes() == on_air(bench)
    assert any(each.name == f"radio/{TWO}.pack" for each in made.files)
    bench.release(THREE)
    mirror(bench.source, tmp_path / "mirror", tmp_path / "state", unit, root=bench.root)
    assert [p.name.split(".", 1)[1] for p in (tmp_path / "mirror/targets/radio").iterdir()] == [f"{THREE}.pack"]


def test_the_supervisors_part_does_not_hinder_settings_that_fit_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.release(ONE, supervisor=[bundle(tmp_path / "bundle")])
    unit = bench.unit()
    unit.update()
    bench.release(TWO, settings=[pack(tmp_path / "two", "two")])
    assert hear(unit, on_air(bench)) is not None


def test_a_body_splits_as_it_was_put_together_and_nothing_else_does() -> None:
    assert rp.split_permit(rp.with_permit(b"permit", b"data")) == (b"permit", b"data")
    assert rp.split_permit(rp.with_permit(b"", b"data")) == (b"", b"data")
    for bad in (b"", b"\x00", b"\x05abc", b"\x04abcd", b"\x00" + bytes(rp.MAX_BODY_BYTES)):
        with pytest.raises(ValueError, match="object of"):
            rp.split_permit(bad)


def test_the_frozen_one_reads_as_ever() -> None:
    told = json.loads((Path(__file__).parents[1] / "wire/vectors/packs.json").read_text())
    data, key = bytes.fromhex(told["bytes"]), bytes.fromhex(told["key"])
    assert rp.is_signed(data, (bytes(32), key))
    assert rp.read(data) == rp.RadioPack(
        release=told["release"], serial=told["serial"], back_from=told["back_from"], built_ms=told["built_s"] * 1000,
        until_ms=told["until_s"] * 1000, rest=rp.rest_of({**told["others"], "settings": "33" * 32}),
        version=told["version"], pack=told["pack"].encode(),
    )  # fmt: skip


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=300))
def test_no_bytes_whatever_are_more_than_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="pack"):
        rp.read(data)


def test_a_root_that_wants_two_signatures_gives_no_key() -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        rp.trusted_keys(b"{}")
    root = b'{"signed": {"expires": "2030-01-01T00:00:00Z", "keys": {"k": {"keytype": "ed25519", "keyval": {"public":'
    root += b' "aa"}}}, "roles": {"targets": {"keyids": ["k"], "threshold": 2}}}}'
    assert rp.trusted_keys(root)[0] == ()
