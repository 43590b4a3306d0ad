"""Which files of `trapmcu` and `trapwire` go onto a board: those that are imported there.

Firmware is no part of this program (and its imports are MicroPython's); and what only a base or a page needs of these
packages would take a unit's flash for nothing.
"""

import ast
import importlib.util
from functools import lru_cache
from pathlib import Path

from trapkit.errors import SetupError
from trapship.shrink import shrink

PACKAGES = ("trapmcu", "trapwire")
# What starts a unit, and what `board_side.py` asks of its slot. {} is the board's own file.
ROOTS = (
    "trapmcu.unit",
    "trapmcu.main",
    "trapmcu.boards.{}",
    "trapmcu.settings",
    "trapmcu.slots",
    "trapmcu.settingsfile",
)


def unit_files(board_module: str) -> dict[str, Path]:
    """Path within a slot, as source -> its file, for the board whose own file is `board_module`."""
    folders = {package: source_folder(package) for package in PACKAGES}
    todo = [root.format(board_module) for root in ROOTS]
    found: dict[str, Path] = {}
    while todo:
        module = todo.pop()
        path = _file(module, folders)
        if path is None or module in found:
            continue
        found[module] = path
        if "." in module:
            todo.append(module.rpartition(".")[0])  # its package's own file
        todo += _imports(path)
    return {_inside(module, path): path for module, path in sorted(found.items())}


def small_sources(board_module: str) -> dict[str, str]:
    """The same files, made small (`shrink`): path within a slot -> source.  Raises: SetupError."""
    files = unit_files(board_module)
    modules = {path: path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in files}
    here = Path(__file__).parent
    others = [(here / name).read_text("utf-8") for name in ("board_side.py", "unit_main.py")]
    small = _shrunk(tuple((modules[path], file.read_text("utf-8")) for path, file in files.items()), tuple(others))
    return {path: small[module] for path, module in modules.items()}


@lru_cache(maxsize=4)  # it takes seconds, and one program asks for the same more than once
def _shrunk(sources: tuple[tuple[str, str], ...], others: tuple[str, ...]) -> dict[str, str]:
    return shrink(dict(sources), others)


def source_folder(package: str) -> Path:
    """Where a package's source lies, without importing it.  Raises: SetupError."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SetupError(f"the firmware's source ({package}) is not installed: pip install -e . in the project's clone")
    return Path(next(iter(found.submodule_search_locations)))


def _file(module: str, folders: dict[str, Path]) -> Path | None:
    """A module's file; None where it is another package's, or a name within a module."""
    package, *inside = module.split(".")
    if package not in folders:
        return None
    place = folders[package].joinpath(*inside)
    return next((p for p in (place / "__init__.py", place.with_name(place.name + ".py")) if p.is_file()), None)


def _inside(module: str, path: Path) -> str:
    return module.replace(".", "/") + ("/__init__.py" if path.name == "__init__.py" else ".py")


def _imports(path: Path) -> list[str]:
    """The modules that a file names; a name within one has no file. Left out: what only mypy reads."""
    tree = ast.parse(path.read_text("utf-8"))
    typed = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "MYPY"
        for node in ast.walk(block)
    }
    names: list[str] = []
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names
