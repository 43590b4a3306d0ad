"""From `trapship build` to a unit's slot: what one end writes is what the other one unpacks."""

from pathlib import Path

from tests.ship.release_bench import Bench, bundle, pack, wheel

from trapkit.operator.regions import make_region
from trapkit.update import install
from trapkit.update.offer import Offered
from trapkit.update.slots import Slots

MODELS = Path(__file__).parents[2] / "models"
NOW_MS = 1_800_000_000_000


def staged(slots: Slots, offered: Offered, record: install.Record) -> install.Record:
    """The release in the idle slot, begun and proved."""
    for _ in slots.stage(offered, record):
        pass
    release, idle = offered.release, record.idle
    return install.Record(good=idle, release=release.release, serial=release.serial)


def region(path: Path) -> Path:
    path.write_bytes(make_region('name = "Primorye"\nversion = "2026.12.1"\nlanguage = "ru"\n', bytes(32), "region"))
    return path


def test_every_part_of_a_release_lies_in_the_slot_as_it_was_built(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.release(
        "2026.12.1",
        application=[wheel(tmp_path / "in", "one")],
        supervisor=[bundle(tmp_path / "bundle")],
        model=[MODELS / "feline.toml"],
        settings=[pack(tmp_path / "in", "x")],
        region=[region(tmp_path / "here.toml")],
    )
    trap, slots = bench.unit(), Slots(tmp_path / "slots")
    offered = trap.take()
    assert offered
    assert install.may_take(install.Record(), offered.release.release, NOW_MS) == ""
    record = staged(slots, offered, install.Record())
    slot = slots.root / record.good
    assert slots.is_whole(record.good)
    assert (slot / "application/trapcam/__init__.py").read_text() == "one"
    assert (slot / "supervisor/bundle.json").read_bytes() == (tmp_path / "bundle/bundle.json").read_bytes()
    for name in ("feline.toml", "feline.tflite"):
        assert (slot / "model" / name).read_bytes() == (MODELS / name).read_bytes()
    assert (slot / "settings/pack.toml").read_bytes() == (tmp_path / "in/pack.toml").read_bytes()
    assert (slot / "region/region.toml").read_bytes() == (tmp_path / "here.toml").read_bytes()


def test_a_release_that_brings_one_part_and_a_rollback_leave_whole_slots(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.release("2026.12.1", application=[wheel(tmp_path / "in", "one")], settings=[pack(tmp_path / "in", "x")])
    trap, slots, record = bench.unit(), Slots(tmp_path / "slots"), install.Record()
    brought = []
    for publish in (lambda: None, lambda: bench.release("2026.12.2", "two"), lambda: bench.rollback("2026.12.1")):
        publish()
        offered = trap.take()
        assert offered
        assert install.may_take(record, offered.release.release, NOW_MS) == ""
        record = staged(slots, offered, record)
        trap.running = record.release
        brought.append((record.release, sorted(offered.files)))
        assert slots.is_whole(record.good)
        assert (slots.root / record.good / "settings/pack.toml").exists()
    assert brought == [
        ("2026.12.1", ["application", "settings"]), ("2026.12.2", ["application"]), ("2026.12.1", ["application"]),
    ]  # fmt: skip
    assert (slots.root / record.good / "application/trapcam/__init__.py").read_text() == "one"
