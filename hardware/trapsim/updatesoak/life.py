"""One life of a unit, drawn from a seed: what it has, what comes, and what is right at its end.

`python -m trapsim.updatesoak.life FOLDER SEED` lives it in FOLDER, for a recorder; it says on stderr when the first
release is proved: cuts fall after that.
"""

import random
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from trapkit.update.offer import PARTS
from trapsim.updatesoak.releases import BAD, GOOD, offer
from trapsim.updatesoak.unit import FLASH, Said, Unit, Violation, install_firmware

OLD, NEW = "2026.12.1", "2026.12.2"
OFFERS, UNIT = "offers", "unit"
ALL = tuple(part for part in PARTS if part != "region")
NEEDED = {  # what a release of a kind brings at least, so that it can be bad in that way
    "application does not start": "application",
    "camera gives nothing": "application",
    "model judges badly": "model",
    "supervisor hangs": "supervisor",
    "never heard": "application",
    "no wheel": "application",
}


@dataclass(frozen=True, kw_only=True)
class Life:
    """kind: of the second release; parts: that it brings."""

    kind: str
    parts: tuple[str, ...]


def drawn(seed: int) -> Life:
    """A life by its seed: every second one good, the others bad in one way after the other."""
    dice = random.Random(f"update {seed}")  # noqa: S311  (drawn again)
    kind = sorted(BAD)[seed // 2 % len(BAD)] if seed % 2 else GOOD
    parts = tuple(part for part in ALL if dice.random() < 0.6 or part == NEEDED.get(kind))
    return Life(kind=kind, parts=parts or ALL)


def begin(folder: Path) -> None:
    """A unit as it was installed, which has then proved the old release."""
    shutil.rmtree(folder / UNIT, ignore_errors=True)
    (folder / UNIT).mkdir(parents=True)
    install_firmware(folder / UNIT / FLASH, "installed")
    old = offer(folder / OFFERS / OLD, OLD, 1, GOOD, ALL)
    Unit(folder / UNIT, old, Said()).live()


def unit(folder: Path, life: Life, offers: Path, said: Said) -> Unit:
    """The unit in `folder`, to which the new release is offered."""
    return Unit(folder, offer(offers / NEW, NEW, 2, life.kind, life.parts), said)


def check(found: Unit, life: Life) -> None:
    """Whether it is the old or the new one, entirely, and says so.  Raises: Violation."""
    record = found.slots.read()
    wanted = NEW if life.kind == GOOD else OLD
    slot, release, _ = found.running()
    if record.trial is not None or (record.release, release) != (wanted, wanted) or record.good != slot:
        raise Violation(f"it runs {release} from slot {slot!r} and says {record.release}: {wanted} is right")
    whose = NEW if wanted == NEW and "supervisor" in life.parts else OLD
    if found.mcu.name != whose or not found.mcu.slots.settled():
        raise Violation(f"its supervisor runs {found.mcu.name}: {whose} is right")
    if record.supervisor and found.mcu.slots.digest(found.mcu.slots.running).hex() != record.supervisor:
        raise Violation("its supervisor is another than the record names")
    said = record.said
    if life.kind != GOOD and (said.code not in BAD[life.kind] or said.tried != NEW):
        raise Violation(f"it says {said.words()!r}, which is not why")
    if life.kind == GOOD and said.phase != "confirmed":
        raise Violation(f"it says {said.words()!r}")
    if str((found.slots.root / "current").readlink()) != slot:
        raise Violation("its link names another slot")


def main() -> int:
    """The whole life, uninterrupted."""
    folder, seed = Path(sys.argv[1]), int(sys.argv[2])
    life = drawn(seed)
    begin(folder)
    print("proved", file=sys.stderr, flush=True)
    lived = unit(folder / UNIT, life, folder / OFFERS, Said())
    lived.live()
    check(lived, life)
    return 0


if __name__ == "__main__":
    sys.exit(main())
