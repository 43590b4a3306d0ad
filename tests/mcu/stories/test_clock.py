"""What time it is: over deep sleep, battery swaps, hours of the place, and the interpreter's ticks that begin anew."""

from tests.mcu.stories.bench import LOOK_REACH, Story, count, log
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev

SLACK = MINUTE  # the unit's hour begins with the clock it has, and the Pi takes its time to go


class ClockTest(Story):
    def test_the_time_is_right_over_a_week_of_sleep_with_a_clock_chip_that_drifts(self):
        woods = self.woods(seed=3, ppm=2.5, settings={"drift_ppm": 5}, fresh_every=20)
        woods.base.knows_time = True
        woods.world.at(DAY, lambda: setattr(woods.base, "knows_time", False))
        woods.passes(14, 12 * HOUR, HOUR)
        woods.run(7 * DAY)
        self.assertGreater(len(woods.pi.times), 25)
        self.all_is_well(woods)

    def test_clock_lost_after_battery_swap(self):
        woods = self.woods(seed=3, feline_permille=1000)
        woods.passes(2, HOUR, HOUR)
        woods.run(3 * HOUR)
        woods.base.knows_time = False
        woods.unit.cut_power(5 * MINUTE, clock_too=True)
        woods.run(10 * MINUTE)
        self.assertEqual(count(woods.unit, ev.CLOCK_LOST), 2)  # as it was when it was new
        said = len(woods.pi.times)
        woods.passes(1, HOUR, HOUR)
        woods.run(3 * HOUR)
        self.assertEqual((woods.pi.looks, len(woods.pi.times)), (3, said))  # nobody knows the time: it is not said
        woods.base.knows_time = True
        woods.run(2 * HOUR)
        woods.passes(1, HOUR, HOUR)
        woods.run(2 * HOUR)
        self.assertGreater(len(woods.pi.times), said)
        self.all_is_well(woods)

    def test_a_battery_swap_with_a_clock_that_is_kept_costs_no_time(self):
        woods = self.woods(seed=3)
        woods.run(3 * HOUR)
        woods.base.knows_time = False
        woods.base.restart()
        woods.unit.cut_power(5 * MINUTE)
        woods.passes(1, HOUR, 6 * MINUTE)
        woods.run(HOUR)
        self.assertGreater(len(woods.pi.times), 0)
        self.assertEqual(count(woods.unit, ev.CLOCK_LOST), 1)
        self.all_is_well(woods)

    def test_a_base_that_has_another_time_than_its_trap_is_noted_and_believed(self):
        woods = self.woods(seed=3)
        woods.run(3 * HOUR)
        self.assertEqual((count(woods.unit, ev.CLOCK_DOUBTFUL), woods.health("fault")), (0, 0))
        woods.unit.skip_clock(40 * SECOND)  # a chip that was touched
        woods.run(3 * HOUR)
        self.assertEqual(woods.health("fault"), ev.CLOCK_DOUBTFUL)
        self.assertEqual([value for _, _, code, value in log(woods.unit) if code == ev.CLOCK_DOUBTFUL], [40])
        woods.passes(1, HOUR, MINUTE)
        woods.run(HOUR)
        self.all_is_well(woods)

    def test_wrap__ticks_at_12_days(self):
        woods = self.woods(seed=3, settings={"armed_from_h": 0, "armed_to_h": 24, "watch_to_h": 24})
        woods.unit.ticks_at_start = (1 << 30) - 5 * MINUTE
        woods.passes(20, MINUTE, 20 * SECOND)
        woods.run(25 * MINUTE)
        self.assertEqual((woods.pi.looks, woods.pi.boots), (20, 1))
        self.assertEqual(woods.unit.causes, [1, 0, 0, 0])
        self.all_is_well(woods, spans=[(0, DAY)])

    def test_armed_hours_in_winter(self):
        offset_min = 600  # Vladivostok's
        settings = {"utc_offset_min": offset_min, "armed_from_h": 19, "armed_to_h": 6}
        settings.update({"armed_from_month": 11, "armed_to_month": 3})
        woods = self.woods(seed=3, settings=settings)
        armed = [(9 * HOUR - SLACK, 20 * HOUR + SLACK), (33 * HOUR - SLACK, DAY + 20 * HOUR + SLACK)]
        woods.passes(30, HOUR, 20 * MINUTE)
        woods.run(31 * HOUR)
        on_ms = woods.pi.powered_ms()
        self.assertGreater(on_ms, 11 * HOUR - 2 * MINUTE)
        self.assertLess(on_ms, 11 * HOUR + 30 * MINUTE)
        self.assertEqual(woods.pi.looks, 30)
        self.all_is_well(woods, LOOK_REACH, armed)

    def test_no_hour_is_armed_out_of_season(self):
        woods = self.woods(settings={"armed_to_h": 24, "armed_from_month": 2, "armed_to_month": 3}, fresh_every=20)
        woods.run(2 * DAY)
        self.assertEqual(woods.pi.boots, 0)
