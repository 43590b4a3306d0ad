"""The radio fails: the trap goes on without it, looks after it now and then, and sends all once it answers."""

from tests.mcu.stories.bench import Story, count
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev


class RadioTest(Story):
    def dead(self, woods, is_dead):
        woods.unit.chip.dead = is_dead

    def test_a_radio_that_is_dead_for_two_days_costs_no_sighting_and_no_battery(self):
        woods = self.woods(seed=3, feline_permille=1000)
        woods.run(HOUR)
        self.dead(woods, True)
        starts, beats = woods.unit.radio_starts, woods.base.beats
        woods.passes(4, 10 * HOUR, HOUR)
        woods.run(2 * DAY)
        self.assertEqual((woods.pi.looks, woods.base.beats), (4, beats))
        self.assertEqual(woods.unit.causes[2:], [0, 0])  # no reset, so not safe either
        self.assertLess(woods.unit.radio_starts - starts, 48 + 30)
        self.assertGreater(woods.unit.slept_ms, 46 * HOUR)
        self.assertGreater(count(woods.unit, ev.RADIO_FAULT), 3)
        self.dead(woods, False)
        woods.run(4 * HOUR)
        self.assertEqual(woods.pi.sightings, 4)
        self.all_is_well(woods)

    def test_it_dies_in_the_middle_of_a_turn_and_is_mended_by_its_reset(self):
        woods = self.woods(seed=3, feline_permille=1000)
        woods.run(HOUR)
        woods.passes(1, HOUR, SECOND)
        woods.run(HOUR, lambda: woods.unit.chip.sends_until is not None)
        self.dead(woods, True)
        woods.run(SECOND)
        self.dead(woods, False)
        woods.run(20 * MINUTE)
        self.assertEqual(woods.ledger.missing(), [])
        self.assertEqual(count(woods.unit, ev.RADIO_FAULT), 1)
        self.all_is_well(woods)

    def test_a_frame_that_never_leaves_is_a_fault_too(self):
        woods = self.woods(seed=3, feline_permille=1000)
        woods.run(HOUR)
        woods.unit.chip.stuck = True
        woods.passes(1, HOUR, SECOND)
        woods.run(12 * HOUR)
        self.assertGreater(count(woods.unit, ev.RADIO_FAULT), 1)
        self.assertGreater(woods.unit.slept_ms, 11 * HOUR)
        woods.unit.chip.stuck = False
        woods.run(3 * HOUR)
        self.all_is_well(woods)

    def test_a_pair_whose_radio_comes_back_wakes_its_partner_again(self):
        woods = self.woods(seed=3, traps=(5, 6), settings={"station_key": "5a" * 16, "wake_khz": 0})
        woods.run(HOUR)
        self.dead(woods, True)
        woods.passes(2, HOUR, MINUTE)
        woods.run(3 * HOUR)
        self.assertEqual([unit.pi.looks for unit in woods.units], [2, 0])
        self.dead(woods, False)
        woods.run(3 * HOUR)
        woods.passes(1, HOUR, MINUTE)
        woods.run(HOUR)
        self.assertEqual([unit.pi.looks for unit in woods.units], [3, 1])
