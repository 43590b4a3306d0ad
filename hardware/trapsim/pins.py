"""Whether a pin map can work: every fault in words that say which signal, which pin, and what goes instead.

Rules, in the order in which they are said: the names are those that the firmware knows; the pin exists, comes out of
the board, has no other duty; its peripheral reaches it; a signal that wakes is on a pin that can, at the one level that
the chip's sleep waits for; what holds its level asleep is where that works; nothing is there twice.
"""

from collections.abc import Iterator, Mapping

from trapkit.errors import SetupError
from trapsim.pinmap import Bit, Board, Chip, Drawing, PinMap, Signal, Wiring, numbers

RADIO = ("LORA_SCK", "LORA_MISO", "LORA_MOSI", "LORA_CS", "LORA_RESET", "LORA_BUSY", "LORA_DIO1")
# What each role's firmware asks its board for: it starts with no less, and knows no more.
SIGNALS = {
    "trap": (
        *RADIO, "LORA_DIO1_WAKE", "LORA_RF_SWITCH", "PIR", "BUTTON", "PI_POWER", "PI_TX", "PI_RX", "I2C_SDA", "I2C_SCL",
    ),
    "modem": (*RADIO, "LAMP"),
}  # fmt: skip
EXPANDER = {"trap": ("LAMP", "BEEPER", "PI_HALTED", "LID"), "modem": ()}
I2C = {"trap": ("CLOCK", "EXPANDER", "MONITOR"), "modem": ()}
DIRECTIONS = {
    "LORA_MISO": "in", "LORA_BUSY": "in", "LORA_DIO1": "in", "LORA_DIO1_WAKE": "in", "PIR": "in", "BUTTON": "in",
    "PI_RX": "in", "I2C_SDA": "both",
}  # fmt: skip
WAKES = ("LORA_DIO1_WAKE", "PIR", "BUTTON")
HOLDS = ("PI_POWER",)
EXPANDER_BITS = 8
I2C_LOWEST, I2C_HIGHEST = 0x08, 0x77  # the rest is reserved by the I2C specification, 3.1.12


def check(pin_map: PinMap) -> None:
    """Raises: SetupError with every fault, a line each."""
    found = list(faults(pin_map))
    if found:
        raise SetupError("the pin map cannot work:\n  " + "\n  ".join(found))


def faults(pin_map: PinMap) -> Iterator[str]:
    """What is wrong with each board.  Raises: SetupError for ranges that are none."""
    for name, board in pin_map.boards.items():
        chip = pin_map.chips.get(board.chip)
        if chip is None:
            yield f"{name}: chip {board.chip!r} is unknown; allowed are: {', '.join(sorted(pin_map.chips))}"
            continue
        for text in _board_faults(board, chip):
            yield f"{name}: {text}"


def _board_faults(board: Board, chip: Chip) -> Iterator[str]:
    yield from _name_faults("signal", board.signals, SIGNALS[board.role], board.role)
    yield from _name_faults("expander bit", board.expander, EXPANDER[board.role], board.role)
    yield from _name_faults("I2C part", board.i2c, I2C[board.role], board.role)
    for name, signal in board.signals.items():
        yield from _pin_faults(name, signal, board, chip)
        yield from _duty_faults(name, signal, board, chip)
    yield from _level_faults(board, chip)
    yield from _twice("GPIO{}", {name: str(s.pin) for name, s in board.signals.items()})
    yield from _twice("line {}", {name: s.use for name, s in board.signals.items() if s.use != "gpio"})
    yield from _twice("expander bit {}", {name: str(b.bit) for name, b in board.expander.items()})
    yield from _twice("I2C address {}", {name: hex(a) for name, a in board.i2c.items()})
    for name, bit in board.expander.items():
        if not 0 <= bit.bit < EXPANDER_BITS:
            yield f"{name} is on bit {bit.bit} of the expander; it has 0–{EXPANDER_BITS - 1}"
    for name, address in board.i2c.items():
        if not I2C_LOWEST <= address <= I2C_HIGHEST:
            yield f"{name} is at I2C address {address:#x}; allowed are {I2C_LOWEST:#x}–{I2C_HIGHEST:#x}"


def _name_faults(kind: str, named: Mapping[str, object], known: tuple[str, ...], role: str) -> Iterator[str]:
    for name in named:
        if name not in known:
            yield f"{kind} {name!r} is unknown to a {role}; allowed are: {', '.join(known) or 'none'}"
    for name in known:
        if name not in named:
            yield f"{kind} {name} is missing: a {role} needs it"


def _pin_faults(name: str, signal: Signal, board: Board, chip: Chip) -> Iterator[str]:
    """What is wrong with the pin itself; the first fault only, as the others follow from it."""
    pin = signal.pin
    if pin not in numbers(chip.pins):
        yield f"{name} is on GPIO{pin}, which the {board.chip} does not have; it has {', '.join(chip.pins)}"
    elif pin in chip.reserved:
        yield f"{name} is on GPIO{pin}, which is {chip.reserved[pin]}; take another: {_free(board, chip)}"
    elif pin in board.taken:
        yield f"{name} is on GPIO{pin}, which is {board.taken[pin]}; take another: {_free(board, chip)}"
    elif pin not in board.places:
        yield f"{name} is on GPIO{pin}, which comes out nowhere on this board; free are: {_free(board, chip)}"
    elif pin in chip.strapping and not signal.why:
        yield (
            f"{name} is on GPIO{pin}, a strapping pin: it {chip.strapping[pin]}; "
            "take another, or say under `why` that this does no harm"
        )


