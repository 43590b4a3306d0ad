"""The table of faults, the tests of faults and the programs' own words: none can change without the others.

Of each backquoted phrase every fixed run of two words and more must stand in some string of the programs, or be the
kernel's. Not covered: single words, what stands between the runs and in which order, whether it is this program that
says them, and what libraries say (SQLite, OpenSSL, Mosquitto); that is the row's own test.
"""

import ast
import errno
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
TABLE = TESTS / "faults" / "README.md"
SOURCES = [TESTS.parent / folder for folder in ("device", "basestation", "hardware", "deploy")]
HOLE = "\0"  # where a string takes a value
PHRASE = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(trap(cam|base|ship|sim) [a-z])|--\w+$")  # what is typed, and not said
CLAUSE = re.compile(r"[:;,] | ?\(|\)|\. |\? ")
# What differs from case to case: …, quoted values, FILE and HOST:PORT, numbers, paths, keys with dots, bounds.
VARIABLE = re.compile(r"…|'[^']*'|\b[A-Z]{4,}(?::PORT)?\b|\S*\d\S*|\S*/\S*|\S*\.\S+|[≥≤]|\bint\b")
ROW = re.compile(r"^\|.*\| `([a-z_/]+\.py)::(test_\w+)` \|$")


def rows() -> list[str]:
    """The table's rows, without heads and rules."""
    lines = [line for line in TABLE.read_text("utf-8").splitlines() if line.startswith("|")]
    return [line for line in lines if not line.startswith(("|---", "| fault |"))]


def names_in(path: Path) -> set[str]:
    return {n.name for n in ast.parse(path.read_text("utf-8")).body if isinstance(n, ast.FunctionDef)}


def test_every_fault_has_its_test() -> None:
    for row in rows():
        found = ROW.match(row)
        assert found, f"no test at its end: {row}"
        path = TESTS / found[1]
        assert path.is_file(), row
        assert found[2] in names_in(path), row


def test_every_fault_has_its_words_and_what_to_do() -> None:
    for row in rows():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 4, row
        assert all(cells), row


def test_every_test_of_a_fault_is_in_the_table() -> None:
    named = {(found[1], found[2]) for row in rows() if (found := ROW.match(row))}
    there = {
        (f"faults/{path.name}", name)
        for path in (TESTS / "faults").glob("test_*.py")
        for name in names_in(path)
        if name.startswith("test_")
    }
    assert there - named == set()


@cache
def spoken() -> tuple[str, list[re.Pattern[str]]]:
    """Every string of the programs, one a line; and each as a pattern for a value that another string takes."""
    texts = {os.strerror(number) for number in errno.errorcode}
    for folder in SOURCES:
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    # The firmware formats with %: MicroPython has no f-strings everywhere.
                    texts.add(re.sub(r"%[a-z]", HOLE, node.value))
                elif isinstance(node, ast.JoinedStr):
                    texts.add("".join(str(v.value) if isinstance(v, ast.Constant) else HOLE for v in node.values))
    values = [re.compile(re.escape(text).replace(re.escape(HOLE), r"\S+")) for text in texts if text.strip(HOLE + " ")]
    return "\n".join(texts), values


def is_spoken(run: str) -> bool:
    """Whether a program has these words together, or as a value at either end of others: "it", "was revoked"."""
    everything, values = spoken()
    if run in everything:
        return True
    cuts = [(run[: m.start()], run[m.end() :]) for m in re.finditer(" ", run)]
    return any(
        (a in everything and any(value.fullmatch(b) for value in values))
        or (b in everything and any(value.fullmatch(a) for value in values))
        for a, b in cuts
    )  # fmt: skip


def fixed_runs(phrase: str) -> Iterator[str]:
    for clause in CLAUSE.split(phrase):
        for run in VARIABLE.split(clause):
            if len(run.strip(" :;,.()?").split()) > 1:
                yield run.strip(" :;,.()?")


def test_what_the_table_says_is_what_the_programs_say() -> None:
    runs = 0
    for row in rows():
        said = row.strip("|").split(" | ")[1]
        for phrase in PHRASE.findall(said):
            if COMMAND.match(phrase):
                continue
            for run in fixed_runs(phrase):
                runs += 1
                assert is_spoken(run), f"no program says {run!r}: {row}"
    assert runs > 100, "or this test has stopped looking"


@pytest.mark.parametrize("phrase", ["network: …; the radio carries on", "…: it was repealed", "the disc is full"])
def test_words_that_nobody_says_are_found(phrase: str) -> None:
    assert not all(map(is_spoken, fixed_runs(phrase)))
