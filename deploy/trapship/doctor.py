"""What is wrong with a unit on the bench, in words: each finding with what to do. It only reads.

The firmware is interrupted for it, so the unit starts again at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from trapkit.errors import SetupError
from trapship.boards import BOARDS, LEAST_FREE_BYTES, Board, check_board, dotted
from trapship.bundle import Bundle
from trapship.compiler import MPY_VERSION
from trapship.eventwords import last_entries
from trapship.layout import LOGS
from trapship.look import Look, look, read
from trapship.rawrepl import BoardRefused, NoAnswer, RawRepl
from trapship.reach import reach
from trapship.unitsettings import plainer

LAST_EVENTS = 12
FAULTS_SHOWN = 3
RADIO_FAULTS = ("OSError", "RuntimeError")  # what `Radio` raises where no chip answers
AGAIN = "trapship flash puts it right"


@dataclass(kw_only=True)
class Report:
    """findings: (what it is about, what is wrong and what to do)."""

    port: str
    findings: list[tuple[str, str]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    events: list[dict[str, object]] = field(default_factory=list)

    def find(self, about: str, words: str) -> None:
        self.findings.append((about, words))

    def as_json(self) -> dict[str, Any]:
        found = [{"about": about, "words": words} for about, words in self.findings]
        return {"port": self.port, "healthy": not found, "findings": found, **self.facts, "events": self.events}

    def lines(self) -> list[str]:
        told = [f"{name}: {value}" for name, value in self.facts.items()]
        told += [f"event: {e['time']}  {e['name']} ({e['value']})" for e in self.events]
        told += [f"! {about}: {words}" for about, words in self.findings]
        return [*told, f"{self.port}: {len(self.findings)} findings" if self.findings else f"{self.port}: healthy"]


def examine(port: str, wait_s: float, bundle: Bundle | None, say: Callable[[str], None]) -> Report:
    """Everything that can be seen over the cable.  Raises: SetupError when the port cannot be opened."""
    report = Report(port=port)
    try:
        reached = reach(port, wait_s, say)
    except NoAnswer as error:
        report.find("answer", str(error))
        return report
    try:
        _examine(reached.repl, reached.who, bundle, report)
        reached.repl.send_last("reset")
        say("the unit starts again")
    except (ConnectionError, BoardRefused) as error:
        report.find("answer", f"in the middle of the questions: {error}; try another cable, then once more")
    finally:
        reached.close()
    return report


def _examine(repl: RawRepl, who: dict[str, Any], bundle: Bundle | None, report: Report) -> None:
    board = next((b for b in BOARDS.values() if str(who["machine"]).startswith(b.machines)), None)
    report.facts |= {
        "machine": who["machine"],
        "micropython": dotted(tuple(who["version"])),
        "flash_free_bytes": who["free_bytes"],
        "heap_free_bytes": who["free_heap"],
    }
    if board is None:
        names = " or ".join(b.title for b in BOARDS.values())
        report.find("board", f"it says that it is {who['machine']!r}; the firmware runs on {names}")
    else:
        try:
            check_board(board, who, bundle.mpy if bundle else MPY_VERSION)
        except SetupError as error:
            report.find("MicroPython", str(error))
    if who["free_bytes"] < LEAST_FREE_BYTES:
        report.find("flash", f"is nearly full: {who['free_bytes']} bytes are free; its base has to fetch what waits")
    there = look(repl)
    report.facts["holds"] = there.words()
    _slots(repl, there, board, bundle, report)
    _settings(there, report)
    _events(repl, report)
    if there.settings is not None and there.slots.now in there.found_sound:
        refused = repl.call("check", there.slots.now, there.settings)
        if refused:
            report.find(
                "settings", f"the firmware refuses them and does not start: {plainer(refused)}; mend them, then flash"
            )
            return  # nor would its board's file take them
    if board is not None and there.settings is not None and there.slots.now in there.found_sound:
        _hardware(
            repl.call("probe", there.slots.now, board.module, board.name_in_module, there.settings), board, report
        )


def _slots(repl: RawRepl, there: Look, board: Board | None, bundle: Bundle | None, report: Report) -> None:
    if all(found is None for found in there.lists.values()):
        report.find("firmware", f"there is none that is whole: {AGAIN}")
        return
    if there.slot_file is None:
        what = "is damaged" if there.slot_raw is not None else "is missing"
        report.find("slots", f"/slot, which says what starts, {what}; it starts slot {there.slots.now}; {AGAIN}")
    if there.slots.on_trial:
        report.find(
            "slots",
            f"slot {there.slots.now} is on trial, {there.slots.left} of its starts' worth are left (50 a start); it is "
            "good when the unit has heard its base",
        )
    for slot, files in there.lists.items():
        if files is None:
            if slot == there.slots.now:
                report.find("slots", f"slot {slot} should run and is not whole; {AGAIN}")
        elif not there.sound(repl, slot, files):
            bad = "the unit runs from it" if slot == there.slots.now else "the unit runs from the other one"
            report.find("slots", f"slot {slot} has files with other hashes than its list; {bad}; {AGAIN}")
    if bundle and board and there.lists[there.slots.now] not in (None, bundle.files.get(board.name)):
        report.find("firmware", f"slot {there.slots.now} is not the bundle's version {bundle.version}; {AGAIN}")
    for path in ("/boot.py", "/main.py"):
        if read(repl, path) is None:
            report.find("firmware", f"{path}, which starts a slot, is missing; {AGAIN}")


def _settings(there: Look, report: Report) -> None:
    if there.settings_damaged:
        rest = "the ones before are in force" if there.settings is not None else "there are none before either"
        report.find("settings", f"/settings/mcu.json is damaged; {rest}; {AGAIN}")
    elif there.settings is None:
        report.find("settings", f"there are none; {AGAIN}")
    if there.settings is None:
        return
    role = there.settings.get("role", "supervisor")
    report.facts |= {"role": role, "trap": there.settings.get("trap"), "plan": there.settings.get("plan", "")}
    if there.settings_on_trial:
        report.find(
            "settings", "are on trial; they are good when the unit has heard its base, or the ones before return"
        )
    if not there.settings.get("plan"):
        report.find("plan", "no radio plan is named: the unit does not start; name one in mcu.json, then flash")
    if role == "supervisor":
        report.facts["battery"] = there.settings.get("battery") or "none is named: no percent, no days left, no saving"
    if role == "supervisor" and not there.settings.get("link_key"):
        report.find("key", "link_key is missing; make it with trapship keys, then flash with --keys")
    if role == "repeater" and not there.settings.get("hops"):
        report.find("key", "hops is missing; make hop keys with trapship keys --hop, then flash")


def _events(repl: RawRepl, report: Report) -> None:
    logs = [data for data in (read(repl, path) for path in LOGS) if data is not None]
    report.events = last_entries(logs, LAST_EVENTS)
    for event in [event for event in report.events if event["is_fault"]][-FAULTS_SHOWN:]:
        report.find("event log", f"{event['time']}: {event['name']} ({event['value']})")


def _hardware(found: dict[str, Any], board: Board, report: Report) -> None:
    """What the board's own file sees: no radio, by its word or by what it raises, or nothing, as it is broken."""
    if "broken" in found:
        if str(found["broken"]).startswith(RADIO_FAULTS):
            report.find("radio", f"the radio chip does not answer ({found['broken']}); look at its plug and its solder")
        else:
            report.find("firmware", f"its board file does not start ({found['broken']}); make a new bundle; {AGAIN}")
        return
    for name, words in found.items():
        if name.endswith("_broken"):
            report.find(name.removesuffix("_broken"), f"cannot be asked: {words}")
    if not board.measures:
        return
    battery_mv, temperature_c = found.get("battery_mv"), found.get("temperature_c")
    report.facts |= {"battery_mv": battery_mv, "temperature_c": temperature_c}
    if found.get("clock_kept") is False:
        report.find("clock", "it lost its time, or does not answer; is its backup cell in? The base sets it by radio")
    if battery_mv is None:
        report.find("battery", "it cannot be measured: the monitor on I2C does not answer; look at its solder")
    if temperature_c is None:
        report.find("clock", "its chip tells no temperature: it does not answer on I2C")
