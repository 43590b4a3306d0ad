"""What traps hand over in a season, as the base gets it: the same bytes for the same numbers.

Small pictures are real WebPs of a crop's size, sealed to the base; each is sealed anew, so no two bodies are alike.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass

from nacl.public import PrivateKey
from PIL import Image

from trapbase.config import TrapSettings
from trapkit.sealing import seal_box
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, FRAME, NOTE, SCENE, Envelope, ObjectKey

BEGIN_MS = 1_763_686_800_000
DAY_MS = 86_400_000
EPOCH = 0xBA5EBA11
CROP_BYTES, SCENE_BYTES, FRAME_BYTES = 1480, 3000, 8000  # before sealing, as traps send them
NOTE_BYTES = 60  # of a kind that no base knows yet: kept and forwarded as bytes
NOTE_KIND = 200
BOX = PrivateKey(bytes(range(32)))


@dataclass(frozen=True, kw_only=True)
class Season:
    """`sightings`: a trap-day; every `frame_every`th sighting has a frame; a note and a scene a trap-day."""

    traps: int = 40
    days: int = 90
    sightings: float = 2.6
    frame_every: int = 4

    def counts(self) -> dict[str, int]:
        """Sightings and objects of the whole season."""
        seen = self.traps * round(self.days * self.sightings)
        daily = self.traps * self.days
        frames = self.traps * (round(self.days * self.sightings) // self.frame_every)
        return {
            "sightings": seen,
            "frames": frames,
            "notes": daily,
            "scenes": daily,
            "objects": 2 * seen + frames + 2 * daily,
        }


def listed(traps: int) -> dict[int, TrapSettings]:
    """Two traps a station, as in the field."""
    return {
        n: TrapSettings(
            number=n, station=f"S{(n + 1) // 2:03d}", side="left" if n % 2 else "right",
            latitude=43.1 + n * 0.01, longitude=131.4,
        )
        for n in range(1, traps + 1)
    }  # fmt: skip


def alert(time_ms: int, number: int) -> bytes:
    """The body of an alert."""
    return Alert(time_ms, 200, number % 4, 120 + number % 130, 1, (10, 10, 90, 90), 80).encode()


class Bodies:
    """Sealed pictures of the sizes above."""

    def __init__(self) -> None:
        self._plain = {
            size: [_webp(size, seed) for seed in range(8)] for size in (CROP_BYTES, SCENE_BYTES, FRAME_BYTES)
        }
        self._count = 0

    def sealed(self, size: int) -> bytes:
        self._count += 1
        return seal_box(bytes(BOX.public_key), self._plain[size][self._count % 8])


def season(plan: Season) -> Iterator[Envelope]:
    """Its objects, each trap's in their order, all traps day by day: what comes when a base was off for so long."""
    bodies = Bodies()
    numbers = dict.fromkeys(range(1, plan.traps + 1), 0)
    owed = dict.fromkeys(numbers, 0.0)
    seen = dict.fromkeys(numbers, 0)
    most = round(plan.days * plan.sightings)

    def next_key(trap: int, rung: int) -> ObjectKey:
        numbers[trap] += 1
        return ObjectKey(trap, EPOCH, numbers[trap], rung)

    for day in range(plan.days):
        for trap in numbers:
            owed[trap] += plan.sightings
            last = day == plan.days - 1
            while seen[trap] < most and (owed[trap] >= 1 or last):
                owed[trap] -= 1
                seen[trap] += 1
                at_ms = BEGIN_MS + day * DAY_MS + seen[trap] * 61_000 % DAY_MS
                key = next_key(trap, ALERT)
                yield Envelope(key, alert(at_ms, key.number))
                yield Envelope(ObjectKey(trap, EPOCH, key.number, CROP), bodies.sealed(CROP_BYTES))
                if seen[trap] % plan.frame_every == 0:
                    yield Envelope(ObjectKey(trap, EPOCH, key.number, FRAME), bodies.sealed(FRAME_BYTES))
            key = next_key(trap, NOTE)
            yield Envelope(key, bytes([NOTE_KIND]) + _noise(key.number * 1000 + trap, NOTE_BYTES))
            yield Envelope(next_key(trap, SCENE), bodies.sealed(SCENE_BYTES))


def _noise(seed: int, size: int) -> bytes:
    return hashlib.shake_128(seed.to_bytes(8, "big")).digest(size)


def _webp(size: int, seed: int) -> bytes:
    """A picture of about so many bytes: noise packs badly, so that its side says how many."""
    side = max(8, round((size / 3.1) ** 0.5))
    noise = _noise(seed * 100_003 + size, side * side * 3)
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), noise).save(out, "WEBP", lossless=True)
    return out.getvalue()
