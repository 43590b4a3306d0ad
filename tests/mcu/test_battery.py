"""The unit's own battery model, under both interpreters: counting, cold, a new pack, what is unknown."""

import unittest

from trapmcu.battery import CRITICAL, KINDS, LOW, OK, Battery

DAY = 86400000
HOUR = 3600000
LITHIUM = ("lithium-primary", 1, 78000)  # six LSH 20 side by side
START = 1700000000000


def lived(battery, days, ua, now=START, rest_mv=3650, temp_c=20, load_mv=3500):
    """Hours of one current, a reading each; the time after it."""
    battery.spend(now, ua)
    for _ in range(int(days * 24)):
        now += HOUR
        battery.spend(now, ua)
        battery.reading(rest_mv, temp_c, load_mv)
    return now


class BatteryTest(unittest.TestCase):
    def test_a_new_pack_is_full_and_knows_no_days(self):
        for kind in KINDS:
            battery = Battery(kind, 1, 10000)
            self.assertEqual((battery.percent, battery.level, battery.days_left), (100, OK, None))

    def test_counting_gives_percent_and_days(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 10, 100000)  # 24 Ah of 78
        self.assertEqual(battery.percent, 69)
        self.assertEqual(battery.days_left, 22)
        self.assertEqual(battery.level, OK)
        now = lived(battery, 15, 100000, now)
        self.assertEqual(battery.level, LOW)
        lived(battery, 5, 100000, now)
        self.assertEqual(battery.level, CRITICAL)
        self.assertLess(battery.percent, 8)

    def test_small_currents_are_not_rounded_away(self):
        battery = Battery("liion", 1, 10000)
        battery.spend(START, 0)
        for i in range(1, 36001):  # an hour in tenths of a second, 1 mA
            battery.spend(START + i * 100, 1000)
        self.assertEqual(battery._used, 1000 + 10000000 * 200 // 8766000)

    def test_its_state_is_22_bytes_and_goes_through_a_sleep(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 20, 30000)
        for _ in range(50):
            state = battery.pack()
            self.assertEqual(len(state), 22)
            battery = Battery(*LITHIUM, state)
            now += HOUR
            battery.spend(now, 300)
            battery.reading(3640, -20)
        straight = Battery(*LITHIUM)
        now = lived(straight, 20, 30000)
        straight.spend(now + 50 * HOUR, 300)
        self.assertLess(abs(straight._used - battery._used), 40)  # a second of sleep each time, and rounding
        self.assertLess(battery.percent, Battery(*LITHIUM, battery.pack()).percent)  # +20 C until it reads

    def test_other_bytes_are_a_pack_never_seen(self):
        for state in (b"", b"x", bytes(21), bytes(23)):
            self.assertEqual(Battery(*LITHIUM, state).percent, 100)
        wild = Battery(*LITHIUM, b"\xff" * 22)
        wild.spend(START, 300)
        wild.reading(3650, 20, 3500)
        self.assertEqual(wild.percent, 0)
        self.assertEqual(len(wild.pack()), 22)

    def test_a_clock_that_begins_anew_counts_from_there(self):
        battery = Battery(*LITHIUM)
        lived(battery, 1, 100000)
        used = battery._used
        battery.spend(5, 100000)
        self.assertEqual(battery._used, used)
        battery.spend(5 + HOUR, 100000)
        self.assertEqual((battery._used - used) // 1000, 100)

    def test_cold_shrinks_it_and_it_comes_back(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 10, 100000)
        warm = battery.percent
        now = lived(battery, 1, 300, now, rest_mv=3520, temp_c=-30, load_mv=3050)
        self.assertEqual(battery.level, LOW)  # the sag, and not what is left
        self.assertLess(battery.percent, warm - 5)
        self.assertGreater(battery.percent, 50)
        lived(battery, 1, 300, now, rest_mv=3630, temp_c=10, load_mv=3500)
        self.assertEqual(battery.level, OK)
        self.assertLess(abs(battery.percent - warm), 4)

    def test_minus30_alone_is_no_knee(self):
        battery = Battery(*LITHIUM)
        lived(battery, 2, 300, rest_mv=3480, temp_c=-30, load_mv=3200)
        self.assertEqual(battery.level, OK)

    def test_the_knee_counts_when_it_stays(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 3, 100000)
        battery.reading(3200, 20)
        battery.reading(3200, 20)
        self.assertGreater(battery.percent, 80)  # soon after a load, perhaps
        battery.reading(3200, 20)
        self.assertEqual((battery.percent, battery.level), (5, CRITICAL))
        self.assertLess(battery.days_left, 2)
        battery.reading(3550, 20)  # it was the load after all
        self.assertGreater(battery.percent, 80)
        self.assertEqual(battery.level, OK)
        self.assertGreater(now, START)

    def test_a_new_pack_after_the_knee(self):
        battery = Battery(*LITHIUM)
        lived(battery, 31, 100000, rest_mv=3250)
        self.assertEqual(battery.level, CRITICAL)
        learned = battery._learned
        battery.reading(3655, 15)
        self.assertEqual((battery.percent, battery.level), (100, OK))
        self.assertEqual(battery._learned, learned)
        self.assertGreater(battery.days_left, 28)

    def test_a_new_pack_after_a_loss_of_power(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 25, 100000, rest_mv=3560)
        battery = Battery(*LITHIUM, battery.pack())
        battery.reading(3662, 20, None, True)
        self.assertEqual(battery.percent, 100)
        # The same pack put back is no new one.
        battery = Battery(*LITHIUM)
        lived(battery, 25, 100000, now, rest_mv=3600)
        battery.reading(3605, 20, None, True)
        self.assertLess(battery.percent, 30)

    def test_a_half_used_flat_pack_wants_to_be_told(self):
        battery = Battery(*LITHIUM)
        lived(battery, 15, 100000)
        battery.reading(3660, 20, None, True)
        self.assertLess(battery.percent, 60)
        battery.renew()
        self.assertEqual(battery.percent, 100)

    def test_warming_up_is_no_new_pack(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 25, 100000, rest_mv=3520, temp_c=-30)
        for temp_c, rest_mv in ((-20, 3570), (0, 3630), (20, 3670)):
            battery.reading(rest_mv, temp_c)
            self.assertLess(battery.percent, 40)
        self.assertGreater(now, START)

    def test_unknown_readings_leave_the_count_alone(self):
        battery = Battery(*LITHIUM)
        now = START
        battery.spend(now, 0)
        for _ in range(240):
            now += HOUR
            battery.spend(now, 100000)
            battery.reading(None, None)
        self.assertEqual(battery.percent, 69)
        battery.reading(0, 60, 0)
        self.assertEqual(len(battery.pack()), 22)

    def test_hysteresis(self):
        battery = Battery("liion", 1, 10000)
        battery._used = 7600000
        battery.reading(None, 20)
        self.assertEqual(battery.level, LOW)
        battery._used = 7200000
        battery.reading(None, 20)
        self.assertEqual(battery.level, LOW)
        battery._used = 6900000
        battery.reading(None, 20)
        self.assertEqual(battery.level, OK)
        battery._used = 7200000
        battery.reading(None, 20)
        self.assertEqual(battery.level, OK)
        battery._used = 9300000
        battery.reading(None, 20)
        self.assertEqual(battery.level, CRITICAL)
        battery._used = 8500000
        battery.reading(None, 20)
        self.assertEqual(battery.level, CRITICAL)
        battery._used = 8200000
        battery.reading(None, 20)
        self.assertEqual(battery.level, LOW)

    def test_a_sag_is_low_and_never_critical(self):
        battery = Battery("lifepo4", 4, 12000)
        for _ in range(20):
            battery.reading(4 * 3250, -20, 4 * 2600)
        self.assertEqual(battery.level, LOW)
        battery.reading(4 * 3250, -20, 4 * 2900)
        self.assertEqual(battery.level, OK)

    def test_the_sun_charges_what_was_counted_as_spent(self):
        for kind, cells, full in (("liion", 1, 4150), ("lifepo4", 4, 4 * 3410)):
            battery = Battery(kind, cells, 12000)
            now = lived(battery, 3, 100000, rest_mv=cells * (3800 if cells == 1 else 3270))
            self.assertLess(battery.percent, 60)
            lived(battery, 2, 300, now, rest_mv=full)
            self.assertGreater(battery.percent, 94)

    def test_the_voltage_of_liion_pulls_a_wrong_count(self):
        battery = Battery("liion", 1, 20000)
        lived(battery, 2, 300, rest_mv=3690)
        self.assertLess(abs(battery.percent - 36), 4)
        battery = Battery("lifepo4", 4, 12000)
        lived(battery, 2, 300, rest_mv=4 * 3270)  # flat: says nothing
        self.assertGreater(battery.percent, 97)
        lived(battery, 2, 300, START + 3 * DAY, rest_mv=4 * 3100)
        self.assertLess(battery.percent, 12)
        self.assertGreater(battery.level, OK)

    def test_in_the_cold_a_voltage_corrects_nothing(self):
        battery = Battery("liion", 1, 20000)
        lived(battery, 2, 300, rest_mv=3550, temp_c=-20)
        self.assertGreater(battery.percent, 90)

    def test_a_change_of_habits_is_learned_in_weeks(self):
        battery = Battery(*LITHIUM)
        now = lived(battery, 60, 300)
        self.assertGreater(battery.days_left, 4000)
        lived(battery, 10, 60000, now)
        self.assertLess(battery.days_left, 130)


if __name__ == "__main__":
    unittest.main()
