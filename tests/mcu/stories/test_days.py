"""Ordinary days and a winter of them: the unit sleeps, the Pi comes when something moves, and goes again."""

from tests.mcu.stories.bench import ON_A_DISK, Story
from trapsim.unitsim.firmware import forget_firmware, module_state
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND


class DaysTest(Story):
    def test_a_day_in_the_woods(self):
        woods = self.woods(seed=3)
        woods.passes(24, 50 * MINUTE, 10 * MINUTE)
        woods.run(DAY)
        self.assertEqual(woods.pi.looks, 24)
        self.assertGreater(woods.pi.sightings, 3)
        self.all_is_well(woods)
        self.assertGreater(woods.unit.slept_ms, DAY * 98 // 100)
        self.assertLess(woods.pi.powered_ms(), 24 * 25 * SECOND)
        self.assertGreater(woods.base.beats, 22)

    def test_a_cat_that_comes_while_the_pi_is_up_is_seen_too(self):
        woods = self.woods(feline_permille=1000)
        woods.run(HOUR)
        for at in (0, 6000, 11300):
            woods.unit.edge(at)
        woods.run(10 * MINUTE)
        self.assertEqual((woods.pi.looks, woods.pi.boots), (3, 1))
        self.assertEqual(woods.ledger.missing(), [])

    def test_the_lamp_says_you_may_leave_once_the_base_was_heard(self):
        woods = self.woods()
        woods.run(30 * SECOND)
        lit = [(at, what) for at, what in woods.unit.trace if what.startswith("beep")]
        self.assertEqual(len(lit), 4)  # long, twice
        self.assertGreater(lit[1][0] - lit[0][0], 1900)

    def test_the_lamp_says_not_heard_where_no_base_answers(self):
        woods = self.woods()
        woods.air.cut_off(5, DAY)
        woods.run(5 * MINUTE)
        lit = [what for _, what in woods.unit.trace if what == "beep on"]
        self.assertEqual(len(lit), 6)

    def test_modules_keep_no_state_so_that_few_starts_need_fresh_ones(self):
        forget_firmware()
        woods = self.woods(seed=3, traps=(5, 6), settings={"station_key": "0b" * 16}, fresh_every=1000000)
        woods.run(SECOND)
        before = module_state()
        woods.passes(8, 3 * HOUR, HOUR)
        woods.unit.press(3 * SECOND, 5 * HOUR)
        woods.world.at(7 * HOUR, lambda: woods.unit.cut_power(SECOND))
        woods.run(DAY)
        after = module_state()
        self.assertGreater(len(before), 50)
        self.assertEqual([name for name in before if after.get(name) != before[name]], [])

    def test_a_winter_of_150_days(self):
        woods = self.woods(seed=11, fresh_every=50)
        days = 150
        woods.unit.battery.capacity_wh = 300
        dice = woods.world.dice
        for day in range(days):
            for _ in range(1 + dice.below(4)):
                woods.unit.edge(day * DAY + dice.below(DAY - HOUR) + 1000)
        woods.run(days * DAY)
        self.assertGreater(woods.pi.looks, 2 * days)
        self.all_is_well(woods)
        self.assertEqual((woods.unit.causes[0], woods.unit.causes[2:]), (1, [0, 0]))  # nothing but deep sleep
        self.assertGreater(woods.unit.slept_ms, days * DAY * 995 // 1000)


if not ON_A_DISK:  # minutes on CPython
    del DaysTest.test_a_winter_of_150_days
    del DaysTest.test_modules_keep_no_state_so_that_few_starts_need_fresh_ones
