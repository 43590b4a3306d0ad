"""`trapsim practise`: the arguments, and the words on the screen."""

import argparse
import socket
import sys
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING

from trapkit.errors import SetupError
from trapkit.files import lock_folder, make_folder
from trapsim.arguments import number, whole
from trapsim.tools import find_mosquitto

if TYPE_CHECKING:
    from trapsim.practise.station import Station, Trap

STEP_S = 0.5
MOST_TRAPS = 6  # each is three processes of this machine
ONCE_S = 180.0  # --once: by then all were heard, and have sent a cat


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser(
        "practise", help="your own operator's base and traps, as `trapship provision` wrote them, on simulated boards"
    )
    parser.add_argument(
        "--base", nargs=2, type=Path, required=True, metavar=("STICK", "MODEM"),
        help="what `trapship provision base` wrote: the stick, and its modem.json",
    )  # fmt: skip
    parser.add_argument(
        "--trap", nargs=2, type=Path, action="append", required=True, metavar=("CARD", "MCU"),
        help="what `trapship provision trap` wrote: the card, and its mcu.json; again for each trap",
    )  # fmt: skip
    parser.add_argument("--state", type=Path, default=Path(".practise"), help="where they live, kept (.practise)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="what the cameras see; scikit-image's without it")
    parser.add_argument("--parked", action="store_true", help="the Pis are off until something moves, as in the field")
    parser.add_argument("--pir", type=number(0.05, 3600), default=20.0, help="s between triggers of a trap (20)")
    parser.add_argument("--port", type=whole(1, 65000), default=8080, help="the base's page; the traps' follow (8080)")
    parser.add_argument("--once", action="store_true", help="end when every trap was heard and has sent a cat")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Run it until `running` says no.  Raises: SetupError, OSError."""
    find_mosquitto()
    if len(args.trap) > MOST_TRAPS:
        raise SetupError(f"--trap: {len(args.trap)} were named; allowed are {MOST_TRAPS}")
    state = args.state.absolute()
    lock = lock_folder(state, "practise")
    try:
        station, traps = _station(args, state)
        with chdir(station.base):  # a base's settings name its files from there
            return _run(args, station, traps, running)
    finally:
        lock.close()


def _station(args: argparse.Namespace, state: Path) -> "tuple[Station, list[Trap]]":
    # Here and below: the demo's processes start by this program too, and need none of it.
    from trapsim.pictures import check_pictures
    from trapsim.practise.machines import read_mcu, take_over
    from trapsim.practise.station import Ports, Station, Trap
    from trapsim.site import check_port, free_port

    images = check_pictures(args.images) if args.images else _staged(state)
    traps: list[Trap] = []
    for place, (card, mcu) in enumerate(args.trap, start=1):
        found = read_mcu(mcu, "supervisor")["trap"]
        if any(trap.number == found for trap in traps):
            raise SetupError(f"--trap {card} {mcu}: trap {found} was named before")
        pictures = images if args.images else images / f"trap{(place - 1) % 2 + 1}"
        traps.append(Trap(number=found, mcu=mcu.absolute(), pictures=pictures, page_port=args.port + place))
    for port in (args.port, *(trap.page_port for trap in traps)):
        check_port("127.0.0.1", port)
    ports = Ports(bus=free_port(), channel=free_port(socket.SOCK_DGRAM), page=args.port, updates=free_port())
    stick, modem = args.base
    station = Station(
        state, traps, modem.absolute(), ports, parked=args.parked, pir_s=args.pir, say=_say
    )  # fmt: skip
    said = take_over("base", stick, station.base)[-1:]
    for trap, (card, _) in zip(traps, args.trap, strict=True):
        said += take_over("trap", card, station.folder(trap) / "etc")[-1:]
    for line in said:
        _say(line)
    station.settle()
    return station, traps


def _staged(state: Path) -> Path:
    """Pictures of a cat, made once."""
    from trapsim.staging import stage

    folder = state / "pictures"
    if not folder.is_dir():
        make_folder(folder, 0o755)
        stage(folder, (1, 2))
    return folder


def _run(args: argparse.Namespace, station: "Station", traps: "list[Trap]", running: Callable[[], bool]) -> int:
    from trapsim.practise.news import News
    from trapsim.processes import ProcessGaveUp

    news = News(station.base / "data", station.base_settings, _say)
    begun = time.monotonic()
    try:
        station.start()
        _say(f"the base: cd {station.base}; trapbase status --config base.toml; http://127.0.0.1:{args.port}/")
        for trap in traps:
            _say(
                f"trap {trap.number}: trapcam update --status --root {station.folder(trap)}/var/update; "
                f"http://127.0.0.1:{trap.page_port}/"
            )
        _say(f"{station.state}/stick stands for /media/stick; logs: {station.state}/logs; Ctrl-C ends it, all is kept")
        while running():
            station.step()
            news.step()
            if args.once and all(news.heard.get(trap.number) for trap in traps):
                return 0
            if args.once and time.monotonic() - begun > ONCE_S:
                _say(f"failed: after {ONCE_S:.0f} s the base has {news.heard} of the traps")
                return 1
            time.sleep(STEP_S)
    except ProcessGaveUp as error:
        _say(f"failed: {error}")
        return 1
    finally:
        station.stop()
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
