"""Updates in words: for the page, `trapbase updates`, status and what needs a person. Pure."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from trapbase.moments import span
from trapbase.updates.air import air_words
from trapbase.updates.alone import Allowance
from trapbase.updates.kept import DONE, STOPPED, Row
from trapbase.updates.look import Look
from trapbase.updates.shadows import JUDGES, Judged
from trapbase.updates.waves import BACK, MAY, PROVES, REFUSED, RUNS, TAKES, WAITS, Standing, Trouble, Unit
from trapkit.update.states import UpdateState

GO = "`trapbase updates go`"
GOOD, CHANGING, BAD, QUIET = "good", "changing", "bad", ""  # how a unit's line looks
LOOKS = {RUNS: GOOD, PROVES: CHANGING, TAKES: CHANGING, MAY: CHANGING, BACK: BAD, REFUSED: BAD, WAITS: QUIET}


def stop_words(stops: Iterable[Trouble]) -> str:
    """Why a rollout stopped by itself; nothing where it did not."""
    return "; ".join(f"trap {t.trap} {t.words}" for t in stops)


def headline(look: Look) -> str:
    """How far the newest release is."""
    row, decision = look.rollout, look.decision
    if row is None or decision is None:
        held = look.releases[0]["release"] if look.releases else ""
        return f"{held} is here; no unit may take it yet" if held else "no release is on its way"
    runs = sum(s.step == RUNS for s in decision.standings)
    count = f"{runs} of {len(decision.standings)} units run it"
    if row["state"] == STOPPED:
        return f"{row['release']} is stopped: {row['why'] or 'by the operator'}; {count}"
    if row["state"] == DONE or decision.done:
        late = len(decision.standings) - runs
        return f"{row['release']} runs on every unit" if not late else f"{row['release']} is through: {count}"
    wave = f"wave {decision.wave} of {decision.waves}"
    if decision.word:
        return f"{row['release']}, {wave} is proved: the next one begins by your word, {GO}; {count}"
    return f"{row['release']}, {wave}: {count}"


def notes(look: Look) -> list[str]:
    """What a person should see to."""
    row, decision = look.rollout, look.decision
    if row is None or decision is None:
        return []
    if row["state"] == STOPPED and row["why"]:
        return [
            f"The update to {row['release']} has stopped: {row['why']}. The other units keep what they run. Look at "
            f"what it says, then publish a better release, or let it go on without that unit: {GO}."
        ]
    if decision.word and row["state"] != DONE:
        return [f"Release {row['release']}: wave {decision.wave + 1} of {decision.waves} waits for your word, {GO}."]
    return []


def unit_rows(look: Look, sides: Mapping[int, str]) -> list[dict[str, Any]]:
    """Every unit: what it runs, what it does with the newest release, why it waits; by station, as the waves go."""
    standings = {s.trap: s for s in look.decision.standings} if look.decision else {}
    order = {trap: place for place, trap in enumerate(standings)}
    return [
        {
            "trap": unit.trap,
            "station": unit.station,
            "side": sides.get(unit.trap, ""),
            "running": running_words(unit.running),
            "words": "; ".join(
                filter(
                    None,
                    (
                        unit_words(unit, standings.get(unit.trap), look.said.get(unit.trap), look),
                        radio_words(unit.trap, look),
                    ),
                )
            ),
            "look": _look(standings.get(unit.trap), look),
            "wave": standings[unit.trap].wave if unit.trap in standings else 0,
            "step": standings[unit.trap].step if unit.trap in standings else "",
            # What a unit says of itself is in its words already.
            "judged": look.judged[unit.trap].as_json() if unit.trap in look.judged else None,
            "shadow": shadow_words(look.judged.get(unit.trap), unit, standings.get(unit.trap)),
            "allowed": [allowed_words(one, look.now_ms) for one in look.allowed if one.trap == unit.trap],
            "troubles": [
                t["words"] for t in look.troubles if t["trap"] == unit.trap and t["kind"] not in (BACK, REFUSED)
            ],
        }
        for unit in sorted(look.units, key=lambda u: (order.get(u.trap, len(order)), u.station, u.trap))
    ]


def shadow_words(judged: Judged | None, unit: Unit, standing: Standing | None) -> str:
    """How its new model does; nothing where it has proved itself since, or judges no longer."""
    if judged is None or (standing is not None and standing.step == RUNS):
        return ""
    return "" if judged.verdict == JUDGES and unit.phase != "staged" else judged.words()


def _look(standing: Standing | None, look: Look) -> str:
    stopped = look.rollout is not None and look.rollout["state"] == STOPPED
    return QUIET if standing is None or (stopped and standing.step == MAY) else LOOKS[standing.step]


def allowed_words(one: Allowance, now_ms: int) -> str:
    """An engineer's word for one unit: who gave it, when and why, and until when it holds."""
    may = "may" if one.holds(now_ms) else "might"
    return f"{may} go without its partner until {_day(one.until_ms)} ({one.who}, {_day(one.since_ms)}: {one.why})"


def _day(unix_ms: int) -> str:
    return f"{datetime.fromtimestamp(unix_ms / 1000, UTC):%Y-%m-%d}"


def running_words(running: str | None) -> str:
    """Which release it runs."""
    return "not said yet" if running is None else running or "as installed"


def radio_words(trap: int, look: Look) -> str:
    """What became of the release's settings by radio; nothing where it took no part in that."""
    return air_words(look.radio.get(trap), look.rollout["release"], look.now_ms) if look.rollout else ""


def unit_words(unit: Unit, standing: Standing | None, said: UpdateState | None, look: Look) -> str:
    """What a unit does, after what it runs."""
    if standing is None or look.rollout is None:
        return "" if said is None or said.phase in ("running", "confirmed") else said.words()
    release = look.rollout["release"]
    if standing.step == PROVES:
        for_long = span(unit.since_ms, look.now_ms)
        return f"runs it for {for_long}, and has to prove itself" if for_long else "runs it, and has to prove itself"
    if standing.step == RUNS:
        return "runs it, proved"
    if standing.step == MAY and look.rollout["state"] == STOPPED:
        return f"had not begun to take {release} when it was stopped"
    if standing.step == MAY:
        may = f"may take {release}" + (f": {standing.why}" if standing.why else "")
        return f"{may}; {said.words()}" if said is not None and said.phase == REFUSED and not said.tried else may
    if standing.step in (TAKES, BACK, REFUSED) and said is not None:
        return said.words()
    return f"waits: {standing.why}" if standing.why else "waits"


def release_rows(look: Look) -> list[dict[str, Any]]:
    """The mirror's releases, newest first."""
    return [
        {
            "release": row["release"],
            "parts": ", ".join(f"{name} {version}" for name, version in sorted(json.loads(row["parts"]).items())),
            "kib": -(-row["size"] // 1024),
            "now": look.rollout is not None and look.rollout["release"] == row["release"],
        }
        for row in look.releases
    ]


def status_words(look: Look) -> str:
    """One line of `trapbase status`."""
    running: dict[str, int] = {}
    for unit in look.units:
        if unit.running is not None:
            name = running_words(unit.running)
            running[name] = running.get(name, 0) + 1
    runs = ", ".join(f"{count} run {name}" for name, count in sorted(running.items(), reverse=True))
    return "; ".join(filter(None, (headline(look), runs)))


def rollout_json(row: Row | None) -> Row | None:
    """A rollout for programs."""
    names = ("release", "state", "why", "wave", "waves", "begun_ms", "moved_ms")
    return None if row is None else {name: row[name] for name in names} | {"waits_for_word": bool(row["word"])}
