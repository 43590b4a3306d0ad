"""The table of faults and the tests of faults name each other: neither can go without the other."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TABLE = TESTS / "faults" / "README.md"
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
