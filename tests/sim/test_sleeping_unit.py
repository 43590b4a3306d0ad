"""The simulated board with a unit that sleeps, as `trapsim unit` runs one that was provisioned for the field."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support import free_port

from trapsim import board as boards
from trapsim.board import PIR, RADIO, TIMER, SimBoard, SimRadio, Slept
from trapsim.channel import Channel, open_socket
from trapsim.places import Places
from trapsim.unit import run_unit
from trapsim.walker.hand import Hand
from trapwire.wake import PREAMBLE, WAKE_BYTES, WAKE_US

HOUR_MS, NAP_MS = 3_600_000, 10_000
FIELD = {
    "role": "supervisor", "trap": 7, "plan": "ru864", "sf": 9, "freq_khz": 868_900, "link_key": "07" * 16,
    "battery": "lithium-primary",
}  # fmt: skip
PAIR = {"station_key": "09" * 16, "wake_khz": 868_700}


class Wall:
    """Time in ms, by hand; the board's `wait` moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1_000
        monkeypatch.setattr(boards, "monotonic_us", lambda: self.ms * 1000)
        monkeypatch.setattr(SimBoard, "wait", lambda board, ms: self.pass_ms(max(1, ms)))

    def pass_ms(self, ms: int) -> None:
        self.ms += ms


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    return Wall(monkeypatch)


@pytest.fixture
def tty() -> Iterator[str]:
    master, slave = os.openpty()
    yield os.ttyname(slave)
    os.close(master)
    os.close(slave)


@pytest.mark.parametrize("pair", [{}, PAIR], ids=["alone", "one of two"])
def test_a_provisioned_unit_sleeps_and_wakes_for_hours(
    pair: dict[str, object], tmp_path: Path, tty: str, wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[int] = []
    sleep = SimBoard.sleep

    def noted(board: SimBoard, ms: int | None, wakes: int) -> None:
        slept.append(wakes)
        sleep(board, ms, wakes)

    monkeypatch.setattr(SimBoard, "sleep", noted)
    arguments = {
        "serial": tty, "flash": str(tmp_path / "flash"), "channel_port": free_port(), "speed": 1, "seed": 1,
        "pir_ms": 0, "settings": FIELD | pair,
    }  # fmt: skip
    run_unit(arguments, lambda: wall.ms < 8 * HOUR_MS)
    assert len(slept) > 3
    assert all(bool(wakes & RADIO) == bool(pair) for wakes in slept)


class Air:
    """A channel of two: a unit's board, and its partner's radio."""

    def __init__(self, sock: socket.socket, board: Callable[[int], SimBoard], wall: Wall) -> None:
        port = sock.getsockname()[1]
        self.channel = Channel(sock, Places(9, 0.0, lambda: 0.5), 1.0, lambda: (-90, 20))
        self.board, self.partner, self._wall = board(port), SimRadio(port, 9, lambda: wall.ms), wall
        self.partner.configure({"sf": 7, "freq_khz": 868_700, "preamble_len": PREAMBLE})
        self.step()

    def step(self) -> None:
        self.channel.step(self._wall.ms)

    def calls(self) -> None:
        """The partner's whole call, from its beginning to its end."""
        self.partner.prepare_send(bytes(WAKE_BYTES))
        self.partner.start_send()
        self.step()
        self._wall.pass_ms(WAKE_US // 1000 + 1)
        self.step()


@pytest.fixture
def air(tmp_path: Path, tty: str, wall: Wall) -> Iterator[Air]:
    (tmp_path / "flash").mkdir()
    with open_socket(0) as sock:
        made = Air(sock, lambda port: SimBoard(tty, str(tmp_path / "flash"), port, 9, 1, 1, 0, lambda: True), wall)
        yield made
        made.partner.socket.close()
        made.board.close()


def asleep(air: Air, ms: int, wakes: int) -> int:
    """What has ended a sleep."""
    with pytest.raises(Slept):
        air.board.sleep(ms, wakes)
    air.step()
    return air.board.woke_by()


def test_a_partners_call_ends_a_sleep_and_lies_in_the_radio(air: Air) -> None:
    air.board.radio.configure({"sf": 7, "freq_khz": 868_700, "preamble_len": PREAMBLE})
    air.board.radio.listen_asleep(10, 310)
    air.step()
    air.calls()
    assert asleep(air, NAP_MS, TIMER | RADIO) == RADIO
    assert bytes(air.board.radio.poll_recv()) == bytes(WAKE_BYTES)  # type: ignore[arg-type]


def test_a_radio_that_dozes_hears_nobody_until_it_is_told_to(air: Air) -> None:
    tuning = {"sf": 7, "freq_khz": 868_700, "preamble_len": PREAMBLE}
    air.board.radio.configure(tuning)
    air.board.radio.doze()
    air.step()
    air.calls()
    assert asleep(air, NAP_MS, TIMER | RADIO) == TIMER
    air.board.radio.configure(tuning)
    air.board.radio.start_recv(continuous=True)
    air.step()
    air.calls()
    assert air.board.radio.holds()


def test_the_magnet_ends_a_sleep_and_is_told_then(air: Air, tmp_path: Path) -> None:
    hand = Hand(str(tmp_path))
    hand.holds = 1
    hand.write()
    assert asleep(air, NAP_MS, TIMER | PIR) == TIMER
    assert asleep(air, NAP_MS, TIMER | boards.BUTTON) == boards.BUTTON
    assert air.board.button() > 0
