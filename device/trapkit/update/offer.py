"""What a client hands over to be installed: one release, verified, its files complete in a folder of their own.

`trapkit.update`'s client makes these (`take`); `slots` installs them. Values only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("application", "supervisor", "model", "settings", "region")
RELEASE = re.compile(r"20[0-9]{2}\.(?:[1-9]|1[0-2])\.[0-9]{1,3}")  # YEAR.MONTH.NUMBER, at most 11 characters
MAX_SERIAL = 2**31 - 1


class Refused(Exception):  # noqa: N818  (as the shape was agreed; it is an outcome that callers look at)
    """An update that is not taken. code: of `reasons`; words: for a person."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(f"{code}: {words}")
        self.code = code
        self.words = words


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a release: its own version, and the name of its TUF target."""

    version: str
    target: str


@dataclass(frozen=True, kw_only=True)
class Release:
    """`release`: YEAR.MONTH.NUMBER; built_utc: Unix ms; serial: rises by one a release; parts: those it brings, others
    stay as they are; needs: compatibility, as declared (`client` has checked it)."""

    release: str
    built_ms: int
    serial: int
    parts: Mapping[str, Part]
    needs: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not RELEASE.fullmatch(self.release):
            raise ValueError(f"release {self.release!r}; allowed is YEAR.MONTH.NUMBER, such as 2026.12.1")
        if not 1 <= self.serial <= MAX_SERIAL:
            raise ValueError(f"serial {self.serial}; allowed are 1–{MAX_SERIAL}")
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise ValueError(f"parts {sorted(self.parts)}; allowed are some of {', '.join(PARTS)}")


@dataclass(frozen=True, kw_only=True)
class Offered:
    """A verified release. files: of each part it brings, the one file that its target is, in a folder of the client's
    that holds until the next `take`."""

    release: Release
    files: Mapping[str, Path]
