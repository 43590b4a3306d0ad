"""The frozen frames of one hop and of a station's pair, by the second implementation (`stranger_hops.py`)."""

import json
from dataclasses import replace

import pytest
from tests.kit import stranger as s
from tests.kit import stranger_hops as h
from tests.kit.test_stranger import HEARD, LINK, TRAP, VECTORS, flipped, refused, vectors

FROZEN = {name: bytes.fromhex(value) for name, value in json.loads((VECTORS / "hops.json").read_text()).items()}
HOP_KEY, STATION_KEY, CALL = FROZEN["hop_key"], FROZEN["station_key"], FROZEN["call"]
INNER = vectors(3)
# name: the inner frame, down, hops, whole counter
WRAPPED = {
    "alert_hop": ("alert_frame", False, 0, 0x401),
    "alert_copy": ("alert_frame", False, 1, 0x401),
    "piece_hop": ("piece_frame", False, 0, 0x10402),
    "ack_hop": ("ack_frame", True, 0, 8),
}
FIRST = h.Call(trap=TRAP, counter=0x404, clock=86_400_123, age=391, uncertainty=2, cause=0)


def wrapped(counter: int, down: bool = False, hops: int = 0, kind: int = s.ASK) -> bytes:
    frame = s.Frame(3, down, False, kind, TRAP, counter, bytes(4))
    return h.wrap(h.Wrapped(down, hops, counter, s.seal(frame, LINK)), HOP_KEY)


def test_every_frozen_frame_is_known() -> None:
    assert set(FROZEN) == {*WRAPPED, "hop_key", "station_key", "call"}


@pytest.mark.parametrize("name", WRAPPED)
def test_a_wrapped_frame_opens_and_is_sealed_again(name: str) -> None:
    data = FROZEN[name]
    inner, down, hops, counter = WRAPPED[name]
    frame = h.unwrap(data, HOP_KEY, HEARD)
    assert frame == h.Wrapped(down, hops, counter, INNER[inner])
    assert len(data) == len(frame.inner) + 5
    assert h.wrap(frame, HOP_KEY) == data
    inside = s.open_frame(frame.inner, LINK, HEARD)
    assert (inside.trap, inside.counter) == (frame.trap, frame.counter) == (TRAP, counter)
    for wrong in flipped(data):
        assert refused(h.unwrap, wrong, HOP_KEY, HEARD)
    for size in range(len(data)):
        assert refused(h.unwrap, data[:size], HOP_KEY, HEARD)
    assert refused(h.unwrap, data, LINK, HEARD)
    assert refused(s.open_frame, data, LINK, HEARD)


def test_what_is_no_frame_of_a_link_is_not_wrapped() -> None:
    for inner in (FROZEN["alert_hop"], CALL, vectors(1)["alert_frame"][:5], INNER["ack_frame"]):
        counter = int.from_bytes(inner[3:7], "big")
        assert refused(h.unwrap, h.wrap(h.Wrapped(False, 0, counter, inner), HOP_KEY), HOP_KEY, HEARD)


def test_a_repeater_carries_each_frame_once() -> None:
    repeater = h.Holder(HOP_KEY, TRAP)
    assert refused(repeater.carry, FROZEN["piece_hop"])  # nothing was heard yet
    assert repeater.carry(FROZEN["alert_hop"]) == FROZEN["alert_copy"]
    assert repeater.carry(FROZEN["alert_hop"]) is None
    assert repeater.carry(FROZEN["alert_copy"]) is None
    assert repeater.carry(FROZEN["ack_hop"]) == INNER["ack_frame"]
    assert repeater.carry(wrapped(0x10000)) == wrapped(0x10000, hops=1)
    copy = h.unwrap(repeater.carry(FROZEN["piece_hop"]), HOP_KEY, HEARD)
    assert (copy.hops, copy.counter, copy.inner) == (1, 0x10402, INNER["piece_frame"])
    assert repeater.carry(h.wrap(copy, HOP_KEY)) is None  # another's copy of the same piece
    assert refused(repeater.carry, FROZEN["alert_hop"])
    assert repeater.carry(wrapped(0x10500, hops=1)) is None
    assert refused(repeater.carry, INNER["alert_frame"])


