"""LINK.md: what was measured, what was wanted, and where the airtime goes."""

from typing import Any

from trapsim.ether import BASE_TURNAROUND_MS, BLIND_MS, COMMIT_MS, TRAP_TURNAROUND_MS
from trapsim.fades import BURST_FRAMES, FADE_MS
from trapsim.linkrun import OTHERS
from trapsim.meter import IDLE, SHARES

CHANNEL_NAMES = {
    "none": "each by itself",
    "frames": f"bursts of {BURST_FRAMES} frames",
    "time": f"fades of {FADE_MS / 1000:g} s",
}
Cell = dict[str, Any]


def channel(cell: Cell) -> str:
    """The channel in words."""
    return "no loss" if not cell["loss"] else f"{cell['loss']:g}, {CHANNEL_NAMES[cell['burst']]}"


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table."""
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]


def page(figures: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    cells: list[Cell] = figures["cells"]
    lines = [
        "# The link, measured",
        f"`trapsim link --write`, at commit {figures['commit']}; virtual time, seeds 1–{figures['runs']}: it comes out",
        "the same on every machine. Figures are medians; `link.json` has the rest.",
        "",
        "## What was wanted",
        *table(["what", "wanted", "measured", ""], wanted(cells, figures["alerts"])),
        "",
        "![Efficiency against loss](link.png)",
        "",
        "Losses each by itself; the bars hold 10–90 % of our link's runs, some of which meet fewer losses.",
        "",
        "## One object",
        "*Efficiency* is the bound over the airtime of all frames of both directions. The bound is the airtime of the",
        "object's bytes in the largest frames, filled to the brim, without head, tag or answer. *Goodput ratio*: the",
        "object's bits per second until the trap knows that the base has committed it, ours over theirs.",
        "",
        *table(
            [
                "object",
                "loss",
                "efficiency (worst; 10–90 %)",
                "s (worst)",
                "selective repeat",
                "perfect code",
                "stop-and-wait",
                "goodput ratio to these",
            ],
            [_row(cell) for cell in cells],
        ),
        "",
        "Ratios: to selective repeat / to stop-and-wait with a reply window of 1.5 s / to stop-and-wait with the",
        "shortest window that an answer fits into, and no pauses. The columns before are efficiencies of the others.",
        "",
        "## Where the airtime goes",
        "8,192 bytes at SF9 on EU868; means over the runs, in ms.",
        "",
        *_shares([c for c in cells if (c["size"], c["plan"]) == (8192, "eu868")]),
        "",
        "## Alerts of twenty traps on one channel",
        "From hand-over to the base's commit, SF9, EU868; each sighting is an alert and a crop of 1,500 bytes. Random",
        "moments, except where it says otherwise. Collisions as `air.py` has them (both frames are lost, no capture);",
        "hourly heartbeats included.",
        "",
        *table(
            [
                "a trap's sightings",
                "loss",
                "alerts",
                "p50 ms",
                "p95 ms",
                "worst ms",
                "channel in use",
                "frames collided",
            ],
            [_alert_row(row) for row in figures["alerts"]],
        ),
        "",
        *HOW,
    ]
    return "\n".join(lines) + "\n"


HOW = [
    "## How",
    f"Real are `TrapLink` and `BaseLink`. A trap's next frame follows after {TRAP_TURNAROUND_MS} ms, the base's after",
    f"{BASE_TURNAROUND_MS} ms, ingest commits in {COMMIT_MS} ms, and a frame is not found on the air in its first",
    f"{BLIND_MS} ms. Measuring begins after a first heartbeat, and until then nothing is lost. Every receiver has",
    "losses of its own, acknowledgements included:",
    "",
    "- *each by itself*: independent of each other;",
    f"- *{CHANNEL_NAMES['frames']}*: Gilbert–Elliott with a step at each reception; the bad state loses all and lasts",
    f"  {BURST_FRAMES} receptions on average, the good one loses nothing. Silence does not end a burst: waiting",
    "  never helps, and growing pauses cost time;",
    f"- *{CHANNEL_NAMES['time']}*: the same on the clock, exponential; the state at a frame's end counts. Who waits",
    "  lets a fade pass, and loses fewer frames than the mean.",
    "",
    "The others (`arq.py`) have our frame sizes, heads, tags, turnaround and commit, shorter reports, and no pause for",
    "other traps. In selective repeat silence brings the last piece of the window again, where we ask. The perfect",
    "code (`coded.py`) has its own pieces first and then coded ones, any of which serves: decision 009.",
    "",
    *(f"- {words}" for words in OTHERS.values()),
]


def wanted(cells: list[Cell], alerts: list[dict[str, Any]]) -> list[list[str]]:
    """Rows of what the link's issue wants."""

    def cell(size: int, loss: float, burst: str, plan: str = "eu868") -> Cell:
        asked = (size, loss, burst, plan)
        return next(c for c in cells if (c["size"], c["loss"], c["burst"], c["plan"]) == asked)

    rows = []
    for loss, burst, factor in ((0.0, "none", 0.93), (0.3, "none", 0.87), (0.3, "frames", 0.80), (0.3, "time", 0.80)):
        found = cell(8192, loss, burst)["efficiency"]
        least = factor * (1 - loss)
        what = f"efficiency, 8,192 bytes, SF9 EU868, {channel({'loss': loss, 'burst': burst})}"
        rows.append([what, f"≥ {least:.3f}", f"{found:.3f}", _met(found >= least)])
    lossy = cell(8192, 0.3, "none")
    for name in ("stop_and_wait", "stop_and_wait_short"):
        other = lossy["compare"][name]
        limit = other["seconds"] * 0.7 / (lossy["bound_ms"] / 1000)
        note = f"{other['goodput_ratio']} (the bound itself, at 0.3: {limit:.2f})"
        what = f"goodput at 0.3, times that of {OTHERS[name]}"
        rows.append([what, "≥ 3", note, _met(other["goodput_ratio"] >= 3)])
    for plan in ("eu868", "cn470"):
        size = cell(5120, 0.0, "none", plan)["bytes_on_air"]
        rows.append(
            [
                f"5,120-byte object, bytes on the air both ways, {plan.upper()}, no loss",
                "≤ 5,700",
                f"{size:,}",
                _met(size <= 5700),
            ]
        )
    for row in alerts:
        met = row["p50_ms"] <= 1000 and row["p95_ms"] <= 10000 and not row["never"]
        what = f"alerts of {row['traps']} traps, {_every(row)}, loss {row['loss']:g}: p50, p95"
        rows.append([what, "≤ 1 s, ≤ 10 s", f"{row['p50_ms'] / 1000:.1f} s, {row['p95_ms'] / 1000:.1f} s", _met(met)])
    return rows


