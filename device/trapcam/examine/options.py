"""Numbers on a command line, within bounds that the message names (pure)."""

import argparse
from collections.abc import Callable


def number(low: float, high: float) -> Callable[[str], float]:
    """An argparse `type`: a number from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is out of bounds; allowed is {low:g}–{high:g}")
        return value

    return parse
