"""`trapsim link`: one object over the simulated air, in virtual time; the table of LINK.md."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.arguments import number, whole
from trapsim.fades import KINDS, LOSS_MAX
from trapsim.linkrun import OTHERS, SIZE_MAX_BYTES, Case, compare, frame_limit
from trapwire.airtime import SF_MAX, SF_MIN
from trapwire.plans import PLANS

HARDWARE = Path(__file__).resolve().parents[1]
BURSTS = [name for name in KINDS if name != "none"]


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("link", help="efficiency of the radio link, in virtual time")
    parser.add_argument("--size", type=whole(1, SIZE_MAX_BYTES), default=8192, help="bytes of the object (8192)")
    parser.add_argument("--plan", choices=sorted(PLANS), default="eu868", help="frequency plan (eu868)")
    parser.add_argument("--sf", type=whole(SF_MIN, SF_MAX), default=9, help="spreading factor (9)")
    parser.add_argument("--loss", type=number(0, LOSS_MAX), default=0.0, help="share of frames lost, both ways (0)")
    parser.add_argument(
        "--burst", choices=BURSTS, nargs="?", const="frames", default="none",
        help="losses in bursts of the same mean: by frames (Gilbert-Elliott; what --burst alone means), or by time",
    )  # fmt: skip
    parser.add_argument(
        "--quick",
        type=whole(SF_MIN, SF_MAX - 1),
        metavar="SF",
        default=0,
        help="near the base: quick turns at it",
    )
    parser.add_argument("--seed", type=whole(0, 2**31), default=1, help="of losses and pauses (1)")
    parser.add_argument("--runs", type=whole(1, 1000), default=1, help="with as many seeds in a row: medians (1)")
    parser.add_argument("--compare", action="store_true", help="also stop-and-wait and selective repeat, same channel")
    parser.add_argument(
        "--repeater", action="store_true", help="by a repeater, with the loss on each hop; beside directly"
    )
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="also draw efficiency against loss (PNG)")
    parser.add_argument("--write", action="store_true", help="measure the grid of hardware/LINK.md and write it")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Measure and print; 1 when the object did not arrive.  Raises: SetupError, OSError."""
    if args.plot is not None and not args.plot.absolute().parent.is_dir():
        raise SetupError(f"--plot {args.plot}: there is no folder {args.plot.parent}; make it, or name another")
    if args.write:
        return _write()
    case = Case(size=args.size, plan=args.plan, sf=args.sf, loss=args.loss, burst=args.burst, quick=args.quick)
    frame_limit(case)
    if args.quick and (args.quick >= args.sf or args.compare or args.plot or args.repeater):
        raise SetupError(
            f"--quick {args.quick}: allowed is a spreading factor below --sf, which is {args.sf}, without --compare, "
            "--plot and --repeater"
        )
    if args.repeater:
        return _by_repeater(args, case)
    figures = compare(case, range(args.seed, args.seed + args.runs), tuple(OTHERS) if args.compare else ())
    print(json.dumps(figures, indent=1) if args.json else _text(figures))
    if args.plot is not None:
        from trapsim.linkgrid import CURVE_RUNS, efficiency_chart, efficiency_curves

        _say(f"the curves of {args.plot}, {CURVE_RUNS} runs a point…")
        write_atomically(args.plot, efficiency_chart(case, efficiency_curves(case, CURVE_RUNS)))
    return 0 if figures["delivered"] else 1


def _by_repeater(args: argparse.Namespace, case: Case) -> int:
    from trapsim.hoprun import compare_hop, text

    if args.burst != "none" or args.compare or args.plot:
        raise SetupError("--repeater goes with --size, --plan, --sf, --loss, --seed, --runs and --json alone")
    figures = compare_hop(case, range(args.seed, args.seed + args.runs))
    print(json.dumps(figures, indent=1) if args.json else text(figures))
    return 0 if figures["delivered"] else 1


def _write() -> int:
    from trapsim.cmd_bench import commit
    from trapsim.linkgrid import PLANS as GRID_PLANS
    from trapsim.linkgrid import SF, SIZES, efficiency_chart, grid
    from trapsim.linkpage import page

    figures: dict[str, Any] = {"commit": commit(), **grid(_say)}
    case = Case(size=max(SIZES), plan=GRID_PLANS[0], sf=SF, loss=0, burst="none")
    write_atomically(HARDWARE / "link.png", efficiency_chart(case, figures["curves"]))
    # A line a cell: a change of one figure is a change of one line.
    lines = {name: json.dumps(value) for name, value in figures.items()}
    for name in ("cells", "alerts"):
        lines[name] = "[\n  " + ",\n  ".join(json.dumps(row) for row in figures[name]) + "\n ]"
    text = "{\n" + ",\n".join(f' "{name}": {value}' for name, value in lines.items()) + "\n}\n"
    write_atomically(HARDWARE / "link.json", text.encode())
    write_atomically(HARDWARE / "LINK.md", page(figures).encode())
    print(page(figures))
    return 0


def _text(figures: dict[str, Any]) -> str:
    """The figures as a table, a protocol a column."""
    from trapsim.linkpage import channel
    from trapsim.meter import IDLE, SHARES

    columns = {"ours": figures, **figures.get("compare", {})}
    runs = (
        f"{figures['runs']} runs from seed {figures['seed']}, medians"
        if figures["runs"] > 1
        else f"seed {figures['seed']}"
    )
    out = [
        f"{figures['size']} bytes at SF{figures['sf']} on {figures['plan']}, frames of {figures['frame_bytes']} bytes; "
        f"loss: {channel(figures)}; {runs}",
        "",
        _line("", list(columns)),
    ]
    rows = ("delivered", "seconds", "frames", "bytes_on_air", "airtime_ms", "bound_ms", "efficiency", "goodput_bit_s")
    out += [_line(name, [_word(c[name]) for c in columns.values()]) for name in (*rows, "frames_lost_share")]
    if figures["runs"] > 1:
        for name in ("efficiency", "seconds"):
            out.append(_line(f"{name}, worst", [_word(c["worst"][name]) for c in columns.values()]))
            spreads = ["{}–{}".format(*map(_word, c["spread"][name])) for c in columns.values()]
            out.append(_line(f"{name}, 10–90 %", spreads))
    if "compare" in figures:
        out.append(
            _line("goodput, ours over it", ["1", *(_word(c["goodput_ratio"]) for c in figures["compare"].values())])
        )
    for title, kind, words in (("airtime_ms of", "shares_ms", SHARES), ("quiet ms:", "idle_ms", IDLE)):
        out += ["", *(_line(f"{title} {n}", [_word(c[kind][n]) for c in columns.values()]) for n in words)]
    return "\n".join(out)


def _line(name: str, values: list[str]) -> str:
    return f"{name:<30}" + "".join(f"{value:>21}" for value in values)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None else f"{value:,}"


def _say(text: str) -> None:
    print(f"link: {text}", file=sys.stderr, flush=True)
