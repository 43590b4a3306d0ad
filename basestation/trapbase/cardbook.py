"""Opens the cards, visits and samples in the store, each once, and keeps what follows from them until another comes."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Protocol

from trapbase.config import TrapSettings
from trapbase.places import Places, listed_besides
from trapbase.stays import Bounds, Said, stays_of
from trapbase.store_settings import CardsSettings
from trapbase.unit_keys import FORGED, VERIFIED
from trapkit.cards import CardError, Sample, Written, decode
from trapkit.sealing import open_box
from trapwire.errors import WireError
from trapwire.notes import CARD, decode_note

MAX_CARDS = 20_000  # a thousand traps with a visit a month for a year and a half; read and opened at once
FORGED_WORDS = "is not signed with that trap's key"
UNPROVED = "this base has no key of that trap in unit_keys, so nobody vouches for it"


class CardSource(Protocol):
    """The store, or the reader beside it."""

    def cards_mark(self) -> tuple[int, ...]:
        """Changes whenever a card came or was proved."""

    def cards(self, limit: int) -> list[dict[str, Any]]:
        """Every card and sample: trap, epoch, number, proof, stored_ms, body."""


class CardBook:
    """`secret`: the key that opens them, or None; `traps`: those of the settings, by number; `shut_out`: asked
    each time which traps the operator has shut out."""

    def __init__(
        self,
        source: CardSource,
        secret: bytes | None,
        traps: Mapping[int, TrapSettings],
        settings: CardsSettings | None = None,
        shut_out: Callable[[], frozenset[int]] = frozenset,
    ) -> None:
        self._source = source
        self._secret = secret
        self._traps = dict(traps)
        within = settings or CardsSettings()
        self._bounds = Bounds(south=within.south, north=within.north, west=within.west, east=within.east)
        self._opened: dict[tuple[int, int, int, str], Said] = {}
        self._mark: tuple[int, ...] | None = None
        self._places = Places(listed=self._traps)
        self._shut_out = shut_out

    def current(self) -> Places:
        """What the settings and the cards say now.  Raises: StorageError."""
        mark = self._source.cards_mark()
        if mark != self._mark:
            self._places = self._read(self._source.cards(MAX_CARDS + 1))
            self._mark = mark
        gone = self._shut_out()
        if gone != self._places.shut_out:
            self._places = replace(self._places, shut_out=gone)
        return self._places

    def _read(self, rows: list[dict[str, Any]]) -> Places:
        problems = []
        if len(rows) > MAX_CARDS:
            problems.append(f"Over {MAX_CARDS} cards and samples are here: those beyond are kept and not used.")
        if self._secret is None:
            if rows:
                problems.append(
                    f"{len(rows)} cards and samples are sealed: without the setting box_key this base cannot open them."
                )
            return Places(listed=self._traps, problems=tuple(problems))
        said = [self._open(row) for row in rows[:MAX_CARDS]]
        stays = stays_of(said, self._bounds)
        return Places(
            listed=self._traps,
            stays=stays,
            said={s.sighting: s for s in said},
            problems=(*problems, *stays.problems, *listed_besides(self._traps, stays)),
        )

    def _open(self, row: dict[str, Any]) -> Said:
        key = (row["trap"], row["epoch"], row["number"], row["proof"])
        if key not in self._opened:
            said, refusal = _look(row, self._secret or b"")
            self._opened[key] = Said(
                trap=row["trap"],
                epoch=row["epoch"],
                number=row["number"],
                stored_ms=row["stored_ms"],
                said=said,
                refusal=refusal,
            )
        return self._opened[key]


def _look(row: dict[str, Any], secret: bytes) -> tuple[Written | None, str]:
    """What it says, or why it does not count."""
    if row["proof"] != VERIFIED:
        return None, FORGED_WORDS if row["proof"] == FORGED else UNPROVED
    try:
        note = decode_note(row["body"])
        data = open_box(secret, note.sealed)
        if data is None:
            return None, "does not open with this base's key"
        said = decode(data)
        if isinstance(said, Sample) == (note.kind == CARD):
            return None, "is a card under a sample's kind, or a sample under a card's"
    except (WireError, CardError) as error:
        return None, f"cannot be read ({error})"[:200]
    return said, ""
