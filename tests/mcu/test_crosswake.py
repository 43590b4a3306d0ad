"""The pair's calls on a bench board: when the radio goes to their channel, and what comes of what is heard there."""

import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.wire.keys import base_keys, cipher
from tests.wire.world import no_reserve
from trapmcu.crosswake import BURST_US, LATE_MS, PARTNER
from trapmcu.main import build
from trapmcu.settings import complete
from trapwire import serialline as line
from trapwire.alert import Alert
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.objects import ALERT, Envelope, ObjectKey, decode_envelope, pack_keys
from trapwire.wake import CLOCK, LISTEN_MS, PIR, PREAMBLE, WAKE_US, Wake, WakeKey

PAIR = "5a" * 16
SETTINGS = {"trap": 5, "plan": "cn470", "link_key": "05" * 16, "station_key": PAIR, "armed_to_h": 24, "min_gap_ms": 0}
KEY = ObjectKey(5, 1, 1, ALERT)
ENVELOPE = Envelope(KEY, Alert(1700000000000, 0, 0, 200, 1, (0, 0, 9, 9), 50).encode()).encode()
AWAY = {"sf": 7, "preamble_len": PREAMBLE}
HOME = {"sf": 9, "preamble_len": 8}


def is_call(frame):
    return frame[0] == 0xCC


