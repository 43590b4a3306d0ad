"""`trapcam update`: how the unit's releases stand; with --from a folder that the running trap looks at now, and what
comes of it."""

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from trapcam.updating import asking
from trapkit.errors import SetupError
from trapkit.update import reasons
from trapkit.update.launch import FOLDER, ROOT, SLOT
from trapkit.update.slots import Slots

SEEN_S = 20.0  # a trap at work looks every five seconds whether somebody asks
WAIT_S, MOST_S = 120.0, 3600.0  # for the end of a look and of writing what was found onto the card
LATER, UNSEEN, GOES_ON = "later", "no-answer", "goes-on"  # outcomes without the trap's answer
DONE = (asking.NOTHING, asking.TAKEN)  # exit code 0
NOBODY = (
    f"the trap has not seen the question within {SEEN_S:.0f} s: it looks between bursts, not while a ranger is with "
    "it, and only where its service runs it (`systemctl status pugmark-trap`); one that was started by hand with "
    "`trapcam run` takes no releases. The question stays"
)
STATUS = "`trapcam update --status` says how it ends"


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
    parser.add_argument(
        "--wait", type=float, default=WAIT_S, metavar="S", help=f"of --from: wait so long for its end ({WAIT_S:.0f} s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    slots = Slots(args.root)
    if args.source is not None:
        return _ask(slots, args)
    told = status(slots)
    if args.json:
        print(json.dumps(told, sort_keys=True))
        return 0
    for line in words(told):
        print(line)
    return 0


def _ask(slots: Slots, args: argparse.Namespace) -> int:
    """Ask, wait for the end, say it; 0 where the release is taken, or there is none to take.

    Raises: SetupError where no release lies there, or for another time to wait; OSError.
    """
    source: Path = args.source
    if not 0 <= args.wait <= MOST_S:
        raise SetupError(f"--wait {args.wait:g}: allowed are 0 to {MOST_S:.0f} s")
    if not (source / "metadata" / "timestamp.json").is_file():
        raise SetupError(f"--from {source}: no release lies there; name the folder that holds `metadata` and `targets`")
    question = asking.ask(slots.root, source)
    print(f"the trap is asked to look at {question.folder}", file=sys.stderr)
    said = _wait(slots, question, args.wait)
    if args.json:
        print(json.dumps({"folder": question.folder, **asdict(said)}, sort_keys=True))
    else:
        print(_came(asdict(said)))
    return 0 if said.outcome in DONE else 1


def _wait(slots: Slots, question: asking.Question, wait_s: float) -> asking.Answer:
    """What comes of it, within `wait_s`.  Raises: OSError."""
    begun, mark = _now_s(), question.mark
    while True:
        past_s = _now_s() - begun
        record, said = slots.read(), asking.answered(slots.root)
        said = said if said is not None and said.mark == mark else None
        if record.trial is not None and said is None:
            release = record.trial.release
            return asking.Answer(
                mark=mark, outcome=LATER, release=release, words=f"it tries {release}, and looks when that is settled"
            )
        if said is not None and said.outcome not in asking.GO_ON:
            return said
        if said is None and past_s >= min(SEEN_S, wait_s):
            return asking.Answer(mark=mark, outcome=UNSEEN, words=f"{NOBODY}; {STATUS}")
        if past_s >= wait_s:
            what = (said.words if said else "") or "it still looks"
            return asking.Answer(mark=mark, outcome=GOES_ON, words=f"{what}; {STATUS}")
        _sleep()


def _now_s() -> float:
    return time.monotonic()


def _sleep() -> None:
    """A moment, in which the trap goes on."""
    time.sleep(0.2)


def status(slots: Slots) -> dict[str, object]:
    """How it stands, for a program.  Raises: OSError."""
    record = slots.read()
    found = {name: slots.slot(name) for name in ("a", "b")}
    question, said = asking.asked(slots.root), asking.answered(slots.root)
    mine = question is not None and said is not None and said.mark == question.mark
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
        "asked": question.folder if question else "",
        "answer": asdict(said) if mine and said else None,
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
        answer = told["answer"]
        lines.append(f"asked for {told['asked']}: {_came(answer) if isinstance(answer, dict) else 'not looked at yet'}")
    return lines


def _came(answer: Mapping[str, str]) -> str:
    """An answer in a line."""
    return ": ".join(filter(None, (answer["outcome"], answer["code"], answer["words"])))


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"
