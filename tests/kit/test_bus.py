"""The bus against a real Mosquitto: TLS, access list, custody of messages, kills."""

import signal
import socket
import ssl
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import DisconnectFlags
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode
from tests.support import Broker, wait_for

from trapkit import bus as bus_module
from trapkit import topics
from trapkit.bus import MAX_OUTSTANDING, MAX_UNACKNOWLEDGED, Bus
from trapkit.errors import SetupError
from trapkit.topics import Message
from trapship import broker as broker_module
from trapwire.objects import RUNG_NAMES

UP = topics.up(7, "alert")


def take_all(bus: Bus, count: int) -> list[Message]:
    taken: list[Message] = []

    def enough() -> bool:
        taken.extend(bus.take(64))
        return len(taken) >= count

    wait_for(enough)
    return taken


def test_a_message_with_its_properties(broker: Broker) -> None:
    ingest, gateway = broker.bus("ingest", topics.every(topics.UP)), broker.bus("gateway")
    assert gateway.publish(UP, b"\x00\xffbody", {"base": "north", "rssi_dbm": "-97"})
    (message,) = take_all(ingest, 1)
    assert (message.topic, message.payload) == (UP, b"\x00\xffbody")
    assert message.properties == {"base": "north", "rssi_dbm": "-97"}
    assert not message.duplicate
    assert gateway.denied == ingest.denied == 0


def test_a_denied_publish_is_seen(broker: Broker) -> None:
    gateway = broker.bus("gateway")
    assert gateway.publish(topics.ack(7), b"forged")
    wait_for(lambda: gateway.denied == 1)
    assert "pugmark/1/ack/7" in gateway.last_error
    assert "denied" in gateway.last_error


@pytest.mark.parametrize(
    ("name", "topic", "allowed"),
    [
        ("gateway", topics.up(7, "crop"), True),
        ("gateway", topics.heard(7), True),
        ("gateway", topics.downack(7), True),
        ("gateway", topics.down(7), False),
        ("ingest", topics.ack(7), True),
        ("ingest", topics.up(7, "crop"), False),
        ("ingest", topics.downack(7), False),
        ("gateway", topics.answer(7), True),
        ("gateway", topics.setting(7), False),
        ("ingest", topics.wanted(7), True),
        ("ingest", topics.setting(7), True),
        ("ingest", topics.answer(7), False),
        ("forward", topics.down(7), True),
        ("forward", topics.ack(7), False),
        ("carrier", topics.up(7, "crop"), True),
        ("carrier", topics.ack(7), False),
        ("listener", topics.up(7, "crop"), False),
        ("7", topics.up(7, "alert"), True),
        ("7", topics.up(8, "alert"), False),
        ("7", topics.downack(7), True),
        ("7", topics.ack(7), False),
    ],
)
def test_the_access_list(broker: Broker, name: str, topic: str, allowed: bool) -> None:
    bus = broker.bus(name)
    assert bus.publish(topic, b"x")
    wait_for(lambda: not bus._outstanding)
    assert bus.denied == (not allowed)


def test_what_was_not_acknowledged_comes_again(broker: Broker) -> None:
    first = broker.bus("ingest", topics.every(topics.UP))
    gateway = broker.bus("gateway")
    for number in range(3):
        assert gateway.publish(UP, b"%d" % number)
    messages = take_all(first, 3)
    messages[1].acknowledge()
    wait_for(lambda: not gateway._outstanding)
    first.stop()
    second = broker.bus("ingest", topics.every(topics.UP))
    again = take_all(second, 2)
    assert sorted(m.payload for m in again) == [b"0", b"2"]
    assert all(m.duplicate for m in again)
    assert second.take(10) == []


def test_an_acknowledgement_of_an_old_connection_lets_go_of_nothing(broker: Broker) -> None:
    ingest, gateway = broker.bus("ingest", topics.every(topics.UP)), broker.bus("gateway")
    assert gateway.publish(UP, b"kept")
    (message,) = take_all(ingest, 1)
    broker.kill()
    wait_for(lambda: not ingest.connected)
    broker.start()
    wait_for(lambda: ingest.connected and gateway.connected)
    message.acknowledge()
    assert gateway.publish(UP, b"next")
    # The killed broker may have forgotten the first one (its queue is in memory): the second must come.
    assert b"next" in {m.payload for m in take_all(ingest, 1)}


