"""Settings: one frozen struct a process, read once from TOML, every key with a default, a unit and a line of text.

A settings class is a `msgspec.Struct` with `frozen=True, kw_only=True, forbid_unknown_fields=True` whose fields are
`Annotated[type, Meta(ge=…, le=…, description="… (unit)")]`; tables are nested structs; a list of tables (`[[trap]]`)
is a `tuple[Struct, ...]`, empty by default, whose items may have keys that must be given.
"""

from pathlib import Path
from typing import Any, TypeVar

import msgspec

from trapkit.errors import SetupError
from trapkit.layers import Layers, read_layers, read_toml
from trapkit.settings_errors import unknown_key, wrong_value
from trapkit.settings_rows import REQUIRED, rows

__all__ = ["REQUIRED", "convert_settings", "layers_of", "load_settings", "reference", "rows", "show"]
S = TypeVar("S", bound=msgspec.Struct)


def load_settings(cls: type[S], path: Path | None) -> S:
    """The settings in the TOML file `path`, defaults where it is silent; all defaults when `path` is None.

    Where `cls` has a key `unit`, the layers below that file count too (`trapkit.layers`).
    Raises: SetupError naming the file, the key, its value and what is allowed.
    """
    if path is None:
        return cls()
    return convert_settings(cls, layers_of(cls, path).merged, str(path))


def layers_of(cls: type[msgspec.Struct], path: Path) -> Layers:
    """What each layer says; of a class without a pack only the file.  Raises: SetupError."""
    if "unit" not in cls.__struct_fields__:
        here = read_toml(path)
        return Layers(merged=here, here=here)
    layers = read_layers(getattr(cls, "PACK", ""), path)
    # Each by itself first, so that the file with the mistake is named, and not the one on top.
    for table, source in (
        (layers.pack, f"settings pack {layers.title}"),
        (layers.region, f"region plan {layers.region_title}"),
        (layers.unit, str(layers.here.get("unit"))),
    ):
        if table:
            convert_settings(cls, table, source)
    return layers


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


def show(settings: msgspec.Struct, layers: Layers | None = None) -> str:
    """The settings in force, as TOML; with `layers` where each comes from, and what of the pack is overridden."""
    layers = layers if layers is not None and layers.layered else None
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
        origin = layers.origin(key) if layers else ""
        (tables if table else top).append((table, f"{name} = {_toml(value)}" + (f"  # {origin}" if origin else "")))
    lines = _overrides(layers) if layers else []
    lines += [line for _, line in top]
    last = ""
    for table, line in tables:
        if table != last:
            lines += ["", f"[{table}]"]
            last = table
        lines.append(line)
    lines += [line for listed in lists.values() for line in listed]
    return "\n".join(lines) + "\n"


def _overrides(layers: Layers) -> list[str]:
    """What of the pack does not hold here, as comments."""
    if not layers.title:
        return ["# Settings pack: none.", ""]
    found = layers.overridden()
    lines = [f"# Settings pack: {layers.title}; {len(found) or 'nothing'} of it overridden here{':' if found else '.'}"]
    for key, said, origin, value in found:
        lines.append(f"#   {key} = {_toml(value)} ({origin}); the pack says {_toml(said)}")
    return [*lines, ""]


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
