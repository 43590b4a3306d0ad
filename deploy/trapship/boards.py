"""The boards that are flashed, and how each says who it is.

A board's own words are `sys.implementation`: `_machine` is "BOARD with CHIP", `_mpy` holds the .mpy version in its low
byte and the architecture from bit 10 (MicroPython's manual, "MicroPython .mpy files").
"""

from dataclasses import dataclass
from typing import Any

from trapkit.errors import SetupError

OLDEST = (1, 25, 0)
LEAST_FREE_BYTES = 32 * 1024  # beyond the slot: settings, counters, and blocks that littlefs needs to turn around


@dataclass(frozen=True, kw_only=True)
class Board:
    """machines: how its `_machine` begins; arch: mpy-cross's word; arch_code: MicroPython's number for it."""

    name: str
    title: str
    machines: tuple[str, ...]
    arch: str
    arch_code: int
    module: str  # its own file in trapmcu/boards
    name_in_module: str
    measures: bool  # a battery and a clock of its own: a trap's board
    get: str  # which MicroPython to load


BOARDS = {
    board.name: board
    for board in (
        Board(
            name="xiao-s3",
            title="Seeed XIAO ESP32-S3",
            machines=("Seeed XIAO ESP32S3", "Generic ESP32S3 module"),
            arch="xtensawin",
            arch_code=10,
            module="xiao_s3",
            name_in_module="XiaoS3",
            measures=True,
            get="SEEED_XIAO_ESP32S3 (or ESP32_GENERIC_S3, variant SPIRAM_OCT)",
        ),
        Board(
            name="pico",
            title="Raspberry Pi Pico",
            machines=("Raspberry Pi Pico with RP2040",),  # a Pico W has its lamp's pin at its Wi-Fi: pins.toml
            arch="armv6m",
            arch_code=4,
            module="pico",
            name_in_module="Pico",
            measures=False,
            get="RPI_PICO",
        ),
    )
}


def check_board(board: Board, who: dict[str, Any], mpy: int) -> None:
    """Whether the unit that said `who` is this board with an interpreter that runs the bundle's files.

    Raises: SetupError with what it is, and what is allowed.
    """
    machine = str(who["machine"])
    if not machine.startswith(board.machines):
        other = next((b for b in BOARDS.values() if machine.startswith(b.machines)), None)
        advice = f"say --board {other.name}, or plug in the other one" if other else "plug in the other one"
        raise SetupError(
            f"this unit says that it is {machine!r}, and --board {board.name} is a {board.title}; {advice}"
        )
    version = tuple(who["version"])
    if version < OLDEST:
        raise SetupError(
            f"this unit's MicroPython is {dotted(version)}; allowed is {dotted(OLDEST)} or newer: load {board.get}"
        )
    found = int(who["mpy"]) & 0xFF
    if found != mpy:
        raise SetupError(
            f"this unit's MicroPython reads .mpy version {found}, and the bundle is version {mpy}; "
            "load a MicroPython that fits, or make the bundle with its mpy-cross"
        )


def dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
