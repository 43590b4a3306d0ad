"""A PIN opens the page; wrong ones make everybody wait, over restarts too."""

import pytest

from trapcam.service.pin import FREE, LONGEST_WAIT_MS, Door, hashed, read_operators
from trapkit.errors import SetupError

VERA = hashed("271828")
LI = hashed("314159")


def test_the_right_pin_opens_for_its_operator_alone() -> None:
    door = Door({"vera": VERA, "li": LI}, 0, 0)
    assert door.names == ["li", "vera"]
    assert door.opens("vera", "271828", 0)
    assert not door.opens("vera", "314159", 0)
    assert not door.opens("nobody", "271828", 0)
    assert not door.opens("", "", 0)


def test_wrong_ones_make_the_next_wait_twice_as_long_and_a_right_one_ends_it() -> None:
    door, now_ms, waits = Door({"vera": VERA}, 0, 0), 0, []
    for _ in range(FREE + 9):
        now_ms += door.wait_ms(now_ms)
        assert not door.opens("vera", "000000", now_ms)
        waits.append(door.wait_ms(now_ms))
    assert waits[: FREE - 1] == [0] * (FREE - 1)
    assert waits[FREE - 1 : FREE + 2] == [30_000, 60_000, 120_000]
    assert waits[-1] == LONGEST_WAIT_MS
    assert not door.opens("vera", "271828", now_ms), "not even looked at before its time"
    assert door.opens("vera", "271828", now_ms + LONGEST_WAIT_MS)
    assert door.wait_ms(now_ms + LONGEST_WAIT_MS) == 0


def test_taking_the_power_away_does_not_forget_the_wrong_ones() -> None:
    again = Door({"vera": VERA}, FREE + 2, 1_000)
    assert again.wait_ms(1_000) == 120_000
    assert not again.opens("vera", "271828", 1_000)


@pytest.mark.parametrize(
    "pin", ["12345", "1234567890123", "12345a", "１２３４５６", "", "111111", "123456", "654321", "121212"]
)
def test_pins_that_are_none_or_that_everybody_tries_are_refused(pin: str) -> None:
    with pytest.raises(SetupError):
        hashed(pin)


def test_the_file_holds_no_pin_and_the_same_one_twice_looks_different() -> None:
    assert "271828" not in VERA
    assert hashed("271828") != VERA


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "names no operator"),
        (b"vera = ", "is no TOML"),
        (b"\xff", "is no TOML"),
        (b"vera = 271828", "'vera' has no PIN of ours; make it with `trapcam pin vera`"),
        (b'vera = "271828"', "'vera' has no PIN of ours"),
    ],
)
def test_a_file_of_operators_that_is_none_is_said_in_words(data: bytes, words: str) -> None:
    with pytest.raises(SetupError, match=r"operators\.toml") as caught:
        read_operators(data, "operators.toml")
    assert words in str(caught.value)


def test_a_file_of_operators_is_read() -> None:
    assert read_operators(f'vera = "{VERA}"\n'.encode(), "operators.toml") == {"vera": VERA}
