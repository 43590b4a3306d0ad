"""`trapsim power`: how long a trap lives on a battery, and what it pictures; the table of POWER.md."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.arguments import number, whole
from trapsim.power.figures import load_figures
from trapsim.power.loads import PROFILES, Habit

ARMED_H = 10.0  # the goals' night
NIGHTS = 60
HARDWARE = Path(__file__).resolve().parents[1]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("power", help="days of life on a battery in the cold; passes pictured")
    parser.add_argument(
        "what", nargs="?", choices=("life", "size"), default="life",
        help="life of one trap (life), or panel and battery for armed nights in a row (size)",
    )  # fmt: skip
    parser.add_argument("--profile", choices=PROFILES, default="parked", help="what the trap is asked to do (parked)")
    parser.add_argument("--battery", default="lithium-d", metavar="NAME", help="of hardware/power.toml (lithium-d)")
    parser.add_argument("--temp", type=number(-40, 60), default=-20.0, metavar="C", help="all the time (-20)")
    parser.add_argument("--hours", type=number(0, 24), help=f"armed a night, under armed ({ARMED_H:g})")
    parser.add_argument("--triggers", type=number(0, 10000), metavar="N", help="a day, false ones included (2.64)")
    parser.add_argument("--apart", type=number(0, 500), default=0.0, metavar="M", help="between the two cameras (0)")
    parser.add_argument("--solar", type=number(0, 500), default=0.0, metavar="W", help="panel, in December (none)")
    parser.add_argument("--nights", type=whole(1, 365), help=f"of size: armed in a row ({NIGHTS})")
    parser.add_argument("--deaf", action="store_true", help="no listening for the partner")
    parser.add_argument("--preamble", type=whole(16, 65535), metavar="N", help="of the wake frame, symbols (320)")
    parser.add_argument("--gated", action="store_true", help="RF switch driven by the radio, not held on")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw days against temperature (PNG)")
    parser.add_argument("--write", action="store_true", help="write hardware/POWER.md and power.png")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Compute and print.  Raises: SetupError, OSError."""
    if args.plot is not None and not args.plot.absolute().parent.is_dir():
        raise SetupError(f"--plot {args.plot}: there is no folder {args.plot.parent}; make it, or name another")
    if args.plot is not None and args.plot.is_dir():
        raise SetupError(f"--plot {args.plot}: is a folder; name a file in it, like {args.plot / 'days.png'}")
    if args.hours is not None and args.what == "life" and args.profile != "armed" and args.plot is None:
        raise SetupError(f"--hours {args.hours:g}: counts under --profile armed, or for size; this is {args.profile}")
    if args.nights is not None and args.what == "life":
        raise SetupError(f"--nights {args.nights}: counts for size alone: trapsim power size --nights {args.nights}")
    args.hours = ARMED_H if args.hours is None else args.hours
    args.nights = NIGHTS if args.nights is None else args.nights
    figures = load_figures()
    if args.write:
        return _write()
    if args.what == "size":
        from trapsim.power.solar import size

        if args.plot or args.solar:
            raise SetupError("size goes with --battery, --temp, --nights, --hours and --json alone")
        found = size(figures, args.battery, args.temp, args.nights, args.hours)
        print(json.dumps(found, indent=1) if args.json else _size_text(found))
        return 0
    from trapsim.power.budget import budget

    habit = _habit(args, args.profile)
    found = budget(figures, args.battery, args.temp, habit, args.apart, args.solar)
    print(json.dumps(found, indent=1) if args.json else _life_text(found))
    if args.plot is not None:
        from trapsim.power.plot import profiles_chart

        chart = profiles_chart(figures, args.battery, [_habit(args, profile) for profile in PROFILES])
        write_atomically(args.plot, chart)
    return 0


def _habit(args: argparse.Namespace, profile: str) -> Habit:
    return Habit(
        profile=profile,
        hours=args.hours,
        triggers=args.triggers,
        listens=not args.deaf,
        preamble=args.preamble,
        gated=args.gated,
    )


def _write() -> int:
    from trapsim.power.page import page
    from trapsim.power.plot import batteries_chart
    from trapsim.power.tables import tables

    figures = load_figures()
    text = page(figures, tables(figures))
    print("power: drawing…", file=sys.stderr, flush=True)
    write_atomically(HARDWARE / "power.png", batteries_chart(figures))
    write_atomically(HARDWARE / "POWER.md", text.encode())
    print(text)
    return 0


def _life_text(found: dict[str, Any]) -> str:
    out = [f"{found['battery_text']} at {found['temp_c']:g} C, {found['profile']}", ""]
    out += [f"{name:<28}{_word(value)}" for name, value in found.items() if not isinstance(value, dict | list)]
    out += [f"pi_start.{name:<19}{_word(value)}" for name, value in found["pi_start"].items()]
    out += ["", f"{'mAh a day':>10}  {'J a day':>10}  {'share':>7}"]
    out += [
        f"{row['mah']:>10.3f}  {row['j']:>10.2f}  {row['share']:>7.1%}  {row['part']}: {row['doing']}"
        for row in found["breakdown"]
    ]
    return "\n".join(out)


def _size_text(found: dict[str, Any]) -> str:
    out = [f"{name:<20}{_word(value)}" for name, value in found.items() if not isinstance(value, dict | list)]
    out += ["", f"{'panel W':>10}{'Wh a day':>10}{'battery Wh':>12}"]
    out += [f"{row['panel_w']:>10}{row['income_wh']:>10}{row['battery_wh']:>12,}" for row in found["options"]]
    return "\n".join(out)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)
