"""A base's figures in Prometheus' text format (version 0.0.4). Pure. No keys, no names of places, no positions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trapbase.gate import CLOSED, HALF_OPEN, OPEN
from trapbase.modem import State
from trapbase.ops.partfile import HANGS, RUNS, PartState
from trapwire.alert import UNKNOWN

Row = Mapping[str, Any]
Sample = tuple[Mapping[str, object], float]
STATES = {
    "objects": ("stored", "batched", "receipted"),
    "batches": ("cut", "uploading", "uploaded", "receipted"),
    "receipts": ("signed", "delivered"),
}
STEPS = ("waits", "may", "takes", "proves", "runs", "back", "refused")  # of `updates.waves`
WAITS = ("batch", "upload", "signature", "trap")
GAUGES = ("bus_connected",)  # of the parts' figures; the others only grow


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything for one answer, times in Unix ms. `summary`: of the reader; `oldest`: since when the oldest waits, by
    what it waits for; `traps`: their last words; `floor_db`: the weakest signal that is heard; `alarms`, `needs`: how
    many the page shows; `rollout`: the newest one's row; `steps`, `running`: of updates, by trap; `ways`: those out of
    the base (`view_outlets`)."""

    now_ms: int
    parts: Mapping[str, PartState] = field(default_factory=dict)
    modem: State | None = None
    free_bytes: int | None = None
    summary: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    oldest: Mapping[str, int] = field(default_factory=dict)
    traps: list[dict[str, Any]] = field(default_factory=list)
    floor_db: float = 0.0
    alarms: int = 0
    needs: int = 0
    rollout: Row | None = None
    steps: Mapping[int, str] = field(default_factory=dict)
    running: Mapping[int, str] = field(default_factory=dict)
    ways: list[dict[str, Any]] = field(default_factory=list)


def metrics_text(figures: Figures) -> str:
    """The answer to a scrape."""
    lines: list[str] = []
    for name, kind, text, samples in (
        *_custody(figures),
        *_machine(figures),
        *_of_traps(figures),
        *_of_updates(figures),
        *_of_parts(figures),
        *_of_ways(figures),
    ):
        rows = list(samples)
        if rows:
            lines += [f"# HELP pugmark_{name} {text}", f"# TYPE pugmark_{name} {kind}"]
            lines += [f"pugmark_{name}{_labels(labels)} {_number(value)}" for labels, value in rows]
    return "\n".join(lines) + "\n"


Metric = tuple[str, str, str, Iterable[Sample]]


def _custody(figures: Figures) -> Iterable[Metric]:
    for name, states in STATES.items():
        counts = figures.summary.get(name, {})
        yield (
            name,
            "gauge",
            f"{name.capitalize()} in custody, by state.",
            [({"state": state}, counts.get(state, 0)) for state in states],
        )
    yield (
        "oldest_seconds",
        "gauge",
        "For how long the oldest has waited, by what it waits for; 0 where none does.",
        [
            ({"waits_for": what}, max(0, figures.now_ms - figures.oldest.get(what, figures.now_ms)) / 1000)
            for what in WAITS
        ],
    )
    counters = figures.summary.get("counters", {})
    for name, value in counters.items():
        text = f"{name.replace('_', ' ').capitalize()}, since this base began."
        yield f"{name}_total", "counter", text, [({}, value)]
    yield (
        "alarms",
        "gauge",
        "Traps that somebody opened or moved, and nobody has visited since.",
        [({}, figures.alarms)],
    )
    yield (
        "needs_person",
        "gauge",
        "Troubles that the page and `trapbase status` show to a person.",
        [({}, figures.needs)],
    )


def _machine(figures: Figures) -> Iterable[Metric]:
    if figures.free_bytes is not None:
        yield "disk_free_bytes", "gauge", "Room left on the disk of the base's folder.", [({}, figures.free_bytes)]
    if figures.modem is not None:
        modem = figures.modem
        yield "modem_open", "gauge", "Whether the modem's line is open.", [({}, not modem["trouble"])]
        yield (
            "modem_word_timestamp_seconds",
            "gauge",
            "When the modem spoke last.",
            [({}, modem["said_ms"] / 1000) for _ in (1,) if modem["said_ms"] is not None],
        )
        for name, text in (("heard", "heard on the air"), ("given", "given to the modem"), ("sent", "sent by it")):
            yield f"modem_{name}_total", "counter", f"Frames {text}, since the gateway began.", [({}, modem[name])]


