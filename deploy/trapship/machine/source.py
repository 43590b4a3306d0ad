"""Where the program comes from: a clone of the project (and pip's index), or a bundle of wheels on a stick."""

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from trapship.machine.errors import UsageError

SUMS = "SHA256SUMS"
BUNDLE = "bundle.json"
LARGEST_BYTES = 1 << 20  # of the two texts of a bundle
MOST_WHEELS = 500


@dataclass(frozen=True, kw_only=True)
class Source:
    """deploy: the folder with what is laid down; version, digest: of the program; wheels: None of a clone."""

    deploy: Path
    version: str
    digest: str
    wheels: Path | None = None

    @property
    def name(self) -> str:
        """Of the folder below /opt/pugmark: two that differ in anything differ in it."""
        return f"{self.version}-{self.digest[:8]}"


def from_clone(deploy: Path) -> Source:
    """The project that `deploy` is a part of.  Raises: UsageError."""
    top = deploy.parent
    try:
        project = tomllib.loads((top / "pyproject.toml").read_text())
        packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
        version = str(project["project"]["version"])
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(f"{top}: is no clone of the project ({error}); from a stick say --wheels FOLDER") from error
    total = hashlib.sha256()
    files = [top / "pyproject.toml", deploy / "constraints.txt"]
    for package in packages:
        files += sorted(p for p in (top / package).rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    for path in files:
        body = path.read_bytes()
        total.update(f"{path.relative_to(top)} {len(body)}\n".encode() + body)
    return Source(deploy=deploy, version=version, digest=total.hexdigest())


def from_bundle(deploy: Path, wheels: Path, machine: str, python: str) -> Source:
    """A folder that `deploy/make-wheels` made, every file compared with its digest. machine, python: as `aarch64`,
    `3.11` of this one.  Raises: UsageError naming what is wrong with it."""
    try:
        said = json.loads(_text(wheels / BUNDLE))
        arch, pythons, version = str(said["arch"]), [str(one) for one in said["python"]], str(said["version"])
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{wheels / BUNDLE}: is none that deploy/make-wheels wrote ({error})") from error
    if arch != machine or python not in pythons:
        raise UsageError(
            f"{wheels}: is for {arch} with Python {' or '.join(pythons)}; this is {machine} with Python {python}"
        )
    sums = _text(wheels / SUMS)
    lines = [line.partition("  ") for line in sums.splitlines()]
    if not lines or len(lines) > MOST_WHEELS:
        raise UsageError(f"{wheels / SUMS}: names {len(lines)} files; allowed are 1–{MOST_WHEELS}")
    for digest, _, name in lines:
        if not name or "/" in name or name.startswith("."):
            raise UsageError(f"{wheels / SUMS}: names {name!r}; allowed are files of this folder")
        path = wheels / name
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}; copy the bundle anew") from error
        if found != digest:
            raise UsageError(f"{path}: is damaged (its SHA-256 is another one); copy the bundle anew")
    return Source(deploy=deploy, version=version, digest=hashlib.sha256(sums.encode()).hexdigest(), wheels=wheels)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); a bundle is made by deploy/make-wheels") from error
