"""A build: a folder with a release's parts and its list, made without any key and looked at before it is signed.

    BUILD/release.json           as units will read it, but with serial 0: the number is given when it is signed
    BUILD/PART/NAME              the files

The same input gives the same bytes: whoever doubts a release builds it again and compares.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.update.compat import Declared, misfit, read_declared
from trapkit.update.offer import PARTS, RELEASE
from trapship.release.parts import make_part, read

LIST = "release.json"


@dataclass(frozen=True, kw_only=True)
class Built:
    """A build that was read: of each part what it declares and its file."""

    release: str
    built: datetime
    declared: Mapping[str, Declared]
    files: Mapping[str, Path]


def build(folder: Path, release: str, sources: Mapping[str, list[Path]], now: datetime) -> list[str]:
    """Write a build into a new `folder`; a line for each part.

    sources: part -> the paths that it is made from.  Raises: SetupError when a part is not what it should be, when two
    parts that come together do not fit, or when the folder is there and no build; OSError.
    """
    if not RELEASE.fullmatch(release):
        raise SetupError(f"--release {release}: allowed is YEAR.MONTH.NUMBER, such as 2026.12.1")
    given = {part: paths for part, paths in sources.items() if paths}
    if not given:
        raise SetupError(f"{folder}: a release needs a part; allowed are {', '.join('--' + part for part in PARTS)}")
    if folder.exists() and not (folder / LIST).is_file() and any(folder.iterdir()):
        raise SetupError(f"{folder}: is no build and not empty; name a new folder")
    made = {part: make_part(part, paths) for part, paths in given.items()}
    if {"application", "supervisor"} <= set(made) and (wrong := misfit({n: m.declared for n, m in made.items()})):
        raise SetupError(f"{folder}: {wrong}")
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    make_folder(new)
    try:
        said, listed = [], {}
        for part, each in made.items():
            place = new / part / each.name
            make_folder(place.parent)
            write_atomically(place, each.data)
            listed[part] = {**each.declared.as_json(), "file": f"{part}/{each.name}", "sha256": _sha(each.data)}
            path = folder / part / each.name
            said.append(f"{path}: {part} {each.declared.version}, {len(each.data)} bytes, SHA-256 {_sha(each.data)}")
        told = {"release": release, "built_utc": f"{now:%Y-%m-%dT%H:%M:%SZ}", "parts": listed}
        write_atomically(new / LIST, (json.dumps(told, indent=1) + "\n").encode())
        if folder.exists():
            before = _before(folder)
            said = [f"{folder}: held {before}, which this one replaces", *said] if before else said
            shutil.rmtree(folder)
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return said


def _before(folder: Path) -> str:
    """The build that lies in the folder, in words; nothing where it is empty."""
    if not (folder / LIST).is_file():
        return ""
    try:
        built = read_build(folder)
    except SetupError:
        return "a build that was not whole"
    return f"the build of {built.release} ({', '.join(built.files)}) of {built.built:%Y-%m-%d %H:%M} UTC"


def read_build(folder: Path) -> Built:
    """A build, each file proved by its list.  Raises: SetupError."""
    path = folder / LIST
    try:
        told: Any = json.loads(read(path))
        built = datetime.strptime(told["built_utc"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        release, parts = told["release"], told["parts"]
        if not RELEASE.fullmatch(release) or not set(parts) <= set(PARTS):
            raise ValueError(f"release {release!r} with {sorted(parts)}")
        declared = {part: read_declared(entry) for part, entry in parts.items()}
        files = {part: folder / part / Path(entry["file"]).name for part, entry in parts.items()}
        digests = {part: entry["sha256"] for part, entry in parts.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SetupError(f"{path}: is no build's list: {error}; build it again") from error
    for part, file in files.items():
        if _sha(read(file)) != digests[part]:
            raise SetupError(f"{file}: is not the file that {LIST} names; build it again")
    return Built(release=release, built=built, declared=declared, files=files)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
