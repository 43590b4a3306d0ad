"""`trapship provision`: a trap, a base or a repeater gets its identity; the same number again renews it."""

import argparse
import getpass
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from trapkit.errors import SetupError
from trapship.boards import BOARDS
from trapship.cmd_init import add_passphrase
from trapship.cmd_unit import BUNDLE, WAIT_S, flash

if TYPE_CHECKING:
    from trapship.desk.folder import Desk
    from trapship.desk.issue import Written
    from trapship.desk.register import Trap


def add_provision_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand with its three kinds."""
    parser = subparsers.add_parser("provision", help="a trap, base or repeater of an operator: keys, settings, card")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="trap|base|repeater")
    trap = _kind(kinds, "trap", "a trap: its card, its supervisor, its label", _trap)
    trap.add_argument("--station", metavar="NAME", help="where it stands: two traps a station")
    trap.add_argument("--side", metavar="SIDE", help="left, right or single: which flank of the cat it sees")
    trap.add_argument("--place", nargs=2, type=float, metavar="DEGREES", help="of the station: latitude, longitude")
    trap.add_argument("--base", type=int, metavar="N", help="the base that answers it; needless where there is one")
    trap.add_argument("--language", metavar="CODE", help="of the ranger's page where a phone wants none of ours")
    trap.add_argument("--battery", metavar="KIND", help="lithium-primary, lifepo4, liion")
    trap.add_argument("--camera", metavar="KIND", help="pi, usb, replay (pi)")
    trap.add_argument("--network", action=argparse.BooleanOptionalAction, help="it reaches the base's broker")
    trap.add_argument("--operator", action="append", default=[], metavar="NAME", help="who has a PIN; again for more")
    trap.add_argument("--pin-file", type=Path, metavar="FILE", help="their PINs, one a line; else they are asked for")
    trap.add_argument("--move", action="store_true", help="this unit stands at another station now")
    trap.add_argument("--new-radio-key", action="store_true", help="its flash was lost, or somebody saw its key")
    trap.add_argument("--heard", action="store_true", help="the base has heard it under its last new radio key")
    trap.add_argument("--never-flashed", action="store_true", help="no unit ever got the last new radio key")
    base = _kind(kinds, "base", "a base: all that its machine needs, and its modem", _base)
    base.add_argument("--name", metavar="NAME", help="like north")
    base.add_argument("--country", metavar="XX", help="where it stands: nothing leaves it without an agreement")
    base.add_argument("--zone", metavar="ZONE", help="its time zone, like Asia/Vladivostok")
    base.add_argument("--language", metavar="CODE", help="of its page where a phone wants none of ours")
    base.add_argument("--host", action="append", default=[], metavar="NAME", help="by which traps reach it; again")
    base.add_argument("--broker-port", type=int, metavar="PORT", help="of its broker (8883)")
    base.add_argument("--modem", metavar="LINE", help="its modem's serial line, as `gateway.serial`")
    repeater = _kind(kinds, "repeater", "a repeater, for some traps", _repeater)
    repeater.add_argument("--trap", action="append", default=[], type=int, metavar="N", help="goes by it; again")


def _kind(
    kinds: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    words: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=words)
    parser.add_argument("folder", type=Path, metavar="OPERATOR", help="what `trapship init` made")
    parser.add_argument("--number", type=int, required=True, metavar="N", help="its own; the same again renews it")
    parser.add_argument(
        "--region", metavar="PLAN", help="its country's radio plan, like ru864; needless with a region.toml"
    )
    parser.add_argument("--sf", type=int, metavar="N", help="LoRa spreading factor, as on all units of its base (9)")
    if name != "repeater":
        parser.add_argument("--out", type=Path, metavar="DIR", help="its card's boot partition, or a stick")
    parser.add_argument("--papers", type=Path, metavar="DIR", help=f"for mcu.json and label ({name}-N, here)")
    parser.add_argument("--port", metavar="PATH", help="its microcontroller is on a cable here: flash it too")
    parser.add_argument("--board", choices=sorted(BOARDS), help="which board that is")
    parser.add_argument("--bundle", type=Path, default=BUNDLE, metavar="DIR", help=f"what `bundle` made ({BUNDLE})")
    parser.add_argument("--other-unit", action="store_true", help="that board lives, and shall be this unit now")
    parser.add_argument("--erase-state", action="store_true", help="throw its counters, queue and event log away")
    add_passphrase(parser)
    parser.set_defaults(run=run)
    return parser


def _trap(args: argparse.Namespace) -> int:
    from trapship.desk.issue import Issue
    from trapship.desk.provisioning import TrapWish, place_trap
    from trapship.desk.regioning import for_trap, read_own
    from trapship.desk.trapfiles import wifi

    papers = _papers(args)
    place = (args.place[0], args.place[1]) if args.place else None
    wish = TrapWish(
        number=args.number, station=args.station, side=args.side, place=place, base=args.base, region=args.region,
        sf=args.sf, language=args.language, battery=args.battery, camera=args.camera, network=args.network,
        move=args.move, new_radio_key=args.new_radio_key, heard=args.heard, never_flashed=args.never_flashed,
    )  # fmt: skip
    with _at(args) as desk:
        trap, said = place_trap(desk.register, for_trap(wish, read_own(desk)[1]))
        operators = _operators(args)
        written = Issue(desk, args.out, papers, time.time()).trap(trap, operators)
        access_point = wifi(desk, trap)
    if not (args.folder / "keys" / "backend.pub").exists():
        said.append("no keys/backend.pub here: it takes receipts from nobody but you, so it deletes nothing")
    if not operators:
        said.append("no --operator: PINs stay as they are on its card; on a new one the ranger's page stays shut")
    _label(papers, trap, *access_point, written)
    base = desk.register.bases[str(trap.base)]
    again = f"trapship provision base {args.folder} --number {base.number} --out STICK"
    said.append(f"base {base.number} ({base.name}) knows of it after: {again}")
    return _finish(args, written, said, "supervisor")


def _base(args: argparse.Namespace) -> int:
    from trapship.desk.issue import Issue
    from trapship.desk.provisioning import BaseWish, place_base
    from trapship.desk.regioning import for_base, read_own

    wish = BaseWish(
        number=args.number, name=args.name, country=args.country, region=args.region,
        sf=args.sf, zone=args.zone, language=args.language,
        modem=args.modem, port=args.broker_port, hosts=tuple(args.host),
    )  # fmt: skip
    with _at(args) as desk:
        is_new = str(args.number) not in desk.register.bases
        base, said = place_base(desk.register, for_base(wish, read_own(desk)[1], is_new=is_new))
        written = Issue(desk, args.out, _papers(args), time.time()).base(base)
    traps = ", ".join(str(trap.number) for trap in desk.register.of_base(base.number)) or "none yet"
    written.lines.append(f"traps at home there: {traps}")
    return _finish(args, written, said, "modem")


def _repeater(args: argparse.Namespace) -> int:
    from trapship.desk.issue import Issue
    from trapship.desk.provisioning import place_repeater
    from trapship.desk.regioning import radio, read_own

    args.out = None
    with _at(args) as desk:
        plan, sf = radio(read_own(desk)[1], args.region, args.sf)
        repeater, said = place_repeater(desk.register, args.number, args.trap, plan, sf)
        written = Issue(desk, None, _papers(args), time.time()).repeater(repeater)
    return _finish(args, written, said, "repeater")


def _at(args: argparse.Namespace) -> "AbstractContextManager[Desk]":
    """The operator's folder, open; what was said wrongly is said before the passphrase is asked."""
    from trapship.desk.folder import at_desk
    from trapship.desk.output import check_out
    from trapship.vault import read_passphrase

    if args.port and not args.board:
        raise SetupError("--port: say --board too, which board that is")
    check_out(args.out)
    return at_desk(args.folder, lambda: read_passphrase(args.passphrase_file))


