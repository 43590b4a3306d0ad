"""Lives of an outbox: seeded mixes of sightings, rejects, samples, people, answers and receipts, and what must hold."""

import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cam_parts import BACKEND, NOW, receipt_for
from records import SOURCE, audited, kept, rejected, withheld

from trapcam.audit_store import AUDIT_FOLDER
from trapcam.outbox import FULL_FOLDER, Outbox
from trapcam.states import DELETED, STATES
from trapwire.objects import FULL, FULL_2, FULLS

TRAP = 7
KEY = bytes(BACKEND.verify_key)
BURSTS = 5
AUDIT_BYTES = 2_000  # two samples: the third makes others go


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


def live(box: Outbox, life: int, said: Callable[[str], object] = lambda text: None) -> None:
    """From wherever the outbox stands to the end; whatever a crash has interrupted is done again.

    said: takes a word for each burst whose commit has returned.
    """
    box.declare_source(SOURCE, BURSTS)
    for number in range(1, BURSTS + 1):
        answers(box, life, number)
    while (position := box.position(SOURCE)) < BURSTS:
        number = box.commit(outcome(life, position))
        said(f"committed {position}")
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
