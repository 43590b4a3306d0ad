"""What a card may hold after a power cut at any operation of a record.

Durable is what was synced: a file's bytes by a sync of that file, a name by a sync of its folder. Of everything else
any part may be there: writes are torn at sectors and come in any order, names may be there or not. That is more than
a journalling file system allows, and what the cheapest card may do to one.
"""

import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from trapsim.powercut.recorder import Op

SECTOR_BYTES = 512
MODES = ("nothing", "all", "prefix", "torn", "reordered")


@dataclass
class Node:
    """A file's bytes, a folder's names or a link's goal: those that are durable, and what was done since."""

    is_folder: bool
    goal: bytes | None = None
    data: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)  # (offset, bytes) or (length, None)
    names: dict[str, "Node"] = field(default_factory=dict)  # durable
    live: dict[str, "Node"] = field(default_factory=dict)  # as the running process sees them


@dataclass(frozen=True)
class Naming:
    """Names that change together: (folder, name, node or None where it goes)."""

    effects: tuple[tuple[Node, str, Node | None], ...]


class Disk:
    """A folder, `root`, that was empty when the record began; its own name in its parent is part of it."""

    def __init__(self, root: Path) -> None:
        self._root = root.parent
        self._name = root.name
        self._top = Node(is_folder=True)
        self._namings: list[Naming] = []

    def _find(self, path: str) -> tuple[Node, str]:
        *folders, name = Path(path).relative_to(self._root).parts or ("",)
        node = self._top
        for folder in folders:
            node = node.live[folder]
        return node, name

    def _node(self, path: str) -> Node | None:
        if Path(path) == self._root:
            return self._top
        folder, name = self._find(path)
        return folder.live.get(name)

    def apply(self, op: Op) -> None:
        """The next operation of the record."""
        if op.kind in ("create", "mkdir"):
            self._change(*self._find(op.path), Node(is_folder=op.kind == "mkdir"))
        elif op.kind == "symlink":
            self._change(*self._find(op.path), Node(is_folder=False, goal=op.data))
        elif op.kind in ("unlink", "rmdir"):
            self._change(*self._find(op.path), None)
        elif op.kind == "rename":
            (old, old_name), (new, new_name) = self._find(op.path), self._find(op.to)
            node = old.live.pop(old_name)
            new.live[new_name] = node
            self._namings.append(Naming(((new, new_name, node), (old, old_name, None))))
        elif op.kind in ("write", "truncate", "sync"):
            found = self._node(op.path)
            if found is None:
                return
            if op.kind == "write":
                found.pending.append((op.at, op.data))
            elif op.kind == "truncate":
                found.pending.append((op.at, None))
            else:
                self._sync(found)

    def _change(self, folder: Node, name: str, node: Node | None) -> None:
        if node is None:
            folder.live.pop(name, None)
        else:
            folder.live[name] = node
        self._namings.append(Naming(((folder, name, node),)))

    def _sync(self, node: Node) -> None:
        if not node.is_folder:
            for at, data in node.pending:
                _apply(node.data, at, data)
            node.pending.clear()
            return
        left = []
        for naming in self._namings:
            if naming.effects[0][0] is node:
                _name_all(naming)
            else:
                left.append(naming)
        self._namings = left

    def write_out(self, target: Path, dice: random.Random, mode: str) -> None:
        """One state that a power cut now may leave, as real files in `target` (which is to be the root)."""
        saved = {}

        def save(node: Node) -> None:
            if id(node) not in saved:
                saved[id(node)] = (node, dict(node.names))

        for naming in self._namings:
            for folder, _, _ in naming.effects:
                save(folder)
        for naming in _chosen(self._namings, dice, mode):
            _name_all(naming)
        try:
            root = self._top.names.get(self._name)
            if root is not None:
                _write_folder(root, target, dice, mode)
        finally:
            for node, names in saved.values():
                node.names = names


def _chosen(namings: list[Naming], dice: random.Random, mode: str) -> Iterable[Naming]:
    if mode == "all":
        return namings
    if mode == "nothing":
        return ()
    if mode == "prefix":
        return namings[: dice.randrange(len(namings) + 1)]
    return [naming for naming in namings if dice.random() < 0.5]


def _name_all(naming: Naming) -> None:
    for folder, name, node in naming.effects:
        if node is None:
            folder.names.pop(name, None)
        else:
            folder.names[name] = node


def _write_folder(node: Node, target: Path, dice: random.Random, mode: str) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for name, child in node.names.items():
        if child.is_folder:
            _write_folder(child, target / name, dice, mode)
        elif child.goal is not None:
            (target / name).symlink_to(os.fsdecode(child.goal))
        elif not name.endswith("-shm"):  # SQLite truncates one that nobody holds, whatever is in it
            (target / name).write_bytes(_content(child, dice, mode))


def _content(node: Node, dice: random.Random, mode: str) -> bytes:
    data = bytearray(node.data)
    if mode == "nothing":
        return bytes(data)
    pending = node.pending
    if mode == "prefix":
        pending = pending[: dice.randrange(len(pending) + 1)]
    pieces = [piece for at, written in pending for piece in _sectors(at, written)]
    if mode == "prefix" and pieces:
        pieces = pieces[: dice.randrange(len(pieces) + 1)]
    elif mode in ("torn", "reordered"):
        share = dice.choice((0.1, 0.5, 0.9))
        pieces = [piece for piece in pieces if dice.random() < share]
        if mode == "reordered":
            dice.shuffle(pieces)
    for at, written in pieces:
        _apply(data, at, written)
    return bytes(data)


def _sectors(at: int, data: bytes | None) -> Iterable[tuple[int, bytes | None]]:
    if data is None:
        yield at, None
        return
    start = 0
    while start < len(data):
        end = min(len(data), (at + start) // SECTOR_BYTES * SECTOR_BYTES + SECTOR_BYTES - at)
        yield at + start, data[start:end]
        start = end


def _apply(data: bytearray, at: int, written: bytes | None) -> None:
    if written is None:
        if at < len(data):
            del data[at:]
        else:
            data.extend(bytes(at - len(data)))
        return
    if len(data) < at:
        data.extend(bytes(at - len(data)))
    data[at : at + len(written)] = written
