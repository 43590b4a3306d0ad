"""micropython-lib's `lora` packages, fetched by mpremote's own installer (`mip`) into a folder instead of onto a board.

Which index they come from is mpremote's business, and the operator's (`--index`). mpremote: PyPI, MIT.
"""

import argparse
import contextlib
import hashlib
import shutil
import sys
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError

# The versions that the firmware was written for; each asks for `lora` itself.
PACKAGES = ("lora@0.2.0", "lora-sync@0.1.1", "lora-sx126x@0.1.6")
NEEDED = ("__init__.py", "modem.py", "sync_modem.py", "sx126x.py")
NO_INTERNET = (
    "run this once where there is internet and carry the folder here, or fetch micropython-lib's lora files by other "
    "means and say --lib FOLDER"
)


class FolderTransport:
    """What mpremote's installer asks of a board, answered by a folder."""

    def fs_exists(self, path: str) -> bool:
        return Path(path).exists()

    def fs_mkdir(self, path: str) -> None:
        Path(path).mkdir(exist_ok=True)

    def fs_hashfile(self, path: str, algorithm: str) -> bytes:
        return hashlib.new(algorithm, Path(path).read_bytes()).digest()

    def fs_writefile(self, path: str, data: bytes, **_: Any) -> None:
        Path(path).write_bytes(data)


class _State:
    """mpremote's session, as far as its installer looks at it."""

    transport = FolderTransport()

    def did_action(self) -> None: ...
    def ensure_raw_repl(self) -> None: ...


def fetch_lora(target: Path, index: str | None) -> str:
    """The packages' source into `target`, from `index` or mpremote's own; where they came from, in words.

    Raises: SetupError that says what to do without internet.
    """
    try:
        from mpremote.commands import CommandError
        from mpremote.mip import do_mip
    except ModuleNotFoundError as error:
        raise SetupError("mpremote is not installed: pip install '.[flash]' in the project's clone") from error
    above = target.with_name(target.name + ".mip")
    above.mkdir()
    # As source: mpy-cross then compiles all of the bundle for one interpreter, ours and theirs.
    asked = argparse.Namespace(command=["install"], packages=[*PACKAGES], index=index, target=str(above), mpy=False)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            do_mip(_State(), asked)
        _take(above / "lora", target)
    except (CommandError, OSError, ValueError, KeyError) as error:
        raise SetupError(f"the lora packages could not be had: {error}; {NO_INTERNET}") from error
    finally:
        shutil.rmtree(above, ignore_errors=True)
    return ", ".join(PACKAGES)


def read_lora(library: Path, target: Path) -> str:
    """The same from a folder that has `lora/`, or from micropython-lib itself.  Raises: SetupError."""
    whole = library / "micropython" / "lora"
    if whole.is_dir():
        target.mkdir()
        for package in ("lora", "lora-sync", "lora-sx126x"):
            for path in sorted((whole / package / "lora").glob("*.py")):
                shutil.copyfile(path, target / path.name)
        _check(target, whole)
    else:
        _take(library / "lora", target)
    return f"from {library}"


def _take(source: Path, target: Path) -> None:
    _check(source, source)
    target.mkdir(exist_ok=True)
    for name in NEEDED:
        shutil.copyfile(source / name, target / name)


def _check(folder: Path, named: Path) -> None:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise SetupError(
            f"{named}: has no {', '.join(missing)}; needed are micropython-lib's lora, lora-sync and lora-sx126x"
        )
