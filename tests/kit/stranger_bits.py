"""Numbers in bytes, for the second implementation (`stranger.py`): layouts are names with their bits."""

import hashlib
import re


class RefusedError(ValueError):
    """Bytes that the document does not allow."""


def demand(holds: bool, why: str) -> None:
    if not holds:
        raise RefusedError(why)


def sha(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def layout(spec: str) -> list[tuple[str, int, bool]]:
    return [(name, abs(int(bits)), bits[0] == "-") for name, bits in re.findall(r"(\w+):(-?\d+)", spec)]


def size_of(spec: str) -> int:
    return sum(bits for _, bits, _ in layout(spec)) // 8


def read(spec: str, data: bytes) -> tuple[dict, bytes]:
    """The numbers at the beginning of `data`, and the bytes behind them."""
    left = size_of(spec) * 8
    demand(len(data) * 8 >= left, "too short")
    whole, row = int.from_bytes(data[: left // 8], "big"), {}
    for name, bits, signed in layout(spec):
        left -= bits
        value = (whole >> left) & ((1 << bits) - 1)
        row[name] = value - (1 << bits) if signed and value >> (bits - 1) else value
    return row, data[size_of(spec) :]


def write(spec: str, row: dict) -> bytes:
    whole = 0
    for name, bits, signed in layout(spec):
        low, high = (-(1 << bits - 1), 1 << bits - 1) if signed else (0, 1 << bits)
        demand(low <= row[name] < high, f"{name} is out of range")
        whole = whole << bits | row[name] & ((1 << bits) - 1)
    return whole.to_bytes(size_of(spec), "big")


def rows(spec: str, data: bytes) -> list[dict]:
    size = size_of(spec)
    demand(len(data) % size == 0, "not whole rows")
    return [read(spec, data[at : at + size])[0] for at in range(0, len(data), size)]
