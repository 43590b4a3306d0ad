"""Settings files as a unit gets them: TOML and JSON from tables. Pure."""

import json
from typing import Any


def toml(tables: dict[str, Any], head: str = "") -> bytes:
    """TOML of a table of values, tables and lists of tables, one deep; `head`: comment lines above it."""
    lines = [f"# {line}" for line in head.splitlines()]
    lines += [f"{key} = {_value(value)}" for key, value in tables.items() if not _is_table(value)]
    for key, value in tables.items():
        for item in value if isinstance(value, list) and _is_table(value) else [value] if _is_table(value) else []:
            lines += ["", f"[[{key}]]" if isinstance(value, list) else f"[{key}]"]
            lines += [f"{name} = {_value(each)}" for name, each in item.items()]
    return ("\n".join(lines) + "\n").encode()


def mcu_json(settings: dict[str, Any]) -> bytes:
    """A microcontroller's settings, as `trapship flash --settings` reads them."""
    return (json.dumps(settings, indent=1, sort_keys=True) + "\n").encode()


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _value(value: Any) -> str:
    # JSON's texts, numbers, truth and lists are TOML's too; DEL alone is not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