def test_nobody_takes_over_the_session_of_another(broker: Broker) -> None:
    ingest = broker.bus("ingest", topics.every(topics.UP), client_id="base-ingest")
    thief = broker.bus("7", client_id="base-ingest")
    assert thief.publish(UP, b"x")
    assert [m.payload for m in take_all(ingest, 1)] == [b"x"]
    assert ingest._connection == thief._connection == 1


def test_a_queue_waits_for_a_program_that_is_off(broker: Broker) -> None:
    broker.bus("ingest", topics.every(topics.UP)).stop()
    gateway = broker.bus("gateway")
    assert gateway.publish(UP, b"while you were away")
    assert take_all(broker.bus("ingest", topics.every(topics.UP)), 1)[0].payload == b"while you were away"


def test_the_bus_waits_for_a_broker_that_starts_later(broker: Broker) -> None:
    broker.kill()
    gateway = broker.bus("gateway", connect=False)
    wait_for(lambda: "no connection" in gateway.last_error)
    assert not gateway.publish(UP, b"x")
    broker.start()
    wait_for(lambda: gateway.connected)
    assert gateway.publish(UP, b"x")


def test_what_waits_in_memory_is_bounded(broker: Broker) -> None:
    ingest, gateway = broker.bus("ingest", topics.every(topics.UP)), broker.bus("gateway")
    sent = 0
    while sent < 4 * MAX_UNACKNOWLEDGED:
        sent += gateway.publish(UP, b"%d" % sent)
    wait_for(lambda: not gateway._outstanding)
    wait_for(lambda: len(ingest._received) == MAX_UNACKNOWLEDGED)
    seen = []
    while len(seen) < sent:
        for message in ingest.take(16):
            seen.append(message.payload)
            message.acknowledge()
        # Mosquitto 2.0.11 now and then sends a few more than the receive maximum that it was told: 151 were seen.
        assert len(ingest._received) < 2 * MAX_UNACKNOWLEDGED
    assert seen == [b"%d" % n for n in range(sent)]


