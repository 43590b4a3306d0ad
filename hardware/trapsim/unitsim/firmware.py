"""The firmware's modules: run, forgotten as by a reset, and looked at for state that a reset would have taken."""

import sys

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

PACKAGES = ("trapmcu", "trapwire")
MUTABLE = (list, dict, set, bytearray)


def run_firmware(board: "Any", settings: "dict[str, Any]") -> None:
    """The real main program, imported when it is needed: it may have been forgotten."""
    from trapmcu.main import run

    run(board, settings)


def forget_firmware() -> None:
    """As after a reset: no module of the firmware is loaded."""
    for name in _loaded():
        del sys.modules[name]


def loaded_firmware() -> "dict[str, Any]":
    """The modules that are loaded, for `restore_firmware`."""
    return {name: sys.modules[name] for name in _loaded()}


def restore_firmware(modules: "dict[str, Any]") -> None:
    """These modules again and no others: who imported them before a story meets the same classes after it."""
    forget_firmware()
    for name in modules:
        sys.modules[name] = modules[name]


def module_state() -> "dict[str, str]":
    """Every value of every loaded module of the firmware, and of its classes, that could change, as text."""
    found = {}
    for name in _loaded():
        module = sys.modules[name]
        for title in dir(module):
            value = getattr(module, title)
            where = name + "." + title
            if isinstance(value, type) and title[0] != "_":
                for part in dir(value):
                    held = getattr(value, part, None)
                    if isinstance(held, MUTABLE) and part[:2] != "__":
                        found[where + "." + part] = repr(held)
            elif isinstance(value, MUTABLE + (int, str, bytes)) and title[:2] != "__":
                found[where] = _text(value)
    return found


def _text(value: "Any") -> str:
    # Sets and dictionaries have no order on MicroPython: compared by what is in them.
    if isinstance(value, dict):
        return repr(sorted([(repr(key), repr(value[key])) for key in value]))
    return repr(sorted(value)) if isinstance(value, set) else repr(value)


def _loaded() -> "list[str]":
    return sorted([name for name in sys.modules if name.split(".")[0] in PACKAGES])
