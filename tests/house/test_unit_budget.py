"""What a unit has room for: its .mpy files in flash, and its heap after the start. Both are printed; see `-s`.

A board counts its flash in .mpy, for which the host's mpy-cross is the same program. Its heap is 32-bit: pointers take
half as much there, bytecode the same. Debian's i386 MicroPython 1.25 showed 0.67 of the 64-bit figure for supervisor
(117,664 of 175,488) and modem (64,896 of 97,088); `ON_BOARD` rounds that up. Code and names lie in the heap, as they do
on a board that loads .mpy from its flash. `.cache/lib` is micropython-lib's driver, as `trapship bundle` brings it.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from trapship.compiler import compile_text
from trapship.firmware import small_sources

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = ROOT / ".cache" / "lib"
FLASH_BYTES = {"trap": 80 * 1024, "modem, repeater": 80 * 1024}
ON_BOARD = 0.68
# Wanted were 90 kB, which a Pico's roles keep; its heap is about 190 kB. A trap does not: its code alone is more, and
# only code frozen into the interpreter, or run from flash, would not count. A XIAO's heap is in megabytes (PSRAM).
HEAP_BYTES = {"trap": 136 * 1024, "modem, repeater": 90 * 1024}
# Of lora/__init__, modem and sx126x at micropython-lib ee4bb8ff, with -O3: counted where the driver is not here.
DRIVER_BYTES = 8474
BOARDS = {"trap": ("xiao_s3", "xtensawin"), "modem, repeater": ("pico", "armv6m")}
ROLES = ("supervisor", "pair", "hop", "modem", "repeater")


def compile_to(folder: Path, board: str, arch: str) -> dict[str, int]:
    """Sizes of a unit's .mpy files by path, written below `folder` as `trapship bundle` writes them."""
    sizes = {}
    library = {f"lora/{path.name}": path.read_text() for path in sorted((LIBRARY / "lora").glob("*.py"))}
    for name, text in {**small_sources(board), **library}.items():
        target = folder / name.replace(".py", ".mpy")
        target.parent.mkdir(parents=True, exist_ok=True)
        compile_text(text, target, name, arch)
        sizes[name] = target.stat().st_size
    return sizes


@pytest.mark.parametrize("kind", BOARDS)
def test_the_code_of_a_unit_has_room_in_its_flash(kind: str, tmp_path: Path) -> None:
    sizes = {name: size for name, size in compile_to(tmp_path, *BOARDS[kind]).items() if not name.startswith("lora/")}
    print(
        f"\n{kind}: {sum(sizes.values())} of {FLASH_BYTES[kind]} bytes in {len(sizes)} files (-O3, {BOARDS[kind][1]}),"
    )
    print(f"and micropython-lib's driver, about {DRIVER_BYTES} bytes, which is not ours")
    for name, size in sorted(sizes.items(), key=lambda item: -item[1]):
        print(f"{size:7} {name}")
    assert sum(sizes.values()) <= FLASH_BYTES[kind]


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_room_in_the_heap(role: str, tmp_path: Path) -> None:
    if not (LIBRARY / "lora" / "sx126x.py").is_file():
        pytest.skip("no .cache/lib/lora: `trapship bundle` brings micropython-lib's driver there")
    micropython = shutil.which("micropython", path=f"{ROOT / '.cache' / 'bin'}:{os.environ.get('PATH', '')}")
    assert micropython, "no micropython: run `make test`, which fetches it"
    kind = "modem, repeater" if role in ("modem", "repeater") else "trap"
    compile_to(tmp_path, *BOARDS[kind])
    for pins in (ROOT / "device/trapmcu/boards").glob("pins_*.py"):  # the simulated chips ask for names by name
        compile_text(pins.read_text(), tmp_path / "trapmcu/boards" / f"{pins.stem}.mpy", pins.name, BOARDS[kind][1])
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
