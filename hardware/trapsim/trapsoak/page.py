"""SOAK-TRAP.md: what the trap's soak counted, and what it looked for."""

from typing import Any

from trapsim.linkpage import table
from trapsim.trapsoak.killed import HURRY
from trapsim.trapsoak.plan import CAMERA, MODULE_EVERY, SPELLS
from trapsim.trapsoak.run import KILLED_EVERY, KINDS
from trapsim.trapsoak.season import BOUND_MS

PLANTED = ("wild cat", "domestic cat", "nothing", "nearly a cat", "another animal", "person", "vehicle")
OUTCOMES = {
    "kept": "kept: a sighting",
    "rejected": "rejected",
    "withheld": "withheld: a person or vehicle",
    "unreadable": "unreadable: the camera gave nothing",
    "sightings": "sightings in the outbox",
    "objects opened": "objects opened with the keys, on the card or at the base",
    "objects let go by a receipt": "of them deleted on the card by a receipt",
    "pictures opened": "pictures opened, each showing its own burst",
    "full frames left out": "full frames left out for want of room, and counted at their sighting",
    "audit samples opened": "audit samples opened",
    "days told": "lines of days, each signed, one a day",
    "alarms": "alarms, signed",
    "scenes opened": "the day's pictures opened, nobody in them",
    "bursts judged by the real detector": "bursts judged by the real detector, on photographs",
}
FAULTS = {
    "power cuts": "power cuts in virtual time, at any durable call or in a stage",
    "power cuts in trigger": "of them as a trigger came",
    "power cuts in capture": "of them in the capture",
    "power cuts in judge": "of them while judging",
    "power cuts in seal": "of them while sealing",
    "power cuts in commit": "of them at a durable call of a commit, as such",
    "power cuts in hand-over": "of them after something was said on the line",
    "power cuts in receipt": "of them at a durable call of a receipt, as such",
    "real kills": "real kills (SIGKILL) of a process on a serial line",
    "starts": "starts of the trap",
    "starts refused, with words": "starts refused, with words",
    "clock jumps": "jumps of the clock by 1 to 30 years",
    "receipt good": "receipts, good",
    "receipt forged": "receipts, forged",
    "receipt of another epoch": "receipts of another epoch",
    "receipt for other bytes": "receipts signed for other bytes",
    "bursts cut short by the camera": "bursts that the camera cut short, or gave nothing of",
    "camera_restarts_error": "restarts of the Pi's camera: errors",
    "camera_restarts_silent": "restarts of the Pi's camera: silent, or hanging",
    "camera_restarts_memory": "restarts of the Pi's camera: no memory",
    "processes that ended for a new camera": "processes that ended for a new camera",
    "recipients missing": "recipients' file missing at a start",
    "recipients damaged": "recipients' file damaged",
    "base key damaged": "base's key damaged",
    "supervisor restarts": "restarts of the supervisor",
    "a day passes": "days that passed with the Pi off, and a wake for the day's picture",
    "lid opened": "times that the lid was opened",
    "times the Pi was let go": "times the supervisor let the Pi go",
    "broker killed": "kills of the broker, its queues lost",
    "repeats at the base": "objects that came to the base again, dropped by their key",
    "faults told to the supervisor": "times that the supervisor was told of the card",
}


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    counts = figures["counts"]
    words = {"lost": "lost", "doubled": "doubled", "human on the card": "human frames on the card"}
    words |= {"in the clear": "pictures in the clear"}
    found = ", ".join(f"{text} {counts[kind]:,.0f}" for kind, text in words.items())
    found += f", other violations {figures['others']:,.0f}"
    lines = [
        "# The trap unit, soaked",
        f"`{figures['command']}`, at commit {figures['commit']}. Drawn from seed {figures['seed']}; real kills",
        "strike by the machine's own clock, and what is sealed differs, so counts differ a bit from run to run.",
        "",
        f"**{counts['bursts']:,.0f} bursts with faults in {counts['seasons']:,.0f} seasons: {found}.**",
        "",
    ]
    if figures["violations"]:
        texts = [f"- {name}: {text}" for name, found in figures["violations"].items() for text in found]
        lines += ["**Violations:**", "", *texts[:50], ""]
    planted = [[word, f"{counts.get(f'bursts with {word}', 0):,.0f}"] for word in PLANTED]
    lines += [*table(["planted in a burst", "bursts"], planted), ""]
    for head, words in (("what became of it", OUTCOMES), ("what struck", FAULTS)):
        rows = [[text, f"{counts[name]:,.0f}"] for name, text in words.items() if name in counts]
        lines += [*table([head, "count"], rows), ""]
    return "\n".join([*lines, *HOW]) + "\n"


def others(figures: dict[str, Any]) -> int:
    """Violations that are of none of the kinds which the page's first line names."""
    kinds = tuple(f"{kind}: " for kind in KINDS if kind != "wrong")
    return sum(not text.startswith(kinds) for found in figures["violations"].values() for text in found)


HOW = f"""## How
Real are the application, its outbox and SQLite on a disk, its sealing, receipts, uplink and network, built by
`trapcam run`'s own builders; on photographs the real detector too. Elsewhere the detector reads a mark in each picture
that says which it is and what was planted; one season in {MODULE_EVERY} has the Pi's own camera over its simulated
module, with that one's faults. Outside are a supervisor, a base and a back end with books of their
own. Each season strikes with, for a while: {", ".join(SPELLS)}; in a burst, the camera {", ".join(CAMERA)}; and at a
moment what the table counts. One season in {KILLED_EVERY} is played in real time ({HURRY} times as fast outside) by a
process of its own on a pty, killed after 30 to 700 ms of its own CPU time.

At the end everything on the card and at the base is opened with the keys and compared with plan and journal. Looked
for: every burst has one outcome, and one that the detector's own words on the frames that the camera gave allow; every
sighting has all its objects but full frames counted as left out, whole, on the card or at the base, in the same bytes,
and each opens and shows its own burst; every day that was counted and is over has one line, no lid makes two alarms,
all signed; nobody private in a day's picture; nothing is deleted but by a good receipt, nothing said to be delivered
that the base has not; no two objects hold the same sealed bytes; no picture of a burst with people, no rejected one but
as an audit sample; no picture in the clear in any file, deleted bytes included; all is delivered within
{BOUND_MS // 3_600_000} hour of virtual time.

`trapsim soak --bursts N --season K` plays one of them again.""".split("\n")
