"""The plans' table and the governor: no window is ever broken, alerts find their tenth, little is wasted."""

import unittest

from tests.wire.windows import HOUR_MS, MINUTE_MS, Unit, fullest_window_us
from tests.wire.world import Random
from trapwire.airtime import airtime_us, largest_frame, usable_frame
from trapwire.errors import WireError
from trapwire.governor import BUCKETS, RING, SNAPSHOT_BYTES, Governor
from trapwire.plans import PLANS, plan_named

ALERT_US = airtime_us(36, 9)
FULL_US = airtime_us(255, 9)  # the largest frame at SF9: 1.25 s
BUDGET_US = 36000000  # 1 % of an hour
BUCKET_MS = HOUR_MS // BUCKETS
RESERVE_US = BUDGET_US // 10


def drained(name="eu868"):
    """A unit that has sent all the ordinary frames it may."""
    unit = Unit(name)
    while unit.send(300000):
        pass
    return unit


class PlansTest(unittest.TestCase):
    def test_the_table_is_the_decided_one(self):
        rules = {p.name: (p.dwell_ms, p.duty, p.listen_dbm, p.power_cdbm(p.channel_khz)) for p in PLANS.values()}
        self.assertEqual(
            rules,
            {
                "cn470": (1000, 10000, None, 1915),
                "ru864": (0, 100, None, 1600),
                "kr920": (0, 10000, -80, 1400),
                "as923": (400, 100, -85, 1600),
                "eu868": (0, 100, None, 1600),
            },
        )

    def test_without_a_plan_nothing_is_ever_sent(self):
        for name in ("", "mn470", "EU868", None, 868, ["eu868"]):
            for use in (
                plan_named,
                lambda n: Governor(n, 0),
                lambda n: largest_frame(n, 9),
                lambda n: usable_frame(n, 9),
            ):
                with self.assertRaises(WireError):
                    use(name)

    def test_power_follows_the_channel_and_its_edges(self):
        korea = plan_named("kr920")
        self.assertEqual([korea.power_cdbm(khz) for khz in (920900, 921900, 922000, 922100)], [1000, 1000, 1000, 1400])

    def test_a_channel_beyond_the_sub_band_has_no_rules(self):
        for name, khz in (("eu868", 869525), ("eu868", 868020), ("ru864", 864500), ("kr920", 868100), ("cn470", 0)):
            with self.assertRaises(WireError):
                plan_named(name).power_cdbm(khz)

    def test_every_plan_lets_an_alert_out(self):
        for plan in PLANS.values():
            self.assertTrue(usable_frame(plan.name, 9) >= 36)
            self.assertEqual(Governor(plan.name, 0).wait_ms(0, ALERT_US, True), 0)


