"""Lives of an outbox: seeded mixes of sightings, rejects, samples, people, scenes, alarms, days' lines, answers and
receipts, and what must hold."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from cam_parts import BACKEND, NOW, receipt_for
from records import SOURCE, audited, kept, rejected, sealed, withheld

from trapcam.audit_store import AUDIT_FOLDER
from trapcam.effort import DAY_MS, EPOCH_2020_MS, Moment, Share
from trapcam.outbox import FULL_FOLDER, Outbox
from trapcam.states import DELETED, STATES
from trapwire.notes import OPENED
from trapwire.objects import FULL, FULL_2, FULLS, NOTE, SCENE

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
    scene = sealed(SCENE, b"scene %d" % position * 50) if dice.random() < 0.5 else None
    if draw < 0.65:
        return replace(rejected(position), scene=scene)
    stratum = dice.choice(("near", "far"))
    made = audited(position, stratum, draw=dice.random(), share=1.0 if stratum == "near" else 0.8)
    return replace(made, scene=scene)


def notes_before(life: int, position: int) -> list[str]:
    """What the trap says of itself before that burst; a day's line from the second time on that it is told."""
    alarm = ["opened"] if random.Random(f"{life}/{position}/lid").random() < 0.3 else []
    return alarm + (["day"] if (life + position) % 2 == 0 else [])


def note(number: int) -> bytes:
    return b"note %d" % number


def say(box: Outbox, life: int, position: int) -> None:
    """Alarms and lines of days before a burst; what was said already is not said again."""
    for kind in notes_before(life, position):
        if kind == "opened":
            box.notes.add_alarm(OPENED, NOW, position, note)
            continue
        last = box.notes.moment()
        at_ms = NOW + position * DAY_MS
        if last is None or last.at_ms < at_ms:
            moment = Moment(at_ms=at_ms, trusted=True, unit_state=None, trigger_no=position, reasons=0)
            share = Share(day=(at_ms - EPOCH_2020_MS) // DAY_MS, starts=1, trusted=True)
            box.notes.advance(moment, [share], lambda share, bursts, sightings, number: note(number))


def numbered(life: int, positions: int) -> list[tuple[str, Any]]:
    """What has each number, from 1 on, after so many bursts: ("event", its sighting), ("scene", it), (kind, None)."""
    found: list[tuple[str, Any]] = []
    days = 0
    for position in range(positions + 1):
        for kind in notes_before(life, position):
            found += [(kind, None)] if kind == "opened" or days else []
            days += kind == "day"
        if position == positions:
            break  # of these some may be said, and the burst is not committed
        made = outcome(life, position)
        if getattr(made, "scene", None):
            found.append(("scene", made.scene))
        if getattr(made, "sighting", None):
            found.append(("event", made.sighting))
    return found


def live(box: Outbox, life: int, said: Callable[[str], object] = lambda text: None) -> None:
    """From wherever the outbox stands to the end; whatever a crash has interrupted is done again.

    said: takes a word for each burst whose commit has returned.
    """
    box.declare_source(SOURCE, BURSTS)
    for number in numbers(box):
        answers(box, life, number)
    while (position := box.position(SOURCE)) < BURSTS:
        before = numbers(box)
        say(box, life, position)
        box.commit(outcome(life, position))
        said(f"committed {position}")
        for number in numbers(box)[len(before) :]:
            answers(box, life, number)


def numbers(box: Outbox) -> list[int]:
    return [row[0] for row in box._db.execute("SELECT DISTINCT number FROM objects ORDER BY number")]


def answers(box: Outbox, life: int, number: int) -> None:
    """What supervisor and base say of one number, as often as they are asked."""
    if random.Random(f"{life}/{number}/answered").random() < 0.7:
        box.mark([(number, 0), (number, 1), (number, NOTE)], [(number, 0), (number, NOTE), (number, SCENE)])
        receive(box, number)


def receive(box: Outbox, number: int) -> None:
    found = [(number, rung, box._digest(number, rung)) for rung in (0, 1, FULL, FULL_2, NOTE, SCENE)]
    objects = [(n, rung, digest) for n, rung, digest in found if digest]
    if objects:
        box.apply_receipt(receipt_for(TRAP, box.epoch, objects, number), KEY, NOW)


def check(box: Outbox, folder: Path, life: int) -> None:
    """What was committed is there once and whole; what was not is not there at all."""
    rows = [row[0] for row in box._db.execute("SELECT position FROM bursts ORDER BY burst_no")]
    expected = [outcome(life, position) for position in range(box.position(SOURCE))]
    assert rows == [o.position for o in expected if hasattr(o, "sighting")]
    there = [
        (row[0], row[1])
        for row in box._db.execute(
            "SELECT number, 'event' FROM events UNION ALL SELECT number, kind FROM notes ORDER BY 1"
        )
    ]
    given = numbered(life, len(expected))
    assert there == [(number, kind) for number, (kind, _) in enumerate(given, start=1)][: len(there)]
    begun = len(notes_before(life, len(expected)))
    assert len(there) >= len(given) - begun, "all but what goes before the burst that is not committed yet"
    (frames,) = box._db.execute("SELECT coalesce(sum(value), 0) FROM counters WHERE name = 'frames_in'").fetchone()
    assert frames == len(expected)
    gone = {(number, rung) for _, number, rung in box.in_state(DELETED)}
    files = set()
    for number, (kind, what) in list(enumerate(given, start=1))[: len(there)]:
        for made in what.objects if kind == "event" else [what] if kind == "scene" else [sealed(NOTE, note(number))]:
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