class PairBench:
    """A supervisor with a station key; `bad`: what the radio was told while the link needed it."""

    def __init__(self, **settings):
        self.folder = make_folder()
        self.settings = dict(SETTINGS, **settings)
        self.partner = WakeKey(b"\x5a" * 16, 6, cipher)
        self.counter = 0
        self.base = BaseLink(base_keys([5]), 197, Counter(0, no_reserve))
        self.reset()

    def reset(self):
        self.board = BenchBoard(self.folder)
        self.unit = build(self.board, self.settings)
        self.calls = []
        self.bad = []
        self.tune = self.board.radio.configure
        self.board.radio.configure = self.configure

    def configure(self, lora_cfg):
        if self.board.radio._sending or (lora_cfg["sf"] == 7 and not self.unit.courier._link.idle()):
            self.bad.append(lora_cfg)
        self.tune(lora_cfg)

    def run(self, ms, base_hears=True):
        radio = self.board.radio
        for _ in range(ms // 10):
            self.board.now += 10
            self.unit.step(self.board.now)
            heard, radio.air = radio.air, []
            self.calls += [frame for frame in heard if is_call(frame)]
            for frame in heard:
                if base_hears and not is_call(frame):
                    for event in self.base.on_frame(frame, -90, 20, self.board.now):
                        if event[0] == "object":
                            self.base.committed(decode_envelope(event[1]).key, self.board.now)
            radio.incoming += self.base.frames_due(self.board.now)

    def call(self):
        self.counter += 1
        return self.partner.seal(self.counter, Wake(self.board.now, 400, 10, PIR))

    def hear(self, frame):
        """A preamble is there at the next look, and then this frame."""
        radio = self.board.radio
        while not (radio.tuned and radio.tuned[-1] == AWAY):
            looks = len(radio.tuned)
            radio.busy = False
            self.board.now += 10
            busy, radio.channel_busy = radio.channel_busy, lambda: bool(radio.tuned) and radio.tuned[-1]["sf"] == 7
            self.unit.step(self.board.now)
            radio.channel_busy = busy
            self.assert_progress(looks)
        radio.incoming.append(frame)
        self.board.now += 10
        self.unit.step(self.board.now)

    def assert_progress(self, looks):
        if self.board.now > 10**8:
            raise AssertionError("no look after %d" % looks)

    def causes(self):
        return [payload[4] for kind, payload in self.board.said() if kind == line.WAKE]


class CrossWakeTest(unittest.TestCase):
    def bench(self, **settings):
        self._bench = PairBench(**settings)
        self._bench.board.say(line.HELLO, b"")  # the Pi is up
        self._bench.run(3000)
        self._bench.board.said()
        return self._bench

    def tearDown(self):
        remove_folder(self._bench.folder)

    def test_it_looks_four_times_a_second_and_comes_back(self):
        bench = self.bench()
        bench.board.radio.tuned = []
        bench.run(10000)
        tuned = bench.board.radio.tuned
        self.assertEqual((tuned[0], tuned[1], len(tuned) % 2), (AWAY, HOME, 0))
        self.assertTrue(38 * 2 <= len(tuned) <= 41 * 2, len(tuned))
        self.assertEqual(bench.bad, [])

    def test_a_pir_edge_calls_the_partner(self):
        bench = self.bench()
        bench.board.edges = 1
        bench.run(100)
        self.assertEqual((bench.causes(), len(bench.calls)), ([PIR], 1))
        wake = WakeKey(b"\x5a" * 16, 6, cipher).open(bench.calls[0])
        self.assertEqual((wake.age_ms, wake.cause), ((WAKE_US + 999) // 1000, PIR))

    def test_a_call_wakes_the_pi_once_and_is_not_answered_by_a_call(self):
        bench = self.bench()
        frame = bench.call()
        bench.hear(frame)
        self.assertEqual(bench.causes(), [PARTNER])
        bench.board.edges = 1  # the same cat, a moment later: the partner is awake
        bench.run(100)
        self.assertEqual((bench.causes(), bench.calls), ([PIR], []))
        bench.hear(frame)
        self.assertEqual((bench.causes(), bench.unit.courier._pair.refused), ([], 1))
        bench.reset()
        bench.board.say(line.HELLO, b"")
        bench.run(3000)
        bench.board.said()
        bench.hear(frame)
        self.assertEqual((bench.causes(), bench.unit.courier._pair.refused), ([], 1))
        bench.hear(bench.call())
        self.assertEqual(bench.causes(), [PARTNER])

    def test_the_clock_is_told_soon_after_a_start_and_four_times_a_day(self):
        bench = self.bench()
        holder = WakeKey(b"\x5a" * 16, 6, cipher)
        for least, most in ((0, 9 * 60), (6 * 3600, 27 * 900)):
            begun, bench.calls = bench.board.now, []
            while not bench.calls:
                bench.board.now += 20000 if most > 3600 else 0
                bench.run(300)
                bench.board.radio.tuned = []
            self.assertEqual(holder.open(bench.calls[0]).cause, CLOCK)
            self.assertTrue(least <= (bench.board.now - begun) // 1000 <= most + 30)
        bench.counter += 1
        bench.board.said()
        bench.hear(bench.partner.seal(bench.counter, Wake(bench.board.now + 777, 0, 10, CLOCK)))
        self.assertEqual(bench.causes(), [])
        ahead = bench.unit.courier._pair.clock.ahead(bench.board.now)[0]
        self.assertTrue(777 - 260 <= ahead <= 777 + 40, ahead)  # it was sealed before the next look

    def test_garbage_on_the_pairs_channel_is_counted_and_the_antenna_comes_back(self):
        bench = self.bench()
        for frame in (b"", b"\xcc", bytes(24), bytes(255)):
            bench.hear(frame)
            bench.run(50)
            self.assertEqual(bench.board.radio.tuned[-1], HOME)
        self.assertEqual((bench.causes(), bench.unit.courier._pair.refused), ([], 4))

    def test_a_preamble_without_a_frame_keeps_the_antenna_for_a_bounded_time(self):
        bench = self.bench()
        bench.board.radio.channel_busy = lambda: bench.board.radio.tuned[-1]["sf"] == 7
        bench.board.radio.tuned = [HOME]
        bench.run(300)
        self.assertEqual(bench.board.radio.tuned[-1], AWAY)
        bench.run(LISTEN_MS)
        self.assertTrue(HOME in bench.board.radio.tuned[1:])

    def test_a_running_turn_is_never_left(self):
        bench = self.bench()
        for number in range(1, 9):
            envelope = Envelope(ObjectKey(5, 1, number, ALERT), ENVELOPE[28:]).encode()
            bench.board.say(line.PUT, b"\x00" + envelope)
            bench.board.edges = 1
            bench.run(1500)
        said = [kind for kind, _ in bench.board.said()]
        self.assertEqual((said.count(line.DELIVERED), bench.bad), (8, []))
        self.assertEqual(len(bench.calls), 2)  # 12 s, and a partner is awake for 5

    def test_while_the_link_listens_a_call_waits_and_is_dropped_when_late(self):
        bench = self.bench(times={"reply_window_ms": 10000})
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(50, base_hears=False)
        bench.board.edges = 1
        bench.run(LATE_MS + 100, base_hears=False)
        self.assertEqual((bench.calls, bench.unit.courier._pair.dropped, bench.bad), ([], 1, []))
        bench.run(30000)
        self.assertTrue((line.DELIVERED, pack_keys([KEY])) in bench.board.said())

    def test_a_pir_that_never_rests_calls_within_its_share_of_the_air(self):
        bench = self.bench(triggers_a_day=100000)
        for _ in range(120):
            bench.board.edges = 1
            bench.run(6000)
            bench.board.radio.tuned = []
            bench.board.said()
        self.assertLess(len(bench.calls) * WAKE_US, BURST_US + 723000 * 10)
        self.assertGreater(bench.unit.courier._pair.dropped, 60)

    def test_the_channels_are_told_apart(self):
        bench = self.bench(freq_khz=470300, wake_khz=471300)
        for tuned in bench.board.radio.tuned:
            self.assertEqual(tuned["freq_khz"], 471300 if tuned["sf"] == 7 else 470300)
        complete(dict(SETTINGS, sf=7, freq_khz=470300, wake_khz=471300))
        for wrong in ({"sf": 7}, {"sf": 7, "freq_khz": 470300}, {"sf": 7, "freq_khz": 470300, "wake_khz": 470300}):
            with self.assertRaises(ValueError):
                complete(dict(SETTINGS, **wrong))


if __name__ == "__main__":
    unittest.main()
