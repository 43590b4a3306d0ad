"""Air between places: hidden stations, channels, preambles; radios that are retuned over the channel's datagrams."""

import socket

from trapsim.board import SimRadio
from trapsim.channel import Channel, open_socket
from trapsim.places import Places, Tuning
from trapwire.wake import PREAMBLE, WAKE_BYTES, WAKE_US

CALL = bytes(WAKE_BYTES)


def places() -> Places:
    made = Places(9, 0.0, lambda: 0.5)
    made.nodes = {0, 1, 2}
    return made


def pair_channel() -> Tuning:
    return Tuning(7, 0, PREAMBLE)


def test_two_that_do_not_hear_each_other_meet_at_a_third_only() -> None:
    air = places()
    air.nodes = {0, 1, 2, 3}
    air.deaf = {(0, 2), (0, 3), (1, 3)}  # 0 – 1 – 2 – 3
    assert not air.busy(2, 0)
    air.transmit(0, b"a", 0)
    assert (air.busy(1, 10), air.busy(2, 10)) == (True, False)
    air.transmit(2, b"b", 50)
    assert air.advance(5000) == [(3, b"b")]
    assert air.collisions == 2  # each is lost at 1


def test_a_frame_that_ends_first_still_spoils_the_one_it_overlapped() -> None:
    air = places()
    air.transmit(1, bytes(200), 0)
    end = air.transmit(2, b"b", 50)
    assert air.advance(end) == []
    assert air.deadline() is not None
    assert air.advance(5000) == []
    assert (air.collisions, air.deadline()) == (4, None)
    air.transmit(1, b"c", 6000)
    assert air.advance(9000) == [(0, b"c"), (2, b"c")]


def test_what_is_sent_on_one_channel_is_not_heard_on_another() -> None:
    air = places()
    air.tune(1, pair_channel(), 0)
    end = air.transmit(1, CALL, 10)
    assert end - 10 == -(-WAKE_US // 1000)
    assert (air.busy(2, 20), air.advance(end)) == (False, [])
    air.transmit(2, b"link", 2000)
    assert air.advance(9000) == [(0, b"link")]


def test_a_call_is_heard_by_who_comes_while_its_preamble_lasts() -> None:
    for late, heard in ((0, True), (300, True), (319, True), (321, False), (380, False)):
        air = places()
        air.tune(1, pair_channel(), 0)
        end = air.transmit(1, CALL, 1000)
        air.tune(2, pair_channel(), 1000 + late)
        assert air.busy(2, 1000 + late)
        assert (air.advance(end) == [(2, CALL)]) is heard


def test_an_antenna_that_goes_away_and_comes_back_has_lost_the_frame() -> None:
    air = places()
    end = air.transmit(1, bytes(100), 0)
    air.tune(2, pair_channel(), 100)
    air.tune(2, Tuning(9), 105)
    assert air.busy(2, 110)
    assert air.advance(end) == [(0, bytes(100))]


def test_simulated_radios_are_retuned_over_the_channel() -> None:
    now = 0
    with open_socket(0) as sock:
        air = Places(9, 0.0, lambda: 0.5)
        channel = Channel(sock, air, 1.0, lambda: (-90, 20))
        radios = [SimRadio(sock.getsockname()[1], 9, lambda: now) for _ in range(3)]

        def pump() -> None:
            for radio in radios:
                radio._pump()
            channel.step(now)

        pump()
        for radio in radios[:2]:
            radio.configure({"sf": 7, "preamble_len": PREAMBLE})
        pump()
        radios[0].prepare_send(CALL)
        radios[0].start_send()
        pump()
        assert [radio.channel_busy() for radio in radios] == [False, True, False]
        radios[2].configure({"sf": 7})
        pump()
        assert radios[2].channel_busy()
        radios[2].configure({"sf": 9})
        assert not radios[2].channel_busy()
        now = WAKE_US // 1000
        assert radios[0].poll_send() is True
        now += 1
        pump()
        assert radios[0].poll_send() == now
        found = [radio.poll_recv() for radio in radios]
        assert [packet is not True and bytes(packet) for packet in found] == [False, CALL, False]
        for radio in radios:
            assert isinstance(radio.socket, socket.socket)
            radio.socket.close()
