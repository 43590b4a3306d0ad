"""The one place that speaks MQTT: paho-mqtt under the bus of `trapkit.topics`.

MQTT 5 over TLS, a client certificate a program, QoS 1, the broker keeping the session for 30 days, and every
message acknowledged by the program after its own commit. Version 5 because under 3.1.1 a broker acknowledges a
publish that its access list denies: a silent loss.
"""

import ssl
import struct
import threading
from collections import deque
from pathlib import Path
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from trapkit.errors import SetupError
from trapkit.topics import MAX_PROPERTIES, MAX_PROPERTY_BYTES, Message

SESSION_EXPIRY_S = 30 * 24 * 3600  # a base that was off for a month finds its queue
MAX_UNACKNOWLEDGED = 128  # messages the broker may have open with us: bounds what waits in memory
MAX_OUTSTANDING = 256  # publishes without the broker's answer; beyond it `publish` says no
MAX_PACKET_BYTES = 17 * 1024 * 1024  # one full frame in its envelope
KEEPALIVE_S = 30
REFUSED = 0x80  # reason codes from here on are failures (MQTT 5.0, section 2.4)


class Bus:
    """A connection to the broker that mends itself for ever.

    `start()` opens it; `publish` and `take` never wait. A publish that the broker denied is counted in `denied`
    and named in `last_error`; `malformed` counts messages that paho could not read.

    Raises: SetupError from the constructor when a certificate or key cannot be read.
    """

    def __init__(
        self, host: str, port: int, ca: Path, cert: Path, key: Path, client_id: str, subscriptions: tuple[str, ...]
    ) -> None:
        self._address = (host, port)
        self._subscriptions = subscriptions
        self._received: deque[Message] = deque()
        self._outstanding: dict[int, str] = {}
        self._lock = threading.Lock()
        self._connection = 0  # counts connections: an acknowledgement belongs to the one its message came by
        self._up = False
        self.denied = 0
        self.last_error = ""
        self._client = _Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, manual_ack=True)
        self._client.tls_set_context(_context(ca, cert, key))
        self._client.max_inflight_messages_set(MAX_OUTSTANDING)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.on_publish = self._on_publish
        self._client.on_subscribe = self._on_subscribe

    def start(self) -> None:
        """Begin to connect, in the background, again and again."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = MAX_UNACKNOWLEDGED
        properties.MaximumPacketSize = MAX_PACKET_BYTES
        self._client.connect_async(*self._address, keepalive=KEEPALIVE_S, clean_start=False, properties=properties)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye; what was not acknowledged stays with the broker."""
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def malformed(self) -> int:
        """Messages that the broker let through and paho could not read: acknowledged away, as no repeat mends them."""
        return self._client.malformed

    @property
    def connected(self) -> bool:
        return self._up

    def publish(self, topic: str, payload: bytes, properties: dict[str, str] | None = None) -> bool:
        with self._lock:
            if not self._up or len(self._outstanding) >= MAX_OUTSTANDING:
                return False
        extra = None
        if properties:
            extra = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            extra.UserProperty = list(properties.items())
        info = self._client.publish(topic, payload, qos=1, properties=extra)
        with self._lock:
            # The answer may be there already: `_on_publish` then left a marker instead of finding the topic.
            if self._outstanding.pop(-info.mid, None) is None:
                self._outstanding[info.mid] = topic
        return True

    def take(self, limit: int) -> list[Message]:
        with self._lock:
            return [self._received.popleft() for _ in range(min(limit, len(self._received)))]

    def _acknowledge(self, connection: int, mid: int) -> None:
        # After a reconnect the broker sends the message again, perhaps under another number: acknowledging the
        # old number could then let go of a message that nobody has seen.
        if connection == self._connection and self._up:
            self._client.ack(mid, 1)

    # Everything below runs in paho's thread.

    def _on_connect(
        self, client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.value >= REFUSED:
            self.last_error = f"bus: the broker refused the connection: {reason}"
            return
        with self._lock:
            self._connection += 1
            self._received.clear()
            self._up = True
        for subscription in self._subscriptions:
            client.subscribe(subscription, qos=1)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        host, port = self._address
        self.last_error = f"bus: no connection to {host}:{port}"

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            self._up = False
            self._received.clear()
        if reason.value >= REFUSED:
            self.last_error = f"bus: disconnected: {reason}"

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""  # handed on, so that it is counted as garbage and acknowledged like any other
        pairs: list[tuple[str, str]] = getattr(message.properties, "UserProperty", [])
        kept = {
            k: v for k, v in pairs[:MAX_PROPERTIES] if len(k) <= MAX_PROPERTY_BYTES and len(v) <= MAX_PROPERTY_BYTES
        }
        connection, mid, qos = self._connection, message.mid, message.qos

        def acknowledge() -> None:
            if qos == 1:
                self._acknowledge(connection, mid)

        with self._lock:
            if qos == 0 and len(self._received) >= MAX_UNACKNOWLEDGED:
                return  # QoS 0 knows no receive maximum, and promises nothing
            self._received.append(Message(topic, bytes(message.payload), kept, acknowledge, duplicate=message.dup))

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            topic = self._outstanding.pop(mid, None)
            if topic is None:
                self._outstanding[-mid] = ""
            if reason.value >= REFUSED:
                self.denied += 1
                self.last_error = f"bus: publishing {topic or 'a message'} was denied: {reason}"

    def _on_subscribe(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for reason in reasons:
            if reason.value >= REFUSED:
                self.denied += 1
                self.last_error = f"bus: a subscription was denied: {reason}"


class _Client(Client):
    """Paho's client, but one message that it cannot read costs that message and not the connection.

    Mosquitto lets through what paho calls malformed (U+FEFF in a property). Paho would hang up, and the broker send
    the same message first on every new connection, for ever. `tests/kit/test_bus.py` tells when paho renames the
    method.
    """

    malformed = 0

    def _handle_publish(self) -> MQTTErrorCode:
        try:
            return super()._handle_publish()
        except (MQTTException, ValueError, LookupError, struct.error):
            self.malformed += 1
            # MQTT 5.0, section 3.3: the topic's length, the topic, the number, and only then the properties.
            packet: bytearray = self._in_packet["packet"]
            qos = self._in_packet["command"] >> 1 & 3
            after_topic = 2 + int.from_bytes(packet[:2], "big")
            return self.ack(int.from_bytes(packet[after_topic : after_topic + 2], "big"), qos)


def _context(ca: Path, cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(ca)
    except OSError as error:  # ssl.SSLError is one
        raise SetupError(f"{ca}: the fleet's certificate cannot be used: {error.strerror or error}") from error
    try:
        context.load_cert_chain(cert, key)
    except OSError as error:
        raise SetupError(f"{cert}, {key}: certificate and key cannot be used: {error.strerror or error}") from error
    return context