def _of_traps(figures: Figures) -> Iterable[Metric]:
    def each(value: Any) -> list[Sample]:
        found = [({"trap": row["trap"]}, value(row)) for row in figures.traps]
        return [(labels, number) for labels, number in found if number is not None]

    yield (
        "trap_word_timestamp_seconds",
        "gauge",
        "When a trap was heard, or something of it came.",
        each(lambda row: None if row["word_ms"] is None else row["word_ms"] / 1000),
    )
    yield (
        "trap_radio_margin_db",
        "gauge",
        "Its signal above the weakest that is heard.",
        each(lambda row: None if row["snr_db"] is None else row["snr_db"] - figures.floor_db),
    )
    yield (
        "trap_battery_percent",
        "gauge",
        "Its battery as it says.",
        each(lambda row: None if row["health"].get("battery", UNKNOWN) == UNKNOWN else row["health"]["battery"]),
    )
    yield (
        "trap_queued",
        "gauge",
        "Objects that wait at the trap for the air.",
        each(lambda row: row["health"].get("queued")),
    )
    yield (
        "trap_unreceipted",
        "gauge",
        "Objects at the trap that nobody has signed for.",
        each(lambda row: row["health"].get("unreceipted")),
    )


def _of_updates(figures: Figures) -> Iterable[Metric]:
    yield (
        "trap_release_info",
        "gauge",
        "Which release a trap's unit says that it runs; empty: as installed.",
        [({"trap": trap, "release": release}, 1) for trap, release in sorted(figures.running.items())],
    )
    row = figures.rollout
    if row is None:
        return
    yield (
        "update_stopped",
        "gauge",
        "Whether the newest release was stopped, by itself or by the operator.",
        [({"release": row["release"]}, row["state"] == "stopped")],
    )
    yield (
        "update_units",
        "gauge",
        "Units by what they do with the newest release.",
        [
            ({"release": row["release"], "step": step}, sum(own == step for own in figures.steps.values()))
            for step in STEPS
        ],
    )


def _of_parts(figures: Figures) -> Iterable[Metric]:
    states = {part: state.at(figures.now_ms) for part, state in figures.parts.items()}
    yield (
        "part_up",
        "gauge",
        "Whether a part of the base runs, and its loop turns.",
        [({"part": part}, state == RUNS) for part, state in states.items()],
    )
    yield (
        "part_trouble",
        "gauge",
        "Whether a part says that something is wrong; `trapbase status` says what.",
        [({"part": part}, bool(state.trouble) or states[part] == HANGS) for part, state in figures.parts.items()],
    )
    names = sorted({name for state in figures.parts.values() for name in state.figures})
    for name in names:
        own = [({"part": part}, s.figures[name]) for part, s in figures.parts.items() if name in s.figures]
        text = f"{name.replace('_', ' ').capitalize()}, by part"
        if name in GAUGES:
            yield name, "gauge", f"{text}.", own
        else:
            yield f"part_{name}_total", "counter", f"{text}, since it was started.", own


def _of_ways(figures: Figures) -> Iterable[Metric]:
    """Of the ways out, by name. What waits for the back end itself is counted as batches."""
    posts = [way for way in figures.ways if way["kind"] != "tus"]

    def each(ways: list[dict[str, Any]], value: Any) -> list[Sample]:
        return [({"outlet": way["name"]}, value(way)) for way in ways]

    def age(way: Row) -> float:
        return 0 if way["oldest_ms"] is None else max(0, figures.now_ms - way["oldest_ms"]) / 1000

    yield "outlet_waiting", "gauge", "Messages that wait for a way out.", each(posts, lambda way: way["waiting"])
    yield (
        "outlet_oldest_seconds",
        "gauge",
        "For how long the oldest of them has waited; 0 where none does.",
        each(posts, age),
    )
    yield (
        "outlet_aside",
        "gauge",
        "Messages set aside until a person asks for them.",
        each(posts, lambda way: way["aside_count"]),
    )
    yield "outlet_sent_total", "counter", "Messages that have gone.", each(posts, lambda way: way["sent"])
    yield (
        "outlet_border_closed",
        "gauge",
        "Whether a way out leads over a border for which no agreement is named; nothing goes there.",
        each(figures.ways, lambda way: way["state"] == "border"),
    )
    yield (
        "outlet_breaker",
        "gauge",
        "1 for the state that the breaker of a way is in.",
        [
            ({"outlet": way["name"], "state": state}, way["state"] == state)
            for way in figures.ways
            for state in (CLOSED, HALF_OPEN, OPEN)
        ],
    )
    yield (
        "outlet_trouble",
        "gauge",
        "Whether a way says that something is wrong; `trapbase outlets` says what.",
        each(figures.ways, lambda way: way["trouble"]),
    )
    yield (
        "outlet_day_bytes",
        "gauge",
        "Bytes over a way today, either way.",
        each(figures.ways, lambda way: way["spent_bytes"]),
    )


def _labels(labels: Mapping[str, object]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(str(value))}"' for name, value in labels.items()) + "}" if labels else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.3f}"
