"""Two boards on a bench talk: both ways, with losses counted; and a frame wakes a trap that sleeps."""

import json

from tests.hil.conftest import MODEM, TRAP
from tests.hil.repl import Repl

FRAMES = 20
LOST_MAX = 1  # of those, at a metre with attenuators or stub antennas
RADIO = 4  # of woke_by()

SEND = """
import time
for i in range({count}):
    board.feed()
    board.radio.prepare_send(bytes([i]) * 32)
    board.radio.start_send()
    while board.radio.poll_send() is True:
        time.sleep_ms(5)
    time.sleep_ms({gap_ms})
print("sent")
"""
LISTEN = """
import time
board.radio.start_recv(continuous=True)
heard = []
until = time.ticks_add(time.ticks_ms(), {ms})
while time.ticks_diff(until, time.ticks_ms()) > 0:
    board.feed()
    p = board.radio.poll_recv()
    if p and p is not True:
        heard.append([p[0], len(p), p.rssi, p.snr])
    time.sleep_ms(5)
print(heard)
"""


def across(sender: Repl, listener: Repl) -> None:
    listener.start(LISTEN.format(ms=FRAMES * 250 + 2000))
    assert sender.run(SEND.format(count=FRAMES, gap_ms=150), within_s=30) == "sent"
    heard = json.loads(listener.result(within_s=30))
    whole = {first for first, size, *_ in heard if size == 32}
    assert len(whole) >= FRAMES - LOST_MAX, f"{len(whole)} of {FRAMES} frames came: are both antennas on?"
    assert all(-130 < rssi < 0 for *_, rssi, _ in heard)


def test_the_trap_is_heard_by_the_modem(trap: Repl, modem: Repl) -> None:
    trap.run(TRAP)
    modem.run(MODEM)
    across(trap, modem)


def test_the_modem_is_heard_by_the_trap(trap: Repl, modem: Repl) -> None:
    trap.run(TRAP)
    modem.run(MODEM)
    across(modem, trap)


def test_the_radio_says_how_loud_the_channel_is(trap: Repl) -> None:
    code = TRAP + "import time\nboard.radio.start_recv(continuous=True)\ntime.sleep_ms(50)\n"
    assert -140 < int(trap.run(code + "print(board.radio.rssi_dbm())")) < -60, "a channel that is never quiet"


def test_a_frame_wakes_the_trap_from_deep_sleep_and_is_not_lost(trap: Repl, modem: Repl) -> None:
    """By DIO1 at its RTC-capable pin: the wire that the kit does not have (PINS.md, LORA_DIO1_WAKE)."""
    trap.run(TRAP + "board.radio.listen_asleep(20, 200)")
    trap.start("board.sleep(60000, 5)")
    trap.close()
    # A preamble that is longer than the radio's sleep: 320 symbols of 1.024 ms at SF7.
    code = MODEM + "board.radio.standby()\nboard.radio.configure({'sf': 7, 'preamble_len': 320})\n"
    modem.run(code + SEND.format(count=1, gap_ms=0), within_s=10)
    trap.gone(after_s=1)
    code = (
        TRAP
        + "p = board.radio.poll_recv()\nprint([board.woke_by(), list(bytes(p)[:4]) if p and p is not True else []])"
    )
    woke, begins = json.loads(trap.run(code))
    assert woke & RADIO, "DIO1 did not wake it: is the wire from the kit's hole D0 to D0 there?"
    assert begins == [0, 0, 0, 0]
