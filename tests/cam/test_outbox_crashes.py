"""A crash at every durable call of a trap's life: nothing lost, nothing doubled, the position consistent.

The process "dies" before or after the n-th fsync, rename, COMMIT or unlink; what was durable is opened again and
the same life goes on. A life is a seeded mix of sightings, rejects, audit samples, people, answers and receipts.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cam_parts import NOW
from lives import AUDIT_BYTES, BURSTS, TRAP, check, live, states
from records import SOURCE, audited
from tests.support import many

from trapcam.audit_export import export
from trapcam.audit_store import AUDIT_FOLDER
from trapcam.audit_tables import MANIFEST, MANIFEST_COLUMNS, read_table
from trapcam.outbox import Outbox, open_outbox
from trapsim.crash import Died, Fuse, fused

LIVES = many(4, 12)


@pytest.fixture
def fuse() -> Iterator[Fuse]:
    with fused() as made:
        yield made


def start(folder: Path, fuse: Fuse, life: int, die_at: int | None) -> Outbox | None:
    """One process's run; None when it died."""
    fuse.calls, fuse.armed = 0, True
    fuse.burn_at = frozenset() if die_at is None else frozenset((die_at,))
    box = None
    try:
        box = open_outbox(folder, TRAP, NOW, audit_bytes=AUDIT_BYTES)
        live(box, life)
    except Died:
        if box:
            box._db.close()
        return None
    finally:
        fuse.armed = False
    return box


@pytest.mark.parametrize("life", range(LIVES))
def test_every_crash_point_of_a_life(tmp_path: Path, fuse: Fuse, life: int) -> None:
    whole = start(tmp_path / "whole", fuse, life, None)
    points = fuse.calls
    assert whole is not None
    check(whole, tmp_path / "whole", life)
    final = states(whole)
    whole.close()
    assert points > 20
    for point in range(points):
        folder = tmp_path / str(point)
        assert start(folder, fuse, life, point) is None
        after = open_outbox(folder, TRAP, NOW, audit_bytes=AUDIT_BYTES)  # what the power cut left
        if after.position(SOURCE):
            check(after, folder, life)
        live(after, life)
        check(after, folder, life)
        assert after.position(SOURCE) == BURSTS
        assert states(after) == final
        after.close()


def test_crash_upon_crash(tmp_path: Path, fuse: Fuse) -> None:
    """A unit that never runs for long still gets through, a few durable calls at a time."""
    dice = random.Random(1)
    for life in range(3):
        folder = tmp_path / str(life)
        for _ in range(400):
            box = start(folder, fuse, life, dice.randrange(8, 40))
            if box:
                break
        assert box is not None
        check(box, folder, life)
        assert box.position(SOURCE) == BURSTS
        box.close()


@pytest.mark.parametrize("delete", [False, True])
def test_every_crash_point_of_an_export(tmp_path: Path, fuse: Fuse, delete: bool) -> None:
    """On the stick or on the card, and after another try on the stick; never half of one, never in the table alone."""

    def trap(folder: Path) -> dict[str, bytes]:
        with closing(open_outbox(folder, TRAP, NOW)) as box:
            box.declare_source(SOURCE, None)
            for position in range(3):
                box.commit(audited(position, draw=position / 3))
            return {f"{TRAP}-{box.epoch:08x}-{row['burst_no']}.age": row["sha256"] for row in box.audit.samples()}

    def attempt(folder: Path, die_at: int | None) -> bool:
        fuse.calls, fuse.armed = 0, True
        fuse.burn_at = frozenset() if die_at is None else frozenset((die_at,))
        try:
            export(folder / "data", TRAP, folder / "stick", delete=delete)
        except Died:
            return False
        finally:
            fuse.armed = False
        return True

    trap(tmp_path / "whole" / "data")
    assert attempt(tmp_path / "whole", None)
    points = fuse.calls
    assert points > 20
    for point in range(points):
        folder = tmp_path / str(point)
        wanted = trap(folder / "data")
        assert not attempt(folder, point)
        card = {hashlib.sha256(p.read_bytes()).digest() for p in (folder / "data" / AUDIT_FOLDER).iterdir()}
        stick = {hashlib.sha256(p.read_bytes()).digest() for p in folder.glob("stick/*/[0-9]*.age")}
        assert card | stick == set(wanted.values())
        assert attempt(folder, None)
        (there,) = (folder / "stick").iterdir()
        assert {p.name: hashlib.sha256(p.read_bytes()).digest() for p in there.glob("*.age")} == wanted
        assert {row["file"] for row in read_table(there / MANIFEST, MANIFEST_COLUMNS)} == set(wanted)
        with closing(open_outbox(folder / "data", TRAP, NOW)) as box:
            assert len(box.audit.samples()) == (0 if delete else 3)
            assert len(list((folder / "data" / AUDIT_FOLDER).iterdir())) == (0 if delete else 3)