def test_the_base_tells_a_copy_from_a_new_frame() -> None:
    base = h.Holder(HOP_KEY, TRAP)
    assert base.hear(FROZEN["alert_hop"])[1]
    frame, new = base.hear(FROZEN["alert_copy"])
    assert (frame.hops, new) == (1, False)
    base.hear(wrapped(HEARD))
    piece, new = base.hear(FROZEN["piece_hop"])
    assert new
    again, new = base.hear(h.wrap(replace(piece, hops=1), HOP_KEY))
    assert (again.hops, again.counter, new) == (1, piece.counter, False)


def test_frames_on_such_a_link_are_five_bytes_shorter() -> None:
    fits = {plan: max(sf for sf in range(7, 13) if s.largest_frame(plan, sf) - 5 >= 36) for plan in s.LONGEST_MS}
    assert fits == {"CN470": 10, "AS923": 9, "EU868": 12, "RU864": 12, "KR920": 12}


def test_the_call_opens_and_is_sealed_again() -> None:
    assert h.open_call(CALL, STATION_KEY) == FIRST
    assert h.seal_call(FIRST, STATION_KEY) == CALL
    assert s.uncertainty_ms(FIRST.uncertainty) == 10
    for wrong in flipped(CALL):
        assert refused(h.open_call, wrong, STATION_KEY)
    for size in range(len(CALL)):
        assert refused(h.open_call, CALL[:size], STATION_KEY)
    assert refused(h.open_call, CALL + b"\0", STATION_KEY)
    assert refused(h.open_call, CALL, HOP_KEY)
    assert refused(s.open_frame, CALL, LINK, 8)


def test_the_calls_airtime() -> None:
    call = s.airtime_us(len(CALL), 7, preamble=320)
    assert round(call / 1000, 1) == 381.2
    assert call < 400_000
    preamble = 320 * (8 << 7)
    assert (preamble, (preamble - 250_000) // 1000) == (327_680, 77)


def test_a_recorded_call_wakes_nobody_nor_does_ones_own() -> None:
    assert refused(h.Partner(STATION_KEY, TRAP).hear, CALL, 0)
    partner = h.Partner(STATION_KEY, TRAP + 1)
    assert partner.hear(CALL, 1000) == FIRST
    assert refused(partner.hear, CALL, 2000)
    partner.hear(h.seal_call(replace(FIRST, counter=0x405, cause=255), STATION_KEY), 3000)


def test_the_partners_clock() -> None:
    partner, own = h.Partner(STATION_KEY, TRAP + 1), 50_000
    partner.hear(CALL, own)
    ahead = FIRST.clock - own
    assert partner.bounds(own) == (ahead - 3, ahead + 60)
    assert round(partner.ahead(own)[1] + 0.1) == 32
    six_hours = 6 * 3600_000
    assert round(partner.ahead(own + six_hours)[1] - partner.ahead(own)[1]) == 1080  # "1.1 s more"
    # A second call, read 20 ms later than the first was, narrows the bounds; one that fits nothing begins anew.
    second = replace(FIRST, counter=0x405, clock=FIRST.clock + six_hours)
    partner.hear(h.seal_call(second, STATION_KEY), own + six_hours + 20)
    assert partner.bounds(own + six_hours + 20) == (ahead - 23, ahead + 40)
    third = replace(FIRST, counter=0x406, clock=5)
    partner.hear(h.seal_call(third, STATION_KEY), own + six_hours + 1000)
    assert partner.ahead(own + six_hours + 1000)[1] == 31.5


def test_the_clock_goes_round() -> None:
    partner = h.Partner(STATION_KEY, TRAP + 1)
    partner.hear(h.seal_call(replace(FIRST, clock=5), STATION_KEY), (1 << 40) - 5)
    assert partner.bounds((1 << 40) - 5) == (7, 70)
