"""Which board this is: the only files of the firmware that know hardware."""

import sys

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

FILES = {"esp32": ("xiao_s3", "XiaoS3"), "rp2": ("pico", "Pico")}


def open_board() -> "tuple[Any, int]":
    """The board's class, and why the unit has started (`trapmcu.retained`).  Raises: KeyError, ImportError."""
    name, title = FILES[sys.platform]
    module = getattr(getattr(__import__("trapmcu.boards." + name), "boards"), name)  # noqa: B009 - MicroPython's __import__
    return getattr(module, title), module.start_cause()
