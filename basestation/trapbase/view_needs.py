"""What a person should look after: a sentence each that says what, why, and what to do. Pure; for page and `status`."""

from collections.abc import Mapping, Sequence
from typing import Any

from trapbase.config import Settings, TrapSettings
from trapbase.modem import State
from trapbase.moments import span
from trapbase.ops.partfile import GONE, HANGS, RUNS, STOPPED, PartState
from trapbase.unit_words import fault_words
from trapwire.events import BATTERY_CRITICAL, BATTERY_LOW

Row = dict[str, Any]
FEW_DAYS = 14  # of battery: about the time between two visits
BATTERY_FAULTS = (fault_words(BATTERY_LOW), fault_words(BATTERY_CRITICAL))  # why a unit saves: one note says it
HOUR_MS = 3_600_000
SILENT_MS = 24 * HOUR_MS
QUIET_MS = 50 * HOUR_MS  # without a word by radio: such a trap says a line a day, and its sightings
DEAF_MS = 2 * HOUR_MS  # without a word from anybody: heartbeats come every hour
CLOCK_MS = 24 * HOUR_MS  # beside its own uncertainty: a trap that sends a day late has been without radio
NEVER_SET_MS = 1_735_689_600_000  # 2025-01-01: a base's clock before it was never set
LATE_MS = HOUR_MS  # beyond what the settings let a sighting wait
NOT_TAKEN_MS = 48 * HOUR_MS  # receipts at a trap that is heard
MOST_NOTES = 12
LITTLE_DISK_BYTES = 1 << 30


def needs(
    settings: Settings,
    rows: Mapping[str, list[Row]],
    stations: list[Row],
    known: Mapping[int, TrapSettings],
    now_ms: int,
    *,
    free_bytes: int | None,
    modem: State | None,
    parts: Mapping[str, PartState],
) -> list[str]:
    """Every sentence, the base's own troubles first. `rows`: answers of the reader by query name; `stations`: of the
    view; `free_bytes`: of the disk, where known; `parts`: what each part said last."""
    return [
        *_part_notes(parts, rows, modem, now_ms),
        *_base_notes(rows, now_ms, free_bytes),
        *_late_notes(settings, rows.get("oldest", []), parts, now_ms),
        *_strangers(rows, known),
        *_clock_notes(rows["sightings"]),
        *_trap_notes(stations, now_ms),
        *_receipt_notes(_not_gone(rows.get("receipts_waiting", []), stations), rows["traps"], now_ms),
        *_conflict_notes(rows["conflicts"]),
        *_forged_notes(rows.get("forged_notes", [])),
    ]


def shortened(notes: Sequence[str]) -> list[str]:
    """A bad day of a large fleet must not push the cats off the page."""
    if len(notes) <= MOST_NOTES:
        return list(notes)
    return [*notes[:MOST_NOTES], f"… and {len(notes) - MOST_NOTES} more of the kind; see the stations below."]


def word_ms(row: Row) -> int | None:
    """When a trap was heard, or something of it came by a network or a stick; Unix ms."""
    return max(row["heard_ms"] or 0, row["came_ms"] or 0) or None


