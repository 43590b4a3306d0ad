"""What `shrink` cannot make small without making it wrong: it works by names, and knows of no scopes."""

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Mapping

from trapkit.errors import SetupError


def check(module: str, tree: ast.Module, numbers: Mapping[str, Collection[str]], short: Collection[str]) -> None:
    """numbers: the names in capitals that go, by module; short: the private names that others take the place of.

    Raises: SetupError naming the module, the line, the name and what is wrong with it.
    """
    own = numbers.get(module, ())
    taken = set(own)  # names that stand for a number or for a module of numbers
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name in numbers.get(node.module or "", ()) or f"{node.module}.{alias.name}" in numbers:
                    taken.add(alias.asname or alias.name)
    bound = Counter(name for name, _ in _bound(tree))
    for name, line in _bound(tree):
        if name in taken and (bound[name] > 1 or name not in own):
            _refuse(module, line, name, "means something else here: give it another name")
    for part in ast.walk(tree):
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in short:
            _refuse(module, part.lineno, part.value, "is shortened, and not in a string: give it no underscore")
        if isinstance(part, ast.ImportFrom) and part not in tree.body:
            for alias in part.names:
                if alias.name in numbers.get(part.module or "", ()):
                    _refuse(module, part.lineno, alias.name, "is a number: import it at the top")


def _bound(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that is given a meaning somewhere, but by an import at the top, and where."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.ClassDef | ast.ExceptHandler) and node.name:
            yield node.name, node.lineno
        elif isinstance(node, ast.Global | ast.Nonlocal):
            for name in node.names:
                yield name, node.lineno


def _refuse(module: str, line: int, name: str, why: str) -> None:
    raise SetupError(f"{module}, line {line}: {name!r} {why}")