def _met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _row(cell: Cell) -> list[str]:
    low, high = cell["spread"]["efficiency"]
    others = cell["compare"]
    ratios = " / ".join(
        str(others[n]["goodput_ratio"]) for n in ("selective_repeat", "stop_and_wait", "stop_and_wait_short")
    )
    return [
        f"{cell['size']:,} B, {cell['plan'].upper()}, {cell['frame_bytes']} B frames",
        channel(cell),
        f"{cell['efficiency']:.3f} ({cell['worst']['efficiency']:.3f}; {low:.3f}–{high:.3f})",
        f"{cell['seconds']:.1f} ({cell['worst']['seconds']:.1f})",
        f"{others['selective_repeat']['efficiency']:.3f}",
        f"{others['perfect_code']['efficiency']:.3f}",
        f"{others['stop_and_wait']['efficiency']:.3f}",
        ratios,
    ]


def _shares(cells: list[Cell]) -> list[str]:
    rows = [[words, *(f"{c['shares_ms'][name]:,}" for c in cells)] for name, words in SHARES.items()]
    rows.append(["**airtime**", *(f"**{sum(c['shares_ms'].values()):,}**" for c in cells)])
    rows += [[f"quiet: {words}", *(f"{c['idle_ms'][name]:,}" for c in cells)] for name, words in IDLE.items()]
    rows.append(["share of frames lost", *(f"{c['frames_lost_share']:.3f}" for c in cells)])
    return table(["", *map(channel, cells)], rows)


def _every(row: dict[str, Any]) -> str:
    return f"one in {row['every_s'] / 60:g} min" if row["every_s"] else "all at one moment"


def _alert_row(row: dict[str, Any]) -> list[str]:
    times = [f"{row[name]:,}" for name in ("alerts", "p50_ms", "p95_ms", "worst_ms")]
    return [_every(row), f"{row['loss']:g}", *times, f"{row['airtime_share']:.1%}", f"{row['collided_share']:.1%}"]
