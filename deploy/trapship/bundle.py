"""A bundle: all that goes onto a unit, in one folder, made once with internet and good for every board after that.

    DIR/bundle.json            format, version, and of each board its architecture and every file with its SHA-256
    DIR/xiao-s3/…, DIR/pico/…  what a slot holds: trapmcu/, trapwire/ and lora/ as .mpy
    DIR/start/                 boot.py and main.py, which start a slot
    DIR/LICENSE-…              of the firmware, and of micropython-lib

A bundle is written into a new folder beside DIR and renamed: half a bundle has no name that `flash` would take.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.update.compat import own_declarations
from trapship.boards import BOARDS, Board
from trapship.compiler import MPY_VERSION, compile_text
from trapship.firmware import small_sources, source_folder
from trapship.libraries import fetch_lora, read_lora

FORMAT = 1
LIST = "bundle.json"
START = "start"
MAX_LIST_BYTES = 1 << 20  # a list of ours is 20 kB


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A bundle that was read and checked. `files`: for each board, path within the slot -> SHA-256."""

    folder: Path
    version: str
    mpy: int
    files: dict[str, dict[str, str]]
    start: dict[str, bytes]  # boot.py and main.py, which lie outside the slots

    def read(self, board: str, path: str) -> bytes:
        """A file's bytes.  Raises: SetupError when they are not those of the list."""
        return _checked(self.folder / board / path, self.files[board][path])


def _checked(place: Path, sha: str) -> bytes:
    try:
        data = place.read_bytes()
    except OSError as error:
        raise SetupError(f"{place}: cannot be read: {error.strerror}; make the bundle again") from error
    if hashlib.sha256(data).hexdigest() != sha:
        raise SetupError(f"{place}: is not the file that {LIST} names; make the bundle again")
    return data


def make_bundle(folder: Path, *, library: Path | None, index: str | None) -> list[str]:
    """Write a bundle to `folder`; a line for each thing done.

    library: a folder with micropython-lib's `lora` in it, instead of the internet; index: another package index than
    mpremote's own.  Raises: SetupError, OSError.
    """
    if folder.exists() and not folder.is_dir():
        raise SetupError(f"{folder}: is no folder; name a new one")
    if folder.exists() and not (folder / LIST).exists() and any(folder.iterdir()):
        raise SetupError(f"{folder}: is no bundle and not empty; name a new folder")
    new = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        lora = new / "lora"
        came = read_lora(library, lora) if library else fetch_lora(lora, index)
        said = [f"lora: {came}"]
        files = {board.name: _compile_for(board, lora, new) for board in BOARDS.values()}
        shutil.rmtree(lora)
        start = _start_files(new / START)
        version = _version([files, start])
        declares = own_declarations()["supervisor"].as_json()  # what a release's other parts must fit
        told = {
            "declares": declares,
            "start": start,
            "format": FORMAT,
            "version": version,
            "mpy": MPY_VERSION,
            "lora": came,
            "files": files,
        }
        (new / LIST).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
        for name, text in _licences(library).items():
            (new / name).write_text(text)
        old = folder.with_name(f".{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    for board in BOARDS.values():
        sizes = sum((folder / board.name / path).stat().st_size for path in files[board.name])
        said.append(f"{folder / board.name}: {len(files[board.name])} files, {sizes} bytes for {board.arch}")
    return [*said, f"{folder / LIST}: version {version}"]


def read_bundle(folder: Path) -> Bundle:
    """The bundle in `folder`, its list checked; each file is when it is read.  Raises: SetupError."""
    path = folder / LIST
    try:
        with path.open("rb") as file:
            told: Any = json.loads(file.read(MAX_LIST_BYTES))
        if told["format"] != FORMAT:
            raise SetupError(f"{path}: has format {told['format']!r}; allowed is {FORMAT}: make the bundle again")
        files = {str(b): {str(p): str(s) for p, s in paths.items()} for b, paths in told["files"].items()}
        start = {str(p): str(s) for p, s in told["start"].items()}
        for paths in (*files.values(), start):
            for name in paths:
                if ".." in name.split("/") or name.startswith("/"):
                    raise SetupError(f"{path}: names {name!r}; allowed are paths within the slot")
        held = {name: _checked(folder / START / name, sha) for name, sha in start.items()}
        return Bundle(folder=folder, version=str(told["version"]), mpy=int(told["mpy"]), files=files, start=held)
    except OSError as error:
        raise SetupError(f"{path}: {error.strerror}; make it with internet: trapship bundle {folder}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SetupError(f"{path}: is no bundle's list: {error}; make it again: trapship bundle {folder}") from error


def _compile_for(board: Board, lora: Path, new: Path) -> dict[str, str]:
    """Compile for one board into `new`; path within the slot -> SHA-256."""
    sources = small_sources(board.module) | {f"lora/{p.name}": p.read_text("utf-8") for p in sorted(lora.glob("*.py"))}
    done = {}
    for name, source in sources.items():
        path = name.removesuffix(".py") + ".mpy"
        target = new / board.name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        compile_text(source, target, name, board.arch)
        done[path] = _sha(target)
    return done


def _start_files(folder: Path) -> dict[str, str]:
    """As source: MicroPython runs only `.py` by itself, and this much a person at the REPL shall be able to read."""
    folder.mkdir()
    sources = {"boot.py": source_folder("trapmcu") / "boot.py", "main.py": Path(__file__).with_name("unit_main.py")}
    for name, source in sources.items():
        shutil.copyfile(source, folder / name)
    return {name: _sha(folder / name) for name in sources}


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _version(files: list[Any]) -> str:
    """Short name of exactly these files: two bundles of one version hold the same."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()[:12]


def _licences(library: Path | None) -> dict[str, str]:
    own = "pugmark (trapmcu, trapwire): Apache-2.0, see LICENSE in its source\n"
    texts = {"LICENSE-pugmark": own, "LICENSE-micropython-lib": MIT}
    for place in (library / "LICENSE", library.parent / "LICENSE") if library else ():
        if place.is_file():
            texts["LICENSE-micropython-lib"] = place.read_text("utf-8", "replace")
            break
    return texts


# As in each file's head, and in micropython-lib's own LICENSE, which its package index does not hand out.
MIT = """micropython-lib's lora packages. Copyright (c) 2013, 2014 micropython-lib contributors; (c) 2023 Angus Gratton

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""
