"""SOAK.md: what the soak counted, and what it looked for."""

from typing import Any

from trapsim.linkpage import CHANNEL_NAMES, table
from trapsim.soakhostile import GROWTH_MAX_BYTES, IN_FLIGHT, LOOK_EVERY, PEAK_MAX_BYTES
from trapsim.soaknight import BOUND_MS, PARROT_PLAYS
from trapsim.soakplan import BASE_RESETS_MAX, EVERY_MS, LOSS_MAX, PARROTS, TRAP_RESETS_MAX, TRAPS_MAX

SHOWN = {
    "alerts": "alerts handed over",
    "crops": "crops among them",
    "receipts": "receipts sent down",
    "nights": "nights",
    "virtual_s": "seconds of virtual time",
    "frames": "frames on the air",
    "nonces": "frames sealed, no nonce twice",
    "lost": "receptions lost",
    "collided": "frames lost in collisions",
    "played": "frames played again in the night by a stranger",
    "trap_resets": "resets of traps",
    "base_resets": "resets of bases",
    "repeats": "objects that came to ingest again, dropped by their key",
    "refused": "commits that ingest refused",
}
"""Alerts' counts, in the page's words."""


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    alerts, hostile = figures["alerts"], figures["hostile"]
    lines = [
        "# The link, soaked",
        f"`{figures['command']}`, at commit {figures['commit']}; virtual time, seed {figures['seed']}: it comes out",
        "the same on every machine. `soak.json` has the rest.",
        "",
    ]
    if figures["violations"]:
        lines += ["**Violations:**", "", *(f"- {text}" for text in figures["violations"]), ""]
    if alerts["nights"]:
        lines += [*_alerts(alerts), ""]
    if hostile["rounds"]:
        lines += [*_hostile(hostile), ""]
    return "\n".join([*lines, *HOW]) + "\n"


def _alerts(alerts: dict[str, Any]) -> list[str]:
    rows = [[words, f"{alerts[name]:,}"] for name, words in SHOWN.items()]
    bad = len(alerts["violations"])
    return [
        "## Alerts under loss, resets and collisions",
        f"{alerts['alerts']:,} alerts in {alerts['nights']:,} nights: "
        + ("none lost, none twice, all told." if not bad else f"**{bad} nights with violations.**")
        + f" The longest wait, from hand-over until the trap was told: {alerts['longest_ms'] / 1000:,.0f} s.",
        "",
        *table(["what", "count"], rows),
        "",
        *table(CHANNEL_HEAD, [_channel(name, row) for name, row in sorted(alerts["channels"].items())]),
    ]


CHANNEL_HEAD = ["losses", "nights", "alerts", "frames", "lost", "collided", "resets", "repeats", "longest wait, s"]


def _channel(name: str, row: dict[str, int]) -> list[str]:
    burst, band = name.split()
    figures = [row["nights"], row["alerts"], row["frames"], row["lost"], row["collided"]]
    figures += [row["trap_resets"] + row["base_resets"], row["repeats"], round(row["longest_ms"] / 1000)]
    low = int(band) / 10
    return [f"{low:g}–{low + 0.1:g}, {CHANNEL_NAMES[burst]}", *(f"{figure:,}" for figure in figures)]


def _hostile(hostile: dict[str, Any]) -> list[str]:
    bad = len(hostile["violations"])
    taken = "none taken, nothing raised" if not bad else f"**{bad} rounds with violations**"
    causes = {
        "old_version": "another version",
        "stranger": "a trap that is not ours",
        "no_key": "no key",
        "forged": "the tag does not fit",
        "replayed": "the tag fits, the counter is not new",
        "damaged": "too short, unknown kind",
        "ignored": "addressed to somebody else: only heard",
    }
    expected = hostile["short_tags"] / 2**32
    grown, peak = _kib(hostile["growth_bytes"]), _kib(hostile["peak_bytes"])
    return [
        "## Hostile frames",
        f"{hostile['frames']:,} frames, each to a base and two traps, in {hostile['rounds']:,} rounds, with at least",
        f"{IN_FLIGHT} objects half transferred: {taken}, and afterwards everything arrived. Memory grew",
        f"by {grown} KiB at the most after a round, {peak} KiB in it",
        f"(allowed: {_kib(GROWTH_MAX_BYTES)} and {_kib(PEAK_MAX_BYTES)}).",
        "",
        *table(["way", "frames"], [[way, f"{frames:,}"] for way, frames in hostile["by_way"].items()]),
        "",
        *table(["refused because", "times"], [[words, f"{hostile[name]:,}"] for name, words in causes.items()]),
        "",
        f"Tags looked at: {hostile['short_tags']:,} of 4 bytes, {hostile['long_tags']:,} of 8. An invented short one",
        f"fits with a chance of 2^-32: to be expected were {expected:.1g} taken.",
    ]


def _kib(size: int) -> int:
    return -(-size // 1024)


HOW = f"""## How
Real are `TrapLink`, `BaseLink` and their cipher; the air is that of [LINK.md](LINK.md),
without the governor, which makes frames wait, and without quick turns.

*Alerts.* A night has 1 to {TRAPS_MAX} traps, losses up to {LOSS_MAX:g}, and a sighting of each trap every
{EVERY_MS[0] // 1000} to {EVERY_MS[-1] // 1000} s on the mean, half of them at one moment on several.
Some have a crop; some receipts come down. Ingest takes up to 4 s to commit, and in some nights refuses.
A trap is reset up to {TRAP_RESETS_MAX} times, a base up to {BASE_RESETS_MAX} times: at any moment, before a frame is
looked at, after the link took it and before anything was written, after a frame was sealed, while it is on the air,
between ingest's commit and the link's word of it, or with all that was on its way to ingest. What lasts is what the
supervisor's flash and the base's disk keep. In one night of {PARROTS} a stranger plays frames of that night again, some
{PARROT_PLAYS} of them.

Looked for: every object is committed once and with its bytes, and its trap is told, once, and not before the commit;
a receipt is delivered only when it is in its trap's flash; no nonce is used twice under a key; all objects of the traps
are committed and told {BOUND_MS // 3_600_000} hours after the last hand-over, and the receipts within a week.

*Hostile frames.* None brings an event but *dropped*. Every {LOOK_EVERY} frames every field of the three ends is
compared with what it was, but for counts, the last refusal of each trap, and how long others' turns keep a trap quiet.

`trapsim soak --seed S --night K`, or `--round K`, plays one of them again.""".split("\n")
