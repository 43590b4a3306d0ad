"""Settings: one frozen struct a process, read once from TOML, every key with a default, a unit and a line of text.

A settings class is a `msgspec.Struct` with `frozen=True, kw_only=True, forbid_unknown_fields=True` whose fields are
`Annotated[type, Meta(ge=…, le=…, description="… (unit)")]`; tables are nested structs; a list of tables (`[[trap]]`)
is a `tuple[Struct, ...]`, empty by default, whose items may have keys that must be given.
"""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trapkit.errors import SetupError
from trapkit.settings_errors import unknown_key, wrong_value
from trapkit.settings_rows import REQUIRED, rows

__all__ = ["REQUIRED", "convert_settings", "load_settings", "reference", "rows", "show"]
S = TypeVar("S", bound=msgspec.Struct)


def load_settings(cls: type[S], path: Path | None) -> S:
    """The settings in the TOML file `path`, defaults where it is silent; all defaults when `path` is None.

    Raises: SetupError naming the file, the key, its value and what is allowed.
    """
    if path is None:
        return cls()
    try:
        with path.open("rb") as file:
            data = tomllib.load(file)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: is not TOML: {error}") from error
    return convert_settings(cls, data, str(path))


def convert_settings(cls: type[S], data: dict[str, Any], source: str) -> S:
    """The settings in a parsed table; `source` names it in errors.  Raises: SetupError."""
    trouble = unknown_key(cls, data)
    if trouble:
        raise SetupError(f"{source}: {trouble}")
    try:
        return msgspec.convert(data, type=cls)
    except msgspec.ValidationError as error:
        raise SetupError(f"{source}: {wrong_value(cls, data, str(error))}") from error


def reference(title: str, cls: type[msgspec.Struct]) -> str:
    """The settings page of one program, in Markdown."""
    lines = [f"## {title}", "", "| key | allowed | default | what it is |", "|---|---|---|---|"]
    for key, allowed, default, text in rows(cls):
        shown = allowed.replace("|", "\\|")
        value = "must be given" if default is REQUIRED else f"`{_toml(default)}`"
        lines.append(f"| `{key}` | {shown} | {value} | {text} |")
    return "\n".join(lines) + "\n"


def show(settings: msgspec.Struct) -> str:
    """The settings in force, as TOML."""
    top: list[tuple[str, str]] = []
    tables: list[tuple[str, str]] = []
    lists: dict[str, list[str]] = {}
    for key, _, _, _ in rows(type(settings)):
        if "[]." in key:
            outer = key.partition("[].")[0]
            lists[outer] = [line for item in getattr(settings, outer) for line in ("", f"[[{outer}]]", *_flat(item))]
            continue
        value: Any = settings
        for part in key.split("."):
            value = getattr(value, part)
        table, _, name = key.rpartition(".")
        (tables if table else top).append((table, f"{name} = {_toml(value)}"))
    lines = [line for _, line in top]
    last = ""
    for table, line in tables:
        if table != last:
            lines += ["", f"[{table}]"]
            last = table
        lines.append(line)
    lines += [line for listed in lists.values() for line in listed]
    return "\n".join(lines) + "\n"


def _flat(item: msgspec.Struct) -> list[str]:
    return [f"{name} = {_toml(getattr(item, name))}" for name in item.__struct_fields__]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, int | float):
        return str(value)
    # TOML's basic strings escape as JSON's do, and DEL as well.
    return msgspec.json.encode(str(value)).decode().replace("\x7f", "\\u007f")