def _part_notes(
    parts: Mapping[str, PartState], rows: Mapping[str, list[Row]], modem: State | None, now_ms: int
) -> list[str]:
    notes = []
    still = {name: state for name, state in parts.items() if state.at(now_ms) in (GONE, STOPPED)}
    if still and len(still) == len(parts):
        last_ms = max(state.written_ms for state in still.values())
        for_long = f" for {span(last_ms, now_ms)}" if last_ms < now_ms else ""
        notes.append(
            f"The base is not running{for_long}: traps keep what they have. Start it: "
            "`systemctl start pugmark-base`, or `trapbase run`."
        )
        still = {}
    for what, own in (
        ("not run", [name for name, state in still.items() if state.state == STOPPED]),
        ("said nothing", [name for name, state in still.items() if state.state != STOPPED]),
    ):
        if own:
            last_ms = max(still[name].written_ms for name in own)
            have = "has" if len(own) == 1 else "have"
            long = span(last_ms, now_ms)
            for_long = f" for {long}" if long else " of late"
            notes.append(f"{', '.join(own)} {have} {what}{for_long}: start `trapbase run`, it says why not.")
    # What is said of batches below need not be said twice.
    said = [row["last_error"] for row in rows["late"]]
    for name, state in parts.items():
        now = state.at(now_ms)
        if now == HANGS:
            notes.append(f"{name} hangs: systemd starts the base again; without systemd, do that by hand.")
        elif now == RUNS and state.trouble and not any(state.trouble in error for error in said):
            notes.append(f"{name}{_long(state, now_ms)}: {state.trouble}")
    gateway = parts.get("gateway")
    if modem and modem["trouble"] and not (gateway and modem["trouble"] in gateway.trouble):
        notes.append(f"Modem: {modem['trouble']}")
    return notes


def _long(state: PartState, now_ms: int) -> str:
    return f", for {span(state.since_ms, now_ms)}" if now_ms - state.since_ms >= 60_000 and state.since_ms else ""


def _base_notes(rows: Mapping[str, list[Row]], now_ms: int, free_bytes: int | None) -> list[str]:
    """What is wrong with the base itself, as far as its database and disk tell."""
    notes = []
    if now_ms < NEVER_SET_MS:
        notes.append("This base's clock was never set: what it stores now is dated wrong, and TLS refuses. Set it.")
    words = [at_ms for row in rows["traps"] if (at_ms := word_ms(row)) is not None]
    if words and now_ms - max(words) > DEAF_MS:
        notes.append(
            f"No trap has been heard for {span(max(words), now_ms)}. Is the gateway running, the modem plugged in, its "
            "antenna on, the broker up? `trapbase run` says which."
        )
    late = [row["last_error"] for row in rows["late"]]
    if late:
        notes.append(f"{len(late)} batches are not through to the back end. {late[0]}")
    if free_bytes is not None and free_bytes < LITTLE_DISK_BYTES:
        notes.append(f"The base's disk has {free_bytes // 2**20} MiB left. When it is full, traps keep what they have.")
    return notes


def _late_notes(settings: Settings, oldest: list[Row], parts: Mapping[str, PartState], now_ms: int) -> list[str]:
    """What waits longer than the settings let it, where no error says why."""
    since = {row["waits_for"]: row["since_ms"] for row in oldest}
    notes = []
    most_ms = (settings.batch.max_age_s + settings.batch.max_wait_s) * 1000 + LATE_MS
    if "batch" in since and now_ms - since["batch"] > most_ms:
        forward = parts.get("forward")
        runs = forward is not None and forward.at(now_ms) == RUNS
        why = "it has not said why" if runs else "it is not running; start `trapbase run`"
        notes.append(f"Sightings wait for a batch for {span(since['batch'], now_ms)}: that is forward's; {why}.")
    if settings.upload.url and "upload" in since and now_ms - since["upload"] > 6 * LATE_MS:
        notes.append(f"A batch has waited for its upload for {span(since['upload'], now_ms)}.")
    return notes


def _strangers(rows: Mapping[str, list[Row]], known: Mapping[int, TrapSettings]) -> list[str]:
    strangers = sorted({row["trap"] for row in rows["waiting_by_trap"]} - set(known))
    if not strangers:
        return []
    return [
        f"Trap {', '.join(map(str, strangers))}: not in this base's settings, and no ranger's card tells where it "
        "stands. What it sends is kept here and not forwarded until one does, or a [[trap]] table."
    ]


def _clock_notes(sightings: list[Row]) -> list[str]:
    """Traps whose newest sighting has a time that cannot be: it came before it was taken, or long after."""
    notes, told = [], set()
    for row in sightings:
        if row["trap"] in told:
            continue
        told.add(row["trap"])
        ahead_ms = row["time_ms"] - row["alert_ms"]
        if row["uncertainty_ms"] is not None and abs(ahead_ms) > CLOCK_MS + row["uncertainty_ms"]:
            by = span(0, abs(ahead_ms))
            how = f"is {by} ahead" if ahead_ms > 0 else f"is {by} behind, or its alerts came that late"
            notes.append(f"Trap {row['trap']}: its clock {how}. Set it on the next visit; the pictures are safe.")
    return notes


