"""Arguments of the firmware's functions, renamed to words that every MicroPython has in its table of names.

A `.mpy` file brings each name that is in no table of the interpreter, arguments too; local names it does not have. What
is called by name, somewhere, keeps its names.
"""

import ast
import builtins
from collections.abc import Collection, Iterable

# Of `static_qstr_list` in MicroPython's py/makeqstrdata.py, in the order of 1.25; frozen there for all .mpy files.
_WORDS = """
append args bytecode clear close copy count end extend find get index insert items join key keys little lower lstrip
main pop popitem read readinto readline remove replace reverse rfind rindex rsplit rstrip send sep setdefault sort
split start step stop strip throw update upper value values write
"""
KNOWN = _WORDS.split()
_MINE = frozenset({"self", "cls", *dir(builtins)})


def called_by_name(trees: Iterable[ast.AST]) -> set[str]:
    """Names that a call gives an argument, and those of what is called with a table of arguments (`**`)."""
    trees = list(trees)
    found: set[str] = set()
    starred: set[str] = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call):
            found.update(k.arg for k in node.keywords if k.arg)
            if any(k.arg is None for k in node.keywords):
                starred.add(_called(node.func))
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in starred:
            found.update(part.arg for part in ast.walk(node) if isinstance(part, ast.arg))
    return found


def rename_arguments(tree: ast.Module, named: Collection[str]) -> None:
    """Change the arguments of all functions in `tree`, but those in `named`."""
    own = {n.arg for n in ast.walk(tree) if isinstance(n, ast.arg)} - _MINE - set(named) - _elsewhere(tree)
    taken = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | _elsewhere(tree)
    taken.update(n.arg for n in ast.walk(tree) if isinstance(n, ast.arg))
    free = [word for word in KNOWN if word not in taken]
    names = dict(zip(sorted(own - set(KNOWN)), free, strict=False))
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.arg = names.get(node.arg, node.arg)
        elif isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            node.name = names.get(node.name, node.name)


def _called(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""


def _elsewhere(tree: ast.Module) -> set[str]:
    """Names that mean something outside of one function: of the module, of classes, definitions and imports."""
    found: set[str] = set()
    blocks: list[ast.Module | ast.ClassDef] = [tree, *(n for n in ast.walk(tree) if isinstance(n, ast.ClassDef))]
    for block in blocks:
        for node in block.body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                found.update(n.id for n in ast.walk(node) if isinstance(n, ast.Name))
    for part in ast.walk(tree):
        if isinstance(part, ast.FunctionDef | ast.ClassDef):
            found.add(part.name)
        elif isinstance(part, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).split(".")[0] for alias in part.names)
        elif isinstance(part, ast.Global | ast.Nonlocal):
            found.update(part.names)
    return found
