"""Names of the firmware that nobody else knows, given short ones: a `.mpy` brings each name that it uses, in full.

A name stays as it is where somebody else may say it, or may mean something else by it:

- a board file has it: it may be the radio driver's, or the interpreter's;
- the modules below are imported from outside of the firmware, or their attributes are settings' names;
- a string has it, a call gives an argument by it, a module is called so, or a type or module of MicroPython has it too.
"""

import ast
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import product
from keyword import iskeyword

from trapship.arguments import KNOWN

BOARDS = "trapmcu.boards"
FIRMWARE = ("trapmcu.", "trapwire.")
# Known by name outside: to /boot.py of an older unit, to `board_side.py`, to simulated hardware; and to settings.
OUTSIDE = (
    "trapmcu.boot",
    "trapmcu.main",
    "trapmcu.settings",
    "trapmcu.settingsfile",
    "trapmcu.slots",
    "trapmcu.unit",
    "trapwire.airtime",
)
BY_TEXT = ("trapwire.linktimes",)
FOREIGN = frozenset({"_machine", "_mpy", "_"})  # MicroPython's own
# What the firmware calls something of its own, and a type or module that it uses has too (tests/ship/test_shrink.py).
_SHARED = """
add aes choice clear clock close count decode digest encode find flush format get idle index insert items join
keys link load log name on open pack payload pi pop random read remove replace run seek send set sha256 sleep
sleep_ms sort split start step stop time unpack update urandom value values version wait write
"""
SHARED = frozenset(_SHARED.split())
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_WORD = re.compile(r"[A-Za-z_]\w*")


def name_in_traces(path: str) -> str:
    """What a unit's tracebacks call a file (`courier` for `trapmcu/courier.py`): a `.mpy` brings this name too."""
    folder, _, file = path.rpartition("/")
    ours = f"{folder}.".startswith(FIRMWARE) or f"{folder}/".startswith(f"{BOARDS.replace('.', '/')}/")
    return file.removesuffix(".py") if ours and file != "__init__.py" else path


def private_names(trees: Mapping[str, ast.Module]) -> set[str]:
    """Those with one underscore in front that are nobody else's."""
    here = {name: set(names_in(tree)) for name, tree in trees.items()}
    return {name for words in here.values() for name in words if _is_private(name)} - _never(trees, here)


def short_names(trees: Mapping[str, ast.Module], said: Collection[str]) -> dict[str, str]:
    """Long name -> short one, the shortest for what the most modules have.  said: names that others call by.

    trees: without their docstrings, whose words would be kept.
    """
    here = {name: set(names_in(tree)) for name, tree in trees.items()}
    counted = Counter(word for words in here.values() for word in words)
    wanted = (own_names(trees) - _kept(trees, here) - SHARED - set(said)) | private_names(trees)
    order = sorted(wanted & set(counted), key=lambda name: (-counted[name], name))
    free = (name for name in _spellings() if name not in counted and name not in KNOWN and not iskeyword(name))
    return {name: short for name, short in zip(order, free, strict=False) if len(short) < len(name)}


def own_names(trees: Mapping[str, ast.Module]) -> set[str]:
    """What the firmware gives a name to: functions, classes, methods, and what an object says of itself."""
    found = set()
    for name, tree in trees.items():
        if not name.startswith(FIRMWARE) or name.startswith(BOARDS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.add(node.name)
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
    return {name for name in found if not name.startswith("_")}


def names_in(tree: ast.AST) -> Iterable[str]:
    """Each name as often as it stands there; arguments and imported names too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.alias):
            yield node.asname or node.name
            yield node.name


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def _never(trees: Mapping[str, ast.Module], here: Mapping[str, Collection[str]]) -> set[str]:
    """Names that are certainly somebody else's too."""
    found = set(FOREIGN)
    for name, tree in trees.items():
        if name.startswith(BOARDS):
            found.update(here[name])
        found.update(a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names)
    return found


def _kept(trees: Mapping[str, ast.Module], here: Mapping[str, Collection[str]]) -> set[str]:
    found = _never(trees, here)
    for name, tree in trees.items():
        found.update(name.split("."))
        if name.startswith(BY_TEXT):
            found.update(here[name])
        if name in OUTSIDE:
            found.update(n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef))
        found.update(_spelled(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and not f"{node.module}.".startswith(FIRMWARE):
                found.update(a.name for a in node.names)
            elif isinstance(node, ast.Call):
                found.update(k.arg for k in node.keywords if k.arg)
    return found


def _spelled(tree: ast.AST) -> set[str]:
    """Words within strings."""
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return {word for text in texts for word in _WORD.findall(text)}


def _spellings() -> Iterable[str]:
    for length in (1, 2, 3):
        yield from ("".join(letters) for letters in product(_LETTERS, repeat=length))
