"""A crash at every durable call of a trap's life: nothing lost, nothing doubled, the position consistent.

The process "dies" before or after the n-th fsync, rename, COMMIT or unlink; what was durable is opened again and
the same life goes on. A life is a seeded mix of sightings, rejects, audit samples, people, answers and receipts.
"""

import hashlib
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cam_parts import BACKEND, NOW, receipt_for
from records import SOURCE, audited, kept, rejected, withheld

from trapcam.audit_export import export
from trapcam.audit_store import AUDIT_FOLDER
from trapcam.audit_tables import MANIFEST, MANIFEST_COLUMNS, read_table
from trapcam.outbox import FULL_FOLDER, Outbox, open_outbox
from trapcam.states import DELETED, STATES
from trapsim.crash import Died, Fuse, fused
from trapwire.objects import FULL, FULL_2, FULLS

TRAP = 7
KEY = bytes(BACKEND.verify_key)
BURSTS = 5
LIVES = 12
AUDIT_BYTES = 2_000  # two samples: the third makes others go


@pytest.fixture
def fuse() -> Iterator[Fuse]:
    with fused() as made:
        yield made


def outcome(life: int, position: int) -> Any:
    dice = random.Random(f"{life}/{position}")
    draw = dice.random() if position else 0.0
    if draw < 0.5:
        return kept(position, fulls=1 + position % 3)
    if draw < 0.6:
        return withheld(position)
    if draw < 0.65:
        return rejected(position)
    stratum = dice.choice(("near", "far"))
    return audited(position, stratum, draw=dice.random(), share=1.0 if stratum == "near" else 0.8)


def live(box: Outbox, life: int) -> None:
    """From wherever the outbox stands to the end; whatever a crash has interrupted is done again."""
    box.declare_source(SOURCE, BURSTS)
    for number in range(1, BURSTS + 1):
        answers(box, life, number)
    while (position := box.position(SOURCE)) < BURSTS:
        number = box.commit(outcome(life, position))
        if number:
            answers(box, life, number)


def answers(box: Outbox, life: int, number: int) -> None:
    """What supervisor and base say of one sighting, as often as they are asked."""
    if box._digest(number, 0) and random.Random(f"{life}/{number}/answered").random() < 0.7:
        box.mark([(number, 0), (number, 1)], [(number, 0)])
        receive(box, number)


def receive(box: Outbox, number: int) -> None:
    found = [(number, rung, box._digest(number, rung)) for rung in (0, 1, FULL, FULL_2)]
    objects = [(n, rung, digest) for n, rung, digest in found if digest]
    if objects:
        box.apply_receipt(receipt_for(TRAP, box.epoch, objects, number), KEY, NOW)


def check(box: Outbox, folder: Path, life: int) -> None:
    """What was committed is there once and whole; what was not is not there at all."""
    rows = [row[0] for row in box._db.execute("SELECT position FROM bursts ORDER BY burst_no")]
    expected = [outcome(life, position) for position in range(box.position(SOURCE))]
    assert rows == [o.position for o in expected if hasattr(o, "sighting")]
    sightings = [o.sighting for o in expected if getattr(o, "sighting", None)]
    assert box._db.execute("SELECT coalesce(max(number), 0), count(*) FROM events").fetchone()[:] == (
        len(sightings),
        len(sightings),
    )
    (frames,) = box._db.execute("SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'frames_in'").fetchone()
    assert frames == len(expected)
    gone = {(number, rung) for _, number, rung in box.in_state(DELETED)}
    files = set()
    for number, sighting in enumerate(sightings, start=1):
        for made in sighting.objects:
            assert box._digest(number, made.rung) == made.sha256
            envelope = box.envelope(number, made.rung)
            assert (envelope is None) == ((number, made.rung) in gone)
            if envelope:
                assert hashlib.sha256(envelope.body).digest() == made.sha256
                if made.rung in FULLS:
                    files.add(f"{made.sha256.hex()}.age")
    assert {path.name for path in (folder / FULL_FOLDER).iterdir()} == files
    check_samples(box, folder, [o.audited for o in expected if getattr(o, "audited", None)])


def check_samples(box: Outbox, folder: Path, given: list[Any]) -> None:
    """Every burst counted once; there lie exactly the samples below each cell's probability, whole."""
    below = {}
    for cell in box.audit.cells():
        here = [a for a in given if (a.cell.stratum, a.cell.share) == (cell["stratum"], cell["share"])]
        assert cell["bursts"] == len(here)
        below |= {a.sample.sha256: a.sample.body for a in here if a.sample and a.sample.draw < cell["probability"]}
    assert sum(cell["bursts"] for cell in box.audit.cells()) == len(given)
    assert {row["sha256"] for row in box.audit.samples()} == set(below)
    assert {path.name: path.read_bytes() for path in (folder / AUDIT_FOLDER).iterdir()} == {
        f"{digest.hex()}.age": body for digest, body in below.items()
    }


def states(box: Outbox) -> list[Any]:
    return [(state, box.in_state(state)) for state in STATES] + box.audit.cells()


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