def _trap_notes(stations: list[Row], now_ms: int) -> list[str]:
    anybody = any(t["heard"] for s in stations for t in s["traps"])
    return [
        f"{station['name']}, trap {trap['number']}{words}"
        for station in stations
        for trap in station["traps"]
        for words in trap_words(trap, anybody, now_ms)
    ]


def trap_words(trap: Row, anybody: bool, now_ms: int) -> list[str]:
    """What is wrong with one trap of the view, each to stand after its name; `anybody`: some trap was heard. One that
    is shut out needs nothing; that it is heard all the same says the gateway."""
    if trap.get("shut_out"):
        return []
    if not trap["heard"]:
        return [" has never been heard: is it switched on, on the same plan, within reach?"] if anybody else []
    if now_ms - trap["heard"]["ms"] > (SILENT_MS if trap["by_radio"] else QUIET_MS):
        silent = span(trap["heard"]["ms"], now_ms)
        return [f" has been silent for {silent}: battery, snow on the antenna, or taken away?"]
    words = []
    if trap["trouble"]:
        words.append(f" {trap['trouble']}")
    elif trap["battery_low"] or trap["days_few"]:
        words.append(f": battery {_battery_words(trap)}. Take fresh cells on the next visit.")
    if trap["fault"] and not (trap["trouble"] and trap["fault"] in BATTERY_FAULTS):
        words.append(f", fault in the last day: {trap['fault']}. More: `trapbase log {trap['number']} --ask 20`.")
    if trap["margin_low"]:
        words.append(f": radio margin {trap['margin_db']} dB. Raise the antenna or add a repeater.")
    return words


def _battery_words(trap: Row) -> str:
    """Its percent and days, as far as the unit says them."""
    days = trap["days_left"]
    percent = "" if trap["battery"] is None else f"at {trap['battery']} %"
    return ", ".join(filter(None, (percent, "" if days is None else f"for about {days} days")))


def _not_gone(rows: list[Row], stations: list[Row]) -> list[Row]:
    """Without those of traps that are shut out."""
    gone = {trap["number"] for station in stations for trap in station["traps"] if trap.get("shut_out")}
    return [row for row in rows if row["trap"] not in gone]


def _receipt_notes(waiting: list[Row], traps: list[Row], now_ms: int) -> list[str]:
    """Receipts that a trap does not take though it is heard: it refuses them, or they do not reach it."""
    heard = {row["trap"]: word_ms(row) or 0 for row in traps}
    return [
        f"Trap {row['trap']} has not taken {row['count']} receipts, the oldest for {span(row['since_ms'], now_ms)}, "
        "though it is heard. It keeps all pictures. Does it know the back end's key? Then "
        f"`trapbase again --trap {row['trap']}`."
        for row in waiting
        if now_ms - row["since_ms"] > NOT_TAKEN_MS and now_ms - heard.get(row["trap"], 0) < SILENT_MS
    ]


def _conflict_notes(conflicts: list[Row]) -> list[str]:
    by_trap: dict[int, int] = {}
    for row in conflicts:
        by_trap[row["trap"]] = by_trap.get(row["trap"], 0) + 1
    return [
        f"Trap {trap} sent {count} objects under numbers that it had used before, with other bytes. The first ones are "
        "kept and forwarded, these lie aside. A copied card does this, or somebody who plays that trap."
        for trap, count in sorted(by_trap.items())
    ]


def _forged_notes(rows: list[Row]) -> list[str]:
    return [
        f"Trap {row['trap']}: {row['count']} lines of its ledger are not signed with its key, and do not count. Was "
        "the unit changed and its new key not brought here, or does somebody speak in its name?"
        for row in rows
    ]
