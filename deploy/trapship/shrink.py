"""Firmware made small before it is compiled: what a unit has no use for is taken out, and nothing else is changed.

- Whole numbers under a name in capitals (`PARKED = 0`) stand where they are used; the names are gone.
- Names that nobody else knows are shortened, alike in all modules (`trapship.shortnames`).
- Arguments take words that MicroPython knows already (`trapship.arguments`), where nobody calls them by name.
- Functions, classes and methods of the firmware that nothing here names go: a unit only speaks, a base understands.
- What a `WireError` says is left out, but where a setting may be at fault: a unit only counts them.
- Types, what is imported for them, and docstrings go.
"""

import ast
from collections.abc import Iterable, Mapping
from typing import cast

from trapship.arguments import called_by_name, rename_arguments
from trapship.shortnames import BOARDS, FIRMWARE, private_names, short_names
from trapship.shrinkable import check

SPOKEN = ("trapwire.airtime", "trapwire.linkkeys", "trapwire.plans")  # their errors reach somebody who sets a unit up
ALWAYS = "object"  # what is always used
Numbers = dict[str, int]


def shrink(sources: Mapping[str, str], others: Iterable[str] = ()) -> dict[str, str]:
    """The same modules, by name (`trapwire.frame`), in fewer words.

    others: source of what calls them and is not among them.  Raises: SyntaxError, SetupError.
    """
    trees = {name: ast.parse(text) for name, text in sources.items()}
    numbers = _numbers(trees)
    private = private_names(trees)
    for name, tree in trees.items():
        check(name, tree, numbers, private)
        known = _visible(tree, numbers) | numbers[name]
        aliases = {a: m for a, m in _imported_modules(tree).items() if m in numbers}
        tree = _Types().visit(tree)
        tree = _Inline(known, numbers[name], {a: numbers[m] for a, m in aliases.items()}, numbers).visit(tree)
        if name.startswith("trapwire.") and name not in SPOKEN:
            tree = _Silent().visit(tree)
        trees[name] = cast(ast.Module, tree)
    called = {word for text in others for word in _words(ast.parse(text))}
    while _drop_unused(trees, called):
        pass
    named = called | called_by_name(trees.values())
    for name, tree in trees.items():
        if not name.startswith(BOARDS):  # the driver may call those by name
            rename_arguments(tree, named)
    names = short_names(trees, called)
    return {n: ast.unparse(ast.fix_missing_locations(_Rename(names).visit(t))) + "\n" for n, t in trees.items()}


def _words(tree: ast.AST) -> set[str]:
    """Everything that may name something: loaded names, attributes, imports, strings."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.ImportFrom):
            found.update(a.name for a in node.names)
        elif isinstance(node, ast.keyword) and node.arg:
            found.add(node.arg)
    return found


def _drop_unused(trees: Mapping[str, ast.Module], called: set[str]) -> bool:
    """Take out what nobody names, and imports of what is not used; whether there was any. One round of several."""
    used = called.union([ALWAYS], *(_words(tree) for tree in trees.values()))
    dropped = False
    for name, tree in trees.items():
        if not name.startswith(FIRMWARE) or name.startswith(BOARDS):
            continue
        blocks: list[ast.Module | ast.ClassDef] = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
        for block in blocks:
            kept = [node for node in block.body if _name_of(node) in used]
            dropped = dropped or len(kept) < len(block.body)
            block.body = kept or ([] if block is tree else [ast.Pass()])
        dropped = _drop_imports(tree) or dropped
    return dropped


def _name_of(node: ast.stmt) -> str:
    """The name that a definition gives; for all else one that is always used."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("__"):
        return node.name
    return ALWAYS


def _drop_imports(tree: ast.Module) -> bool:
    own = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    dropped = False
    for node in list(tree.body):
        if isinstance(node, ast.ImportFrom):
            left = [a for a in node.names if (a.asname or a.name) in own]
            dropped = dropped or len(left) < len(node.names)
            node.names = left
            if not left:
                tree.body.remove(node)
    return dropped


