"""`trapship label`: what is printed and stuck under the lid's film, so that a ranger's phone finds the trap."""

import argparse
from pathlib import Path

from trapkit.files import write_atomically


def add_label_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("label", help="a trap's label for its lid, with QR codes for its Wi-Fi and its page")
    parser.add_argument("--trap", type=int, required=True, metavar="N", help="its number, printed large")
    parser.add_argument("--ssid", required=True, metavar="NAME", help="of its access point")
    parser.add_argument("--password", required=True, metavar="WORDS", help="of its access point (WPA2, 8–63 letters)")
    parser.add_argument("--address", default="192.168.4.1", metavar="ADDRESS", help="`service.address` (192.168.4.1)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="HTML to print (label-N.html)")
    parser.set_defaults(run=_run)


def _run(args: argparse.Namespace) -> int:
    from trapship.label import Label, page

    label = Label(trap=args.trap, ssid=args.ssid, password=args.password, address=args.address)
    path: Path = args.out or Path(f"label-{args.trap}.html")
    was_there = path.exists()
    write_atomically(path, page(label).encode(), mode=0o600)  # a password is in it
    print(f"{path}: {'replaced' if was_there else 'new'}; print it at 100 %, and keep it like a key")
    return 0
