"""One life of an outbox as a process of its own, to be recorded: `life_driver.py FOLDER LIFE`.

Opened again and again as after starts, with checkpoints far more often than on a trap, so that their writes are met.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cam")]

from cam_parts import NOW  # noqa: E402
from lives import AUDIT_BYTES, TRAP, live  # noqa: E402

from trapcam.outbox import open_outbox  # noqa: E402


class EnoughError(Exception):
    """This start has done its share."""


def main(folder: Path, life: int) -> None:
    """Live it in three starts."""
    starts = 3
    for start in range(starts):
        box = open_outbox(folder, TRAP, NOW, audit_bytes=AUDIT_BYTES)
        say(f"epoch {box.epoch}")
        box._db.execute(f"PRAGMA wal_autocheckpoint = {(3, 20, 1000)[(start + life) % 3]}")
        try:
            live(box, life, say if start == starts - 1 else say_and_stop)
        except EnoughError:
            if (life + start) % 2:
                box.close()  # as after SIGTERM; otherwise as after a kill: the log stays, and the next start reads it
        else:
            box.close()


def say(text: str) -> None:
    """On stderr, where the recorder sees it between the writes."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def say_and_stop(text: str) -> None:
    """The same, and after some bursts this start ends."""
    say(text)
    if text.endswith(("1", "3")):
        raise EnoughError


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
