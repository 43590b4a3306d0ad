"""The trap's board: its parts answer, it sleeps and wakes, and remembers. The limits are those of BENCH-TEST.md."""

import json
import time
from collections.abc import Callable

from tests.hil.conftest import RESET, TRAP
from tests.hil.repl import Repl

ASLEEP_MAX_UA = 60  # sum of power.toml's sleeping parts is 44 µA; a third for the spread of XIAOs
CLOCK_WITHIN_MS = 250  # over 10 s, mostly the serial line's own time
SLEEP_S = 5
BATTERY_MV = (2500, 5500)  # a cell under load at −40 °C, and the highest that the ideal diodes take
WRAP_BITS = 30  # of ticks_ms on a board: 12.4 days


def test_it_is_the_right_board_and_new_enough(trap: Repl) -> None:
    said = trap.run("import os, sys\nprint(os.uname().machine, '|', sys.implementation.version[:2])")
    machine, _, version = said.partition(" | ")
    assert "ESP32S3" in machine.replace("-", "").upper()
    assert tuple(json.loads(version.replace("(", "[").replace(")", "]"))) >= (1, 25)


def test_clock_expander_and_monitor_answer_on_the_bus(trap: Repl) -> None:
    code = "from machine import I2C, Pin\nfrom trapmcu.boards import pins_xiao_s3 as p\n"
    code = TRAP.split("from trapmcu.boards.xiao_s3")[0] + code
    code += "print(I2C(0, sda=Pin(p.I2C_SDA), scl=Pin(p.I2C_SCL), freq=100000).scan())"
    found = json.loads(trap.run(code))
    assert {0x20, 0x40, 0x51} <= set(found), f"answer: {[hex(a) for a in found]}; wanted 0x20, 0x40, 0x51"


def test_the_clock_chip_keeps_pace_and_survives_a_reset(trap: Repl) -> None:
    first = int(trap.run(TRAP + "print(board.now_ms())"))
    started = time.monotonic()
    time.sleep(10)
    wanted = first + (time.monotonic() - started) * 1000
    assert abs(int(trap.run("board.feed()\nprint(board.now_ms())")) - wanted) < CLOCK_WITHIN_MS
    trap.start(RESET)
    trap.gone(after_s=2)
    later, kept = trap.run(TRAP + "print(board.now_ms(), board.clock_kept())").split()
    assert kept == "True", "the clock chip says it lost its power: is the cell in?"
    assert abs(int(later) - first - (time.monotonic() - started) * 1000) < CLOCK_WITHIN_MS


def test_the_expander_reads_lid_and_pi_and_switches_lamp_and_beeper(trap: Repl) -> None:
    code = "import time\n" + TRAP + "board.lamp(True)\nboard.beep(True)\ntime.sleep_ms(300)\n"
    code += "board.lamp(False)\nboard.beep(False)\nprint(board.pi_halted(), board._expander.get(pins.LID))"
    halted, lid = trap.run(code).split()
    assert halted == "False", "the Pi has no power, and its pin is high: is the 100 kΩ to GND there?"
    assert lid in ("True", "False")


def test_the_lamp_is_seen_and_the_beeper_heard(trap: Repl, ask: Callable[[str], str]) -> None:
    trap.run("import time\n" + TRAP + "board.lamp(True)\nboard.beep(True)\ntime.sleep_ms(1000)\n")
    assert ask("Is the lamp on, and is there a beep? (y/n)") == "y"
    trap.run("board.lamp(False)\nboard.beep(False)")


def test_battery_and_temperature_are_plausible(trap: Repl) -> None:
    battery, warmth = json.loads(trap.run(TRAP + "print([board.battery_mv(), board.temperature_c()])"))
    assert BATTERY_MV[0] <= battery <= BATTERY_MV[1]
    assert -45 <= warmth <= 60


def test_the_battery_monitor_agrees_with_a_multimeter(trap: Repl, ask: Callable[[str], str]) -> None:
    shown_mv = float(ask("Volts at BAT+ by the multimeter?").replace(",", ".")) * 1000
    assert abs(int(trap.run(TRAP + "print(board.battery_mv())")) - shown_mv) <= 0.02 * shown_mv


def test_the_movement_sensor_is_counted(trap: Repl, ask: Callable[[str], str]) -> None:
    ask("Keep still for a minute, then press Enter and wave a hand at 2 m for 10 s.")
    code = (
        TRAP + "import time\nboard.pir_edges()\nn = 0\nfor _ in range(10):\n    board.feed()\n    time.sleep_ms(1000)\n"
    )
    assert int(trap.run(code + "    n += board.pir_edges()\nprint(n)", within_s=20)) >= 1


def test_the_button_tells_how_long_it_was_held(trap: Repl, ask: Callable[[str], str]) -> None:
    ask("Press Enter, then within 10 s hold the button (or the magnet) for about two seconds.")
    code = TRAP + "import time\nheld = 0\nfor _ in range(100):\n    board.feed()\n    time.sleep_ms(100)\n"
    assert 1000 <= int(trap.run(code + "    held = held or board.button()\nprint(held)", within_s=20)) <= 4000


def test_memory_and_clock_go_on_through_deep_sleep(trap: Repl) -> None:
    data = bytes(range(256)) * 8
    before = int(trap.run(TRAP + f"board.retain(bytes(range(256)) * {len(data) // 256})\nprint(board.now_ms())"))
    started = time.monotonic()
    trap.start(f"board.sleep({SLEEP_S * 1000}, 1)")
    trap.gone(after_s=SLEEP_S)
    code = TRAP + "print([board.reset_cause(), board.woke_by(), len(board.retained()), board.now_ms()])"
    cause, woke, kept, now = json.loads(trap.run(code))
    assert (cause, woke) == (1, 1), "not a wake from sleep by the timer"
    assert kept == len(data)
    assert trap.run("print(board.retained() == bytes(range(256)) * 8)") == "True"
    assert abs(now - before - (time.monotonic() - started) * 1000) < CLOCK_WITHIN_MS


def test_it_sleeps_at_microamps(trap: Repl, ask: Callable[[str], str]) -> None:
    trap.run(TRAP + "board.radio.doze()")
    trap.start("board.sleep(120000, 1)")
    trap.close()
    said = ask("USB off, meter in series with the cells: µA after 30 s? (then plug USB in again)")
    trap.gone(within_s=180)
    assert float(said.replace(",", ".")) <= ASLEEP_MAX_UA


def test_the_boards_ticks_wrap_where_the_firmware_expects_it(trap: Repl) -> None:
    assert int(trap.run("import time\nprint(time.ticks_add(0, -1))")) == 2**WRAP_BITS - 1
    code = TRAP.split("from trapmcu.boards import")[0] + (
        "import time\nfrom trapmcu.boards.ticks import Ticks\n"
        f"top = {2**WRAP_BITS}\nshift = top - 1000 - time.ticks_ms()\n"
        "t = Ticks(lambda: (time.ticks_ms() + shift) % top, time.ticks_diff)\n"
        "a = t.now_ms()\ntime.sleep_ms(2000)\nprint(t.now_ms() - a)"
    )
    assert 1990 <= int(trap.run(code)) <= 2100
