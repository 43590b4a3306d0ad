"""`trapsim demo`: the arguments, the words on the screen, the JSON at the end."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import lock_folder
from trapsim.arguments import number, whole
from trapsim.demo import Demo, Result
from trapsim.hook import MESSAGES
from trapsim.pictures import check_pictures
from trapsim.processes import ProcessGaveUp
from trapsim.site import LOCK, PIN, TRAPS, Plan, build_site, check_port, clear_folder, service_port
from trapsim.staging import stage
from trapsim.tools import find_micropython, find_mosquitto

PICAMERA_PIR_S = 2.0  # a burst takes that long
UPDATE_PIR_S = 10.0  # a release is proved after a burst: the pictures last until both cameras have had theirs
PARKED_PIR_S = 12.0  # a Pi that starts for each trigger needs seconds, here too


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("demo", help="a station of two traps, the radio, a base and a back end")
    parser.add_argument("--once", action="store_true", help="end when everything is delivered, instead of Ctrl-C")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line of stdout")
    parser.add_argument("--images", type=Path, metavar="DIR", help="pictures and videos; scikit-image's without it")
    parser.add_argument(
        "--network", type=_networked, nargs="?", const="2", default=frozenset(), metavar="TRAP",
        help="give a trap a network beside the radio: 1, 2 or all (2 where nothing is said); its full frames travel",
    )  # fmt: skip
    parser.add_argument(
        "--parked", action="store_true", help="the Pis are off until something moves, as on a trap that has to last"
    )
    parser.add_argument(
        "--service", action="store_true", help="open the ranger's page of each trap, as in a service visit"
    )
    parser.add_argument(
        "--picamera", action="store_true",
        help="the Pi's camera over a simulated module: bursts with frames from before the trigger, or by lamp",
    )  # fmt: skip
    parser.add_argument(
        "--update", action="store_true",
        help="an operator publishes a good release and a bad one: canary first, the bad one caught and taken back",
    )  # fmt: skip
    parser.add_argument("--loss", type=number(0, 0.9), default=0.1, help="share of radio receptions lost (0.1)")
    parser.add_argument("--speed", type=number(0.1, 100), default=None, help="the radio's clock (1; 10 with --once)")
    parser.add_argument("--sf", type=whole(7, 10), default=9, help="LoRa spreading factor (9)")
    parser.add_argument("--seed", type=whole(0, 1_000_000), default=1, help="of loss, back-off and kills (1)")
    parser.add_argument("--pir", type=number(0.05, 3600), default=None, help="seconds between triggers of a trap")
    parser.add_argument("--kills", type=whole(0, 1000), default=0, help="processes to end with kill -9 on the way")
    parser.add_argument("--host", default="127.0.0.1", help="the page's address; 0.0.0.0 shows it to the whole network")
    parser.add_argument("--port", type=whole(1, 65535), default=8080, help="of the page (8080)")
    parser.add_argument("--state", type=Path, default=Path(".demo"), help="folder, emptied at the start (.demo)")
    parser.set_defaults(run=run)


def _networked(text: str) -> frozenset[int]:
    if text == "all":
        return frozenset(TRAPS)
    if text not in map(str, TRAPS):
        allowed = ", ".join(map(str, TRAPS))
        raise argparse.ArgumentTypeError(f"{text!r} is no trap of the demo; allowed are {allowed}, all")
    return frozenset({int(text)})


def run(args: argparse.Namespace, running: Callable[[], bool]) -> int:
    """Run the demo.  Raises: SetupError."""
    find_mosquitto()
    state = args.state.absolute()
    lock = lock_folder(state, LOCK)
    try:
        return _run(args, state, running)
    finally:
        lock.close()


def _run(args: argparse.Namespace, state: Path, running: Callable[[], bool]) -> int:
    images = check_pictures(args.images) if args.images else None
    if images and (images.is_relative_to(state.resolve()) or state.resolve().is_relative_to(images)):
        raise SetupError(
            f"--images {images} and --state {state}: one lies in the other, and --state is emptied; move one"
        )
    check_port(args.host, args.port)
    for trap in TRAPS if args.service else ():
        check_port(args.host, args.port + trap)
    clear_folder(state)
    pictures = dict.fromkeys(TRAPS, images) if images else stage(state / "pictures", (1, 2))
    if args.update and (args.picamera or args.parked or args.speed not in (None, 1.0)):
        raise SetupError(
            "--update: goes with the replay camera, Pis that are always on, and a radio in true time (--speed 1): "
            "units believe a time that their base vouches for"
        )
    speed = args.speed or (10.0 if args.once and not args.update else 1.0)
    pir_s = args.pir or (
        UPDATE_PIR_S
        if args.update
        else PARKED_PIR_S
        if args.parked
        else PICAMERA_PIR_S
        if args.picamera
        else 0.3
        if args.once
        else 3.0
    )
    networked = frozenset(TRAPS) if args.update else args.network  # releases come by it
    plan = Plan(
        folder=state, pictures=pictures, loss=args.loss, speed=speed, seed=args.seed, sf=args.sf,
        page_host=args.host, page_port=args.port, pir_every_s=pir_s, networked=networked,
        parked=args.parked, service=args.service, picamera=args.picamera, update=args.update,
    )  # fmt: skip
    site = build_site(plan)
    whose = f"the pictures in {images}" if images else "photographs that ship inside scikit-image (its cat: Chelsea)"
    _say(f"Station S001, two traps, each {'watching' if args.picamera else 'replaying'} {whose}.")
    _say(f"LoRa SF{args.sf}, {args.loss:.0%} loss, the radio's clock runs {speed:g} times. State: {state}")
    for trap in sorted(networked):
        _say(f"Trap {trap} ({TRAPS[trap]}) has a network too: its sealed full frames travel by MQTT and are received.")
        _say("    Its alerts go by radio as well, at once; the rest only while the network does not serve.")
    if args.picamera:
        _say("The cameras are the Pi's, over a simulated module: the left one by day, with pictures from before each")
        _say("    trigger, the right one by night, under its lamp; up to three full frames a burst.")
    _say(f"A signed webhook tells a little receiver of every cat: {site.hook / MESSAGES}")
    if args.parked:
        _say(f"The traps are parked: each Pi is switched on when something moves, every {pir_s:g} s, and off again.")
    if args.update:
        _say("An operator publishes two releases of the traps' application: a good one, and one that does not start.")
        _say("    Hours are seconds here: a unit proves itself for 16 s, its partner follows after 8 s.")
    if args.service:
        for trap in TRAPS:
            _say(f"Trap {trap}'s page for rangers: http://{args.host}:{service_port(plan, trap)}   (PIN {PIN})")
        if plan.walkers:
            _say("    Walk test: press Begin there, and from 5 s on somebody walks past by himself, a few times. The")
            _say("    magnet is held to the unit when the test begins and when it ends; no animal comes in between.")
        _say("    The base takes parcels from phones at its own page, below: “Bring parcels”.")
    interpreter = "MicroPython" if find_micropython() else "CPython (no MicroPython found)"
    _say(f"Supervisors and modem run under {interpreter}; their boards, cables and the air are simulated.")
    shown = {"0.0.0.0": "<this computer's address>", "::": "<this computer's address>"}.get(args.host, args.host)  # noqa: S104
    _say(f"Page: http://{f'[{shown}]' if ':' in shown else shown}:{args.port}   (Ctrl-C ends everything)")
    try:
        result = Demo(site, _say).run(once=args.once, kills=args.kills, running=running)
    except ProcessGaveUp as error:
        raise SetupError(f"{error}; its log is in {state / 'logs'}") from error
    return _finish(result, args)


def _finish(result: Result, args: argparse.Namespace) -> int:
    figures = result.audit.figures() | {"seconds": round(result.seconds, 1)}
    figures |= {"told": result.told, "told_again": result.told_again}
    if args.kills:
        figures |= {"kills": result.kills, "kills_under_way": result.kills_under_way}
    if args.parked:
        figures |= {"pi_starts": result.pi_starts, "pi_cuts": result.pi_cuts}
    if args.update:
        figures |= {"updates": result.updates}
    reason = result.reason
    if result.audit.lost or result.audit.duplicated:
        reason = f"{result.audit.lost} lost, {result.audit.duplicated} doubled: {'; '.join(result.audit.missing[:4])}"
    if reason:
        figures["reason"] = reason
        _say(f"failed: {reason}")
    if args.json:
        print(json.dumps(figures), flush=True)
    return 1 if reason else 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
