"""A unit that falls over again and again leaves its Pi alone, says so, and comes back by itself or by a hand."""

from tests.mcu.stories.bench import Story, count
from trapsim.unitsim.endings import WATCHDOG
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev
from trapwire.unitstates import PARKED, SAFE


def state(woods):
    return woods.base.heartbeats[-1][2].values.get("state")


class ResetsTest(Story):
    def test_watchdog_loop__safe__then_out_again(self):
        woods = self.woods(seed=2, feline_permille=1000)
        woods.run(2 * HOUR)
        woods.unit.hangs = True
        woods.passes(20, 10 * MINUTE, MINUTE)
        woods.run(4 * HOUR)
        self.assertLess(woods.unit.causes[WATCHDOG], 7)
        self.assertEqual(count(woods.unit, ev.SAFE_ENTERED), 1)
        self.assertEqual(state(woods), SAFE)
        self.assertLess(woods.pi.boots, 7)
        beats = woods.base.beats
        woods.run(2 * HOUR)
        self.assertGreater(woods.base.beats, beats)
        woods.unit.hangs = False
        woods.run(5 * HOUR)
        self.assertEqual(state(woods), PARKED)
        looks = woods.pi.looks
        woods.passes(3, HOUR, MINUTE)
        woods.run(6 * HOUR)
        self.assertEqual(woods.pi.looks - looks, 3)
        self.all_is_well(woods, 2 * MINUTE)

    def test_a_hand_at_the_button_ends_safe_at_once(self):
        woods = self.woods(seed=2)
        woods.run(2 * HOUR)
        woods.unit.hangs = True
        woods.passes(8, 10 * MINUTE, MINUTE)
        woods.run(3 * HOUR)
        self.assertEqual(count(woods.unit, ev.SAFE_ENTERED), 1)
        woods.unit.hangs = False
        woods.unit.press(3 * SECOND)
        woods.unit.press(3 * SECOND, 2 * MINUTE)
        woods.run(HOUR)
        woods.passes(1, HOUR)
        woods.run(HOUR)
        self.assertEqual(woods.pi.looks, 1)

    def test_one_reset_a_day_is_no_reason_for_safe(self):
        woods = self.woods(seed=2, fresh_every=10)
        for day in range(8):
            woods.world.at(day * DAY + HOUR, lambda: woods.unit.cut_power(20 * SECOND))
        woods.passes(8, DAY, 2 * HOUR)
        woods.run(8 * DAY)
        self.assertEqual((woods.pi.looks, count(woods.unit, ev.SAFE_ENTERED)), (8, 0))
        self.all_is_well(woods)
