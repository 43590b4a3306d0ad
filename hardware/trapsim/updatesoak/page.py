"""SOAK-UPDATE.md: what the soak of updates counted, and what it looked for."""

from typing import Any

from trapkit.update.reasons import words
from trapsim.linkpage import table

HOW = """## How
Real are the Pi's launcher, slots, record, unpacking, updater and proof, and the supervisor's boot, slots and loader;
the line between them is a call. Each life installs a unit, which proves release 1, and then takes release 2, good or
bad in one way, with some of the parts. It is lived once by a process of its own under strace. Then the power goes, at
any of its operations after release 1 was proved: the card holds what was synced, and of all else nothing, all, the
first part, or torn and reordered sectors and names; the supervisor's flash keeps its order, as littlefs does. From
there the unit starts again and goes on to its end; many are killed with SIGKILL's effect, or meet a full card, once
more on their way.

Looked for at every start: the slot that starts is whole, and each of its files says the release that is named. At the
end: a good release runs, proved, and nothing else does; a bad one does not, the old one runs entirely, on both
machines, and the unit says why; nothing is on trial any more; record, link and both slots agree."""


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    counts, kinds = figures["counts"], figures["kinds"]
    ended = {name.removeprefix("ended: "): n for name, n in counts.items() if name.startswith("ended: ")}
    struck = {name: n for name, n in counts.items() if name.startswith("power cuts")}
    lines = [
        "# Updates, interrupted",
        f"`{figures['command']}`, at commit {figures['commit']}, drawn from seed {figures['seed']}.",
        "",
        f"**{counts['interruptions']:,} interruptions in {counts['lives']:,} lives, {counts['starts']:,} starts after "
        f"them: {len(figures['violations'])} violations. Each unit runs the old or the new release, entirely.**",
        "",
        *[f"- {text}" for text in figures["violations"][:50]],
        *table(["release 2 is", "lives"], [[kind, f"{kinds[kind]:,}"] for kind in sorted(kinds)]),
        "",
        *table(
            ["what struck", "count"],
            [
                *[[name, f"{struck[name]:,}"] for name in sorted(struck)],
                ["killed once more, in a later start", f"{counts.get('of them killed in a later start', 0):,}"],
                ["times that a full card kept a start from going on", f"{counts.get('refused writes', 0):,}"],
            ],
        ),
        "",
        *table(["how it ended", "units", "in words"], [_end(name, ended[name]) for name in sorted(ended)]),
        "",
        HOW,
    ]
    return "\n".join(lines) + "\n"


def _end(name: str, number: int) -> list[str]:
    phase, _, code = name.partition(", ")
    return [f"{phase} `{code}`" if code else phase, f"{number:,}", words(code)]
