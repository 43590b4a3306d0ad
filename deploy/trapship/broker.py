"""Mosquitto's configuration: TLS with client certificates, an access list by their names, queues bounded in bytes."""

import os
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapship.names import FORWARDER, checked_listen

MESSAGE_SIZE_LIMIT = 17 * 1024 * 1024  # bytes: one full frame (16 MiB) in its envelope
MAX_QUEUED_BYTES = 64 * 1024 * 1024  # a session: what a Pi with 1 GB of memory can spare twice
# A session: with these on their way, what comes is queued. Mosquitto moves the queue on by number alone, so a program
# may come to hold both together; without this it would be 128 full frames.
MAX_INFLIGHT_BYTES = 32 * 1024 * 1024
MAX_QUEUED_MESSAGES = 20_000  # a session: a month of 40 traps at 0.26 sightings a day, twice over
AUTOSAVE_INTERVAL_S = 60  # between saves a killed broker forgets; the protocol above it survives that

# Who may write what and read what. `%u` is the certificate's common name: a trap's certificate carries its number.
ACCESS = """\
user gateway
topic write pugmark/1/up/#
topic write pugmark/1/heard/#
topic readwrite pugmark/1/downack/#
topic write pugmark/1/answer/#
topic read pugmark/1/ack/#
topic read pugmark/1/down/#
topic read pugmark/1/wanted/#
topic read pugmark/1/setting/#

user ingest
topic write pugmark/1/ack/#
topic write pugmark/1/have/#
topic write pugmark/1/wanted/#
topic write pugmark/1/setting/#
topic write pugmark/1/shut/#
topic read pugmark/1/answer/#
topic read pugmark/1/up/#
topic read pugmark/1/piece/#
topic read pugmark/1/heard/#
topic read pugmark/1/revoked/#

user forward
topic write pugmark/1/down/#
topic write pugmark/1/identified/#
topic read pugmark/1/downack/#

# For people and their tools (basestation/BUS.md, "Trying it"): one hears everything, one hands in what it was given.
user listener
topic read pugmark/1/#

# The operator's desk shuts a stolen unit out (`trapship revoke`); what it says is signed.
user operator
topic write pugmark/1/revoked/#
topic read pugmark/1/shut/#

user carrier
topic write pugmark/1/up/#
topic write pugmark/1/piece/#
topic read pugmark/1/ack/#
topic read pugmark/1/have/#

# A trap that has a network of its own speaks for itself only.
pattern write pugmark/1/up/%u/+
pattern write pugmark/1/piece/%u/+
pattern write pugmark/1/heard/%u
pattern write pugmark/1/downack/%u
pattern read pugmark/1/ack/%u
pattern read pugmark/1/have/%u
pattern read pugmark/1/down/%u
"""


# A base that passes on what it hears of this one's traps: it says what they said, and learns what is in custody.
FORWARDER_ACCESS = """
user {name}
topic write pugmark/1/up/#
topic write pugmark/1/heard/#
topic write pugmark/1/downack/#
topic write pugmark/1/answer/#
topic read pugmark/1/ack/#
"""


def write_broker(folder: Path, certificates: Path, port: int, *, address: str = "127.0.0.1") -> Path:
    """Write `mosquitto.conf` and `acl` into `folder` and return the configuration's path.

    `certificates`: a folder of `trapship.certificates`; `port`: TCP, 1–65535; `address`: to listen on, 0.0.0.0 is
    all of the machine's.  Raises: SetupError.
    """
    folder, certificates = folder.resolve(), certificates.resolve()
    forwarders = sorted(path.stem for path in certificates.glob(f"{FORWARDER}*.crt"))
    # Started by root, Mosquitto would become another user, who may not read the keys in this folder.
    text, access = broker_texts(folder, certificates, port, address, forwarders, root=os.geteuid() == 0)
    for name in ("ca.crt", "ca.crl", "server.crt", "server.key"):
        if not (certificates / name).exists():
            raise SetupError(f"{certificates / name}: is missing; make the fleet's certificates first")
    folder.mkdir(parents=True, exist_ok=True)
    # Mosquitto refuses an access list that others may write to.
    write_atomically(folder / "acl", access.encode(), mode=0o600)
    path = folder / "mosquitto.conf"
    write_atomically(path, text.encode())
    return path


def broker_texts(
    folder: Path, certificates: Path, port: int, address: str, forwarders: list[str], *, root: bool
) -> tuple[str, str]:
    """`mosquitto.conf` and `acl` as they shall lie in `folder`, on this machine or another; `root`: who starts it.

    Raises: SetupError.
    """
    if not 0 < port < 1 << 16:
        raise SetupError(f"broker port {port} is not within 1–65535")
    address = checked_listen(address)
    access = ACCESS + "".join(FORWARDER_ACCESS.format(name=name) for name in forwarders)
    lines = [
        "per_listener_settings false",
        f"listener {port} {address}",
        f"cafile {certificates / 'ca.crt'}",
        f"crlfile {certificates / 'ca.crl'}",
        f"certfile {certificates / 'server.crt'}",
        f"keyfile {certificates / 'server.key'}",
        "require_certificate true",
        "use_identity_as_username true",
        # A session belongs to a certificate: nobody may take another's over by naming its client identifier.
        "use_username_as_clientid true",
        "allow_anonymous false",
        f"acl_file {folder / 'acl'}",
        "persistence true",
        f"persistence_location {folder}/",
        f"autosave_interval {AUTOSAVE_INTERVAL_S}",
        "persistent_client_expiration 30d",
        f"message_size_limit {MESSAGE_SIZE_LIMIT}",
        f"max_queued_bytes {MAX_QUEUED_BYTES}",
        f"max_queued_messages {MAX_QUEUED_MESSAGES}",
        "max_inflight_messages 128",
        f"max_inflight_bytes {MAX_INFLIGHT_BYTES}",
        "retain_available false",
        "log_dest stderr",
        "log_type error",
        "log_type warning",
        "log_type notice",
        "connection_messages true",
    ]
    if root:
        lines.append("user root")
    return "\n".join(lines) + "\n", access
