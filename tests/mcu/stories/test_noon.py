"""Once a day the Pi is woken for a picture of the empty scene: at noon, and not where it must not."""

from tests.mcu.stories.bench import ON_A_DISK, Story
from trapsim.unitsim.world import DAY, HOUR, MINUTE

DAILY = 2  # of the causes in a WAKE
OFFSET_MIN = 600  # Vladivostok's: noon is at 2 UTC


class NoonTest(Story):
    def noons(self, woods, days):
        return [(day * DAY + 2 * HOUR, day * DAY + 2 * HOUR + 2 * MINUTE) for day in range(days)]

    def test_a_picture_a_day_at_the_places_noon_and_the_budget_is_left_alone(self):
        settings = {"utc_offset_min": OFFSET_MIN, "picture_min": 720, "triggers_a_day": 1, "trigger_burst": 1}
        woods = self.woods(settings=settings, feline_permille=0, fresh_every=20)
        woods.passes(4, DAY + MINUTE, 5 * HOUR)
        woods.run(4 * DAY)
        self.assertEqual((woods.pi.causes.count(DAILY), len(woods.pi.causes)), (4, 8))
        self.assertEqual(woods.unit.causes[2:], [0, 0])
        self.all_is_well(woods, spans=self.noons(woods, 4))

    def test_armed_it_is_told_at_noon_too(self):
        woods = self.woods(settings={"armed_to_h": 24, "picture_min": 720})
        woods.run(13 * HOUR)
        self.assertEqual(woods.pi.causes, [DAILY])

    def test_without_a_time_it_is_a_day_after_the_last(self):
        woods = self.woods(settings={"picture_min": 720})
        woods.base.knows_time = False
        woods.run(DAY - HOUR)
        self.assertEqual(woods.pi.causes, [])
        woods.run(2 * DAY)
        self.assertEqual(woods.pi.causes, [DAILY, DAILY])

    def test_never__out_of_season__and_on_a_low_battery(self):
        low = {"battery": "lithium-primary", "battery_cells": 2, "battery_mah": 57000, "battery_mv": 7200}
        summer = {"watch_from_month": 5, "watch_to_month": 9, "picture_min": 720}
        for settings, charge in (({"picture_min": 1440}, 1.0), (summer, 1.0), (dict(low, picture_min=720), 0.04)):
            woods = self.woods(settings=settings, fresh_every=20)
            woods.unit.battery.charge = charge
            woods.run(2 * DAY)
            self.assertEqual(woods.pi.causes, [], settings)
            woods.close()


if not ON_A_DISK:  # one of them is enough where they take so long
    del NoonTest.test_never__out_of_season__and_on_a_low_battery
