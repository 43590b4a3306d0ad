"""The figures of `trapsim bench --base` as a page: each beside its target, and whether it was met."""

from typing import Any

TARGETS = {
    "durable": "≥ 0.7 × bare SQLite, ≥ 500 events/s",
    "backlog": "≤ 1 h",
    "restart": "≤ 10 s",
    "flat": "flat (≤ 1.5 ×)",
    "memory": "≤ 150 MB",
    "upload": "≥ 0.95 × a bare tus client",
}
FLAT = 1.5


def page(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [
        "# Bench of the base",
        f"`make bench ARGS='--base --write'`, on {figures['machine']}, at commit {figures['commit']}; load of the",
        f"machine (1 minute) {figures['load']} at the beginning, {figures['load_end']} at the end. Absolute figures",
        "are of that machine under that load; ratios are of things measured in turn.",
        *([figures["note"]] if "note" in figures else []),
        "",
        "| what | figure | target | met |",
        "|---|---|---|---|",
        *(f"| {what} | {figure} | {aim} | {'yes' if met else '**no**'} |" for what, figure, aim, met in rows(figures)),
        "",
        *_durable(figures["durable"]),
        "",
        *_growth(figures["growth"]),
        "",
        *_backlog(figures["backlog"]),
    ]
    return "\n".join(lines) + "\n"


def rows(figures: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """What, figure, target, and whether it is met."""
    durable, growth, backlog, upload = (figures[name] for name in ("durable", "growth", "backlog", "upload"))
    last, first = growth["rows"][-1], growth["rows"][0]
    worst = max(growth["ratios"][name] for name in ("ingest_us", "forward_us"))
    memory = max(backlog["peak_mb"], *(row["resident_mb"] for row in growth["rows"]))
    rate, ratio = durable["ours_events_per_s"], durable["ratio_bare"]
    return [
        ("durable sightings (alert + crop)", f"{rate}/s, {ratio} ×", TARGETS["durable"], rate >= 500 and ratio >= 0.7),
        (
            f"{backlog['days']} days of {backlog['traps']} traps, {backlog['season']['objects']} objects, signed for",
            f"{backlog['seconds']:.0f} s", TARGETS["backlog"], backlog["seconds"] <= 3600,
        ),
        (
            f"start to first acknowledgement with {last['events']:,} events",
            f"{last['first_ack_s']} s", TARGETS["restart"], last["first_ack_s"] <= 10,
        ),
        (
            "`kill -9` of the real base under load to its first acknowledgement",
            f"{backlog['first_ack_after_kill_s']} s", TARGETS["restart"], backlog["first_ack_after_kill_s"] <= 10,
        ),
        (
            f"cost of an event, {last['events']:,} against {first['events']:,} in custody (the worse of both)",
            f"{worst} ×", TARGETS["flat"], worst <= FLAT,
        ),
        ("resident memory, the most anywhere", f"{memory} MB", TARGETS["memory"], memory <= 150),
        ("upload", f"{upload['ours_mb_per_s']} MB/s, {upload['ratio']} ×", TARGETS["upload"], upload["ratio"] >= 0.95),
    ]  # fmt: skip


def _durable(d: dict[str, Any]) -> list[str]:
    return [
        f"Durable: {d['groups']} groups of {d['group']} messages, ten in turn, a transaction each (WAL, full sync);",
        f"one fsync of 64 kB took {d['sync_ms']} ms meanwhile. *Bare* is a table of key and bytes; *rows* one with",
        "all columns and keys of ours. Neither parses, checks a digest, looks for a repeat or acknowledges: the",
        "quicker the disk and the busier the processor, the lower the ratio.",
        "",
        "| | ours | bare | rows |",
        "|---|---|---|---|",
        f"| sightings/s | {d['ours_events_per_s']} | {d['bare_events_per_s']} | {d['rows_events_per_s']} |",
        f"| CPU a sighting (µs) | {d['ours_cpu_us']} | {d['bare_cpu_us']} | {d['rows_cpu_us']} |",
        f"| ours against it, of sums | | {d['ratio_bare']} | {d['ratio_rows']} |",
        f"| ours against it, of medians | | {d['ratio_bare_median']} | {d['ratio_rows_median']} |",
    ]


def _growth(g: dict[str, Any]) -> list[str]:
    names = ("ingest_us", "forward_us", "look_ms", "first_ack_s", "first_ack_cpu_s", "resident_mb", "grown_mb")
    heads = "ingest (µs)", "cut, upload, receipt (µs)", "look (ms)", "first acknowledgement (s)", "its CPU (s)"
    ratios = g["ratios"]
    return [
        f"Cost with so many sightings in custody, all sizes in turn: each figure the median of {g['turns']} new",
        f"processes, each with the median of five rounds of {g['added']} sightings, from",
        "the bus to the receipt at the trap, CPU time. *Look*: what page and `trapbase status` ask the database for.",
        "*Grown*: memory from the first to the last round.",
        "",
        f"| sightings | {' | '.join(heads)} | resident (MB) | grown (MB) |",
        "|---" * 8 + "|",
        *(f"| {row['events']:,} | " + " | ".join(str(row[name]) for name in names) + " |" for row in g["rows"]),
        f"| last / first | {ratios['ingest_us']} | {ratios['forward_us']} | {ratios['look_ms']} | | | "
        f"{ratios['resident_mb']} | |",
    ]


def _backlog(b: dict[str, Any]) -> list[str]:
    s = b["season"]
    return [
        f"Backlog: {s['sightings']} sightings (2.6 a trap-day, ten times a real season), alert and crop",
        f"each, {s['frames']} frames, {s['notes']} notes, {s['scenes']} scenes. Mosquitto over TLS, `trapbase run",
        "--only ingest,forward,page`, `trapsim backend` over HTTP, the base killed once at half. Defaults, but",
        "`batch.max_age_s = 10`.",
        "",
        f"* all acknowledged after {b['acknowledged_s']} s, signed for and every receipt taken after {b['seconds']} s:",
        f"  {b['objects_per_s']} objects/s, {b['batches']} batches, {b['bytes']:,} bytes, {b['repeats']} repeats",
        f"* the base's process: {b['half_mb']} MB at half, {b['end_mb']} MB at the end, {b['peak_mb']} MB at the most",
    ]
