"""The bus of virtual time keeps the promises of the real one, and no more."""

from hypothesis import given
from hypothesis import strategies as st

from trapkit import topics
from trapkit.bus import Bus
from trapkit.topics import MessageBus
from trapsim.memorybus import MemoryBroker, MemoryBus

UP = topics.up(7, "alert")


def payloads(bus: MemoryBus, *, acknowledge: bool = False) -> list[bytes]:
    messages = bus.take(100)
    if acknowledge:
        for message in messages:
            message.acknowledge()
    return [m.payload for m in messages]


def make() -> tuple[MemoryBroker, MemoryBus, MemoryBus]:
    broker = MemoryBroker()
    return broker, broker.connect("gateway", ()), broker.connect("ingest", (topics.every(topics.UP),))


def test_both_are_a_bus() -> None:
    def needs(bus: type[MessageBus]) -> set[str]:
        return {name for name in vars(bus) if not name.startswith("_")}

    wanted = needs(MessageBus) - {"last_error", "denied"}
    assert wanted <= needs(MemoryBus)
    assert wanted <= needs(Bus)


def test_what_was_not_acknowledged_comes_again_first_and_marked() -> None:
    broker, gateway, ingest = make()
    for number in range(3):
        gateway.publish(UP, b"%d" % number)
    first = ingest.take(2)
    first[1].acknowledge()
    ingest = broker.connect("ingest", (topics.every(topics.UP),))
    again = ingest.take(9)
    assert [(m.payload, m.duplicate) for m in again] == [(b"0", True), (b"2", False)]


def test_a_lost_network_brings_back_and_old_acknowledgements_count_for_nothing() -> None:
    _, gateway, ingest = make()
    gateway.publish(UP, b"x")
    (old,) = ingest.take(1)
    ingest.connected = False
    assert ingest.take(1) == []
    assert not ingest.publish(UP, b"y")
    ingest.connected = True
    old.acknowledge()
    assert payloads(ingest) == [b"x"]
    ingest.connected = False
    ingest.connected = True
    assert payloads(ingest) == [b"x"]


def test_a_killed_broker_forgets() -> None:
    broker, gateway, ingest = make()
    gateway.publish(UP, b"x")
    broker.drop()
    assert payloads(ingest) == []
    gateway.publish(UP, b"y")
    assert payloads(ingest) == [b"y"]


def test_a_session_gathers_while_its_program_is_off() -> None:
    broker, gateway, ingest = make()
    ingest.connected = False
    gateway.publish(UP, b"x")
    assert payloads(broker.connect("ingest", (topics.every(topics.UP),))) == [b"x"]


def test_a_denied_publish_is_counted_and_goes_nowhere() -> None:
    broker, _, ingest = make()
    stranger = broker.connect("7", (), may_publish="pugmark/1/up/7/+")
    assert stranger.publish(topics.up(8, "alert"), b"x")
    assert stranger.denied == 1
    assert "denied" in stranger.last_error
    assert stranger.publish(UP, b"own")
    assert payloads(ingest) == [b"own"]


@given(st.lists(st.sampled_from(["publish", "take", "ack", "reconnect", "restart"]), max_size=40))
def test_every_message_is_acknowledged_or_still_there(actions: list[str]) -> None:
    broker, gateway, ingest = make()
    held, sent, done = [], 0, set()
    for action in actions:
        if action == "publish":
            gateway.publish(UP, b"%d" % sent)
            sent += 1
        elif action == "take":
            held += ingest.take(2)
        elif action == "ack" and held:
            message = held.pop(0)
            before = len(ingest.open)
            message.acknowledge()
            if len(ingest.open) < before:
                done.add(message.payload)
        elif action == "reconnect":
            ingest.connected = False
            ingest.connected = True
        elif action == "restart":
            ingest = broker.connect("ingest", (topics.every(topics.UP),))
    ingest.connected = False
    ingest.connected = True
    assert sorted(payloads(ingest), key=int) == [b"%d" % n for n in range(sent) if b"%d" % n not in done]
