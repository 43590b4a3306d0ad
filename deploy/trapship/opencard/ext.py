"""Files out of an ext file system that is not mounted: by debugfs (e2fsprogs): no root, nothing written."""

import os
import re
import shutil
import subprocess
from pathlib import Path, PurePosixPath

from trapkit.errors import SetupError

DATABASE = "outbox.sqlite"
USUAL = PurePosixPath("/var/lib/pugmark/trapcam")
ASIDE = "outbox.damaged-"  # and a number: trapcam's own name for one that it has set aside, with all its files
FOLDERS = ("full", "audit")
SEALED = re.compile(r"[0-9a-f]{64}\.age")
MAX_FOLDERS = 20_000  # looked through for an outbox, where it is not at its usual place
SKIPPED = {"proc", "sys", "dev", "usr", "lost+found"}
_ADVICE = "install e2fsprogs; without it the card is only searched for what it looks like"
_LINE = re.compile(r"/(\d+)/(\d{6})/\d*/\d*/([^/]*)/(\d*)/")


class Ext:
    """One file system in `image`, `offset` bytes from its start. Nothing of it is trusted, least of all its names."""

    def __init__(self, image: Path, offset: int) -> None:
        found = shutil.which("debugfs", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if found is None:
            raise SetupError(f"debugfs is not here: {_ADVICE}")
        self._call = [found, "-c"]  # -c: a damaged one too, and never for writing
        self._image = f"{image}?offset={offset}" if offset else str(image)

    def outboxes(self) -> list[PurePosixPath]:
        """The folders that hold an outbox, or what one that was set aside has left."""
        folders, files = self._names(USUAL)
        aside = [USUAL / name for name in sorted(folders) if name.startswith(ASIDE)]
        if DATABASE in files or aside:
            return [*([USUAL] if DATABASE in files else []), *aside]
        found, left = [], [PurePosixPath("/")]
        for _ in range(MAX_FOLDERS):
            if not left:
                break
            here = left.pop(0)
            folders, files = self._names(here)
            if DATABASE in files or here.name.startswith(ASIDE):
                found.append(here)
            left += [here / name for name in folders if not (here == PurePosixPath("/") and name in SKIPPED)]
        return found

    def fetch(self, outbox: PurePosixPath, to: Path) -> None:
        """Copy what an outbox is made of from that folder to `to`, under the same names."""
        wanted = [(outbox / name, to / name) for name in self._names(outbox)[1] if name.startswith(DATABASE)]
        for folder in FOLDERS:
            (to / folder).mkdir(parents=True, exist_ok=True)
            for name in self._names(outbox / folder)[1]:
                if SEALED.fullmatch(name):
                    wanted.append((outbox / folder / name, to / folder / name))
        commands = to / "commands"
        commands.write_text("".join(f'dump "{there}" "{here}"\n' for there, here in wanted))
        self._run("-f", str(commands))
        commands.unlink()

    def _names(self, folder: PurePosixPath) -> tuple[list[str], list[str]]:
        """Folders and files there; names that could be taken for something else are passed over."""
        folders: list[str] = []
        files: list[str] = []
        for line in self._run("-R", f'ls -p "{folder}"').splitlines():
            found = _LINE.fullmatch(line.strip())
            if found is None or not re.fullmatch(r"[\w@+-][\w@+. -]*", found[3]):
                continue
            (folders if found[2].startswith("04") else files).append(found[3])
        return folders, files

    def _run(self, *arguments: str) -> str:
        try:
            done = subprocess.run(
                [*self._call, *arguments, self._image], capture_output=True, timeout=3600, check=False,
                encoding="utf-8", errors="replace",
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout
