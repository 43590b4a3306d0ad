"""Signed files by name, as the verified lists say them (values only)."""

from collections.abc import Mapping
from dataclasses import dataclass

METADATA = "metadata/"
TARGETS = "targets/"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A signed file. name: the target's; path: where a source has it; length: bytes; sha256: hexadecimal."""

    name: str
    path: str
    length: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What the repository publishes now, proved. versions: role -> version."""

    targets: Mapping[str, Wanted]
    versions: Mapping[str, int]
