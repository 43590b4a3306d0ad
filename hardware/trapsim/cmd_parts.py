"""The demo's own processes, each also a command: `trapsim channel`, `unit`, `picamera`, `visited`, `backend`."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import lock_folder, write_atomically
from trapsim.arguments import number, whole
from trapsim.tools import find_micropython, micropython_command, micropython_environment

Running = Callable[[], bool]


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    port = whole(1, 65535)
    channel = subparsers.add_parser("channel", help="the radio channel, on a loopback port")
    channel.add_argument("--port", type=port, required=True)
    channel.add_argument("--sf", type=whole(7, 12), default=9, help="spreading factor (9)")
    channel.add_argument("--loss", type=number(0, 0.9), default=0.0, help="share of receptions lost (0)")
    channel.add_argument("--speed", type=number(0.1, 100), default=1.0, help="ms on the air for one of the wall (1)")
    channel.add_argument("--seed", type=whole(0, 1_000_000), default=1)
    channel.add_argument("--stats", type=Path, required=True, metavar="FILE", help="figures, kept up to date (JSON)")
    channel.set_defaults(run=_channel)

    unit = subparsers.add_parser("unit", help="the firmware, as supervisor or modem, on a simulated board")
    unit.add_argument("--folder", type=Path, required=True, help="with mcu.json, and the flash")
    unit.add_argument("--serial", type=Path, required=True, help="its serial line")
    unit.add_argument("--channel", type=port, required=True, help="port of the radio channel")
    unit.add_argument("--speed", type=number(0.1, 100), default=1.0, help="ms of its clock for one of the wall (1)")
    unit.add_argument("--seed", type=whole(0, 100_000_000), default=1, help="of its back-off")
    unit.add_argument("--pir-every", type=number(0, 3600), default=0.0, help="seconds between PIR edges (0: none)")
    unit.add_argument("--interpreter", choices=("auto", "micropython", "cpython"), default="auto")
    unit.set_defaults(run=_unit)

    picamera = subparsers.add_parser("picamera", help="a trap with the Pi's camera, over a simulated module")
    picamera.add_argument("--config", type=Path, required=True, metavar="FILE", help="the trap's settings (TOML)")
    picamera.add_argument("--pictures", type=Path, required=True, metavar="DIR", help="what stands before the camera")
    picamera.set_defaults(run=_picamera)

    visited = subparsers.add_parser("visited", help="a trap past which somebody walks when a walk test has begun")
    visited.add_argument("--config", type=Path, required=True, metavar="FILE", help="the trap's settings (TOML)")
    visited.add_argument("--unit", type=Path, required=True, metavar="DIR", help="folder of its simulated unit")
    visited.add_argument("--light", choices=("day", "night"), default="day", help="of the live picture (day)")
    visited.add_argument("--pictures", type=Path, metavar="DIR", help="as `trapsim picamera`; its camera without it")
    visited.set_defaults(run=_visited)

    backend = subparsers.add_parser("backend", help="the reference identification back end (tus 1.0, signed receipts)")
    backend.add_argument("--folder", type=Path, required=True)
    where = backend.add_mutually_exclusive_group(required=True)
    where.add_argument("--port", type=port, help="serve over HTTP")
    where.add_argument(
        "--stick", type=Path, metavar="DIR", help="take the batches of a stick, leave receipts there, and end"
    )
    backend.add_argument("--key", type=Path, required=True, help="Ed25519 signing key (64 hexadecimal digits)")
    backend.set_defaults(run=_backend)


# Each imports its own parts: five processes of the demo start through here, and start again after a kill.


def _channel(args: argparse.Namespace, running: Running) -> int:
    from trapsim.channel import run_channel

    return run_channel(
        port=args.port, sf=args.sf, loss=args.loss, speed=args.speed, seed=args.seed, stats=args.stats, running=running
    )


def _unit(args: argparse.Namespace, running: Running) -> int:
    path = args.folder / "mcu.json"
    try:
        settings = json.loads(path.read_bytes())
    except OSError as error:
        raise SetupError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise SetupError(f"{path}: is not JSON: {error}") from error
    if not args.serial.exists():
        raise SetupError(f"--serial {args.serial}: there is no such serial line; is its other end there?")
    lock = lock_folder(args.folder, "trapsim unit")
    arguments = {
        "serial": os.path.realpath(args.serial),
        "flash": str((args.folder / "flash").absolute()),
        "channel_port": args.channel,
        "speed": args.speed,
        "seed": args.seed,
        "pir_ms": round(args.pir_every * 1000),
        "settings": settings,
        "source": str(path),
    }
    interpreter = find_micropython() if args.interpreter != "cpython" else None
    if interpreter is not None:
        # The lock goes along: this process becomes the interpreter, and a kill ends both.
        os.set_inheritable(lock.fileno(), True)
        given = args.folder / "unit.json"
        write_atomically(given, json.dumps(arguments).encode(), mode=0o600)  # the link key is among the settings
        os.execve(interpreter, micropython_command(interpreter, given), micropython_environment())  # noqa: S606
    if args.interpreter == "micropython":
        raise SetupError("micropython is not installed; run `make demo`, which fetches it, or install 1.25 or newer")
    print("unit: no micropython found, running on CPython", file=sys.stderr)
    from trapsim.unit import run_unit

    try:
        run_unit(arguments, running)
    except ValueError as error:
        raise SetupError(f"{path}: {error}") from error
    except OSError as error:
        raise OSError(f"unit at {args.serial}, flash {arguments['flash']}: {error.strerror or error}") from error
    finally:
        lock.close()
    return 0


def _picamera(args: argparse.Namespace, running: Running) -> int:
    from trapsim.stagedcamera import run_staged

    return run_staged(args)


def _visited(args: argparse.Namespace, running: Running) -> int:
    from trapsim.walker.visit import run_visited

    return run_visited(args)


def _backend(args: argparse.Namespace, running: Running) -> int:
    if args.stick is not None:
        from trapsim.backend_stick import run_stick

        return run_stick(args.folder, args.stick, args.key)
    from trapsim.backend import run_backend

    return run_backend(args.folder, args.port, args.key)
