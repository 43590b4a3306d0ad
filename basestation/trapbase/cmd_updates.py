"""`trapbase updates`: who runs which release, what waits, what went back and why; and the operator's word.

`go`, `stop` and `allow` write down what is said; the running base does it within seconds.
"""

import argparse
import getpass
import json
import os
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from trapbase.cmd_cards import read_places
from trapbase.config import Settings
from trapbase.reader import Reader
from trapbase.run import say
from trapbase.updates.alone import DAY_MS, MOST_DAYS, USUAL_DAYS, Allowance, one_line
from trapbase.updates.byradio import read_sent
from trapbase.updates.kept import DONE, STOPPED, UpdateStore
from trapbase.updates.look import Look, look, rules_of
from trapbase.updates.waves import PROVES, RUNS, WAITS, Decision, hears
from trapbase.updates.words import headline, notes, release_rows, rollout_json, unit_rows
from trapkit.errors import SetupError

SHOW, GO, STOP, ALLOW = "show", "go", "stop", "allow"


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("updates", help="who runs which release, what waits, what went back and why")
    parser.add_argument(
        "what", nargs="?", choices=(SHOW, GO, STOP, ALLOW), default=SHOW,
        help="show; go: begin the next wave now, or go on after a stop; stop: nobody else may take it; "
        "allow: TRAP waits no longer for its partner, which is dead, stolen or away",
    )  # fmt: skip
    parser.add_argument("trap", nargs="?", type=int, metavar="TRAP", help="of allow: who may go alone, once")
    parser.add_argument("--why", metavar="WORDS", help="of allow: what has become of its partner")
    parser.add_argument("--by", metavar="NAME", help="of allow: who says so (who is logged in)")
    parser.add_argument(
        "--days", type=int, metavar="N", help=f"of allow: for so long, 1-{MOST_DAYS} ({USUAL_DAYS}); 0 takes it back"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")
    parser.set_defaults(run=_updates)


def read_look(settings: Settings, reader: Reader, traps: list[dict[str, Any]] | None = None) -> Look:
    """Updates as they are now, read beside a running base.  Raises: SetupError, StorageError."""
    now_ms, radio = time.time_ns() // 1_000_000, read_sent(Path(settings.folder))
    return look(settings.updates, reader.rows, traps or reader.traps(), read_places(settings, reader), now_ms, radio)


def _updates(args: argparse.Namespace, settings: Settings) -> int:
    folder = Path(settings.folder)
    with closing(Reader(folder)) as reader:
        if args.what == ALLOW:
            return _allow(args, settings, reader)
        if (args.trap, args.why, args.by, args.days) != (None,) * 4:
            raise SetupError(f"updates {args.what}: TRAP, --why, --by and --days belong to `trapbase updates allow`")
        if args.what != SHOW:
            return _say(args.what, settings, reader)
        _show(read_look(settings, reader), {t.number: t.side for t in settings.trap}, as_json=args.json)
    return 0


def _show(seen: Look, sides: dict[int, str], *, as_json: bool) -> None:
    units, releases = unit_rows(seen, sides), release_rows(seen)
    if as_json:
        said = {"rollout": rollout_json(seen.rollout), "headline": headline(seen), "needs": notes(seen)}
        print(json.dumps(said | {"units": units, "releases": releases}, sort_keys=True))
        return
    print(headline(seen))
    for note in notes(seen):
        print(f"! {note}")
    wide = [max((len(str(unit[name])) for unit in units), default=0) for name in ("station", "side", "running")]
    for unit in units:
        where = f"{unit['station']:<{wide[0]}}  trap {unit['trap']:<5}  {unit['side']:<{wide[1]}}"
        print(f"  {where}  {unit['running']:<{wide[2]}}  {unit['words']}".rstrip())
        for words in filter(None, (unit["shadow"], *unit["allowed"], *unit["troubles"])):
            print(f"      {words}")
    for release in releases:
        print(f"here: {release['release']} ({release['parts']}; {release['kib']} KiB)")


def _say(what: str, settings: Settings, reader: Reader) -> int:
    """The operator's word, written down."""
    seen = read_look(settings, reader)
    row, now_ms = seen.rollout, time.time_ns() // 1_000_000
    if row is None:
        raise SetupError(f"updates {what}: no release is on its way; publish one, and let the base fetch it")
    with closing(UpdateStore(Path(settings.folder))) as kept:
        if what == STOP:
            if row["state"] == STOPPED:
                raise SetupError(
                    f"updates stop: {row['release']} is stopped already: {row['why'] or 'by the operator'}"
                )
            kept.stop(row, "", now_ms)
            say(
                f"{row['release']}: nobody else may take it; who has begun goes on. `trapbase updates go` takes it back"
            )
            return 0
        if row["state"] == DONE:
            raise SetupError(f"updates go: {row['release']} runs on every unit that is heard")
        if row["state"] != STOPPED and seen.decision is not None and seen.decision.wave >= seen.decision.waves:
            raise SetupError(f"updates go: nothing is left to begin: {_begun(row['release'], seen.decision)}")
        kept.go(row, now_ms)
    if row["state"] == STOPPED:
        say(f"{row['release']} goes on; what was wrong with units up to now stops it no more")
    else:
        say(f"{row['release']}: wave {row['wave'] + 1} begins")
    return 0


def _begun(release: str, decision: Decision) -> str:
    """Why there is no further wave, and what each unit waits for that has not changed yet."""
    if not decision.waves:
        return f"this base knows no trap that could take {release}"
    all_of = "the only wave" if decision.waves == 1 else f"all {decision.waves} waves"
    late = [f"trap {s.trap}: {s.why or 'its turn'}" for s in decision.standings if s.step == WAITS]
    return f"{all_of} of {release} {'has' if decision.waves == 1 else 'have'} begun" + (
        f"; still waiting: {'; '.join(late)}" if late else ""
    )


def _allow(args: argparse.Namespace, settings: Settings, reader: Reader) -> int:
    """The engineer's word for one unit, written down.  Raises: SetupError where nothing keeps it, or too much does."""
    seen = read_look(settings, reader)
    row, now_ms, trap = seen.rollout, seen.now_ms, args.trap
    if trap is None:
        raise SetupError("updates allow: name the TRAP that may take the release though its partner is not heard")
    if row is None or seen.decision is None:
        raise SetupError("updates allow: no release is on its way; publish one, and let the base fetch it")
    days = USUAL_DAYS if args.days is None else args.days
    if not 0 <= days <= MOST_DAYS:
        raise SetupError(f"--days {days}: allowed are 1-{MOST_DAYS}, and 0, which takes it back")
    if days == 0:
        return _take_back(settings, seen, trap)
    unit = next((unit for unit in seen.units if unit.trap == trap), None)
    if unit is None:
        raise SetupError(f"updates allow {trap}: this base knows no trap {trap} that stands somewhere")
    standing = next(s for s in seen.decision.standings if s.trap == trap)
    if standing.step in (PROVES, RUNS):
        raise SetupError(f"updates allow {trap}: it runs {row['release']} already")
    partners = [other for other in seen.units if other.station == unit.station and other.trap != trap]
    if not partners:
        raise SetupError(f"updates allow {trap}: it stands alone at {unit.station}, and waits for no partner")
    rules = rules_of(settings.updates)
    silent = [other.trap for other in partners if not hears(other, rules, now_ms)]
    if not silent:
        raise SetupError(
            f"updates allow {trap}: trap {partners[0].trap} beside it is heard; both cameras of a station never change "
            f"at once, and this one has its turn after that"
        )
    if not hears(unit, rules, now_ms):
        raise SetupError(f"updates allow {trap}: it is not heard itself; it has its turn when it is")
    try:
        who, why = one_line(args.by or _me()), one_line(args.why or "")
    except ValueError as error:
        raise SetupError(f"updates allow: --why and --by: {error}") from error
    allowance = Allowance(trap=trap, who=who, why=why, since_ms=now_ms, until_ms=now_ms + days * DAY_MS)
    with closing(UpdateStore(Path(settings.folder))) as kept:
        kept.allow(row, allowance)
    beside = " and ".join(str(number) for number in silent)
    say(
        f"trap {trap} may take {row['release']} though trap {beside} beside it is not heard, for {days} days, when its "
        f"wave has begun; if that is heard again, one after the other as ever"
    )
    return 0


def _take_back(settings: Settings, seen: Look, trap: int) -> int:
    """It ends now, and stays written down."""
    found = next((one for one in seen.allowed if one.trap == trap and one.holds(seen.now_ms)), None)
    if found is None or seen.rollout is None:
        raise SetupError(f"updates allow {trap} --days 0: nothing is allowed to it now")
    with closing(UpdateStore(Path(settings.folder))) as kept:
        kept.allow(seen.rollout, replace(found, until_ms=seen.now_ms))
    say(f"trap {trap} waits for its partner again")
    return 0


def _me() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (OSError, KeyError):  # a number without a name
        return f"user {os.getuid()}"