def _imported_modules(tree: ast.Module) -> dict[str, str]:
    """Names that may stand for modules (`from trapwire import serialline as line`), and for which."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found.update({a.asname or a.name: f"{node.module}.{a.name}" for a in node.names})
    return found


def _visible(tree: ast.Module, numbers: Mapping[str, Numbers]) -> Numbers:
    """The numbers that a module imports, by the names that it has for them."""
    found: Numbers = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            there = numbers.get(node.module, {})
            found.update({a.asname or a.name: there[a.name] for a in node.names if a.name in there})
    return found


def _numbers(trees: Mapping[str, ast.Module]) -> dict[str, Numbers]:
    """By module: its names in capitals for whole numbers, also those made of other such numbers."""
    found: dict[str, Numbers] = {name: {} for name in trees}
    changed = True
    while changed:
        changed = False
        for name, tree in trees.items():
            for node in tree.body:
                for target, value in _pairs(node):
                    if target.id in found[name] or not target.id.strip("_").isupper():
                        continue
                    number = _value(value, _visible(tree, found) | found[name])
                    if number is not None:
                        found[name][target.id] = number
                        changed = True
    return found


def _pairs(node: ast.stmt) -> list[tuple[ast.Name, ast.expr]]:
    """The names that a statement sets, with their values; none where it sets anything else."""
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return []
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name):
        return [(target, value)]
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return [(t, v) for t, v in zip(target.elts, value.elts, strict=True) if isinstance(t, ast.Name)]
    return []


def _value(node: ast.expr, known: Numbers) -> int | None:
    """A whole number made of numbers and known names by arithmetic, or None."""
    allowed = (ast.Constant, ast.Name, ast.Load, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop)
    if not all(isinstance(part, allowed) for part in ast.walk(node)):
        return None
    if not all(part.id in known for part in ast.walk(node) if isinstance(part, ast.Name)):
        return None
    try:
        value = eval(compile(ast.Expression(node), "<constant>", "eval"), {"__builtins__": {}}, dict(known))  # noqa: S307
    except (TypeError, ValueError, ArithmeticError):
        return None
    return value if type(value) is int else None


def _without_words(node: ast.Module | ast.ClassDef | ast.FunctionDef) -> None:
    """Its docstring goes."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body = node.body[1:] or ([] if isinstance(node, ast.Module) else [ast.Pass()])


class _Types(ast.NodeTransformer):
    def visit_Module(self, node: ast.Module) -> ast.AST:
        _without_words(node)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        _without_words(node)
        return self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST | None:
        if isinstance(node.test, ast.Name) and node.test.id == "MYPY":
            return None
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        target = node.targets[0]
        return None if isinstance(target, ast.Name) and target.id == "MYPY" else node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return None if node.value is None else ast.Assign([node.target], node.value)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        _without_words(node)
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node


class _Inline(ast.NodeTransformer):
    def __init__(
        self, known: Numbers, own: Numbers, modules: Mapping[str, Numbers], all_numbers: Mapping[str, Numbers]
    ) -> None:
        self._known = known
        self._own = own
        self._modules = modules
        self._all = all_numbers

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(self._known[node.id]) if isinstance(node.ctx, ast.Load) and node.id in self._known else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if isinstance(node.value, ast.Name) and node.attr in self._modules.get(node.value.id, {}):
            return ast.Constant(self._modules[node.value.id][node.attr])
        return self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        self.generic_visit(node)
        pairs = _pairs(node)
        whole = len(pairs) == (len(node.targets[0].elts) if isinstance(node.targets[0], ast.Tuple) else 1)
        return None if pairs and whole and all(t.id in self._own for t, _ in pairs) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        node.names = [a for a in node.names if a.name not in self._all.get(node.module or "", {})]
        return node if node.names else None


class _Silent(ast.NodeTransformer):
    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name) and node.exc.func.id == "WireError":
            node.exc.args = [ast.Constant("")]
        return node


class _Rename(ast.NodeTransformer):
    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names

    def _short(self, name: str) -> str:
        return self._names.get(name, name)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._short(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._short(node.id)
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name = self._short(node.name)
        return self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        node.name = self._short(node.name)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.arg = self._short(node.arg)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        node.arg = node.arg and self._short(node.arg)
        return self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        node.name = node.name and self._short(node.name)
        return self.generic_visit(node)

    def visit_Global(self, node: ast.Global) -> ast.AST:
        node.names = [self._short(name) for name in node.names]
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = [self._short(name) for name in node.names]
        return node

    def visit_alias(self, node: ast.alias) -> ast.AST:
        node.name = self._short(node.name)
        node.asname = node.asname and self._short(node.asname)
        return node
