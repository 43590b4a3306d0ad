"""The settings pack: the same methods in every park, as one signed TOML file. Pure but for its bytes, handed in.

    pugmark-pack 1 KEY SIGNATURE
    name = "Amur survey"
    version = "2026.12.1"
    [trapcam.audit]
    share = 0.05
    [trapbase.batch]
    max_wait_s = 3600
    [mcu]
    picture_min = 720

It says how is measured, and nothing of where, by whom or under which law: only keys of `SHARED` stand in it.
"""

import re
import tomllib
from dataclasses import dataclass
from typing import Any

from trapkit.errors import SetupError
from trapkit.operator.signedtext import read_signed, write_signed

KIND = "pack"
TRAPCAM, TRAPBASE, MCU = "trapcam", "trapbase", "mcu"
# Dotted keys, or tables with all their keys, that are a matter of method. Paths, addresses, keys, commands and the
# radio's rules are the operator's and the country's.
SHARED = {
    TRAPCAM: (
        "keep", "audit", "health", "rungs", "card", "trigger.interval_s",
        "detector.required", "detector.without_mb", "camera.pi.frames", "camera.pi.every_s", "camera.pi.preroll",
        "camera.usb.frames", "camera.usb.every_s", "camera.usb.preroll", "clock.uncertainty_ms", "service.idle_min",
    ),
    TRAPBASE: (
        "batch.max_events", "batch.max_bytes", "batch.max_age_s", "batch.max_wait_s", "batch.urgent_species",
        "batch.project", "batch.classified_by", "store.keep_days",
    ),
    MCU: (
        "utc_offset_min", "armed_from_h", "armed_to_h", "armed_from_month", "armed_to_month", "watch_from_h",
        "watch_to_h", "watch_from_month", "watch_to_month", "min_gap_ms", "triggers_a_day", "trigger_burst",
        "picture_min",
    ),
}  # fmt: skip
VERSION = re.compile(r"\d{4}\.\d{1,2}\.\d{1,4}")
MAX_NAME = 80


@dataclass(frozen=True, kw_only=True)
class Pack:
    """`tables`: by program, as its settings file would have them; `key`: who signed it (32 bytes)."""

    name: str
    version: str
    tables: dict[str, dict[str, Any]]
    key: bytes

    @property
    def title(self) -> str:
        return f"{self.name} {self.version}"


def make_pack(text: str, seed: bytes, name: str) -> bytes:
    """The signed file; `seed`: the operator's; `name`: of the source.  Raises: SetupError naming what is wrong."""
    _parse(text, name, b"")
    return write_signed(KIND, seed, text)


def read_pack(data: bytes, key: bytes | None, name: str) -> Pack:
    """A pack; `key`: who must have signed it, None: anybody.  Raises: SetupError naming the file."""
    text, by = read_signed(KIND, data, key, name)
    return _parse(text, name, by)


def flat(table: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every dotted key with its value."""
    found: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def is_shared(program: str, key: str) -> bool:
    """Whether a pack may say this."""
    return any(key == shared or key.startswith(f"{shared}.") for shared in SHARED[program])


def _parse(text: str, name: str, key: bytes) -> Pack:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SetupError(f"{name}: is no TOML: {error}") from error
    title, version = data.pop("name", None), data.pop("version", None)
    if not isinstance(title, str) or not (0 < len(title) <= MAX_NAME and title.isprintable()):
        raise SetupError(f"{name}: key 'name' is {title!r}; allowed is a title of 1–{MAX_NAME} letters")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise SetupError(f"{name}: key 'version' is {version!r}; allowed are versions like 2026.12.1")
    for program, table in data.items():
        if program not in SHARED or not isinstance(table, dict):
            raise SetupError(f"{name}: {program!r} is no program of ours; allowed are tables {', '.join(SHARED)}")
        for each in flat(table):
            if not is_shared(program, each):
                raise SetupError(
                    f"{name}: key '{program}.{each}' is not for a pack, which says how is measured, not where or by "
                    f"whom; allowed are {', '.join(SHARED[program])}"
                )
    return Pack(name=title, version=version, tables=data, key=key)
