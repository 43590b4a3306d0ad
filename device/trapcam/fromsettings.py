"""Keys, ways out and times of a running trap, from its settings."""

from pathlib import Path

from trapcam.config import TrapSettings, require_trap
from trapcam.network import MAX_PACKET_BYTES, Pace, subscriptions
from trapcam.seal import Sealer, open_sealer
from trapcam.stay import Patience
from trapcam.uplink import Timing
from trapkit.bus import Bus
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapkit.sealing import make_sign_key, read_key

SIGN_KEY = "sign.key"  # in `data`


def open_keys(settings: TrapSettings) -> tuple[Sealer, bytes]:
    """The sealer, and the key that receipts are checked with.  Raises: SetupError naming the file."""
    sealer = open_sealer(Path(settings.keys.base), Path(settings.keys.recipients))
    return sealer, read_key(Path(settings.keys.receipts), "the back end's receipt key")


def open_bus(settings: TrapSettings) -> Bus | None:
    """The way to the base's broker, not yet open; None without a network.  Raises: SetupError naming the file."""
    network, trap = settings.network, require_trap(settings)
    if not network.host:
        return None
    folder = Path(network.certificates)
    files = (folder / "ca.crt", folder / f"{trap}.crt", folder / f"{trap}.key")
    return Bus(
        network.host, network.port, *files, str(trap), subscriptions(trap), max_packet_bytes=MAX_PACKET_BYTES
    )  # fmt: skip


def sign_key_path(settings: TrapSettings) -> Path:
    """Where the key lies that this trap signs its notes with."""
    return Path(settings.keys.sign) if settings.keys.sign else Path(settings.data) / SIGN_KEY


def open_sign_key(settings: TrapSettings) -> bytes:
    """That key (32 bytes); one that is not named in the settings is made at the first start.

    Raises: SetupError naming the file.
    """
    path = sign_key_path(settings)
    if not settings.keys.sign and not path.exists():
        try:
            write_atomically(path, f"{make_sign_key().hex()}\n".encode(), mode=0o600)
        except OSError as error:
            raise SetupError(f"{path}: the key that notes are signed with cannot be kept: {error.strerror}") from error
    return read_key(path, "the key that notes are signed with")


def timing(settings: TrapSettings) -> Timing:
    """The uplink's timing in its own units."""
    uplink = settings.uplink
    return Timing(
        window=uplink.window,
        answer_ms=round(uplink.answer_s * 1000),
        hello_ms=round(uplink.hello_s * 1000),
        status_ms=round(uplink.status_s * 1000),
        full_ms=round(uplink.full_s * 1000),
    )


def pace(settings: TrapSettings) -> Pace:
    """The network's timing in its own units."""
    network = settings.network
    return Pace(
        window=network.window,
        window_bytes=network.window_bytes,
        answer_ms=round(network.answer_s * 1000),
        slowest_bytes_per_s=network.slowest_bytes_per_s,
    )


def patience(settings: TrapSettings) -> Patience:
    """How long a trap stays for its network, in its own units."""
    network = settings.network
    return Patience(stay_ms=round(network.stay_s * 1000), join_ms=round(network.join_s * 1000))
