"""A real small card: `unshare -rm python small_card.py FOLDER` mounts one there, fills it, and tells what happened.

In a mount namespace of its own, so that nothing else sees it and nothing is left. One JSON object on stdout.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "cam")]

from cam_parts import NOW  # noqa: E402
from lives import TRAP  # noqa: E402
from records import SOURCE, kept  # noqa: E402

from trapcam.outbox import FULL_FOLDER, Outbox, open_outbox  # noqa: E402
from trapkit.errors import SetupError, StorageError  # noqa: E402
from trapwire.objects import FULL  # noqa: E402

CARD_BYTES, RESERVE_BYTES, FULL_BYTES = 4_000_000, 1_500_000, 100_000


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "card", str(folder)], check=True)


def remount(folder: Path, how: str) -> None:
    # With its type and source: without them `mount` looks them up, which a user that is root here only may not.
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"remount,{how}", "card", str(folder)], check=True)


def outcome(position: int) -> Any:
    return kept(position, full=os.urandom(FULL_BYTES))


def fill(box: Outbox) -> str:
    """Sightings until not even a small one is taken; the words then."""
    for _ in range(10_000):
        try:
            box.commit(outcome(box.position(SOURCE)))
        except StorageError as error:
            return str(error)
    return ""


def counts(box: Outbox) -> dict[str, int]:
    numbers = range(1, box.position(SOURCE) + 1)
    return {
        "sightings": len(numbers),
        "whole": sum(all(box.envelope(number, rung) for rung in range(3)) for number in numbers),
        "fulls": sum(box.envelope(number, FULL) is not None for number in numbers),
    }


def main(folder: Path) -> None:
    """Full, then room again; read-only, then writable again."""
    mount(folder, f"size={CARD_BYTES}")
    data = folder / "data"
    box = open_outbox(data, TRAP, NOW, reserve_bytes=RESERVE_BYTES)
    box.declare_source(SOURCE, None)
    told: dict[str, Any] = {"files_before": len(list((data / FULL_FOLDER).iterdir()))}
    while not box.shortage:
        box.commit(outcome(box.position(SOURCE)))
    told["at_shortage"], told["shortage"] = counts(box), box.shortage
    told["refused"] = fill(box)
    told["full"] = counts(box)
    box.close()
    box = open_outbox(data, TRAP, NOW, reserve_bytes=RESERVE_BYTES)  # a start on a full card
    told["again"] = counts(box)
    remount(folder, f"size={CARD_BYTES * 2}")
    box.commit(outcome(box.position(SOURCE)))
    told["room_again"], told["shortage_again"] = counts(box), box.shortage
    box.close()
    remount(folder, "ro")  # the kernel does it to a failing card
    try:
        open_outbox(data, TRAP, NOW).close()
    except (SetupError, StorageError) as error:
        told["read_only"] = str(error)
    remount(folder, "rw")
    box = open_outbox(data, TRAP, NOW, reserve_bytes=RESERVE_BYTES)
    box.commit(outcome(box.position(SOURCE)))
    told["writable_again"] = counts(box)
    box.close()
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
