"""A month with every fault, alone and together: no sighting lost, the Pi never powered without a reason."""

from tests.mcu.stories.bench import ON_A_DISK, Story, log
from trapmcu.diary import HOURS, MOVED, SERVES
from trapsim.unitsim import simpi
from trapsim.unitsim.battery import Battery, Weather
from trapsim.unitsim.world import DAY, HOUR, MINUTE, SECOND
from trapwire import events as ev
from trapwire.words import SETTING_CODES

FAULTY_REACH = 12 * MINUTE  # a Pi that hangs, is silent, or has a long queue to hand over
ARMED_FROM_H, ARMED_TO_H = 15, 17
FAULTS = (
    simpi.HANGS_AT_HALT, simpi.SILENT, simpi.HANGS_AT_BOOT, simpi.GARBAGE, simpi.REBOOTS, simpi.CARD,
)  # fmt: skip


class MonthTest(Story):
    def test_a_month_with_every_fault(self):
        settings = {"armed_from_h": ARMED_FROM_H, "armed_to_h": ARMED_TO_H, "battery": "lithium-primary"}
        settings.update({"battery_cells": 2, "battery_mah": 57000, "battery_mv": 7200})
        woods = self.woods(seed=17, loss=0.15, settings=settings, feline_permille=350, ppm=2.0, fresh_every=10)
        self.pass_by(woods)
        self.plague(woods)
        woods.run(30 * DAY)
        self.mend(woods)
        woods.run(2 * DAY)
        unit = woods.unit
        self.assertGreater(woods.pi.sightings, 20)
        self.assertGreater(sum(unit.causes[i] for i in (0, 2)), 8)
        spans = [(d * DAY + ARMED_FROM_H * HOUR - MINUTE, d * DAY + ARMED_TO_H * HOUR + MINUTE) for d in range(33)]
        spans.append((14 * DAY, 14 * DAY + 6 * HOUR + MINUTE))  # the PIR is stuck, and says so all the time
        self.all_is_well(woods, FAULTY_REACH, spans)
        reasons = {value for _, _, code, value in log(unit) if code == ev.PI_ON}
        self.assertTrue(reasons and reasons <= {MOVED, HOURS, SERVES})
        self.assertGreater(unit.slept_ms, 26 * DAY)

    def pass_by(self, woods):
        dice = woods.world.dice
        for day in range(32):
            for _ in range(3 + dice.below(6)):
                woods.unit.pir_at.append(day * DAY + dice.below(DAY - MINUTE))
        at = 9 * DAY + 6 * HOUR
        while at < 9 * DAY + 9 * HOUR:  # a windy morning
            woods.unit.pir_at.append(at)
            at += 2000 + dice.below(20 * SECOND)
        woods.unit.pir_at.sort()

    def plague(self, woods):
        world, unit, pi, base, air = woods.world, woods.unit, woods.pi, woods.base, woods.air
        for i, fault in enumerate(FAULTS):
            for day in (1 + i, 15 + i):
                world.at(day * DAY + 3 * HOUR, lambda fault=fault: pi.faults.add(fault))
                world.at(day * DAY + 18 * HOUR, lambda fault=fault: pi.faults.discard(fault))
        world.at(3 * DAY, lambda: unit.cut_power(10 * MINUTE, clock_too=True))
        world.at(5 * DAY + 13 * HOUR, lambda: unit.cut_power(10 * SECOND))
        world.at(7 * DAY, lambda: air.cut_off(5, 9 * DAY))
        world.at(10 * DAY, base.restart)
        world.at(11 * DAY, lambda: air.noise(world.now + 2 * HOUR))
        world.at(12 * DAY, lambda: unit.press(3 * SECOND))
        world.at(13 * DAY, lambda: base.words.set(5, 7, SETTING_CODES["sf"], 11))
        world.at(14 * DAY, lambda: setattr(unit, "pir_high_until", world.now + 6 * HOUR))
        world.at(21 * DAY, lambda: setattr(unit, "hangs", True))
        world.at(22 * DAY, lambda: setattr(unit, "hangs", False))
        world.at(23 * DAY, lambda: setattr(unit.battery, "ohm", 3.0))
        world.at(23 * DAY + 10 * HOUR, lambda: setattr(unit.battery, "ohm", 0.5))
        world.at(24 * DAY, lambda: air.cut_off(5, 25 * DAY))
        world.at(26 * DAY, lambda: setattr(base, "knows_time", False))
        world.at(27 * DAY, lambda: unit.cut_power(MINUTE, clock_too=True))
        world.at(28 * DAY, lambda: setattr(base, "knows_time", True))
        unit.battery = Battery(Weather(world))
        disk = unit.flash.disk
        for day in range(1, 30, 2):
            world.at(day * DAY + 5 * HOUR, lambda: setattr(disk, "cut_at", disk.ops + 1 + world.dice.below(40)))
        world.at(18 * DAY, lambda: setattr(disk, "refuse_from", disk.ops + 1))
        world.at(18 * DAY + 9 * HOUR, lambda: setattr(disk, "refuse_from", None))

    def mend(self, woods):
        woods.pi.faults.clear()
        woods.unit.hangs = False
        woods.passes(4, 3 * HOUR, HOUR)


if not ON_A_DISK:  # minutes on CPython, and no flash to fail
    del MonthTest.test_a_month_with_every_fault
