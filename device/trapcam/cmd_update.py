"""`trapcam update`: how the unit's releases stand; with --from a folder that the running trap is to look at."""

import argparse
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from trapcam.updating.build import ASKED, asked_folder
from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.update import reasons
from trapkit.update.launch import FOLDER, ROOT, SLOT
from trapkit.update.slots import Slots


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "update", help="which release runs, which was tried, and why; --from: a folder for the running trap to look at"
    )
    root = Path(os.environ.get(FOLDER) or ROOT)
    parser.add_argument("--root", type=Path, default=root, metavar="DIR", help=f"folder of the slots ({root})")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--from", dest="source", type=Path, metavar="DIR", help="a release's folder, on a stick say")
    what.add_argument("--status", action="store_true", help="how it stands; so without options, too")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    slots = Slots(args.root)
    if args.source is not None:
        _ask(slots, args.source)
    told = status(slots)
    if args.json:
        print(json.dumps(told, sort_keys=True))
        return 0
    for line in words(told):
        print(line)
    return 0


def _ask(slots: Slots, source: Path) -> None:
    """Raises: SetupError where no release lies there; OSError."""
    if not (source / "metadata" / "timestamp.json").is_file():
        raise SetupError(f"--from {source}: no release lies there; name the folder that holds `metadata` and `targets`")
    make_folder(slots.root, 0o755)
    write_atomically(slots.root / ASKED, f"{source.resolve()}\n".encode())


def status(slots: Slots) -> dict[str, object]:
    """How it stands, for a program.  Raises: OSError."""
    record = slots.read()
    found = {name: slots.slot(name) for name in ("a", "b")}
    return {
        "running": record.release,
        "slot": record.in_force,
        "started_from": os.environ.get(SLOT),
        "trial": None if record.trial is None else asdict(record.trial),
        "said": asdict(record.said) | {"words": record.said.words()},
        "gone": [asdict(gone) | {"words": reasons.words(gone.code)} for gone in record.gone],
        "slots": {
            name: None if slot is None else {"release": slot.release, "parts": dict(slot.versions)}
            for name, slot in found.items()
        },
        "asked": asked_folder(slots.root),
    }


def words(told: Mapping[str, object]) -> list[str]:
    """The same for a person, a line each."""
    said, trial, slots, gone = told["said"], told["trial"], told["slots"], told["gone"]
    assert isinstance(said, dict)
    assert isinstance(slots, dict)
    assert isinstance(gone, list)
    lines = [f"running: {told['running'] or 'what was installed'}"]
    if isinstance(trial, dict):
        starts = f"{trial['starts_left']} starts and {trial['wakes_left']} wakes left"
        why = f"; waits: {reasons.words(trial['trouble'])}" if trial["trouble"] else ""
        lines.append(f"on trial: {trial['release']} in slot {trial['slot']}, {starts}{why}")
    lines.append(f"last: {said['words']}")
    for name, slot in slots.items():
        parts = "" if slot is None else ", ".join(f"{part} {version}" for part, version in slot["parts"].items())
        lines.append(f"slot {name}: " + ("empty" if slot is None else f"{slot['release']} ({parts})"))
    lines += [f"not taken: {each['release']}: {each['words']}, {_times(each['tries'])}" for each in gone]
    if told["asked"]:
        lines.append(f"looks at: {told['asked']}")
    return lines


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
