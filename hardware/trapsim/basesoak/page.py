"""SOAK-BASE.md: what the base's soak counted, and what it looked for."""

from typing import Any

from trapsim.basesoak.badbackend import MIXED, STATUSES, WAYS
from trapsim.basesoak.hostile import WAYS as HOSTILE_WAYS
from trapsim.basesoak.realkills import LIVES_S
from trapsim.basesoak.restored import DEATHS
from trapsim.basesoak.restored import STORIES as COMEBACKS
from trapsim.basesoak.twins import STORIES
from trapsim.linkpage import table

KINDS = ("lost", "doubled", "unclean", "wrong")
ALL = {
    "lives": "lives",
    "objects": "objects that traps handed over",
    "objects told to be safe": "of them told to be safe, and looked up at that moment",
    "objects let go by receipts": "let go by a receipt, and looked up at the back end",
    "objects that came again": "objects that came again, dropped by their key",
    "batches": "batches",
    "receipts": "receipts",
    "frames sent by the base": "frames that the base sent, no counter twice",
    "times that verify was run": "times that `trapbase verify` was run",
    "ended by itself": "times that a part ended by itself, in words, and was started again",
}
HEADS = {
    "kills": "Killed in one process, at any call that makes something durable or leaves the base",
    "real kills": "`trapbase run` killed with SIGKILL",
    "power cuts": "Power cuts: torn, reordered and missing writes",
    "refused calls": "Each durable call refused, once and for a while",
    "full disk": "A real small disk, full at each of its pages",
    "outages": "Something gone for a virtual month",
    "restored": "Back from last week's backup",
    "back end": "A back end that is ill",
    "hostile bus": "A hostile bus",
    "twins": "What is there twice",
}


def by_kind(figures: dict[str, Any]) -> dict[str, int]:
    """Violations of each kind."""
    texts = [text for found in figures["violations"].values() for text in found]
    return {kind: sum(text.startswith(f"{kind}: ") for text in texts) for kind in KINDS}


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    parts, kinds = figures["parts"], by_kind(figures)
    total = {name: sum(counts.get(name, 0) for counts in parts.values()) for name in ALL}
    killed = sum(counts.get("kills", 0) + counts.get("real kills of trapbase run", 0) for counts in parts.values())
    words = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
    asked = sum(figures["asked"].values())
    left = asked - figures["played"]
    lines = [
        "# The base, soaked",
        f"`{figures['command']}`, at commit {figures['commit']}, drawn from seed {figures['seed']}. Real kills strike",
        "by the machine's own clock, so their counts differ a bit from run to run.",
        *([f"**{left} of {asked} lives were not played**: the run was stopped."] if left else []),
        "",
        f"**{killed:,} kills, {parts.get('power cuts', {}).get('states after a power cut', 0):,} power cuts, "
        f"{total['objects']:,} objects in {total['lives']:,} lives: {words}.**",
        "",
    ]
    if figures["violations"]:
        texts = [f"- {name}: {text}" for name, found in figures["violations"].items() for text in found]
        lines += ["**Violations:**", "", *texts[:50], ""]
    for name, counts in parts.items():
        lines += [f"## {HEADS[name]}", *table(["what", "count"], _rows(counts, figures["asked"].get(name, 0))), ""]
    for name, why in figures["skipped"].items():
        lines += [f"## {HEADS[name]}", f"Left out: {why}.", ""]
    return "\n".join([*lines, *HOW]) + "\n"


def _rows(counts: dict[str, Any], asked: int) -> list[list[str]]:
    own = [name for name in counts if name not in ALL]
    if counts["lives"] < asked:
        counts = counts | {"lives that were not played": asked - counts["lives"]}
        own.insert(0, "lives that were not played")
    rows = [[words, f"{counts[name]:,.0f}"] for name, words in ALL.items() if name in counts]
    return rows + [[name, f"{counts[name]:,.0f}"] for name in own]


HOW = f"""## How
Real are gateway, ingest, store, batches, upload and receipts, built by `trapbase run`'s own builders on one folder, the
radio link with the real `TrapLink` at its other end, and the reference back end's store. Bus, modem's line, the way to
the back end and the clock are in memory and virtual time, but in *real kills*: there `trapbase run`, Mosquitto and the
back end are processes, the modem is a pty, and a kill strikes after {LIVES_S[0]:g} to {LIVES_S[1]:g} s of the base's
CPU time.

Looked for: whatever a trap is told to be safe is at the base at that moment, in a row and with its bytes; whatever a
trap lets go by a receipt is at the back end at that moment; at the end all that was handed over is at the base and at
the back end, once, with its bytes, and every trap has let it go; no frame counter goes out twice; no part ends but in
words of its own; `trapbase verify` is clean. *Lost*, *doubled*, *unclean* (verify) and *wrong* (all else) are
violations.

*Kills.* Parts as one process, as `trapbase run` has them, or apart; every fourth death the broker forgets its queues.

*Power cuts.* A life is recorded by strace; a state is what the disk may hold after a cut at an operation: durable is
only what was synced, of the rest anything, torn at sectors, in any order, names too. The back end is another machine
and has what it had then. The base is started on the state and goes on to the end.

*Outages.* Traps go on; at the end all is caught up. A clock that is gone says 1970, 2099 or another year, every 6 h.

*Restored.* On {"; ".join(COMEBACKS)}; `trapbase restore` dies up to {DEATHS} times on its way. No receipt's number
stands for two; what was made since the backup is at the back end once, and at the base or noted as *elsewhere*; what
only radio traps had left has come by radio within four days, the rest by stick.

*Back end.* {MIXED} of these at once, in 10 to 50 % of its answers: {", ".join(WAYS)}.
Refusals: {", ".join(map(str, STATUSES))}.

*Hostile bus.* {", ".join(HOSTILE_WAYS)}; as far as a stolen
certificate may write, and a cloned card that may come first: then the real one is kept aside, and stays on its trap.
What a receipt names beside a stranger's is let go: it comes whole.

*Twins.* {"; ".join(STORIES)}.

`trapsim soak --base --only PART --life K --seed S` plays one again.""".split("\n")
