"""What is there twice: a trap in another's place under its number, a card read twice, two bases, a cloned card."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapbase.parcels import Imported, import_parcel
from trapbase.store import Store
from trapkit import parcel
from trapsim.basesoak.books import Books
from trapsim.basesoak.life import Life
from trapsim.basesoak.things import BY_NETWORK, EPOCH, UTC_MS, sighting
from trapsim.basesoak.traps import Trap
from trapsim.crash import Fuse
from trapsim.soakplan import draws_of
from trapwire.objects import Envelope

NEW_EPOCH = 0x0BADCAFE
SOME_MS = 2_000
TWO_BASES = "a card read at two bases"


def write_parcel(folder: Path, envelopes: list[Envelope]) -> Path:
    """A stick's folder with these objects of one trap and epoch."""
    first = envelopes[0].key
    made = folder / parcel.folder_name(first.trap, first.epoch)
    made.mkdir(parents=True)
    for envelope in envelopes:
        (made / parcel.file_name(envelope.key.number, envelope.key.rung)).write_bytes(envelope.encode())
    return made


def bring(life: Life, parcel_folder: Path) -> Imported:
    """A stick's parcel into the base, while it runs."""
    store = Store(life.folder / "base", incoming="importing")
    try:
        return import_parcel(store, parcel_folder, life.clock.utc_ms, lambda name, count: None)
    finally:
        store.close()


def told_by_stick(trap: Trap) -> None:
    """Its card was read: what lies there waits for receipts only."""
    for key in list(trap.waiting):
        trap.told(key)


def new_trap(life: Life, seed: int, number: int) -> None:
    """A trap is taken home half heard, another comes under its number; then the old card comes by stick, twice."""
    draws = draws_of(seed, number, "new trap")
    (old,) = life.net_traps
    life.see(old, (1, 2, 3), draws)
    life.run(lambda: False, draws.randint(0, SOME_MS))
    card = list(old.waiting.values())
    old.waiting.clear()  # it is switched off
    fresh = [e for n in (1, 2) for e in sighting(draws, (old.number, NEW_EPOCH, n), UTC_MS + n, BY_NETWORK)]
    old.see(fresh)
    life.run(lambda: False, draws.randint(0, SOME_MS))
    if card:
        stick = write_parcel(life.folder / "stick", card)
        for _ in range(2):
            bring(life, stick)
            life.run(lambda: False, draws.randint(0, SOME_MS))


def card_twice(life: Life, seed: int, number: int) -> None:
    """A card is read at the base while its trap is still sending, once more, and again after the receipts."""
    draws = draws_of(seed, number, "card twice")
    (trap,) = life.net_traps
    life.see(trap, (1, 2, 3, 4), draws)
    stick = write_parcel(life.folder / "stick", list(trap.waiting.values()))
    life.run(lambda: False, draws.randint(0, SOME_MS))
    bring(life, stick)
    life.run(lambda: False, draws.randint(0, SOME_MS))
    bring(life, stick)
    told_by_stick(trap)
    life.run(life.is_done)
    before = life.books.counts["objects"]
    done = bring(life, stick)
    if done.new or before != life.books.counts["objects"]:
        life.books.violation(f"doubled: {done.new} objects of a card that was read before are new")


def cloned_card(life: Life, seed: int, number: int) -> None:
    """Two cards with one epoch: what came first stays, the other's stays on its card; nothing is deleted wrongly."""
    draws = draws_of(seed, number, "cloned card")
    (trap,) = life.net_traps
    life.see(trap, (1, 2), draws)
    life.run(lambda: not trap.waiting)
    twin = [e for n in (1, 2) for e in sighting(draws, (trap.number, EPOCH, n), UTC_MS + 77, BY_NETWORK)]
    stick = write_parcel(life.folder / "stick", twin)
    for _ in range(2):
        done = bring(life, stick)
        if done.new:
            life.books.violation(f"wrong: {done.new} objects with other bytes took the place of those that came first")
        life.run(lambda: False, draws.randint(0, SOME_MS))


def two_bases(life: Life, seed: int, number: int) -> None:
    """The same card is read at a second base with the same back end: each base is clean, the back end has all once."""
    draws = draws_of(seed, number, "two bases")
    (trap,) = life.net_traps
    life.see(trap, (1, 2, 3), draws)
    envelopes = list(trap.waiting.values())
    # Another grouping than the first base's, so that no batch is the same.
    second = Life(life.folder / "second", draws, Fuse(), radio=0, network=1, books=Books(life.folder / "second"))
    second.outlet.store = life.backend
    stick = write_parcel(life.folder / "stick", envelopes[:5])
    with second.seams.in_place():
        second.base.step()
        bring(second, stick)
        second.run(lambda: False, draws.randint(2_000, 60_000))
        for text in second.books.unclean():
            life.books.violation(f"unclean: the second base: {text}")
        second.base.stop()
    second.backend.close()
    life.books.shared_backend = True


STORIES: dict[str, Callable[[Life, int, int], None]] = {
    "a new trap under an old number": new_trap,
    "a card read twice": card_twice,
    "a cloned card": cloned_card,
    TWO_BASES: two_bases,
}


def run_twins(seed: int, number: int, folder: Path) -> dict[str, Any]:
    """One story: its counts and violations."""
    name = list(STORIES)[number % len(STORIES)]
    life = Life(folder, draws_of(seed, number, "twins"), Fuse(), radio=0, network=1)
    if name == TWO_BASES:
        STORIES[name](life, seed, number)
    with life.seams.in_place():
        life.base.step()
        if name != TWO_BASES:
            STORIES[name](life, seed, number)
        life.finish()
    counts = dict(life.books.counts) | {name: 1, "ended by itself": sum(life.base.ended.values())}
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}
