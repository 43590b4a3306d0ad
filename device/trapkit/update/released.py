"""What is in force and what a release is, as the two signed lists say it: `releases/current.json` and
`releases/VERSION.json` (pure).

    current.json   {"release": "2026.12.1", "serial": 17, "serial_floor": 17, "back_from": 0}
    VERSION.json   {"release", "built_utc", "serial", "parts": {PART: {"version", "target", "gives", "needs"}}, "needs"}

A unit that had serial N takes a lower one only where the operator said so by name: `back_from` is N or more. An older
list that somebody plays again cannot say that of a serial that came after it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from trapkit.update.compat import Declared, read_declared
from trapkit.update.offer import MAX_SERIAL, PARTS, RELEASE, Part, Release

CURRENT = "releases/current.json"
MAX_LIST_BYTES = 1 << 16  # ours are 2 kB
# The most that a part of its kind may have: what a unit's card, its memory and a stick at walking speed can take.
MAX_PART_BYTES = {
    "application": 128 << 20,
    "supervisor": 8 << 20,
    "model": 64 << 20,
    "settings": 1 << 18,
    "region": 1 << 20,
}


@dataclass(frozen=True, kw_only=True)
class Current:
    """What shall run. serial_floor: no unit runs a lower one; back_from: units that had up to this one may go back."""

    release: str
    serial: int
    serial_floor: int
    back_from: int

    def as_json(self) -> dict[str, Any]:
        return {
            "release": self.release,
            "serial": self.serial,
            "serial_floor": self.serial_floor,
            "back_from": self.back_from,
        }


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A release as it is listed, and what each of its parts declares."""

    release: Release
    declared: Mapping[str, Declared]


def release_target(version: str) -> str:
    """The target that lists a release."""
    return f"releases/{version}.json"


def radio_target(version: str) -> str:
    """The target that has a release's settings for the radio."""
    return f"radio/{version}.pack"


def read_current(data: bytes) -> Current:
    """Raises: ValueError in words."""
    told = _table(data)
    release, serial = _version(told), _serial(told, "serial")
    floor, back_from = _serial(told, "serial_floor"), _serial(told, "back_from", least=0)
    if serial < floor:
        raise ValueError(f"names serial {serial}, below its own floor {floor}")
    return Current(release=release, serial=serial, serial_floor=floor, back_from=back_from)


def read_release(data: bytes) -> Listed:
    """Raises: ValueError in words."""
    told = _table(data)
    parts = told.get("parts")
    if not isinstance(parts, dict) or not parts or not set(parts) <= set(PARTS):
        names = sorted(map(str, parts))[:8] if isinstance(parts, dict) else parts
        raise ValueError(f"brings {names!r:.120}; allowed are some of {', '.join(PARTS)}")
    declared = {name: read_declared(part) for name, part in parts.items()}
    release = Release(
        release=_version(told),
        built_ms=_moment_ms(told.get("built_utc")),
        serial=_serial(told, "serial"),
        parts={name: Part(version=declared[name].version, target=_target(name, parts[name])) for name in parts},
        needs=read_declared({"version": "release", "needs": told.get("needs", {})}).needs,
    )
    return Listed(release=release, declared=declared)


def write_release(listed: Listed) -> bytes:
    """What `read_release` takes back."""
    release = listed.release
    built = datetime.fromtimestamp(release.built_ms // 1000, UTC)
    parts = {
        name: {**listed.declared[name].as_json(), "target": part.target} for name, part in sorted(release.parts.items())
    }
    needs = {name: list(values) for name, values in sorted(release.needs.items())}
    told = {
        "release": release.release,
        "built_utc": f"{built:%Y-%m-%dT%H:%M:%SZ}",
        "serial": release.serial,
        "parts": parts,
        "needs": needs,
    }
    return (json.dumps(told, indent=1) + "\n").encode()


def _table(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_LIST_BYTES:
        raise ValueError(f"{len(data)} bytes; allowed are {MAX_LIST_BYTES}")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"is no JSON: {error}") from error
    if not isinstance(told, dict):
        raise ValueError("is no table")
    return told


def _version(told: Mapping[str, Any]) -> str:
    version = told.get("release")
    if not isinstance(version, str) or not RELEASE.fullmatch(version):
        raise ValueError(f"release {version!r:.80}; allowed is YEAR.MONTH.NUMBER, such as 2026.12.1")
    return version


def _serial(told: Mapping[str, Any], name: str, *, least: int = 1) -> int:
    value = told.get(name)
    if type(value) is not int or not least <= value <= MAX_SERIAL:
        raise ValueError(f"{name} {value!r:.80}; allowed are {least}–{MAX_SERIAL}")
    return value


def _moment_ms(text: Any) -> int:
    try:
        moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError) as error:
        raise ValueError(f"built_utc {text!r:.80}; allowed is like 2026-11-22T06:00:00Z") from error
    return int(moment.timestamp()) * 1000


def _target(part: str, told: Mapping[str, Any]) -> str:
    """The part's file: of its own kind alone, so that no file that was signed as something else stands in for it."""
    target = told.get("target")
    if not isinstance(target, str) or not target.startswith(f"{part}/") or len(target) > 200:
        raise ValueError(f"{part}: target {target!r:.120}; allowed is one under {part}/")
    if any(step in ("", ".", "..") for step in target.split("/")):
        raise ValueError(f"{part}: target {target!r:.120} leaves its folder")
    return target
