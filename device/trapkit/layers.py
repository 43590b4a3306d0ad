"""Settings in layers: defaults, the signed pack of all parks, the signed plan of the region, what this unit was
provisioned with, the file here.

A later layer goes before an earlier one, key by key; a list of tables (`[[trap]]`) counts whole. The file here names
the others: `pack` and `region` (of each the first of these files that is there), `pack_key`, `region_key`, `unit`; the
unit's may name packs and keys.
"""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.operator.packs import flat, read_pack
from trapkit.operator.regions import read_region
from trapkit.operator.signedtext import MAX_BYTES
from trapkit.sealing import read_key

MAX_UNIT_BYTES = 1 << 20  # a base with two thousand traps
NAMED = ("pack", "pack_key", "region", "region_key", "unit")


@dataclass(frozen=True, kw_only=True)
class Layers:
    """`merged`: the table in force; `pack`, `region`, `unit`, `here`: each layer's; `title`, `region_title`: the pack's
    and the region plan's name and version."""

    merged: dict[str, Any]
    pack: dict[str, Any] = field(default_factory=dict)
    unit: dict[str, Any] = field(default_factory=dict)
    here: dict[str, Any] = field(default_factory=dict)
    title: str = ""
    region: dict[str, Any] = field(default_factory=dict)
    region_title: str = ""

    @property
    def layered(self) -> bool:
        return bool(self.pack or self.unit or self.title or self.region_title)

    def origin(self, key: str) -> str:
        """Where a dotted key's value comes from, in words; nothing for a default."""
        for words, table in (
            ("here", self.here),
            ("provisioned", self.unit),
            (f"region {self.region_title}", self.region),
            (f"pack {self.title}", self.pack),
        ):
            if key in flat(table):
                return words
        return ""

    def overridden(self) -> list[tuple[str, Any, str, Any]]:
        """(key, the pack's value, by whom overridden, the value in force), by key; what says the same is none."""
        said, found = flat(self.pack), []
        for key in sorted(said):
            value = flat(self.merged)[key]
            if value != said[key]:
                found.append((key, said[key], self.origin(key), value))
        return found


def read_layers(program: str, path: Path) -> Layers:
    """The layers of a program's settings file.  Raises: SetupError naming the file."""
    here = read_toml(path)
    unit_path = here.get("unit")
    if unit_path is not None and not isinstance(unit_path, str):
        raise SetupError(f"{path}: key 'unit' is {unit_path!r}; allowed is the path of a file")
    unit = read_toml(Path(unit_path)) if unit_path else {}
    named = {key: here.get(key, unit.get(key)) for key in NAMED}
    title, pack = _pack(program, named, str(path))
    region_title, region = _region(program, named, str(path))
    merged = merge(merge(merge(pack, region), unit), here)
    return Layers(merged=merged, pack=pack, unit=unit, here=here, title=title, region=region, region_title=region_title)


def merge(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """`over` before `under`, table by table."""
    merged = dict(under)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file.  Raises: SetupError naming it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_UNIT_BYTES + 1)
        if len(data) > MAX_UNIT_BYTES:
            raise SetupError(f"{path}: has over {MAX_UNIT_BYTES} bytes; settings have some kB")
        return tomllib.loads(data.decode())
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SetupError(f"{path}: is not TOML: {error}") from error


def _pack(program: str, named: dict[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    found = _signed(named, "pack", source, "the key that settings packs are signed with")
    if found is None:
        return "", {}
    pack = read_pack(*found)
    return pack.title, pack.tables.get(program, {})


def _region(program: str, named: dict[str, Any], source: str) -> tuple[str, dict[str, Any]]:
    found = _signed(named, "region", source, "the key that region plans are signed with")
    if found is None:
        return "", {}
    region = read_region(*found)
    return region.title, region.layer(program)


def _signed(named: dict[str, Any], kind: str, source: str, what: str) -> tuple[bytes, bytes, str] | None:
    """The first file of that kind that is there: its bytes, who must have signed it, its name."""
    paths = named[kind] or []
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise SetupError(f"{source}: key '{kind}' is {paths!r}; allowed is a list of paths")
    found = next((Path(path) for path in paths if Path(path).exists()), None)
    if found is None:
        return None
    key_path = named[f"{kind}_key"]
    if not isinstance(key_path, str) or not key_path:
        raise SetupError(
            f"{source}: key '{kind}_key' is missing beside '{kind}'; allowed is the file of who signs {kind}s"
        )
    with found.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    return data, read_key(Path(key_path), what), str(found)
