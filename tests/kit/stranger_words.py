"""Words and replies (section 5) for the second implementation (`stranger.py`)."""

from tests.kit.stranger_bits import demand, read, size_of, write

ITEMS = {  # type: name and layout
    1: ("time", "time:40 uncertainty:8"),
    2: ("margin", "margin:-8"),
    3: ("wanted", "epoch:32 number:24 rung:8"),
    4: ("setting", "command:16 setting:8 value:32"),
    5: ("log", "first:32 count:8"),
}
TYPES = {name: kind for kind, (name, _) in ITEMS.items()}
LOG = "first:32 left:8"
ENTRY = "time:32 is_true:1 code:7 value:16"
REPLY = "command:16 outcome:8 value:32"
RUNGS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
OUTCOMES = (0, 1, 2, 3, 4)  # done, unknown setting, out of bounds, on trial, reverted


def read_items(data: bytes) -> list[tuple]:
    """Each item as (name, numbers); a skipped one as (None, its type, its value)."""
    items = []
    while data:
        demand(len(data) >= 2 and len(data) >= 2 + data[1], "an item ends behind the payload")
        kind, value, data = data[0], data[2 : 2 + data[1]], data[2 + data[1] :]
        name, spec = ITEMS.get(kind, (None, ""))
        row = read(spec, value)[0] if name and len(value) == size_of(spec) else None
        known = row is not None and row.get("uncertainty") != 255 and row.get("rung", 0) in RUNGS
        items.append((name, row) if known else (None, kind, value))
    return items


def write_items(items: list[tuple]) -> bytes:
    data = b""
    for name, *rest in items:
        kind, value = (TYPES[name], write(ITEMS[TYPES[name]][1], *rest)) if name else rest
        data += bytes([kind, len(value)]) + value
    return data
