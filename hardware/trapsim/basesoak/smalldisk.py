"""A real small disk under a base: `unshare -rm python -m trapsim.basesoak.smalldisk FOLDER SEED FIRST STEP LAST`.

In a mount namespace of its own. A life is played with FIRST pages left on the disk, then FIRST + STEP, and so on up to
LAST, or until nothing was refused; in each there is room again after a while. One JSON object on stdout.
"""

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

from trapsim.basesoak.fulldisk import LIMIT_MS, live, make
from trapsim.crash import Fuse

DISK_BYTES = 16 * 1024 * 1024
PAGE = 4096


def fill(disk: Path, pages: int) -> Path:
    """Leave so many pages free; the file that takes the others."""
    ballast = disk / "ballast"
    room = os.statvfs(disk)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail - pages) * PAGE)
    return ballast


def play(folder: Path, seed: int, pages: int) -> tuple[Counter[str], list[str]]:
    """One life; whether anything was refused is in its counts."""
    disk = folder / "base"
    disk.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "small", str(disk)], check=True)
    life, draws = make(folder, Fuse(), seed)
    ballast = fill(disk, pages)
    try:
        with life.seams.in_place():
            live(life, draws)
            troubles = {text for text in life.base.troubles if text}
            ballast.unlink()
            life.finish(LIMIT_MS)
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
    counts = Counter(life.books.counts)
    counts["lives on a full disk"] += 1
    counts["ended by itself"] += sum(life.base.ended.values())
    counts["refused"] += bool(troubles or life.base.ended)
    return counts, life.books.violations


def main(folder: Path, seed: int, first: int, step: int, last: int) -> None:
    """All of them."""
    counts: Counter[str] = Counter()
    violations: list[str] = []
    for pages in range(first, last + 1, step):
        done, wrong = play(folder / "life", seed, pages)
        shutil.rmtree(folder / "life")
        violations += [f"{text} ({pages} pages left)" for text in wrong]
        refused = done.pop("refused")
        counts += done
        counts["lives on a full disk that were refused something"] += refused
        if not refused:
            break
    print(json.dumps({"counts": dict(counts), "violations": violations}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:6]))
