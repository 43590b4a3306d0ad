"""Firmware is made small without a change of what it does."""

import ast
import builtins
import importlib
import io
import sys
import types
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapship.shortnames import SHARED, name_in_traces, names_in, own_names
from trapship.shrink import shrink

ROOT = Path(__file__).resolve().parents[2]
WIRE = "trapwire.errors"


def run(text: str, **given: object) -> types.SimpleNamespace:
    names: dict[str, object] = dict(given)
    exec(compile(text, "small", "exec"), names)
    return types.SimpleNamespace(**names)


def test_numbers_stand_where_they_are_used_also_by_way_of_other_modules() -> None:
    small = shrink({
        "trapwire.a": "DAY = 24 * HOUR\nHOUR = 3600\nONE, TWO = 1, 2\nNAMES = {ONE: 'one'}\nWORD = 'x'\nFLOAT = 1.5\n",
        "trapwire.b": "from trapwire.a import DAY, NAMES\nfrom trapwire import a as it\n\nBOTH = DAY | it.TWO\n\n"
        "def f(x):\n    return x + BOTH + it.ONE\n",
    }, ["f"])  # fmt: skip
    assert "HOUR" not in small["trapwire.a"]
    assert "NAMES = {1: 'one'}" in small["trapwire.a"]
    assert "WORD" in small["trapwire.a"]
    assert "FLOAT" in small["trapwire.a"]
    assert "DAY" not in small["trapwire.b"]
    rest = "\n".join(line for line in small["trapwire.b"].splitlines() if "import" not in line)
    assert run(rest).f(0) == (86400 | 2) + 1


def test_private_names_are_short_alike_everywhere_but_those_of_board_files() -> None:
    small = shrink({
        "trapmcu.unit": "class A:\n    def __init__(self, _given):\n        self._long_name = _given\n"
        "        self._spi = 1\n"
        "    def _help(self):\n        return self._long_name\n    def public(self):\n        return self._help()\n",
        "trapmcu.other": "def f(a):\n    return a._long_name, a._spi\n",
        "trapmcu.boards.x": "def g(b):\n    return b._spi\n",
    }, ["A().public, f"])  # fmt: skip
    assert "_long_name" not in small["trapmcu.unit"] + small["trapmcu.other"]
    assert all("_spi" in text for text in small.values())
    one = run(small["trapmcu.unit"]).A(7)
    assert one.public() == 7
    assert run(small["trapmcu.other"]).f(one) == (7, 1)


def test_types_go_and_errors_of_the_wire_are_silent_where_nobody_reads_them() -> None:
    text = (
        "MYPY = False\nif MYPY:\n    from typing import Any\n\ndef f(x: 'Any') -> 'int':\n    y: 'int' = 2\n"
        "    z: 'int'\n    if x:\n        raise WireError('frame of %d bytes' % x)\n    return y\n"
    )
    small = shrink({"trapwire.frame": text, "trapwire.plans": text}, ["f"])
    assert "Any" not in small["trapwire.frame"]
    assert "frame of" not in small["trapwire.frame"]
    assert "frame of" in small["trapwire.plans"]

    class WireError(Exception):
        pass

    unit = run(small["trapwire.frame"], WireError=WireError)
    assert unit.f(0) == 2
    with pytest.raises(WireError):
        unit.f(3)


def test_what_nobody_names_goes_and_what_it_needed_with_it() -> None:
    small = shrink({
        "trapwire.a": "import struct\nfrom trapwire.b import aid, other\n\ndef used():\n    return other()\n\n"
        "def unused():\n    return aid()\n\nclass C:\n    def __init__(self):\n        pass\n"
        "    def called(self):\n        return 1\n    def by_string(self):\n        return 2\n"
        "    def never(self):\n        return 3\n",
        "trapwire.b": "def aid():\n    return 1\n\ndef other():\n    return 2\n",
        "trapmcu.boards.x": "class D:\n    def hook(self):\n        return 4\n",
    }, ["used()\nC().called()\ngetattr(C(), 'by_string')"])  # fmt: skip
    assert "unused" not in small["trapwire.a"]
    assert "never" not in small["trapwire.a"]
    assert "aid" not in small["trapwire.a"] + small["trapwire.b"]
    assert all(word in small["trapwire.a"] for word in ("used", "called", "by_string", "__init__", "import struct"))
    assert "hook" in small["trapmcu.boards.x"]  # the driver may call it


def test_the_firmware_itself_becomes_much_shorter_and_still_parses() -> None:
    files = [path for folder in ("trapwire", "trapmcu") for path in (ROOT / "device" / folder).rglob("*.py")]
    sources = {".".join(p.relative_to(ROOT / "device").with_suffix("").parts): p.read_text() for p in files}
    small = shrink(sources)
    for name, text in small.items():
        compile(text, name, "exec")
    assert sum(map(len, small.values())) < 0.7 * sum(map(len, sources.values()))