def test_a_broker_that_hangs_is_noticed_and_found_again(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket stays open and it says nothing: pings tell, twice a keepalive later."""
    monkeypatch.setattr(bus_module, "KEEPALIVE_S", 1)
    bus = broker.bus("gateway")
    bus._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]  # a test does not wait a second
    broker.tell(signal.SIGSTOP)
    try:
        wait_for(lambda: not bus.connected)
        assert not bus.publish(topics.heard(7), b"{}")
    finally:
        broker.tell(signal.SIGCONT)
    wait_for(lambda: bus.connected)


def test_what_a_broker_keeps_for_a_program_that_is_off_is_bounded_in_bytes(
    mosquitto: str, fleet: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker_module, "MAX_QUEUED_BYTES", 200_000)
    broker = Broker(mosquitto, tmp_path / "broker", fleet)
    try:
        broker.start()
        broker.bus("ingest", topics.every(topics.UP)).stop()
        gateway = broker.bus("gateway")
        for _ in range(100):
            assert gateway.publish(topics.up(7, "crop"), bytes(10_000))
        wait_for(lambda: not gateway._outstanding)
        ingest = broker.bus("ingest", topics.every(topics.UP))
        assert gateway.publish(topics.up(7, "alert"), b"the last")
        found: list[bytes] = []

        def all_here() -> bool:
            found.extend(message.payload for message in ingest.take(100))
            return b"the last" in found

        wait_for(all_here)
        assert 100_000 <= sum(map(len, found)) <= 250_000
    finally:
        broker.stop()


def test_publishing_says_no_when_too_much_is_unanswered(broker: Broker) -> None:
    gateway = broker.bus("gateway")
    gateway._outstanding = dict.fromkeys(range(60000, 60000 + MAX_OUTSTANDING), "")
    assert not gateway.publish(UP, b"one too many")


@pytest.mark.parametrize("said", [{"\ufeffx": "y"}, {"base": "\ufeffx"}])
def test_a_message_that_cannot_be_read_holds_up_nobody(broker: Broker, said: dict[str, str]) -> None:
    """Mosquitto lets U+FEFF through, paho does not."""
    ingest, trap = broker.bus("ingest", topics.every(topics.UP)), broker.bus("7")
    for body, properties in ((b"1", None), (b"poison", said), (b"2", None)):
        assert trap.publish(UP, body, properties)
    messages = take_all(ingest, 2)
    assert [m.payload for m in messages] == [b"1", b"2"]
    assert ingest.malformed == 1
    assert ingest._connection == 1, "the connection holds"
    for message in messages:
        message.acknowledge()
    wait_for(lambda: not trap._outstanding)
    ingest.stop()
    again = broker.bus("ingest", topics.every(topics.UP))
    assert trap.publish(UP, b"3")
    assert [m.payload for m in take_all(again, 1)] == [b"3"]
    assert again.malformed == 0, "the broker was told to forget it"


def test_nobody_gets_in_without_a_certificate(broker: Broker) -> None:
    context = ssl.create_default_context(cafile=str(broker.fleet / "ca.crt"))
    connect = bytes.fromhex("10 10 0004 4d515454 05 02 003c 00 0003 616263")

    def speak() -> bytes:
        with (
            socket.create_connection(("127.0.0.1", broker.port)) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as line,
        ):
            line.sendall(connect)
            return line.recv(4)

    answer = b""
    with suppress(OSError):  # an alert, a reset or an end, as the timing will have it
        answer = speak()
    assert answer == b"", "no CONNACK"


def test_certificates_that_cannot_be_read_are_named(fleet: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("nonsense")
    ca, cert, key = fleet / "ca.crt", fleet / "gateway.crt", fleet / "gateway.key"
    for files, name in (((tmp_path / "none", cert, key), "none"), ((ca, tmp_path / "bad", key), "bad")):
        with pytest.raises(SetupError, match=name):
            Bus("127.0.0.1", 1, *files, "x", ())


@given(st.integers(1, 65535), st.sampled_from(sorted(RUNG_NAMES)))
def test_topics_read_back(trap: int, rung: int) -> None:
    assert topics.parse(topics.up(trap, RUNG_NAMES[rung])) == (topics.UP, trap, rung)
    for build in (topics.ack, topics.down, topics.downack, topics.heard):
        address = topics.parse(build(trap))
        assert address is not None
        assert (address.trap, build(trap)) == (trap, f"pugmark/1/{address.kind}/{trap}")
        assert topics.matches(topics.every(address.kind), build(trap))


@given(st.one_of(st.text(max_size=80), st.builds("pugmark/1/{}/{}".format, st.sampled_from(topics.KINDS), st.text())))
def test_any_topic_is_read_or_refused(topic: str) -> None:
    address = topics.parse(topic)
    if address is not None:
        assert topic.isascii()
        assert 0 < address.trap <= 65535


@pytest.mark.parametrize("trap", ["007", "0", "65536", "-1", "+7", " 7", "٧", "7.0", ""])
def test_a_trap_has_one_spelling(trap: str) -> None:
    assert topics.parse(f"pugmark/1/ack/{trap}") is None


@pytest.mark.parametrize(
    ("subscription", "topic", "expected"),
    [
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("a/+/c", "a/b/c", True),
        ("a/+/c", "a/b/d", False),
        ("a/b", "a/b", True),
        ("a/b", "a", False),
    ],
)
def test_wildcards(subscription: str, topic: str, expected: bool) -> None:
    assert topics.matches(subscription, topic) is expected


def test_a_refusal_whose_words_were_lost_does_not_hide_the_one_before(fleet: Path) -> None:
    # What a broker says as it hangs up is now and then lost on the way: by chance, so paho's end is played here.
    bus = Bus("127.0.0.1", 1, fleet / "ca.crt", fleet / "gateway.crt", fleet / "gateway.key", "x", ())
    hung_up = ReasonCode(PacketTypes.DISCONNECT, identifier=128)
    said: list[str] = []
    for words in ("", "sslv3 alert certificate revoked", "", "tlsv1 alert unknown ca"):
        bus._client.last_words = words
        bus._on_disconnect(bus._client, None, DisconnectFlags(is_disconnect_packet_from_server=False), hung_up, None)
        said.append(bus.last_error)
    assert "hung up before it answered (Unspecified error)" in said[0]
    assert "it was revoked" in said[1]
    assert said[2] == said[1]
    assert "not of the broker's fleet" in said[3]
