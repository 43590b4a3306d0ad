"""The words for a setting that must be mended: which key, its value, what is allowed, what was probably meant."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import msgspec

from trapkit.nearest import FEW, allowed
from trapkit.settings_rows import rows

_INDEX = re.compile(r"\[\d+\]")
MAX_SHOWN = 80  # characters of a wrong value


def unknown_key(cls: type[msgspec.Struct], data: dict[str, Any]) -> str:
    """The words for the first key of `data` that `cls` does not have; nothing when it has them all."""
    known = [row[0] for row in rows(cls)]
    lists = {key.partition("[].")[0] for key in known if "[]." in key}
    tables = {key.rpartition(".")[0] for key in known} - {"", *(f"{name}[]" for name in lists)}
    for key, value in sorted(_keys(data, lists), key=lambda found: found[0]):
        plain = _INDEX.sub("[]", key)
        if plain in known or plain in lists:
            continue
        if plain in tables:
            return f"key {key!r} is {_short(value)}: it is one table; write [{key}] and its keys below"
        table = plain.rpartition(".")[0]
        beside = [k for k in known if table and k.startswith(f"{table}.")]
        near = get_close_matches(plain, known, 1, 0.75)
        meant = f" (is {near[0]!r} meant?)" if near else ""
        return f"unknown key {key!r}{meant}; {allowed(plain, beside if 0 < len(beside) <= FEW else known)}"
    return ""


def _keys(data: dict[str, Any], lists: set[str], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every dotted key that holds a value, items of known lists of tables by their index."""
    for name, value in data.items():
        key = prefix + name
        if isinstance(value, dict):
            yield from _keys(value, lists, f"{key}.")
        elif key in lists and isinstance(value, list):
            for i, item in enumerate(value):
                if isinstance(item, dict):
                    yield from _keys(item, lists, f"{key}[{i}].")
        else:
            yield key, value


def wrong_value(cls: type[msgspec.Struct], data: dict[str, Any], error: str) -> str:
    """The words for a value that msgspec refused with the message `error`."""
    reason, _, where = error.partition(" - at `$.")
    key = where.rstrip("`")
    missing = re.search(r"missing required field `(\w+)`", reason)
    if missing:
        key = f"{key}.{missing[1]}".lstrip(".")
        return f"key {key!r} must be given: {_allowed(cls, key)}"
    value: Any = data
    for part in re.findall(r"[^.\[\]]+", key):
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit():
            value = value[int(part)]
    allowed = _allowed(cls, key)
    return f"key {key!r} is {_short(value)}: {reason}" + (f"; allowed is {allowed}" if allowed else "")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}…"


def _allowed(cls: type[msgspec.Struct], key: str) -> str:
    """What a key may be, with its text and default; nothing for what is no key of its own."""
    plain = _INDEX.sub("[]", key)
    for name, kind, default, text in rows(cls):
        if name in (plain, plain.removesuffix("[]")):
            kind = re.sub(r"Literal\[([^\]]*)\]", lambda m: m[1].replace(", ", " or "), kind)
            return f"{kind} ({text})" + ("" if default == "must be given" else f", {default!r} without it")
    return ""
