"""A release's parts, from what the operator has into one file each, the same bytes for the same content.

| part | from | its file |
|---|---|---|
| application | pugmark's wheel (and others that shall travel) | the wheel, or a ZIP of all of them |
| supervisor | the folder of `trapship bundle` | a ZIP of it |
| model | `feline.toml` | a ZIP of it and of the `.tflite` that it names |
| settings | a signed settings pack | as it is |
| region | a signed region plan | a ZIP of it, as `region.toml` |
"""

import hashlib
import io
import json
import re
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.operator.packs import read_pack
from trapkit.operator.regions import FORMAT, read_region
from trapkit.update.compat import VERSION, Declared, own_declarations, read_declared
from trapkit.update.released import MAX_PART_BYTES

MAX_FILES = 2_000  # what a unit unpacks
DECLARED = "trapkit/update/declared.toml"
PACK_HEAD = re.compile(rb"pugmark-pack ([0-9]{1,3}) ")
EPOCH = (1980, 1, 1, 0, 0, 0)  # ZIP's own: the same content is the same bytes


@dataclass(frozen=True, kw_only=True)
class Made:
    """A part: the file's name and bytes, and what it declares."""

    name: str
    data: bytes
    declared: Declared


def application(wheels: list[Path]) -> Made:
    """pugmark's wheel, alone or with others.  Raises: SetupError."""
    own = [path for path in wheels if path.name.startswith("pugmark-") and path.suffix == ".whl"]
    if len(own) != 1 or any(path.suffix != ".whl" for path in wheels):
        names = ", ".join(path.name for path in wheels)
        raise SetupError(f"application: {names}; allowed is one pugmark-….whl, and other wheels that shall travel")
    try:
        with zipfile.ZipFile(own[0]) as archive:
            declared = own_declarations(_text(archive, DECLARED))["application"]
            metadata = next(n for n in archive.namelist() if n.count("/") == 1 and n.endswith(".dist-info/METADATA"))
            version = re.search(r"^Version: (\S+)$", _text(archive, metadata), re.M)
    except (OSError, zipfile.BadZipFile, KeyError, StopIteration, ValueError) as error:
        raise SetupError(f"{own[0]}: is no wheel of pugmark that says what it fits: {error}") from error
    data = read(own[0]) if len(wheels) == 1 else pack_zip({path.name: read(path) for path in wheels})
    name = own[0].name if len(wheels) == 1 else own[0].stem + ".zip"
    digest = hashlib.sha256(data).hexdigest()[:8]
    said = f"{version.group(1) if version else '0'}+{digest}"  # two wheels of one version are still two
    return Made(name=name, data=data, declared=_versioned(own[0], said, declared))


def supervisor(folder: Path) -> Made:
    """A bundle's folder.  Raises: SetupError."""
    from trapship.bundle import LIST, read_bundle

    bundle = read_bundle(folder)
    told = json.loads(read(folder / LIST))
    if "declares" not in told:
        raise SetupError(f"{folder / LIST}: does not say what it fits; make it again: trapship bundle {folder}")
    try:
        declared = read_declared({**told["declares"], "version": bundle.version})
    except (TypeError, ValueError) as error:
        raise SetupError(f"{folder / LIST}: {error}") from error
    for board, paths in bundle.files.items():
        for path in paths:
            bundle.read(board, path)  # proves it
    return Made(name="supervisor.zip", data=pack_zip(_folder(folder)), declared=declared)


def model(description: Path) -> Made:
    """A model by its description.  Raises: SetupError when the two do not belong together."""
    told = _toml(description)
    try:
        name, digest, decoding = told["file"], told["sha256"], told["decoding"]
        net = read(description.parent / Path(name).name)
        declared = read_declared({"version": told["version"], "needs": {"decoding": [decoding]}})
    except (KeyError, TypeError, ValueError) as error:
        raise SetupError(f"{description}: is no model's description: {error}") from error
    if hashlib.sha256(net).hexdigest() != digest:
        raise SetupError(f"{description.parent / Path(name).name}: is not the net that {description.name} describes")
    files = {Path(name).name: net, description.name: read(description)}
    return Made(name="model.zip", data=pack_zip(files), declared=declared)


def settings(pack: Path) -> Made:
    """A settings pack as it is: signed by whoever it says, which is judged where it is used.  Raises: SetupError."""
    data = read(pack)
    found = PACK_HEAD.match(data)
    if found is None:
        raise SetupError(f"{pack}: is no settings pack: `trapship pack` makes one, and its first line says so")
    version = f"{read_pack(data, None, str(pack)).version}+{hashlib.sha256(data).hexdigest()[:8]}"
    return Made(name="pack.toml", data=data, declared=Declared(version=version, needs={"pack": (int(found.group(1)),)}))


def region(path: Path) -> Made:
    """A region plan as it is: signed by whoever it says, which is judged where it is used.  Raises: SetupError."""
    data = read(path)
    version = f"{read_region(data, None, str(path)).version}+{hashlib.sha256(data).hexdigest()[:8]}"
    declared = Declared(version=version, needs={"region": (FORMAT,)})
    return Made(name="region.zip", data=pack_zip({"region.toml": data}), declared=declared)


# How each part is made from the paths given for it.
MAKERS: Mapping[str, Callable[[list[Path]], Made]] = {
    "application": application,
    "supervisor": lambda paths: supervisor(_one("supervisor", paths)),
    "model": lambda paths: model(_one("model", paths)),
    "settings": lambda paths: settings(_one("settings", paths)),
    "region": lambda paths: region(_one("region", paths)),
}


def make_part(part: str, paths: list[Path]) -> Made:
    """One part.  Raises: SetupError when it is not what it should be, or larger than a unit takes."""
    made = MAKERS[part](paths)
    if not 0 < len(made.data) <= MAX_PART_BYTES[part]:
        raise SetupError(f"{part}: {len(made.data)} bytes; units take 1–{MAX_PART_BYTES[part]}")
    return made


def pack_zip(files: Mapping[str, bytes]) -> bytes:
    """A ZIP of these files: sorted, without times or owners."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(files.items()):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, data)
    return out.getvalue()


def read(path: Path) -> bytes:
    """A file of at most a part's size.  Raises: SetupError naming it."""
    most = max(MAX_PART_BYTES.values())
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > most:
        raise SetupError(f"{path}: is larger than {most} bytes; units take no such file")
    return data


def _folder(folder: Path) -> dict[str, bytes]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    if not paths or len(paths) > MAX_FILES:
        raise SetupError(f"{folder}: has {len(paths)} files; units take 1–{MAX_FILES}")
    return {path.relative_to(folder).as_posix(): read(path) for path in paths}


def _one(part: str, paths: list[Path]) -> Path:
    if len(paths) != 1:
        raise SetupError(f"{part}: {len(paths)} were named; allowed is one")
    return paths[0]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read(path).decode())
    except ValueError as error:
        raise SetupError(f"{path}: is no TOML: {error}") from error


def _text(archive: zipfile.ZipFile, name: str) -> str:
    with archive.open(name) as file:
        return file.read(1 << 16).decode()


def _versioned(path: Path, version: str, declared: Declared) -> Declared:
    if not VERSION.fullmatch(version):
        raise SetupError(f"{path}: version {version!r} is none that a unit reads")
    return Declared(version=version, gives=declared.gives, needs=declared.needs)