@pytest.mark.parametrize(
    "text",
    [
        "A = 1\ndef f(A):\n    return A\n",
        "A = 1\ndef f():\n    A = 2\n    return A\n",
        "A = 1\nclass C:\n    A = 2\n",
        "A = 1\nprint([A for A in range(3)])\n",
        "A = 1\nA = 2\n",
        "A = 1\ndef f():\n    global A\n    A = 2\n",
        "from other import B\ndef f(B):\n    return B\n",
        "def f():\n    from other import B\n    return B\n",
        "import other_package\nfrom package import numbers as line\ndef f(line):\n    return line.B\n",
        "def f(o):\n    o._long = 1\n    return getattr(o, '_long')\n",
    ],
)
def test_what_would_become_wrong_is_refused(text: str) -> None:
    with pytest.raises(SetupError, match="a, line"):
        shrink({"a": text, "other": "B = 1\n", "package.numbers": "B = 1\n"})


def test_private_names_are_short_wherever_they_may_stand() -> None:
    text = """
_count = 0
def _call(_first=1):
    global _count
    def inner():
        nonlocal_ = _first
        return nonlocal_
    try:
        _count = _count + inner()
    except OSError as _error:
        print(_error)
    return _count
said = _call(_first=4)
"""
    found: dict[str, object] = {}
    exec(shrink({"a": text})["a"], found)
    assert found["said"] == 4
    assert not {"_count", "_call"} & set(found)


def test_arguments_take_words_that_micropython_knows_but_for_those_that_a_call_names() -> None:
    text = """
other = 5
def send(payload, timeout_ms, other, append):
    return payload + timeout_ms + other + append
def all_of(reply_ms):
    return reply_ms
send(1, timeout_ms=2, other=3, append=4)
all_of(**{"reply_ms": 1})
"""
    small = shrink({"trapmcu.told": text}, ["all_of"])["trapmcu.told"]
    assert "payload" not in small
    assert "def send(args, timeout_ms, other, append):" in small
    assert "def all_of(reply_ms):" in small


def test_names_that_nobody_else_knows_are_short_everywhere_and_all_others_stay() -> None:
    small = shrink({
        "trapwire.linktimes": "class Times:\n    def __init__(self):\n        self.heartbeat_ms = 60\n",
        "trapmcu.unit": "from trapmcu.told import Reader as the_reader\n"
        "def main(slot):\n    return the_reader([3]).decoded_sum(extra=1)\n",
        "trapmcu.told": "class Reader:\n    def __init__(self, numbers):\n        self.numbers_kept = numbers\n"
        "        self.temperature_c = 4\n        self.by_text = 5\n        self.heartbeat_ms = 6\n"
        "    def decoded_sum(self, extra):\n        self.numbers_kept.append(extra)\n"
        "        return sum(self.numbers_kept) + self.temperature_c + getattr(self, 'by_text') + self.heartbeat_ms\n",
        "trapmcu.boards.x": "def probe(o):\n    return o.temperature_c\n",
    }, ["main", "Times"])  # fmt: skip
    told = set(names_in(ast.parse(small["trapmcu.told"])))
    assert not {"Reader", "decoded_sum", "numbers_kept"} & told
    assert {"temperature_c", "by_text", "append", "extra", "heartbeat_ms"} <= told
    assert "class Times" in small["trapwire.linktimes"]
    first, rest = small["trapmcu.unit"].split("\n", 1)
    found: dict[str, object] = {}
    exec(small["trapmcu.told"], found)
    name, _, alias = first.removeprefix("from trapmcu.told import ").partition(" as ")
    assert run(rest, **{alias: found[name]}).main("a") == 3 + 1 + 4 + 5 + 6


def test_no_name_is_shortened_that_a_type_or_a_module_in_use_has_too() -> None:
    files = [path for folder in ("trapwire", "trapmcu") for path in (ROOT / "device" / folder).rglob("*.py")]
    trees = {".".join(p.relative_to(ROOT / "device").with_suffix("").parts): ast.parse(p.read_text()) for p in files}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names} | {"random"}
    theirs = {"ticks_ms", "ticks_us", "ticks_diff", "ticks_add", "sleep_ms", "sleep_us", "ilistdir", "mem_free"}
    for name in named & sys.stdlib_module_names:
        theirs.update(dir(importlib.import_module(name)))
    for kind in (str, bytes, bytearray, dict, list, set, io.FileIO, io.TextIOWrapper, OSError, int, float):
        theirs.update(dir(kind))
    driver = (ROOT / ".cache" / "lib" / "lora").glob("*.py")
    theirs.update(name for path in driver for name in names_in(ast.parse(path.read_text())))
    assert not own_names(trees) & (theirs | set(dir(builtins))) - SHARED - _in_boards(trees)


def _in_boards(trees: dict[str, ast.Module]) -> set[str]:
    return {name for module, tree in trees.items() if "boards" in module for name in names_in(tree)}


def test_a_traceback_names_a_file_shortly() -> None:
    assert name_in_traces("trapmcu/courier.py") == "courier"
    assert name_in_traces("trapmcu/__init__.py") == "trapmcu/__init__.py"
    files = [path for folder in ("trapwire", "trapmcu") for path in (ROOT / "device" / folder).glob("*.py")]
    names = [name_in_traces(path.relative_to(ROOT / "device").as_posix()) for path in files]
    assert len(set(names)) == len(names)
