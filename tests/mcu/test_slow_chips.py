"""Clock, expander and monitor of the trap against chips that speak by their registers; ticks that wrap."""

import unittest

from tests.mcu.sim.i2c import Bus, ClockChip, Expander, Garbage, Monitor
from tests.mcu.sim.world import PERIOD, Time, World
from trapmcu.boards.ina226 import Ina226
from trapmcu.boards.rv3032 import Rv3032
from trapmcu.boards.tca9534 import Tca9534
from trapmcu.boards.ticks import Ticks

DAY_MS = 86400000


class ClockTest(unittest.TestCase):
    def make(self, **chip):
        world = World()
        chip = ClockChip(world, **chip)
        return world, chip, Rv3032(Bus(world, {0x51: chip}), Time(world).sleep_ms)

    def test_a_new_chip_begins_at_0_and_keeps_its_backup_setting(self):
        world, chip, clock = self.make()
        self.assertFalse(clock.kept)
        self.assertLess(clock.read_ms(), 1000)
        self.assertEqual((chip.status, chip.pmu, chip.eeprom_writes, chip.control), (0, 0x20, 1, 0))
        world.run(5000000)
        again = Rv3032(Bus(world, {0x51: chip}), Time(world).sleep_ms)
        self.assertTrue(again.kept)
        self.assertGreater(again.read_ms(), 5000)
        self.assertEqual(chip.eeprom_writes, 1)

    def test_other_settings_of_the_supply_stay(self):
        chip = self.make(pmu=0x4D)[1]
        self.assertEqual(chip.pmu, 0x6D)

    def test_lost_power_is_told_once(self):
        world, chip, _ = self.make(status=0, ms=DAY_MS)
        chip.lose_power()
        bus = Bus(world, {0x51: chip})
        self.assertFalse(Rv3032(bus, Time(world).sleep_ms).kept)
        self.assertTrue(Rv3032(bus, Time(world).sleep_ms).kept)

    def test_it_counts_over_every_end_of_a_month_for_a_century(self):
        for year in (0, 1, 3, 4, 27, 28, 99):
            days = year * 365 + (year + 3) // 4
            for day in (0, 30, 31, 58, 59, 60, 90, 180, 364):
                ms = (days + day) * DAY_MS + 86399980
                world, _, clock = self.make(status=0, ms=ms, pmu=0x20)
                began = world.us  # the constructor's own readings took time
                read = clock.read_ms()
                self.assertTrue(0 <= read - ms <= world.us // 1000 + 10, (year, day, read - ms, began))

    def test_a_reading_over_a_carry_is_never_a_second_off(self):
        for start_us in range(0, 12000, 61):
            world, _, clock = self.make(status=0, ms=59990 - 2, pmu=0x20)
            world.run(start_us)
            ms = clock.read_ms()
            self.assertTrue(abs(ms - 59988 - world.us // 1000) < 12, (start_us, ms))

    def test_garbage_is_no_time(self):
        for value in (0, 0xFF, 0x55, 0xAA, 0x1F):
            world = World()
            clock = Rv3032(Bus(world, {0x51: Garbage(value)}), Time(world).sleep_ms)
            self.assertIsNone(clock.read_ms())
            self.assertFalse(clock.kept)

    def test_a_chip_that_is_not_there(self):
        world = World()
        with self.assertRaises(OSError):
            Rv3032(Bus(world, {}), Time(world).sleep_ms)
        world, _, clock = self.make()
        clock._bus.chips.clear()
        self.assertIsNone(clock.read_ms())

    def test_temperature_below_zero(self):
        _, chip, clock = self.make()
        for degrees in (-40, -1, 0, 1, 25, 85):
            chip.sixteenths = degrees * 16 & 0xFFF
            self.assertEqual(clock.read_temperature_c(), degrees)
        chip.sixteenths = -24 & 0xFFF
        self.assertEqual(clock.read_temperature_c(), -1)


class ExpanderTest(unittest.TestCase):
    def test_nothing_is_driven_high_on_the_way(self):
        chip = Expander(inputs=4)
        expander = Tca9534(Bus(World(), {0x20: chip}), 3)
        self.assertEqual(set(chip.seen), {0})
        expander.set(0, True)
        expander.set(1, True)
        expander.set(0, False)
        self.assertEqual(chip.driven(), 2)
        self.assertTrue(expander.get(2))
        self.assertFalse(expander.get(3))

    def test_one_that_is_not_there(self):
        with self.assertRaises(OSError):
            Tca9534(Bus(World(), {}), 3)


class MonitorTest(unittest.TestCase):
    def make(self, chip, world):
        return Ina226(Bus(world, {} if chip is None else {0x40: chip}), Time(world).sleep_ms)

    def test_one_measurement_and_off(self):
        world = World()
        chip = Monitor(world, mv=3715)
        self.assertEqual(self.make(chip, world).read_mv(), 3715)
        self.assertEqual(chip.mode & 7, 0)
        self.assertTrue(0 < world.us < 20000)

    def test_one_that_never_finishes_is_off_afterwards(self):
        world = World()
        chip = Monitor(world)
        chip.stuck = True
        self.assertIsNone(self.make(chip, world).read_mv())
        self.assertEqual(chip.mode & 7, 0)

    def test_another_chip_or_none(self):
        world = World()
        self.assertIsNone(self.make(Garbage(0xFF), world).read_mv())
        self.assertIsNone(self.make(None, world).read_mv())


class TicksTest(unittest.TestCase):
    def make(self, chip_ms=None, before_wrap_ms=5000):
        world = World((PERIOD - before_wrap_ms) * 1000)
        time = Time(world)
        return world, Ticks(time.ticks_ms, time.ticks_diff, chip_ms)

    def test_it_goes_on_where_ticks_begin_anew(self):
        world, ticks = self.make()
        last = ticks.now_ms()
        for _ in range(40):
            world.run(250000)
            self.assertEqual(ticks.now_ms() - last, 250)
            last = ticks.now_ms()

    def test_alone_it_bears_nearly_half_a_period_without_a_question(self):
        world, ticks = self.make()
        for _ in range(5):
            world.run((PERIOD // 2 - 2000) * 1000)
            self.assertEqual(ticks.now_ms(), world.us // 1000)

    def test_with_a_chip_it_bears_weeks(self):
        chip = [0]
        world, ticks = self.make(lambda: chip[0])
        for days in (1, 7, 9, 12, 13, 30):
            world.run(days * DAY_MS * 1000)
            chip[0] = world.us // 10000 * 10
            self.assertTrue(0 <= world.us // 1000 - ticks.now_ms() < 10, days)

    def test_quick_and_slow_ticks_are_held_to_the_chip_and_never_go_back(self):
        for ppm in (-1000, -100, 100, 1000):
            chip = [0]
            world, ticks = self.make(lambda chip=chip: chip[0])
            last = 0
            for step in range(1, 6500):
                world.run(20000 + ppm // 50)
                chip[0] = step * 20
                now = ticks.now_ms()
                self.assertTrue(now >= last and abs(now - chip[0]) < 80, (ppm, step, now))
                last = now

    def test_a_chip_that_begins_anew_or_falls_silent_does_not_stop_time(self):
        chip = [50000]
        world, ticks = self.make(lambda: chip[0])
        self.assertEqual(ticks.now_ms(), 50000)
        for lost in (0, None):
            chip[0] = lost
            before = ticks.now_ms()
            world.run(120000000)
            ticks.look()
            self.assertEqual(ticks.now_ms() - before, 120000)


if __name__ == "__main__":
    unittest.main()
