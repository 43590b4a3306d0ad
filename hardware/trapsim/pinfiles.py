"""What is made from the pin map: the firmware's constants, the tables of PINS.md, the sheets of the drawings."""

from pathlib import Path

from trapsim.pinmap import HARDWARE, Board, PinMap, Wiring
from trapsim.wiring import sheets

BOARDS = HARDWARE.parent / "device" / "trapmcu" / "boards"
MADE = "Made from hardware/pins.toml by `trapsim pins --write`: change that."
PAGE = """\
# Pins
Generated from [pins.toml](pins.toml) by `trapsim pins --write`; `trapsim pins` says whether the map can work.
*Wakes*: ends deep sleep. *Holds*: keeps its level in deep sleep. The drawings are in [wiring](wiring).
"""


def files(pin_map: PinMap, wiring: Wiring) -> dict[Path, str]:
    """Every file that is made from the map, and its text."""
    made = {BOARDS / board.constants: constants(board) for board in pin_map.boards.values()}
    made[HARDWARE / "PINS.md"] = page(pin_map)
    made |= {HARDWARE / "wiring" / name: text for name, text in sheets(wiring, pin_map).items()}
    return made


def constants(board: Board) -> str:
    """The pins as MicroPython reads them: plain numbers, which cost a board file nothing but their names."""
    lines = [f'"""{board.title}.', "", MADE, '"""', ""]
    lines += [f"{name} = {signal.pin}" for name, signal in board.signals.items()]
    if board.expander:
        lines += ["", "# Bits of the port expander"]
        lines += [f"{name} = {bit.bit}" for name, bit in board.expander.items()]
    return "\n".join(lines) + "\n"


def page(pin_map: PinMap) -> str:
    """PINS.md."""
    return PAGE + "".join(_board(name, board) for name, board in pin_map.boards.items())


def _board(name: str, board: Board) -> str:
    lines = ["", f"## `{name}`", f"{board.title}. Source: {board.source}.", ""]
    lines += [
        "| signal | GPIO | place | goes to | direction | says yes | | on the carrier | source |",
        "|---" * 9 + "|",
    ]
    for signal_name, s in board.signals.items():
        marks = ", ".join(word for word, on in (("wakes", s.wake), ("holds", s.hold)) if on)
        where = ", ".join(s.to) or "on the board"
        source = s.source + (f". A strapping pin: {s.why}" if s.why else "")
        row = (f"`{signal_name}`", s.pin, board.places[s.pin], where, s.direction, s.active, marks, s.pull, source)
        lines.append(_row(row))
    if board.expander:
        lines += [
            "",
            "| port expander | bit | goes to | direction | says yes | on the carrier | source |",
            "|---" * 7 + "|",
        ]
        for bit_name, b in board.expander.items():
            lines.append(_row((f"`{bit_name}`", b.bit, ", ".join(b.to), b.direction, b.active, b.pull, b.source)))
    if board.i2c:
        lines += ["", "I2C: " + ", ".join(f"{part} {address:#04x}" for part, address in board.i2c.items()) + "."]
    if board.taken:
        lines += [
            "",
            "Not to be had: " + "; ".join(f"GPIO{pin}: {why}" for pin, why in sorted(board.taken.items())) + ".",
        ]
    return "\n".join(lines) + "\n"


def _row(cells: tuple[object, ...]) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
