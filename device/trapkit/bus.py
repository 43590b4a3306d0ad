"""The one place that speaks MQTT: paho-mqtt under the bus of `trapkit.topics`.

MQTT 5 over TLS, a client certificate a program, QoS 1, the broker keeping the session for 30 days, and every
message acknowledged by the program after its own commit. Version 5 because under 3.1.1 a broker acknowledges a
publish that its access list denies: a silent loss.
"""

import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paho.mqtt import MQTTException
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from trapkit.bus_tls import TlsFiles
from trapkit.errors import SetupError
from trapkit.topics import MAX_PROPERTIES, MAX_PROPERTY_BYTES, Message

SESSION_EXPIRY_S = 30 * 24 * 3600  # a base that was off for a month finds its queue
MAX_UNACKNOWLEDGED = 128  # messages the broker may have open with us: bounds what waits in memory
MAX_OUTSTANDING = 256  # publishes without the broker's answer; beyond it `publish` says no
MAX_PACKET_BYTES = 17 * 1024 * 1024  # one full frame in its envelope
KEEPALIVE_S = 30
PIECE_BYTES = 64 * 1024  # of a large packet, handed to TLS at once
SEND_BUFFER_BYTES = 256 * 1024  # in the kernel: what a ping may have to wait behind, half a minute at 10 kB/s
REFUSED = 0x80  # reason codes from here on are failures (MQTT 5.0, section 2.4)
STEADY_S = 30.0  # a connection that lasts less is a short one
UNSTEADY = 2  # short ones in a row: somebody else comes in our name, and each throws the other out


class Bus:
    """A connection to the broker that mends itself for ever.

    `start()` opens it; `publish` and `take` never wait. A publish that the broker denied is counted in `denied`
    and named in `last_error`; `malformed` counts messages that paho could not read. Certificates are read again at
    every new connection. `max_packet_bytes`: larger messages are not sent to us.

    Raises: SetupError from the constructor when a certificate or key cannot be read.
    """

    def __init__(
        self,
        host: str,
        port: int,
        ca: Path,
        cert: Path,
        key: Path,
        client_id: str,
        subscriptions: tuple[str, ...],
        *,
        max_packet_bytes: int = MAX_PACKET_BYTES,
    ) -> None:
        self._address = (host, port)
        self._max_packet_bytes = max_packet_bytes
        self._subscriptions = subscriptions
        self._received: deque[Message] = deque()
        self._outstanding: dict[int, str] = {}
        self._lock = threading.Lock()
        self._connection = 0  # counts connections: an acknowledgement belongs to the one its message came by
        self._up = False
        self._since_s = self._ended_s = 0.0  # of the last connection
        self._short = 0  # connections in a row that did not last
        self.denied = 0
        self.last_error = ""
        self._told_why = False  # the broker said why it does not accept our certificate
        self._files = TlsFiles(ca, cert, key)
        self._client = _Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, manual_ack=True)
        self._client.tls_set_context(self._files.context())
        self._client.new_context = self._read_again
        self._client.max_inflight_messages_set(MAX_OUTSTANDING)
        self._client.reconnect_delay_set(1, 30)
        self._client.on_connect = self._on_connect
        self._client.on_socket_open = _bound_buffer
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
        properties.MaximumPacketSize = self._max_packet_bytes
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

    @property
    def unsteady(self) -> bool:
        """Whether connections come and go, though each of them is made."""
        return self._short >= UNSTEADY and time.monotonic() - self._ended_s < STEADY_S

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
            self._up, self._told_why = True, False
            self._since_s = time.monotonic()
            if not self.unsteady:
                self.last_error = ""
        for subscription in self._subscriptions:
            client.subscribe(subscription, qos=1)

    def _read_again(self) -> ssl.SSLContext | None:
        """Certificates are renewed beside a running program; None where they cannot be read: the old ones stand."""
        try:
            return self._files.context()
        except SetupError as error:
            self.last_error = f"bus: {error}"
            return None

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self.last_error = f"bus: {self._files.words(self._client.failure, self._address, time.time())}"

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._lock:
            was_up, self._up = self._up, False
            self._received.clear()
        broker = f"{self._address[0]}:{self._address[1]}"
        if not was_up:
            if not self.last_error.startswith("bus: the broker refused"):
                # Under TLS 1.3 a broker refuses a certificate only after the handshake, and hangs up: now and then its
                # words are lost on the way. What it said before stands then.
                said = self._client.last_words or str(reason)
                clear = self._files.is_clear(said)
                if clear or not self._told_why:
                    self.last_error = f"bus: {self._files.refused(said, broker)}"
                self._told_why |= clear
            return
        now_s = time.monotonic()
        self._short = self._short + 1 if now_s - self._since_s < STEADY_S else 0
        self._ended_s = now_s
        if self.unsteady:
            self.last_error = (
                f"bus: {broker} ends every connection: does another program come with {self._files.cert}? "
                "One of the two must stop"
            )
        elif reason.value >= REFUSED:
            self.last_error = f"bus: the connection to {broker} ended ({reason}); is the broker running there?"

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


def _bound_buffer(_client: Client, _data: Any, opened: Any) -> None:
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)


class _Client(Client):
    """Paho's client, but a slow link does not cost a large message its connection, nor one that paho cannot read.

    A full frame of 5 MB may take minutes, and a ping waits behind it: while its pieces leave, the broker is alive
    (Mosquitto counts the same way). Left alone, paho would hang up after a minute and begin anew, for ever.

    Mosquitto lets through what paho calls malformed (U+FEFF in a property). Paho would hang up, and the broker send
    the same message first on every new connection, for ever. `tests/kit/test_bus.py` tells when paho renames the
    method.
    """

    malformed = 0
    moved_s = float("-inf")  # when a piece of a large packet left last
    failure: Exception = ConnectionError("it has not been tried yet")
    last_words = ""  # why the socket of the last connection broke, where paho says it
    new_context: Callable[[], ssl.SSLContext | None] = staticmethod(lambda: None)

    def reconnect(self) -> MQTTErrorCode:
        """Paho keeps to itself why a connection failed."""
        self._ssl_context = self.new_context() or self._ssl_context
        self.last_words = ""
        try:
            return super().reconnect()
        except (OSError, ValueError) as error:
            self.failure = error
            raise

    def _ssl_wrap_socket(self, tcp_sock: socket.socket) -> ssl.SSLSocket:
        """Paho leaves a socket open whose handshake has failed."""
        context = self._ssl_context
        assert context is not None
        line = context.wrap_socket(tcp_sock, server_hostname=self._host, do_handshake_on_connect=False)
        try:
            line.settimeout(self._connect_timeout)
            line.do_handshake()
        except BaseException:
            line.close()
            raise
        return line

    def _sock_recv(self, bufsize: int) -> bytes:
        try:
            return super()._sock_recv(bufsize)
        except BlockingIOError:
            raise
        except OSError as error:
            self.last_words = str(error)
            raise

    def _sock_send(self, buf: bytes | bytearray) -> int:
        sent = super()._sock_send(buf[:PIECE_BYTES])  # TLS takes a packet whole or not at all
        if len(buf) > PIECE_BYTES:
            self.moved_s = time.monotonic()
        return sent

    def _check_keepalive(self) -> None:
        if time.monotonic() - self.moved_s >= self._keepalive:
            super()._check_keepalive()

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
