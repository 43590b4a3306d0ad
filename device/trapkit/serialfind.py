"""Which device a serial line's name stands for. Pure: what is plugged in is handed in.

`usb:SERIALNUMBER` and `usb:VID:PID` (hexadecimal) name a USB adapter wherever the system puts it; anything else is a
path. A path whose adapter was seen is followed when the adapter comes back under another one (`ttyUSB0`, `ttyUSB1`).
"""

import os
import re
from collections.abc import Sequence
from typing import NamedTuple, Protocol

USB = "usb:"
_VID_PID = re.compile(r"([0-9A-Fa-f]{4}):([0-9A-Fa-f]{4})")
MAX_NAMED = 4  # adapters that are there, in an error


class Adapter(Protocol):
    """A serial device that is plugged in (pyserial's `ListPortInfo`)."""

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None


class Identity(NamedTuple):
    """What an adapter is known by: its serial number, or for one without, the socket that it is plugged into."""

    vid: int
    pid: int
    own: str


def identity_of(adapter: Adapter) -> Identity | None:
    """None for what is no USB adapter."""
    if adapter.vid is None or adapter.pid is None:
        return None
    return Identity(adapter.vid, adapter.pid, adapter.serial_number or f"at {adapter.location}")


def find_usb(name: str, adapters: Sequence[Adapter]) -> tuple[str, str]:
    """The device of a `usb:` name, and why there is none; one of the two is empty."""
    wanted = name.removeprefix(USB)
    pair = _VID_PID.fullmatch(wanted)
    on_usb = [a for a in adapters if a.vid is not None]
    if pair is not None:
        ids = (int(pair[1], 16), int(pair[2], 16))
        found = [a for a in on_usb if (a.vid, a.pid) == ids]
    else:
        found = [a for a in on_usb if a.serial_number == wanted]
    if len(found) == 1:
        return found[0].device, ""
    if found:
        names = ", ".join(sorted(f"{a.device} ({a.serial_number or 'no serial number'})" for a in found[:MAX_NAMED]))
        return "", f"{len(found)} adapters are {name}: {names}; name one by its serial number or /dev/serial/by-path"
    return "", f"no USB adapter is {name}; plugged in: {plugged_in(adapters)}"


def plugged_in(adapters: Sequence[Adapter]) -> str:
    """The USB adapters that are there, each as a setting may name it."""
    on_usb = [adapter for adapter in adapters if adapter.vid is not None]
    return ", ".join(sorted(_words(a) for a in on_usb[:MAX_NAMED])) or "none"


def follow(path: str, known: Identity | None, adapters: Sequence[Adapter]) -> str:
    """Where the adapter is that was at `path`, as far as that can be told; else `path` itself."""
    path = os.path.realpath(path)
    same = [a.device for a in adapters if known is not None and identity_of(a) == known]
    return same[0] if len(same) == 1 else path


def _words(adapter: Adapter) -> str:
    return f"{USB}{adapter.serial_number or f'{adapter.vid:04X}:{adapter.pid:04X}'} ({adapter.device})"
