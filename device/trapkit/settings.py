"""Settings: one frozen struct a process, read once from TOML, every key with a default, a unit and a line of text.

A settings class is a `msgspec.Struct` with `frozen=True, kw_only=True, forbid_unknown_fields=True` whose fields are
`Annotated[type, Meta(ge=…, le=…, description="… (unit)")]`; tables are nested structs; a list of tables (`[[trap]]`)
is a `tuple[Struct, ...]`, empty by default, whose items may have keys that must be given.
"""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from trapkit.errors import SetupError

S = TypeVar("S", bound=msgspec.Struct)
REQUIRED = "must be given"


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
    unknown = sorted(
        set(_keys(data)) - {row[0] for row in rows(cls)} - {row[0].partition("[].")[0] for row in rows(cls)}
    )
    if unknown:
        allowed = ", ".join(row[0] for row in rows(cls))
        raise SetupError(f"{source}: unknown key {unknown[0]!r}; allowed are: {allowed}")
    try:
        return msgspec.convert(data, type=cls)
    except msgspec.ValidationError as error:
        reason, _, where = str(error).partition(" - at `$.")
        key = where.rstrip("`")
        value: Any = data
        for part in re.findall(r"[^.\[\]]+", key):
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit():
                value = value[int(part)]
        raise SetupError(f"{source}: key {key!r} is {value!r}: {reason}") from error


def _keys(data: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in data.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def rows(cls: type[msgspec.Struct], prefix: str = "") -> list[tuple[str, str, Any, str]]:
    """Every key of a settings class as (dotted key, what is allowed, default, text).

    Keys of a list of tables read `name[].key`; the default of one that must be given is `REQUIRED`.
    """
    found: list[tuple[str, str, Any, str]] = []
    hints = get_type_hints(cls, include_extras=True)
    for field in msgspec.structs.fields(cls):
        name, hint = field.name, hints[field.name]
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            found += rows(hint, f"{prefix}{name}.")
            continue
        item = _item(hint)
        if item is not None:
            found += rows(item, f"{prefix}{name}[].")
            continue
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        default = REQUIRED if default is msgspec.NODEFAULT else default
        kind, text, bounds = _describe(hint)
        found.append((prefix + name, f"{kind} {bounds}".strip(), default, text))
    return found


def _item(hint: Any) -> type[msgspec.Struct] | None:
    """The struct of which `hint` is a list of tables, or None."""
    args = get_args(hint)
    listed = get_origin(hint) is tuple and isinstance(args[0], type) and issubclass(args[0], msgspec.Struct)
    return args[0] if listed else None


def _describe(hint: Any) -> tuple[str, str, str]:
    base, metas = (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())
    meta = next((m for m in metas if isinstance(m, msgspec.Meta)), msgspec.Meta())
    bounds = [
        f"{sign} {value}"
        for sign, value in (("≥", meta.ge), (">", meta.gt), ("≤", meta.le), ("<", meta.lt), ("like", meta.pattern))
        if value is not None
    ]
    kind = base.__name__ if isinstance(base, type) and not get_args(base) else str(base)
    return kind.replace("typing.", ""), meta.description or "", ", ".join(bounds)


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