class RuleTest(unittest.TestCase):
    def test_a_frame_longer_than_the_dwell_is_refused(self):
        for name, dwell_us in (("as923", 400000), ("cn470", 1000000)):
            for urgent in (False, True):
                self.assertEqual(Governor(name, 5).wait_ms(5, dwell_us, urgent), 0)
                with self.assertRaises(WireError):
                    Governor(name, 5).wait_ms(5, dwell_us + 1, urgent)

    def test_a_frame_that_no_window_holds_is_refused(self):
        governor = Governor("eu868", 0)
        self.assertEqual(governor.wait_ms(0, BUDGET_US, True), 0)
        self.assertEqual(governor.wait_ms(0, BUDGET_US - RESERVE_US), 0)
        with self.assertRaises(WireError):
            governor.wait_ms(0, BUDGET_US + 1, True)
        with self.assertRaises(WireError):
            governor.wait_ms(0, BUDGET_US - RESERVE_US + 1)

    def test_the_largest_frame_of_every_plan_may_go(self):
        for plan in PLANS.values():
            for sf in range(7, plan.sf_max + 1):
                self.assertEqual(Governor(plan.name, 0).wait_ms(0, airtime_us(largest_frame(plan.name, sf), sf)), 0)

    def test_ordinary_frames_stop_at_nine_tenths_and_alerts_find_theirs(self):
        unit = drained()
        self.assertEqual(unit.governor.left_permille(unit.now()), 100)
        sent = 0
        while unit.send(300000, True):
            sent += 300000
        self.assertEqual(sent, RESERVE_US)
        self.assertEqual(unit.governor.left_permille(unit.now()), 0)
        self.assertTrue(unit.wait_ms(1, True) > 0)
        self.assertEqual(fullest_window_us(unit.frames, HOUR_MS), BUDGET_US)
        self.assertEqual(unit.broken(), "")

    def test_a_wait_is_as_long_as_it_says(self):
        unit = drained()
        asked = 0
        while unit.now() < 3 * HOUR_MS:
            wait = unit.wait_ms(FULL_US, False)
            if wait:
                asked += 1
                unit.pass_us((wait - 1) * 1000)
                self.assertEqual(unit.wait_ms(FULL_US, False), 1)
                unit.pass_us(1000)
            self.assertTrue(unit.send(FULL_US))
        self.assertTrue(asked > 1)
        self.assertEqual(unit.broken(), "")

    def test_a_frame_counts_in_the_bucket_in_which_it_ends(self):
        """Booked at a bucket's end, on the air in the next one: it leaves the window with that."""
        unit = Unit("eu868")
        unit.pass_us((BUCKET_MS - 200) * 1000)
        self.assertTrue(unit.send(100000, True, 1000000))
        unit.pass_us(10 * MINUTE_MS * 1000)
        self.assertTrue(unit.send(BUDGET_US - 100000, True))
        unit.pass_us((HOUR_MS + BUCKET_MS) * 1000 - unit.true_us)
        self.assertEqual(unit.wait_ms(100000, True), BUCKET_MS)
        unit.pass_us(BUCKET_MS * 1000)
        self.assertTrue(unit.send(100000, True))
        self.assertEqual(unit.broken(), "")

    def test_without_a_duty_only_the_dwell_binds(self):
        for name in ("cn470", "kr920"):
            unit = Unit(name)
            for _ in range(2000):
                self.assertTrue(unit.send(ALERT_US))
            self.assertEqual(unit.governor.left_permille(unit.now()), 1000)
            unit.saved = b""
            unit.reset(0)
            self.assertTrue(unit.send(ALERT_US))

    def test_memory_is_bounded(self):
        unit = Unit("eu868")
        for _ in range(3000):
            unit.send(77000, True)
            unit.pass_us(20000000)
        self.assertEqual((len(unit.governor._used), len(unit.saved)), (RING, SNAPSHOT_BYTES))
        self.assertTrue(SNAPSHOT_BYTES < 200)

    def test_greedy_sending_gets_most_of_what_is_allowed(self):
        for micros in (airtime_us(36, 7), airtime_us(120, 8), FULL_US, airtime_us(255, 10)):
            unit = Unit("eu868")
            sent = 0
            while unit.now() < 6 * HOUR_MS:
                unit.pass_us(unit.wait_ms(micros, False) * 1000)
                if unit.now() < 6 * HOUR_MS and unit.send(micros):
                    sent += micros
            self.assertTrue(sent * 100 >= 6 * (BUDGET_US - RESERVE_US) * 90, "%d of %d us" % (sent, 6 * BUDGET_US))
            if micros != airtime_us(36, 7):  # two thousand frames, squared
                self.assertEqual(unit.broken(), "")


