"""One end of a Reticulum link, a process of its own in the environment that has `rns` (nothing of ours is there).

usage: reticulum_peer.py receive CONFIG        or: reticulum_peer.py send CONFIG PUBLIC_KEY FILE
Says on standard output, a line each: `ready KEY` (the receiver's public key, in hexadecimal), `linked`, `received
SHA-256`, `done complete|failed`. The sender waits for a line before it sends. Both end when standard input does.

Only Reticulum's documented interface is used: Identity, Destination, Link, Resource.
"""

import hashlib
import os
import sys
import threading
from pathlib import Path

import RNS

NAMES = ("pugmark", "comparison")


def say(*words: str) -> None:
    print(*words, flush=True)


def receive() -> None:
    """Take every resource of every link; nothing is announced: the sender is given the key."""
    identity = RNS.Identity()
    destination = RNS.Destination(identity, RNS.Destination.IN, RNS.Destination.SINGLE, *NAMES)

    def concluded(resource: RNS.Resource) -> None:
        if resource.status == RNS.Resource.COMPLETE:
            say("received", hashlib.sha256(resource.data.read()).hexdigest())

    def linked(link: RNS.Link) -> None:
        link.set_resource_strategy(RNS.Link.ACCEPT_ALL)
        link.set_resource_concluded_callback(concluded)
        say("linked")

    destination.set_link_established_callback(linked)
    say("ready", identity.get_public_key().hex())


def send(public_key: bytes, data: bytes, go: threading.Event) -> None:
    """Open a link to that key, wait for `go`, send `data`."""
    identity = RNS.Identity(create_keys=False)
    identity.load_public_key(public_key)
    destination = RNS.Destination(identity, RNS.Destination.OUT, RNS.Destination.SINGLE, *NAMES)

    def concluded(resource: RNS.Resource) -> None:
        say("done", "complete" if resource.status == RNS.Resource.COMPLETE else "failed")

    def linked(link: RNS.Link) -> None:
        say("linked")
        go.wait()
        RNS.Resource(data, link, callback=concluded)

    RNS.Link(
        destination,
        established_callback=lambda link: threading.Thread(target=linked, args=(link,), daemon=True).start(),
        closed_callback=lambda _: say("done", "failed"),
    )


def main(role: str, config: str, *rest: str) -> None:
    RNS.Reticulum(configdir=config, loglevel=RNS.LOG_DEBUG, logdest=RNS.LOG_FILE)
    go = threading.Event()
    if role == "receive":
        receive()
    else:
        send(bytes.fromhex(rest[0]), Path(rest[1]).read_bytes(), go)
    for _ in sys.stdin:
        go.set()
    os._exit(0)  # without a farewell on the line, and without waiting for Reticulum's threads


if __name__ == "__main__":
    main(*sys.argv[1:])
