"""A unit's mcu.json before it goes onto the unit: the role that was asked for, and the keys of `trapship keys`. Pure.

Whether each value is allowed the unit's own firmware says, on the unit, before anything is switched: `flash.py`.
"""

import json
import re
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.nearest import allowed
from trapship.linkkeys import LINK

ROLES = ("supervisor", "modem", "repeater")
MAX_TRAP = 65535
MAX_SETTINGS_BYTES = 8192  # four times one with every key and sixteen hops
_UNKNOWN = re.compile(r"unknown setting '([^']*)'; allowed are: (.*)")
SECRET = ("link_key", "hop_key", "station_key", "hops")


def load_settings(path: Path, role: str, keys: Path | None) -> dict[str, Any]:
    """The table that goes onto the unit, its keys filled in from `keys` where the file names none.

    Raises: SetupError naming the file, what is wrong, and what is allowed; never a key.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > MAX_SETTINGS_BYTES:
        raise SetupError(f"{path}: has {len(data)} bytes; allowed are {MAX_SETTINGS_BYTES}")
    try:
        settings = json.loads(data)
    except ValueError as error:
        raise SetupError(f"{path}: is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise SetupError(f'{path}: is no table of settings; write {{"role": "{role}", …}}')
    named = settings.setdefault("role", role)
    if named != role:
        raise SetupError(f"{path}: is for the role {named!r}, and --role is {role!r}; one of them is another unit's")
    return settings if keys is None else _with_keys(settings, keys)


def _with_keys(settings: dict[str, Any], keys: Path) -> dict[str, Any]:
    """With what `trapship keys` made for this unit, where the settings name none themselves."""
    link = keys / LINK
    if not link.is_dir():
        raise SetupError(f"{keys}: has no {LINK}/; make its keys with: trapship keys {keys} --trap N")
    filled = dict(settings)
    trap = settings.get("trap")
    if settings["role"] == "supervisor":
        if type(trap) is not int or not 0 < trap <= MAX_TRAP:  # True is an int too
            raise SetupError(
                f"trap is {trap!r}; allowed is the trap's number, 1–{MAX_TRAP}, or --keys cannot find its keys"
            )
        # A next key is what a renewed unit gets: the one before it may be in somebody else's hands.
        new = link / f"{trap}.next"
        filled.setdefault("link_key", _read(new if new.exists() else link / f"{trap}.key"))
        if (link / f"{trap}.hop").exists():
            filled.setdefault("hop_key", _read(link / f"{trap}.hop"))
        for pair in sorted(link.glob("*-*.pair")):
            if str(trap) in pair.stem.split("-"):
                filled.setdefault("station_key", _read(pair))
    if settings["role"] == "repeater" and isinstance(settings.get("hops"), dict):
        for n in settings["hops"]:
            if not (n.isascii() and n.isdecimal() and 0 < int(n) <= MAX_TRAP and n == str(int(n))):
                raise SetupError(f"hops has {n!r}; allowed are traps' numbers, 1–{MAX_TRAP}")
        filled["hops"] = {n: key or _read(link / f"{n}.hop") for n, key in settings["hops"].items()}
    return filled


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: cannot be read; `trapship keys` makes it") from error


def encode(settings: dict[str, Any]) -> bytes:
    """As it lies on the unit: sorted, so that the same settings are the same bytes."""
    return json.dumps(settings, sort_keys=True, separators=(",", ":")).encode()


def same_unit(there: dict[str, Any], new: dict[str, Any]) -> str:
    """What of the unit's identity the new settings would change, in words; nothing where it stays the same unit."""
    if there.get("role", "supervisor") != new["role"]:
        return f"it is a {there.get('role', 'supervisor')} now"
    if there.get("trap") != new.get("trap"):
        return f"it is trap {there.get('trap')} now"
    changed = [name for name in SECRET if there.get(name) and there.get(name) != new.get(name)]
    return f"it has another {changed[0]} now" if changed else ""


def plainer(refused: str) -> str:
    """The firmware's own words about a name that it does not know, with the names like it and not with all of them."""
    found = _UNKNOWN.fullmatch(refused)
    return f"unknown setting {found[1]!r}; {allowed(found[1], found[2].split(', '))}" if found else refused
