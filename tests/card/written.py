"""How many bytes one burst costs the card, by what becomes of it: `python -m tests.card.written [--json]`.

The real process on real-sized pictures, recorded. Counted is what it asks the kernel to write, the log and the
database's own pages apart from files; what the file system and the card's own controller add to it is not seen here.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cam")]

import numpy as np  # noqa: E402
from cam_parts import CAT, NOTHING, PERSON  # noqa: E402
from PIL import Image as Pictures  # noqa: E402

from tests.card import running  # noqa: E402
from trapsim.powercut import recorder  # noqa: E402
from trapsim.powercut.recorder import Op  # noqa: E402

OUTCOMES = {
    "kept": (CAT, "audit.enabled = false"),
    "rejected": (NOTHING, "audit.enabled = false"),
    "audit sample": (NOTHING, "audit.share = 1.0"),
    "withheld": (PERSON, "audit.enabled = false"),
}
WIDTH, HEIGHT = 2304, 1296


def shot(path: Path, corner: tuple[int, int, int], seed: int) -> None:
    """A picture as large as the camera's, with as much in it as a forest has."""
    dice = np.random.default_rng(seed)
    rough = Pictures.fromarray(dice.integers(40, 200, (HEIGHT // 12, WIDTH // 12, 3), dtype=np.uint8))
    fine = dice.normal(0, 6, (HEIGHT, WIDTH, 1))
    smooth = np.asarray(rough.resize((WIDTH, HEIGHT), Pictures.Resampling.BICUBIC))
    pixels = np.clip(smooth + fine, 0, 255).astype(np.uint8)
    pixels[:32, :32] = corner
    Pictures.fromarray(pixels).save(path, "JPEG", quality=85)


def per_burst(folder: Path, outcome: str, bursts: int = 6) -> dict[str, float]:
    """Bytes that one burst of an outcome writes: `database` (log and pages), `files`, and `picture`, its own size.

    folder: new. The last picture is always a plain reject, whose line says that all others are done.
    """
    corner, settings = OUTCOMES[outcome]
    shots = folder / "shots"
    shots.mkdir(parents=True)
    for number in range(bursts):
        shot(shots / f"{number}.jpg", corner, number)
    shot(shots / "last.jpg", NOTHING, bursts)
    ops, _ = running.watch(folder / "card", running.write_card(folder / "card", shots, settings), "last.jpg")
    database, files = _sums(ops)
    size = sum((shots / f"{number}.jpg").stat().st_size for number in range(bursts)) / bursts
    return {"database": database / bursts, "files": files / bursts, "picture": size}


def _sums(ops: Sequence[Op]) -> tuple[int, int]:
    """Between the line that says that it runs and the last picture's: bytes to the database, and to other files."""
    begun, database, files = False, 0, 0
    for op in ops:
        if op.kind == "said":
            if b"last.jpg: " in op.data:
                break
            begun = begun or b", epoch " in op.data
        elif begun and op.kind == "write" and not op.path.endswith("-shm"):
            if "/outbox.sqlite" in op.path:
                database += len(op.data)
            else:
                files += len(op.data)
    return database, files


def table(folder: Path, bursts: int = 6) -> dict[str, dict[str, float]]:
    """The figures of every outcome, less what the last picture's own row costs."""
    found = {name: per_burst(folder / str(number), name, bursts) for number, name in enumerate(OUTCOMES)}
    plain = found["rejected"]["database"] * bursts / (bursts + 1)
    for name, figures in found.items():
        figures["database"] = plain if name == "rejected" else figures["database"] - plain / bursts
    return found


def main() -> int:
    """Print the table; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.card.written", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    args = parser.parse_args()
    if recorder.strace() is None:
        print("no strace, or this machine forbids tracing", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        found = table(Path(folder))
    if args.json:
        print(json.dumps({name: {key: round(value) for key, value in row.items()} for name, row in found.items()}))
        return 0
    print("| a burst that is | database, log included | files | of a picture of |\n|---|---|---|---|")
    for name, row in found.items():
        kilobytes = (f"{row[key] / 1000:.1f} kB" for key in ("database", "files", "picture"))
        print(f"| {name} | {' | '.join(kilobytes)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