class ResetTest(unittest.TestCase):
    def test_an_unknown_time_away_frees_nothing(self):
        unit = drained()
        unit.reset(10 * HOUR_MS * 1000)
        self.assertFalse(unit.send(FULL_US))
        self.assertTrue(unit.send(ALERT_US, True))

    def test_a_known_time_away_counts(self):
        unit = drained()
        unit.reset(HOUR_MS * 500, 100)
        self.assertFalse(unit.send(FULL_US))
        unit.reset((HOUR_MS // 2 + 2 * BUCKET_MS) * 1000, 100)
        self.assertTrue(unit.send(FULL_US))
        self.assertEqual(unit.broken(), "")

    def test_a_reset_at_every_frame_costs_nothing_where_the_time_is_known(self):
        unit, still = Unit("eu868"), Unit("eu868")
        for _ in range(300):
            self.assertEqual(unit.send(FULL_US), still.send(FULL_US))
            unit.pass_us(60000000)
            still.pass_us(60000000)
            self.assertTrue(unit.reset(0, 100))
        self.assertEqual(unit.frames, still.frames)

    def test_a_negative_time_away_is_none(self):
        unit = drained()
        governor = Governor("eu868", 0)
        self.assertTrue(governor.restore(unit.saved, 7, -5 * HOUR_MS))
        self.assertTrue(governor.wait_ms(7, FULL_US) > 0)

    def test_a_damaged_snapshot_costs_one_window(self):
        saved = drained().saved
        damaged = [b"", b"\x01", saved[:-1], saved + b"\x00", bytes(SNAPSHOT_BYTES), Unit("ru864").saved]
        for i in range(0, len(saved), 7):
            damaged.append(saved[:i] + bytes([saved[i] ^ 16]) + saved[i + 1 :])
        for data in damaged:
            governor = Governor("eu868", 100)
            self.assertFalse(governor.restore(data, 100, 9 * HOUR_MS))
            self.assertEqual(governor.left_permille(100), 0)
            for urgent in (False, True):
                wait = governor.wait_ms(100, ALERT_US, urgent)
                self.assertTrue(HOUR_MS <= wait <= HOUR_MS + BUCKET_MS)
            self.assertEqual(governor.wait_ms(100 + wait, ALERT_US), 0)

    def test_what_was_sent_before_a_restore_still_counts(self):
        governor = Governor("eu868", 0)
        governor.spent(0, BUDGET_US)
        governor.restore(Unit("eu868").saved, 50, 9 * HOUR_MS)
        self.assertEqual(governor.left_permille(50), 0)

    def test_a_snapshot_comes_back_the_same(self):
        unit = drained()
        unit.pass_us(40 * MINUTE_MS * 1000)
        saved = unit.governor.snapshot(unit.now())
        governor = Governor("eu868", 123456)
        self.assertTrue(governor.restore(bytearray(saved), 123456, 0))
        self.assertEqual(governor.snapshot(123456), saved)


class ClockTest(unittest.TestCase):
    def test_a_clock_that_goes_back_frees_nothing(self):
        unit = drained()
        for back_ms in (1, 1000, BUCKET_MS, HOUR_MS):
            wait = unit.wait_ms(FULL_US, False)
            unit.clock_back(back_ms)
            self.assertTrue(unit.wait_ms(FULL_US, False) > 0)
            self.assertTrue(unit.wait_ms(ALERT_US, True) <= back_ms)
            unit.clock_back(-back_ms)
            self.assertEqual(unit.wait_ms(FULL_US, False), wait)

    def test_a_clock_that_stays_back_costs_a_window_and_no_more(self):
        unit = Unit("eu868")
        unit.pass_us(1000 * HOUR_MS * 1000)
        self.assertTrue(unit.send(BUDGET_US, True))
        unit.clock_back(1000 * HOUR_MS)
        waited = 0
        while not unit.send(BUDGET_US, True):
            wait = unit.wait_ms(BUDGET_US, True)
            waited += wait
            unit.pass_us(wait * 1000)
        self.assertTrue(waited <= RING * BUCKET_MS)
        self.assertEqual(unit.broken(), "")

    def test_no_course_of_things_breaks_a_window(self):
        """Drawn at random; tests/kit/test_governor_windows.py searches."""
        random = Random(11)
        lengths = (41000, ALERT_US, FULL_US, 9019392, 30000000)
        refused = 0
        for run in range(60):
            unit = Unit(("eu868", "as923", "ru864")[run % 3], random.below(10**9))
            for _ in range(60):
                what = random.below(12)
                length = lengths[random.below(len(lengths))]
                if what < 7:
                    urgent = random.below(3) == 0
                    while not unit.send(length, urgent, random.below(1500000)) and what < 3:
                        wait = unit.wait_ms(length, urgent)
                        if wait is None:
                            break
                        refused += 1
                        unit.pass_us(wait * 1000)
                elif what < 9:
                    unit.pass_us(random.below((1, BUCKET_MS, HOUR_MS)[what % 3] * 1000))
                elif what < 11:
                    known = (None, 0, 50, 100)[random.below(4)]
                    self.assertTrue(unit.reset(random.below(2 * HOUR_MS) * 1000 if what == 9 else 0, known))
                else:
                    unit.clock_back(random.below((100, HOUR_MS * 3)[random.below(2)]))
            self.assertEqual(unit.broken(), "")
        self.assertTrue(refused > 100)


if __name__ == "__main__":
    unittest.main()
