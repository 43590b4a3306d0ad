"""Argument types that refuse a bad value by name, with what is allowed."""

import argparse
from collections.abc import Callable


def number(low: float, high: float) -> Callable[[str], float]:
    """A number within bounds."""

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no number; allowed is {low}–{high}") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is out of bounds; allowed is {low}–{high}")
        return value

    return convert


def whole(low: int, high: int) -> Callable[[str], int]:
    """A whole number within bounds."""

    def convert(text: str) -> int:
        value = number(low, high)(text)
        if value != int(value):
            raise argparse.ArgumentTypeError(f"{text} is no whole number; allowed is {low}–{high}")
        return int(value)

    return convert
