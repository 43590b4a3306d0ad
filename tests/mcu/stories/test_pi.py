"""The Pi misbehaves, or somebody is here: it is never left on, and never left out for good."""

from tests.mcu.stories.bench import LOOK_REACH, Story, count, log
from trapmcu.diary import CUTS
from trapmcu.pipower import NO_HALT, SILENT
from trapsim.unitsim import simpi
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev

LEAVE = 31 * SECOND  # what a Pi that does not halt is given


def cuts(unit, why):
    return sum(1 for _, _, code, value in log(unit) if code == ev.PI_CUT and value == CUTS[why])


class PiTest(Story):
    def test_night__pi_hangs_on_shutdown(self):
        woods = self.woods(seed=4)
        woods.pi.faults.add(simpi.HANGS_AT_HALT)
        woods.passes(10, 80 * MINUTE, 10 * MINUTE)
        woods.run(16 * HOUR)
        self.assertEqual(woods.pi.looks, 10)
        self.assertGreater(woods.pi.sightings, 1)
        self.all_is_well(woods, LOOK_REACH + LEAVE)
        self.assertEqual(cuts(woods.unit, NO_HALT), 10)
        self.assertGreater(woods.unit.slept_ms, 15 * HOUR)

    def test_a_pi_that_hangs_all_day_gets_longer_and_longer_pauses_and_the_unit_still_sleeps(self):
        woods = self.woods(seed=4)
        woods.pi.faults.add(simpi.HANGS_AT_HALT)
        woods.passes(48, 15 * MINUTE, MINUTE)
        woods.run(13 * HOUR)
        self.assertLess(woods.pi.boots, 25)
        self.assertGreater(woods.unit.slept_ms, 10 * HOUR)
        woods.pi.faults.clear()
        woods.passes(4, 2 * HOUR, HOUR)
        woods.run(10 * HOUR)
        self.all_is_well(woods, HOUR + LOOK_REACH + LEAVE)
        self.assertGreater(woods.pi.looks, 10)

    def test_pi_never_boots(self):
        woods = self.woods()
        woods.pi.faults.add(simpi.HANGS_AT_BOOT)
        woods.passes(8, 2 * HOUR, HOUR)
        woods.run(18 * HOUR)
        self.assertEqual((woods.pi.looks, woods.pi.boots), (0, 8))
        self.assertLess(woods.pi.powered_ms(), 8 * 61 * SECOND)
        self.assertEqual(count(woods.unit, ev.PI_NO_SHOW), 8)
        self.assertGreater(woods.base.beats, 16)
        woods.pi.faults.clear()
        woods.passes(3, HOUR, HOUR)
        woods.run(5 * HOUR)
        self.assertEqual(woods.pi.looks, 3)
        self.all_is_well(woods, 62 * SECOND)

    def test_a_pi_that_falls_silent_is_cut_off(self):
        woods = self.woods()
        woods.pi.faults.add(simpi.SILENT)
        woods.passes(3, 2 * HOUR, HOUR)
        woods.run(6 * HOUR)
        self.assertEqual(count(woods.unit, ev.PI_NO_SHOW) + cuts(woods.unit, SILENT), 3)
        self.assertLess(woods.pi.powered_ms(), 3 * 61 * SECOND)

    def test_garbage_on_the_uart_for_a_day(self):
        woods = self.woods()
        woods.pi.faults.add(simpi.GARBAGE)
        woods.passes(8, 3 * HOUR, HOUR)
        woods.run(DAY)
        self.assertEqual(woods.pi.sightings, 0)
        self.assertLess(woods.pi.powered_ms(), 8 * 61 * SECOND)
        self.assertGreater(woods.base.beats, 22)
        self.assertEqual(woods.unit.causes[2:], [0, 0])
        woods.pi.faults.clear()
        woods.passes(6, HOUR, 2 * HOUR)
        woods.run(10 * HOUR)
        self.assertEqual(woods.pi.looks, 6)
        self.all_is_well(woods, 62 * SECOND)

    def test_a_pi_that_starts_again_by_itself_hands_all_over_in_the_end(self):
        woods = self.woods(seed=9, feline_permille=1000)
        woods.pi.faults.add(simpi.REBOOTS)
        woods.passes(12, HOUR, HOUR)
        woods.run(14 * HOUR)
        woods.pi.faults.clear()
        woods.passes(1, HOUR, HOUR)
        woods.run(3 * HOUR)
        self.assertGreater(woods.pi.sightings, 6)
        self.all_is_well(woods, 11 * MINUTE)

    def test_a_supervisor_without_the_halted_pin_believes_the_pis_word(self):
        woods = self.woods()
        woods.pi.halted = lambda: None
        woods.passes(4, HOUR, HOUR)
        woods.run(6 * HOUR)
        self.assertEqual(cuts(woods.unit, NO_HALT), 0)
        self.all_is_well(woods, LOOK_REACH + 10 * SECOND)


class ServiceTest(Story):
    def test_a_visit_by_magnet_with_the_page_open_too_long(self):
        woods = self.woods()
        woods.run(HOUR)
        woods.unit.press(3 * SECOND)
        woods.run(2 * HOUR)
        self.assertEqual(woods.pi.boots, 1)
        self.assertGreater(woods.pi.powered_ms(), 29 * MINUTE)
        self.assertLess(woods.pi.powered_ms(), 31 * MINUTE)
        self.assertEqual((count(woods.unit, ev.SERVICE_ENTERED) > 0, woods.pi.on_since), (True, None))
        self.all_is_well(woods)
        self.assertGreater(woods.unit.slept_ms, 2 * HOUR)

    def test_a_second_press_ends_the_visit(self):
        woods = self.woods()
        woods.run(HOUR)
        woods.unit.press(3 * SECOND)
        woods.unit.press(3 * SECOND, 5 * MINUTE)
        woods.run(HOUR)
        self.assertLess(woods.pi.powered_ms(), 6 * MINUTE)
        self.assertIsNone(woods.pi.on_since)

    def test_a_walk_test_sees_every_step(self):
        woods = self.woods()
        woods.unit.press(3 * SECOND, HOUR)
        woods.passes(10, 2 * SECOND, HOUR + MINUTE)
        woods.run(HOUR + 2 * MINUTE)
        self.assertEqual((woods.pi.walked, woods.pi.looks), (10, 0))
        woods.run(HOUR)
        self.all_is_well(woods)