def _papers(args: argparse.Namespace) -> Path:
    return args.papers or Path(f"{args.kind}-{args.number}")


def _operators(args: argparse.Namespace) -> bytes:
    """Hashed PINs of those who are named, b"" for nobody.  Raises: SetupError."""
    from trapkit.pins import check_operator, hashed, write_operators

    names = [check_operator(name) for name in args.operator]
    if args.pin_file:
        try:
            pins = args.pin_file.read_text().split()
        except (OSError, UnicodeDecodeError) as error:
            raise SetupError(f"--pin-file {args.pin_file}: cannot be read: {error}") from error
        if len(pins) != len(names):
            raise SetupError(f"--pin-file {args.pin_file}: has {len(pins)} PINs for {len(names)} --operator; one each")
    elif names and not sys.stdin.isatty():
        raise SetupError("no terminal to ask for PINs; say --pin-file FILE")
    else:
        pins = [_asked(name) for name in names]
    return write_operators({name: hashed(pin) for name, pin in zip(names, pins, strict=True)}) if names else b""


def _asked(name: str) -> str:
    pin = getpass.getpass(f"PIN for {name}: ")
    if pin != getpass.getpass("once more: "):
        raise SetupError("the two are not the same; nothing was written")
    return pin


def _label(papers: Path, trap: "Trap", ssid: str, password: str, written: "Written") -> None:
    from trapkit.files import write_atomically

    try:
        from trapship.label import Label, page
    except ModuleNotFoundError:
        written.lines.append("no label: pip install '.[label]' in the project's clone, then the same command again")
        return
    path = papers / f"label-{trap.number}.html"
    label = Label(trap=trap.number, ssid=ssid, password=password, address="192.168.4.1")
    write_atomically(path, page(label).encode(), mode=0o600)  # a password is in it
    written.lines.append(f"{path}: print it at 100 %, and keep it like a key")


def _finish(args: argparse.Namespace, written: "Written", said: list[str], role: str) -> int:
    """Flash what is on the cable, and say what was done and what is left to do."""
    for line in written.lines:
        print(line)
    code = 0
    if args.port and written.mcu is not None:
        asked = argparse.Namespace(
            port=args.port, wait=WAIT_S, json=False, board=args.board, role=role, settings=written.mcu, keys=None,
            bundle=args.bundle, other_unit=args.other_unit, erase_state=args.erase_state,
        )  # fmt: skip
        code = flash(asked)
        if code == 0:
            written.mcu.unlink()  # the unit has its key now, and nobody else needs it
    if written.mcu is not None and written.mcu.exists():
        secret = "" if role == "modem" else "; then delete it: keys are in it"
        print(f"{written.mcu}: for `trapship flash --role {role} --settings`{secret}")
    for line in said:
        print(line)
    return code
