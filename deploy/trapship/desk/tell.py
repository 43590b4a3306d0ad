"""The list of the revoked to a running base, over its broker: handed in, and heard to be in force."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from trapkit import topics
from trapkit.bus import Bus
from trapkit.errors import SetupError, StorageError
from trapship.desk.authority import TLS_SECRET_BYTES
from trapship.desk.derive import TLS, new_salt
from trapship.desk.folder import CA_CRT, REVOKED, Desk

NAME = "operator"  # of the certificate, as the broker's access list has it
WAIT_S = 20.0
TURN_S = 0.05


def tell_base(
    desk: Desk, host: str, port: int, unit: int, wait_s: float = WAIT_S, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Hand the list to the broker at `host` until its base says that it is in force; that base's name.

    `unit`: the newest on the list, for the topic.  Raises: SetupError, StorageError when nobody answered in time.
    """
    desk.register.carrier = desk.register.carrier or new_salt()
    secret = desk.derive(TLS, NAME, desk.register.carrier, TLS_SECRET_BYTES)
    issued = desk.authority.client(NAME, secret)
    with tempfile.TemporaryDirectory(prefix="pugmark-") as name:  # mode 700; TLS reads keys from files alone
        folder = Path(name)
        (folder / "ca.crt").write_bytes(desk.public(CA_CRT))
        (folder / "own.crt").write_bytes(issued.crt)
        (folder / "own.key").touch(0o600)
        (folder / "own.key").write_bytes(issued.key)
        files = (folder / "ca.crt", folder / "own.crt", folder / "own.key")
        bus = Bus(host, port, *files, NAME, (topics.every(topics.SHUT),))
        bus.start()
        try:
            return _handed(bus, desk.public(REVOKED), desk.register.serial, unit, wait_s, sleep)
        finally:
            bus.stop()


def _handed(bus: Bus, data: bytes, serial: int, unit: int, wait_s: float, sleep: Callable[[float], None]) -> str:
    said_at = -1.0
    for turn in range(round(wait_s / TURN_S)):
        if bus.connected and turn * TURN_S - said_at >= 1.0:
            said_at = turn * TURN_S
            bus.publish(topics.revoked(unit), data)  # said again: a base that has it answers again
        for message in bus.take(16):
            message.acknowledge()
            base, in_force = _answer(message.payload)
            if in_force >= serial:
                return base
        sleep(TURN_S)
    raise StorageError(
        f"no base answered in {wait_s:.0f} s: {bus.last_error or 'its broker has the list'}; take a stick"
    )


def _answer(payload: bytes) -> tuple[str, int]:
    try:
        said = json.loads(payload[:1024])
        return str(said["base"])[:32], int(said["serial"])
    except (ValueError, KeyError, TypeError):
        return "", -1


def check_host(host: str) -> None:
    """Raises: SetupError."""
    if not host or len(host) > 253 or any(letter.isspace() for letter in host):
        raise SetupError(f"--broker {host!r}: allowed is a name or an address, as in the base's certificate")
