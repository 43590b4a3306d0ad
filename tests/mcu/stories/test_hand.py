"""Hands at the unit, and inputs that do not let go: the lid, a magnet that was forgotten, a press at a bad moment."""

from tests.mcu.stories.bench import LOOK_REACH, Story, count, log
from trapmcu.inputs import LIDS_A_DAY
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev
from trapwire.unitstates import SERVICE

LID = 3  # of the causes in a WAKE


class LidTest(Story):
    def open(self, woods, after_ms, for_ms=10 * MINUTE):
        unit = woods.unit
        woods.world.after(after_ms, lambda: setattr(unit, "lid_open", True))
        woods.world.after(after_ms + for_ms, lambda: setattr(unit, "lid_open", False))

    def test_a_lid_that_is_opened_asleep_is_an_alarm_within_the_hour(self):
        woods = self.woods()
        self.open(woods, HOUR + 10 * MINUTE, 2 * HOUR)
        woods.run(HOUR)
        self.assertTrue(woods.health("fault") != ev.LID_ALARM)
        woods.run(70 * MINUTE)
        self.assertEqual(woods.health("fault"), ev.LID_ALARM)
        self.assertEqual((woods.pi.causes, count(woods.unit, ev.LID_ALARM)), ([LID], 1))
        woods.run(4 * HOUR)  # it is shut again, which is none
        self.assertEqual((woods.pi.causes, woods.unit.causes[2:]), ([LID], [0, 0]))
        self.all_is_well(woods, spans=[(HOUR + 10 * MINUTE, 2 * HOUR + 15 * MINUTE)])

    def test_the_pir_sees_who_opens_it_and_the_base_knows_in_a_minute(self):
        woods = self.woods()
        self.open(woods, HOUR + 30 * SECOND)
        woods.passes(1, HOUR, HOUR + 29 * SECOND)
        woods.run(HOUR + 90 * SECOND)
        self.assertEqual(woods.health("fault"), ev.LID_ALARM)
        self.assertEqual(sorted(woods.pi.causes), [0, LID])

    def test_a_lid_that_is_opened_in_service_is_none(self):
        woods = self.woods()
        woods.unit.press(3 * SECOND, HOUR)
        self.open(woods, HOUR + MINUTE, HOUR)  # and shut when service is over long since
        woods.run(6 * HOUR)
        self.assertEqual((count(woods.unit, ev.LID_ALARM), count(woods.unit, ev.LID_OPENED)), (0, 1))
        self.assertEqual(woods.pi.causes, [])
        self.all_is_well(woods)

    def test_a_lid_that_rattles_all_day_is_a_few_alarms(self):
        woods = self.woods(settings={"armed_to_h": 24})
        for i in range(60):
            self.open(woods, HOUR + i * 20 * MINUTE, MINUTE)
        woods.run(DAY)
        self.assertEqual(len(woods.pi.causes), LIDS_A_DAY)

    def test_a_critical_battery_keeps_the_pi_off_and_says_it_all_the_same(self):
        settings = {"battery": "lithium-primary", "battery_cells": 2, "battery_mah": 57000, "battery_mv": 7200}
        woods = self.woods(settings=settings)
        woods.unit.battery.charge = 0.04
        woods.run(4 * HOUR)
        self.assertGreater(count(woods.unit, ev.BATTERY_CRITICAL), 0)
        boots = woods.pi.boots
        self.open(woods, MINUTE)
        woods.passes(1, HOUR, 2 * MINUTE)
        woods.world.after(MINUTE, lambda: woods.unit.press(SECOND))
        woods.run(2 * HOUR)
        self.assertEqual((woods.pi.boots - boots, count(woods.unit, ev.LID_ALARM)), (0, 1))


class HoldTest(Story):
    def test_a_press_of_three_seconds_always_means_service_whenever_it_begins(self):
        woods = self.woods(settings={"service_min": 1})
        for i in range(12):  # about the moment at which the unit falls asleep again
            woods.unit.press(3 * SECOND, HOUR + i * 2 * HOUR)
            woods.unit.press(3 * SECOND, HOUR + i * 2 * HOUR + 78 * SECOND + i * 4 * SECOND)
        woods.run(26 * HOUR)
        self.assertEqual(len(woods.unit.pressed_at), 24)
        entered = sum(1 for _, _, code, value in log(woods.unit) if code == ev.STATE and value & 255 == SERVICE)
        self.assertGreater(entered, 12)
        self.all_is_well(woods)

    def test_a_magnet_that_was_left_on_the_lid_costs_next_to_nothing(self):
        woods = self.woods()
        woods.run(HOUR)
        starts = sum(woods.unit.causes)
        woods.unit.press(2 * DAY)
        woods.passes(2, 10 * HOUR, 5 * HOUR)
        woods.run(2 * DAY - MINUTE)
        self.assertEqual(woods.health("fault"), ev.BUTTON_STUCK)
        self.assertLess(sum(woods.unit.causes) - starts, 48 + 48 + 40)  # heartbeats, hours, a few looks
        self.assertGreater(woods.unit.slept_ms, 47 * HOUR)
        self.assertEqual(woods.pi.looks, 2)
        woods.run(2 * HOUR)
        woods.unit.press(3 * SECOND)
        woods.run(HOUR)
        self.assertEqual(count(woods.unit, ev.SERVICE_ENTERED) > 0, True)  # it counts again
        self.all_is_well(woods, LOOK_REACH)
