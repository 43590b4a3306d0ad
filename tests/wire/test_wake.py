"""The station's pair: what a wake frame refuses, and how well two drifting clocks are known to each other."""

import json
import unittest
from binascii import unhexlify

from tests.wire.keys import cipher
from tests.wire.world import Random
from trapwire.airtime import airtime_us, symbol_us
from trapwire.errors import FORGED, REPLAYED, RefusedError, WireError
from trapwire.wake import (
    DELAY_MS,
    LISTEN_MS,
    NEVER,
    PREAMBLE,
    SNIFF_MS,
    WAKE_BYTES,
    WAKE_US,
    PairClock,
    Wake,
    WakeKey,
)

PAIR = b"the pair's key.."
HOUR_MS = 3600000
HOSTILE = 3000


def key(trap, station_key=PAIR, heard=NEVER):
    return WakeKey(station_key, trap, cipher, heard)


def cause_of_refusal(holder, frame):
    try:
        holder.open(frame)
    except RefusedError as error:
        return error.cause
    except WireError:
        return "damaged"
    return None


class WakeFrameTest(unittest.TestCase):
    def test_the_partner_is_understood(self):
        wake = key(2).open(key(1).seal(9, Wake(123456789012, 410, 10, 0)))
        self.assertEqual((wake.clock_ms, wake.age_ms, wake.uncertainty_ms, wake.cause), (123456789012, 410, 10, 0))
        old = key(2).open(key(1).seal(9, Wake((1 << 40) + 5, 70000, None, 0)))
        self.assertEqual((old.clock_ms, old.age_ms, old.uncertainty_ms), (5, 65535, None))

    def test_the_frozen_frame(self):
        with open(__file__[: __file__.rindex("/") + 1] + "vectors/hops.json") as file:
            row = json.load(file)
        station_key, frame = unhexlify(row["station_key"]), unhexlify(row["call"])
        self.assertEqual(key(513, station_key).seal(1028, Wake(86400123, 391, 10, 0)), frame)
        wake = key(514, station_key).open(frame)
        self.assertEqual((wake.clock_ms, wake.age_ms, wake.uncertainty_ms), (86400123, 391, 10))

    def test_it_is_as_long_as_the_page_says(self):
        """A look every 250 ms falls into the preamble; AS923 allows 400 ms in all."""
        frame = key(1).seal(9, Wake(1, 2, 3, 0))
        self.assertEqual((len(frame), frame[:7]), (WAKE_BYTES, b"\xcc\x00\x01\x00\x00\x00\x09"))
        self.assertEqual((PREAMBLE * symbol_us(7), WAKE_US), (327680, 381184))
        self.assertEqual(airtime_us(WAKE_BYTES, 7) + (PREAMBLE - 8) * 1024, WAKE_US)
        self.assertLess(SNIFF_MS + 50, PREAMBLE * symbol_us(7) // 1000)
        self.assertGreater(LISTEN_MS, WAKE_US // 1000)

    def test_a_frame_wakes_once_and_older_ones_never(self):
        holder = key(2)
        frames = [key(1).seal(n, Wake(n, 0, 0, 0)) for n in (5, 6, 7)]
        holder.open(frames[1])
        for frame in frames[:2]:
            self.assertEqual(cause_of_refusal(holder, frame), REPLAYED)
        holder.open(frames[2])
        self.assertEqual(cause_of_refusal(key(2, heard=7), frames[2]), REPLAYED)  # what a reset remembers

    def test_another_pair_and_our_own_echo_are_refused(self):
        frame = key(1).seal(5, Wake(1, 0, 0, 0))
        self.assertEqual(cause_of_refusal(key(2, b"another station."), frame), FORGED)
        self.assertEqual(cause_of_refusal(key(1), frame), REPLAYED)

    def test_garbage_wakes_nobody_and_moves_nothing(self):
        holder, random = key(2), Random(4)
        real = key(1).seal(500, Wake(1, 0, 0, 0))
        for i in range(HOSTILE):
            frame = bytearray(real if i % 3 else random.bytes(random.below(256)))
            if i % 3 == 1:
                frame[random.below(len(frame))] ^= 1 << random.below(8)
            elif i % 3 == 2:
                frame = frame[: random.below(len(frame))]
            self.assertTrue(cause_of_refusal(holder, bytes(frame)) is not None)
        self.assertEqual(holder.heard, NEVER)
        self.assertTrue(cause_of_refusal(holder, real) is None)


class Crystal:
    """A clock of its own: `ppm` off, from an unknown beginning."""

    def __init__(self, ppm, begin_ms):
        self.ppm = ppm
        self.begin_ms = begin_ms

    def ms(self, true_ms):
        return self.begin_ms + true_ms + true_ms * self.ppm // 1000000


class PairClockTest(unittest.TestCase):
    def night(self, own, partner, loss, hours, every_ms, seed):
        """Wakes at random times; the worst error over its bound, and the largest bound."""
        random, clock = Random(seed), PairClock()
        true, worst, widest = 0, 0, 0
        while true < hours * HOUR_MS:
            true += random.below(2 * every_ms)
            if random.unit() >= loss:
                clock.heard(partner.ms(true), own.ms(true + random.below(DELAY_MS)))
            if clock.ahead(0) is None:
                continue
            for later in (0, random.below(every_ms)):
                now = own.ms(true + later)
                ahead, uncertainty = clock.ahead(now)
                error = abs(ahead - (partner.ms(true + later) - now))
                worst = max(worst, error - uncertainty)
                if true > 12 * HOUR_MS:
                    widest = max(widest, uncertainty)
        self.assertEqual(clock.resets, 0)
        return worst, widest

    def test_over_days_the_truth_stays_within_the_bounds(self):
        for ppm, seed in ((20, 1), (-20, 2), (0, 3)):
            for loss in (0.0, 0.5):
                worst, widest = self.night(Crystal(-ppm, 10**6), Crystal(ppm, 77), loss, 96, HOUR_MS // 4, seed)
                self.assertLess(worst, 1)
                self.assertLess(widest, 1000 if loss else 200)

    def test_after_a_silence_the_bound_says_how_long_it_was(self):
        clock = PairClock()
        self.assertTrue(clock.ahead(5) is None)
        clock.heard(1000, 500)
        self.assertLess(clock.ahead(500)[1], 35)
        self.assertGreater(clock.ahead(500 + 24 * HOUR_MS)[1], 4000)
        self.assertGreater(clock.ahead(500 - 24 * HOUR_MS)[1], 4000)

    def test_the_quickest_frame_counts(self):
        clock = PairClock()
        for delay in (50, 3, 40, 57, 20):
            clock.heard(10000, 4000 + delay)
        ahead, uncertainty = clock.ahead(4000)
        self.assertLess(abs(ahead - 6000), 8)
        self.assertLess(uncertainty, 8)

    def test_a_clock_that_was_set_anew_is_learnt_from_one_frame(self):
        clock = PairClock()
        for n in range(5):
            clock.heard(10**9 + n * 1000, n * 1000)
        clock.heard(700, 60000)
        self.assertEqual(clock.resets, 1)
        ahead, uncertainty = clock.ahead(60000)
        self.assertLess(abs(ahead + 59300), uncertainty + 1)


if __name__ == "__main__":
    unittest.main()
