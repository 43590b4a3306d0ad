"""Taking a release: from any source, by the fleet's root, on a clock that may be dead; whole and proved, or not.

The order is what keeps it cheap and safe: the time; the lists (signed, a few kB); what shall run, whether it may and
whether it fits; room; and only then the files. Nothing is handed over before all of it is on the card and proved there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from trapkit.files import FULL
from trapkit.update.compat import Declared, misfit, own_declarations
from trapkit.update.fetching import fetch_file, room, small, tidy
from trapkit.update.memory import Known, Memory, read_memory, work_on_metadata
from trapkit.update.offer import Offered, Refused
from trapkit.update.released import (
    CURRENT,
    MAX_LIST_BYTES,
    MAX_PART_BYTES,
    Current,
    Listed,
    read_current,
    read_release,
    release_target,
)
from trapkit.update.sources import Pace, Source
from trapkit.update.timefloor import Clock, TimeFloor
from trapkit.update.trouble import trouble
from trapkit.update.wanted import Verified, Wanted


@dataclass(frozen=True, kw_only=True)
class Unit:
    """root: the signed root metadata that the unit was given; running: the release in force, "" as installed."""

    root: bytes
    running: str = ""


def take(source: Source, state_dir: Path, clock: Clock, *, unit: Unit) -> Offered | None:
    """The release that shall run, verified and complete; None when it runs already.

    state_dir: the client's own, made where it is missing; only one caller at a time. The files offered lie there until
    the next call.  Raises: Refused with its code; Waits (a Refused) when the same call may succeed later; OSError when
    the disk refuses for another reason than being full.
    """
    try:
        return _take(source, state_dir, clock, unit)
    except OSError as error:
        if error.errno in FULL:
            raise trouble("no-room", str(error)) from error
        raise


def take_first(sources: Mapping[str, Source], state_dir: Path, clock: Clock, *, unit: Unit) -> Offered | None:
    """`take` from the first source that has it: one that lies, or has nothing, keeps no unit from what another has.

    sources: what each is called -> itself.  Raises: Refused, each source's code in its words; OSError.
    """
    said: list[tuple[str, Refused]] = []
    for name, source in sources.items():
        try:
            return take(source, state_dir, clock, unit=unit)
        except Refused as refused:
            if refused.code in ("time-unknown", "no-room"):
                raise  # of no source's making
            said.append((name, refused))
    if not said:
        raise trouble("no-source", "none is named")
    judged = next((each for _, each in said if each.code not in ("no-source", "incomplete", "too-slow")), said[-1][1])
    raise trouble(judged.code, "; ".join(f"{name}: {each.code}" for name, each in said))


def _take(source: Source, state_dir: Path, clock: Clock, unit: Unit) -> Offered | None:
    memory = read_memory(state_dir)
    pace = Pace(clock.monotonic_ms)
    verified = look(source, state_dir, clock, unit.root, pace, memory=memory, running=unit.running)
    current, listed = what_shall_run(source, verified, pace)
    if current.release == unit.running:
        return None
    before = memory.known.get(unit.running)
    judge_order(current, max(memory.highest, before.serial if before else 0))
    held: dict[str, Declared] = {**own_declarations(), **(before.declared if before else {})}
    if wrong := misfit({**held, **listed.declared}):
        raise trouble("misfit", wrong)
    wanted = part_files(verified, listed)
    has = before.sha256 if before else {}
    brings = [part for part in wanted if has.get(part) != wanted[part].sha256] or list(wanted)
    parts = state_dir / "parts"
    tidy(parts, wanted.values())
    room(parts, (wanted[part] for part in brings))
    files = {part: fetch_file(source, wanted[part], parts, pace) for part in brings}
    release = replace(listed.release, parts={part: listed.release.parts[part] for part in brings})
    memory.highest = max(memory.highest, current.serial)
    memory.known[current.release] = Known(
        serial=current.serial,
        built_ms=release.built_ms,
        sha256={**has, **{part: each.sha256 for part, each in wanted.items()}},
        declared={**(before.declared if before else {}), **listed.declared},
    )
    memory.save((unit.running, current.release))
    return Offered(release=release, files=files)


def look(
    source: Source, state_dir: Path, clock: Clock, root: bytes, pace: Pace, *, memory: Memory, running: str = ""
) -> Verified:
    """What is published there, proved; what was proved is kept.  Raises: Refused, Waits; OSError."""
    from trapkit.update.metadata import refresh  # TUF and its cryptography: 20 MB that a trap has no use for by day

    known = memory.known.get(running)
    floor = TimeFloor(state_dir / "floor", known.built_ms if known else 0)
    moment = clock.read()
    now_ms = floor.now_ms(moment)
    if now_ms is None:
        raise trouble("time-unknown")
    with work_on_metadata(state_dir) as folder:
        verified = refresh(source, folder, root, now_ms, pace)
    floor.heard(moment.utc_ms)  # the operator's dates say so too: what is published stands at that time
    return verified


def what_shall_run(source: Source, verified: Verified, pace: Pace) -> tuple[Current, Listed]:
    """The two lists.  Raises: Refused, Waits."""
    try:
        current = read_current(small(source, _listed(verified, CURRENT), MAX_LIST_BYTES, pace))
    except ValueError as error:
        raise trouble("garbage", f"{CURRENT}: {error}") from error
    name = release_target(current.release)
    data = small(source, _listed(verified, name), MAX_LIST_BYTES, pace)
    try:
        listed = read_release(data)
    except ValueError as error:
        code = "extra-part" if "brings" in str(error) else "wrong-file" if "target" in str(error) else "garbage"
        raise trouble(code, f"{name}: {error}") from error
    if (listed.release.release, listed.release.serial) != (current.release, current.serial):
        raise trouble("mixed", f"{CURRENT} and {name} name different releases")
    return current, listed


def part_files(verified: Verified, listed: Listed) -> dict[str, Wanted]:
    """The file of each part.  Raises: Refused when one is not listed, or larger than a unit takes."""
    wanted = {}
    for part, each in sorted(listed.release.parts.items()):
        wanted[part] = _listed(verified, each.target)
        if not 0 < wanted[part].length <= MAX_PART_BYTES[part]:
            raise trouble("too-large", f"{each.target}: {wanted[part].length} bytes; units take {MAX_PART_BYTES[part]}")
    return wanted


def _listed(verified: Verified, name: str) -> Wanted:
    if name not in verified.targets:
        raise trouble("wrong-file", f"{name} is not among the signed files")
    return verified.targets[name]


def judge_order(current: Current, highest: int) -> None:
    """Raises: Refused when a unit that had `highest` may not run this one."""
    if current.serial < highest and current.back_from < highest:
        raise trouble("downgrade", f"serial {current.serial} after {highest}; back_from is {current.back_from}")
