"""The bus: its topics, its messages, and what a program may ask of it (basestation/BUS.md is the page for others).

`trapkit.bus.Bus` is the real one, over MQTT; `trapsim.memorybus` the one for virtual time. Programs take either.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

from trapwire.objects import RUNG_BY_NAME

ROOT = "pugmark/1"
UP = "up"  # an object's envelope, from a carrier; user properties say how it was heard
PIECE = "piece"  # a piece of a large object, from a carrier, or a question what is there
HAVE = "have"  # how much of a large object is there
ACK = "ack"  # keys that ingest has committed
DOWN = "down"  # an envelope for a trap: a receipt
DOWNACK = "downack"  # keys of down objects that the trap has taken
HEARD = "heard"  # JSON: the last word of a trap
WANTED = "wanted"  # keys of objects that a trap is asked for by radio
SETTING = "setting"  # JSON: a setting for a trap, by radio
ANSWER = "answer"  # JSON: what became of it
REVOKED = "revoked"  # the operator's signed list of units that are shut out; the topic names the newest of them
SHUT = "shut"  # JSON: which such list a base has in force
IDENTIFIED = "identified"  # JSON: who a sighting's cat is, by the back end

KINDS = (UP, PIECE, HAVE, ACK, DOWN, DOWNACK, HEARD, WANTED, SETTING, ANSWER, IDENTIFIED, REVOKED, SHUT)
WITH_RUNG = (UP, PIECE)  # their topics name the rung too
MAX_TOPIC_BYTES = 64  # the longest of ours has 31
MAX_PROPERTIES = 8  # user properties of one message that are read; we send four
MAX_PROPERTY_BYTES = 64


class Address(NamedTuple):
    """What a topic says: its `kind`, the `trap` (1–65535) and, on `up` and `piece`, the rung."""

    kind: str
    trap: int
    rung: int | None


def up(trap: int, rung_name: str) -> str:
    return f"{ROOT}/{UP}/{trap}/{rung_name}"


def piece(trap: int, rung_name: str) -> str:
    return f"{ROOT}/{PIECE}/{trap}/{rung_name}"


def have(trap: int) -> str:
    return f"{ROOT}/{HAVE}/{trap}"


def ack(trap: int) -> str:
    return f"{ROOT}/{ACK}/{trap}"


def down(trap: int) -> str:
    return f"{ROOT}/{DOWN}/{trap}"


def downack(trap: int) -> str:
    return f"{ROOT}/{DOWNACK}/{trap}"


def heard(trap: int) -> str:
    return f"{ROOT}/{HEARD}/{trap}"


def wanted(trap: int) -> str:
    return f"{ROOT}/{WANTED}/{trap}"


def setting(trap: int) -> str:
    return f"{ROOT}/{SETTING}/{trap}"


def answer(trap: int) -> str:
    return f"{ROOT}/{ANSWER}/{trap}"


def identified(trap: int) -> str:
    return f"{ROOT}/{IDENTIFIED}/{trap}"


def revoked(unit: int) -> str:
    return f"{ROOT}/{REVOKED}/{unit}"


def shut(unit: int) -> str:
    return f"{ROOT}/{SHUT}/{unit}"


def every(kind: str) -> str:
    """The subscription to a kind of message of all traps."""
    return f"{ROOT}/{kind}/+/+" if kind in WITH_RUNG else f"{ROOT}/{kind}/+"


def parse(topic: str) -> Address | None:
    """What `topic` says, or None when it is none of ours."""
    return _parse(topic) if len(topic) <= MAX_TOPIC_BYTES else None


@lru_cache(maxsize=4096)  # the same few come again and again: a kind and a rung of each trap
def _parse(topic: str) -> Address | None:
    parts = topic.split("/")
    if len(parts) < 4 or f"{parts[0]}/{parts[1]}" != ROOT or parts[2] not in KINDS:
        return None
    number = parts[3]
    # One spelling a trap: "007" or an Arabic-Indic seven would be a second name for trap 7.
    if not (number.isascii() and number.isdigit()) or str(int(number)) != number or not 0 < int(number) <= 0xFFFF:
        return None
    if parts[2] in WITH_RUNG:
        known = len(parts) == 5 and parts[4] in RUNG_BY_NAME
        return Address(parts[2], int(number), RUNG_BY_NAME[parts[4]]) if known else None
    return Address(parts[2], int(number), None) if len(parts) == 4 else None


@lru_cache(maxsize=4096)
def matches(subscription: str, topic: str) -> bool:
    """Whether a topic falls under a subscription with MQTT's wildcards (MQTT 5.0, section 4.7)."""
    wanted, given = subscription.split("/"), topic.split("/")
    for i, level in enumerate(wanted):
        if level == "#":
            return True
        if i >= len(given) or level not in ("+", given[i]):
            return False
    return len(wanted) == len(given)


class Message:
    """One message taken from the bus; the broker keeps it until `acknowledge()`.

    `properties` are its user properties, at most `MAX_PROPERTIES`; `duplicate`: the broker sent it before.
    """

    def __init__(
        self,
        topic: str,
        payload: bytes,
        properties: dict[str, str],
        acknowledge: Callable[[], None],
        *,
        duplicate: bool = False,
    ) -> None:
        self.topic = topic
        self.payload = payload
        self.properties = properties
        self.acknowledge = acknowledge
        self.duplicate = duplicate


class MessageBus(Protocol):
    """What a step loop needs of a bus; no call waits."""

    @property
    def connected(self) -> bool: ...

    @property
    def last_error(self) -> str: ...

    @property
    def denied(self) -> int:
        """Publishes and subscriptions that the broker refused since the start."""

    def publish(self, topic: str, payload: bytes, properties: dict[str, str] | None = None) -> bool:
        """Whether the message was taken for sending; false: offer it again later.

        Taken is not delivered: whoever needs certainty waits for the answer on the matching topic.
        """

    def take(self, limit: int) -> list[Message]:
        """Up to `limit` messages that have arrived, in order."""