def _duty_faults(name: str, signal: Signal, board: Board, chip: Chip) -> Iterator[str]:
    """What the pin is asked for and cannot do."""
    pin, wakers = signal.pin, numbers(chip.wake)
    expected = DIRECTIONS.get(name, "out")
    if name in SIGNALS[board.role] and signal.direction != expected:
        yield f"{name} has the direction {signal.direction!r}; allowed is {expected!r}"
    if not signal.source:
        yield f"{name} has no source: say who says so"
    allowed = chip.lines.get(signal.use)
    if allowed is not None and pin not in allowed:
        yield f"{name} is {signal.use} on GPIO{pin}; this line reaches only GPIO {', '.join(map(str, allowed))}"
    elif chip.lines and signal.use != "gpio" and allowed is None:
        yield f"{name} uses {signal.use!r}; allowed are: gpio, {', '.join(sorted(chip.lines))}"
    if name in WAKES and not signal.wake:
        yield f"{name} has to end deep sleep: say `wake = true`, on a pin that can ({', '.join(chip.wake) or 'none'})"
    if signal.wake and pin not in wakers:
        yield (
            f"{name} is on GPIO{pin}, which cannot wake the {board.chip} from deep sleep: "
            f"only GPIO {', '.join(chip.wake) or '(none)'} can; wire it to one of them"
        )
    if signal.wake and signal.direction != "in":
        yield f"{name} wakes and is no input; only an input can"
    if signal.wake and not signal.active:
        yield f"{name} wakes; say under `active` at which level"
    if name in HOLDS and not signal.hold:
        yield f"{name} has to keep its level in deep sleep: say `hold = true`"
    if signal.hold and pin not in wakers:
        yield f"{name} is on GPIO{pin}, which loses its level in deep sleep; only GPIO {', '.join(chip.wake)} hold it"


def _level_faults(board: Board, chip: Chip) -> Iterator[str]:
    levels = {name: s.active for name, s in board.signals.items() if s.wake and s.active}
    if len(set(levels.values())) > chip.wake_levels:
        said = ", ".join(f"{name} {level}" for name, level in levels.items())
        yield f"wake sources differ in their level ({said}); the {board.chip} waits for {chip.wake_levels} at a time"


def _twice(what: str, values: dict[str, str]) -> Iterator[str]:
    users: dict[str, list[str]] = {}
    for name, value in values.items():
        users.setdefault(value, []).append(name)
    for value, names in users.items():
        if len(names) > 1:
            yield f"{what.format(value)} is used by {' and '.join(names)}; one at a time"


def _free(board: Board, chip: Chip) -> str:
    used = {s.pin for s in board.signals.values()} | set(board.taken) | set(chip.reserved)
    return ", ".join(str(pin) for pin in sorted(set(board.places) - used)) or "none is left"


def check_wiring(wiring: Wiring, pin_map: PinMap, colours: tuple[str, ...]) -> None:
    """That every wire ends at a pin there is, and every signal is drawn.  Raises: SetupError with every fault."""
    found = [f"{name}: {text}" for name, d in wiring.drawings.items() for text in _drawing_faults(d, pin_map, colours)]
    drawn = {part for d in wiring.drawings.values() for part in d.parts}
    for name, board in pin_map.boards.items():
        ends = {end for _, signal in _named(board) for end in signal.to}
        found += [f"{name}: {end} is on no drawing" for end in sorted(ends) if end.split(".")[0] not in drawn]
    if found:
        raise SetupError("the wiring cannot be drawn:\n  " + "\n  ".join(found))


def _named(board: Board) -> "list[tuple[str, Signal | Bit]]":
    return [*board.signals.items(), *board.expander.items()]


def _drawing_faults(drawing: Drawing, pin_map: PinMap, colours: tuple[str, ...]) -> Iterator[str]:
    if drawing.board and drawing.board not in pin_map.boards:
        yield f"board {drawing.board!r} is unknown; allowed are: {', '.join(sorted(pin_map.boards))}"
        return
    ends = [(end, f"wire {a} → {b}") for a, b, _ in drawing.wires.list for end in (a, b)]
    if drawing.board:
        board = pin_map.boards[drawing.board]
        if board.part not in drawing.parts:
            yield f"the board's part {board.part} is missing"
        ends += [
            (end, name) for name, signal in _named(board) for end in signal.to if end.split(".")[0] in drawing.parts
        ]
    for end, who in ends:
        part, _, pin = end.partition(".")
        if part not in drawing.parts:
            yield f"{who}: part {part!r} is unknown; allowed are: {', '.join(drawing.parts)}"
        elif pin not in drawing.parts[part].pins and not (drawing.board and end.startswith("EXPANDER.P")):
            yield f"{who}: {part} has no pin {pin!r}; it has {', '.join(drawing.parts[part].pins)}"
    for a, b, colour in drawing.wires.list:
        if colour not in colours:
            yield f"wire {a} → {b}: colour {colour!r} is unknown; allowed are: {', '.join(colours)}"
