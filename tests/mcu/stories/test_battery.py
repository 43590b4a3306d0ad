"""The battery is cold, old or nearly empty: what is sent grows less, and nothing that was promised is lost."""

from tests.mcu.stories.bench import Story, log
from trapsim.unitsim.battery import LIION, Battery, Weather
from trapsim.unitsim.world import DAY, HOUR, MINUTE
from trapwire import events as ev
from trapwire.objects import ALERT, CROP
from trapwire.unitstates import PARKED, SAVING

PACK = {"battery": "liion", "battery_cells": 2, "battery_mah": 10000, "battery_mv": 7400}


def state(woods):
    return woods.base.heartbeats[-1][2].values["state"]


class BatteryTest(Story):
    def pack(self, woods, charge, celsius=12):
        weather = Weather(woods.world, fixed_c=celsius)
        woods.unit.battery = Battery(weather, capacity_wh=74, charge=charge, ohm=0.1, curve=LIION)

    def test_low__alerts_only_until_it_is_charged(self):
        woods = self.woods(seed=2, feline_permille=1000, settings=PACK)
        self.pack(woods, 0.21)
        woods.run(DAY)  # a new unit takes its pack for full, and learns
        self.assertEqual(state(woods), SAVING)
        woods.passes(30, 2 * MINUTE + 1000)  # every fifth is well over ten minutes after the one before
        woods.run(2 * HOUR)
        self.assertGreater(woods.pi.looks, 5)
        self.assertLess(woods.pi.looks, 8)  # one in ten minutes
        rungs = [key[3] for key in woods.base.rows]
        self.assertEqual((rungs.count(ALERT), rungs.count(CROP)), (woods.pi.sightings, 0))
        self.pack(woods, 0.9)
        woods.run(6 * HOUR)
        self.assertEqual(state(woods), PARKED)
        self.all_is_well(woods, 12 * MINUTE)  # the crops have come now

    def test_critical__the_pi_is_never_powered(self):
        woods = self.woods(seed=2, feline_permille=1000, settings=PACK)
        self.pack(woods, 0.06)
        woods.run(36 * HOUR)
        boots = woods.pi.boots
        woods.passes(24, 30 * MINUTE)
        woods.run(DAY)
        self.assertEqual(woods.pi.boots - boots, 0)
        self.assertGreater(woods.base.beats, 23)
        self.assertTrue(ev.BATTERY_CRITICAL in [entry[2] for entry in log(woods.unit)])
        self.pack(woods, 0.8)
        woods.run(12 * HOUR)
        woods.passes(2, HOUR)
        woods.run(3 * HOUR)
        self.assertEqual(woods.pi.looks, 2)
        self.all_is_well(woods)

    def test_minus30__battery_sags_while_sending(self):
        woods = self.woods(seed=2, feline_permille=1000)
        woods.unit.battery = Battery(Weather(woods.world, fixed_c=0))
        woods.passes(2, HOUR, HOUR)
        # 27 ohm: it cannot even bear the radio
        woods.world.at(2 * HOUR + 12000, lambda: set_cold(woods.unit.battery, -30, 2.7))
        woods.passes(4, HOUR, 4 * HOUR)
        woods.run(12 * HOUR)
        self.assertGreater(woods.unit.brown_outs, 0)
        self.assertLess(woods.unit.brown_outs, 200)
        set_cold(woods.unit.battery, 0, 0.5)
        woods.run(7 * HOUR)
        woods.passes(2, HOUR)
        woods.run(3 * HOUR)
        self.assertGreater(woods.pi.looks, 3)
        self.all_is_well(woods)

    def test_minus30__the_pi_pulls_an_old_pack_down(self):
        woods = self.woods(seed=2, feline_permille=1000)
        weather = Weather(woods.world, fixed_c=-30)
        woods.unit.battery = Battery(weather, ohm=0.8)
        woods.run(HOUR)
        woods.passes(20, 30 * MINUTE)
        woods.run(11 * HOUR)
        self.assertEqual(woods.pi.looks, 0)
        self.assertGreater(woods.unit.brown_outs, 3)
        self.assertLess(woods.unit.brown_outs, 12)  # then it is safe, and leaves the Pi alone
        self.assertGreater(woods.base.beats, 10)
        weather.fixed_c = -5
        woods.run(7 * HOUR)
        woods.passes(2, HOUR)
        woods.run(3 * HOUR)
        self.assertEqual(woods.pi.looks, 2)
        self.all_is_well(woods)


def set_cold(battery, celsius, ohm):
    battery.weather.fixed_c = celsius
    battery.ohm = ohm
