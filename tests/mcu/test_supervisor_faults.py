"""What goes wrong around the supervisor: clock chip, flash, serial line, a hand at the button. Found by review."""

import os
import struct
import unittest

from tests.mcu.bench import BenchBoard, remove_folder
from tests.mcu.test_supervisor import Unit
from tests.mcu.test_units import ENVELOPE, KEY
from trapmcu.battery import Battery
from trapmcu.clock import Clock
from trapmcu.flash import FlashStore, write_file
from trapmcu.gauge import Gauge
from trapmcu.retained import BUTTON, PIR, POWER, SLEEP, TIMER, WATCHDOG
from trapmcu.settings import complete
from trapwire import serialline as line
from trapwire.unitstates import PARKED, SERVICE, SHOOTING
from trapwire.words import SETTING_CODES

PACK = {"battery": "lithium-primary", "battery_cells": 2, "battery_mah": 57000, "battery_mv": 7200}
DAY_MS = 86400000
YEAR_MS = 365 * DAY_MS


class Faults(unittest.TestCase):
    def unit(self, **settings):
        self._unit = Unit(**settings)
        return self._unit

    def tearDown(self):
        remove_folder(self._unit.folder)


class ClockTest(Faults):
    def test_a_clock_chip_that_dies_in_a_sleep_leaves_a_unit_that_sees_and_sends(self):
        unit = self.unit()
        unit.now += 20 * DAY_MS
        unit.start(POWER)
        unit.sleep()
        unit.sleep()
        unit.health = []
        unit.now = 300  # the chip is silent from now on: time begins anew at each start
        unit.start(SLEEP, TIMER)
        unit.board.kept = False
        unit.run(3000)
        self.assertEqual(len(unit.health), 1)
        rest = unit.sleep()
        self.assertTrue(rest[1] & PIR)
        unit.now = 300
        unit.start(SLEEP, PIR)
        unit.run(1000)
        self.assertEqual((unit.state, unit.board.switched[-1]), (SHOOTING, True))

    def test_a_time_in_flash_of_before_the_chip_began_anew_is_never_believed(self):
        unit = self.unit()
        path = unit.folder + "/clock"
        Clock(100, path, True).hear(300000, 1790000000000, 5)
        self.assertEqual(Clock(100, path, True).read(300001)[0], 1790000000001)
        self.assertIsNone(Clock(100, path, False).read(400000))
        self.assertIsNone(Clock(100, path, True).read(500000))  # another reset, with the chip counting again


class GaugeTest(Faults):
    """SETTINGS: a lithium pack that is never measured well, so the count alone speaks."""

    def gauge(self, cause, now, kept=None, mv=None):
        board = BenchBoard(self._unit.folder)
        board.cause, board.mv = cause, mv
        settings = complete(dict(self._unit.settings, **PACK))
        return Gauge(board, settings, now, kept)

    def test_months_without_a_battery_are_not_counted_as_months_awake(self):
        self.unit()
        battery = Battery("lithium-primary", 2, 57000)
        battery.spend(DAY_MS, 0)
        battery.spend(2 * DAY_MS, 1000)
        write_file(self._unit.folder + "/battery", battery.pack())
        gauge = self.gauge(POWER, 200 * DAY_MS)
        gauge.step(200 * DAY_MS + 1000, False, False)
        self.assertTrue(gauge.percent >= 98, gauge.percent)

    def test_a_reset_counts_the_day_since_the_last_write_at_the_units_average(self):
        unit = self.unit()
        battery = Battery("lithium-primary", 2, 57000)
        battery.spend(1024, 0)
        for day in range(1, 31):
            battery.spend(day * DAY_MS, 10000)  # 10 mA: 240 mAh a day
        write_file(unit.folder + "/battery", battery.pack())
        gauge = self.gauge(WATCHDOG, 30 * DAY_MS + DAY_MS // 2)
        before = battery._used
        gauge.step(30 * DAY_MS + DAY_MS // 2, False, False)
        counted = gauge._model._used - before
        self.assertTrue(110000 < counted < 130000, counted)

    def test_resets_twice_a_day_do_not_stop_the_count(self):
        self.unit()
        now = 1000
        for _ in range(20):
            gauge = self.gauge(WATCHDOG, now)
            for _ in range(12 * 60):
                now += 60000
                gauge.step(now, True, False)
        self.assertTrue(gauge._model._used > 9 * 24 * 190000, gauge._model._used)

    def test_a_watchdog_reset_makes_no_half_used_pack_new(self):
        unit = self.unit()
        for cause, used in ((WATCHDOG, True), (POWER, False)):
            battery = Battery("lithium-primary", 2, 57000)
            battery.spend(1024, 0)
            battery.spend(30 * DAY_MS, 30000)
            battery.reading(2 * 3560, 20)
            write_file(unit.folder + "/battery", battery.pack())
            gauge = self.gauge(cause, 30 * DAY_MS, None, 2 * 3640)
            gauge.step(30 * DAY_MS, False, False)
            self.assertEqual(gauge.percent < 70, used)

    def test_a_short_sleep_is_no_rest_after_a_load(self):
        self.unit()
        gauge = self.gauge(POWER, 1000, None, 2 * 3660)
        gauge.step(1000, False, False)
        now = DAY_MS
        for _ in range(3):
            gauge._board.mv = 2 * 3400
            gauge._due_at = now
            gauge.step(now, True, False)
            gauge = self.gauge(SLEEP, now + 30000, gauge.keep(now + 1000), 2 * 3250)
            gauge.step(now + 30000, False, False)
            now += 60000
        self.assertTrue(gauge.percent > 90, gauge.percent)
        gauge = self.gauge(SLEEP, now + DAY_MS, gauge.keep(now + 1000), 2 * 3250)
        gauge.step(now + DAY_MS, False, False)
        self.assertEqual(gauge._model._runs & 15, 1)  # but after a real one it tells


class HandAndSensorTest(Faults):
    def test_a_long_press_that_ends_a_sleep_means_service(self):
        unit = self.unit()
        unit.sleep()
        unit.sleep(BUTTON)
        unit.board.held = BUTTON
        unit.run(1500)
        self.assertIsNone(unit.unit.rest(unit.now))
        unit.board.held, unit.board.held_ms = 0, 3000
        unit.run(20)
        self.assertEqual(unit.state, SERVICE)

    def test_a_magnet_that_stays_does_not_keep_it_awake(self):
        unit = self.unit()
        unit.sleep()
        unit.sleep(BUTTON)
        unit.board.held = BUTTON
        unit.run(59000)
        self.assertIsNone(unit.unit.rest(unit.now))  # it may still be a press
        unit.run(2000)
        rest = unit.unit.rest(unit.now)
        self.assertEqual(rest[1] & (BUTTON | PIR), PIR)
        self.assertTrue(rest[0] <= 60000, rest)  # and is looked at again

    def test_the_edge_that_ends_a_sleep_is_one_trigger(self):
        unit = self.unit()
        unit.sleep()
        unit.sleep(PIR)
        unit.run(1000)
        unit.pi_says(line.HELLO)
        wakes = [payload for kind, payload in unit.run(100) if kind == line.WAKE]
        self.assertEqual(len(wakes), 1)

    def test_out_of_the_hours_that_it_watches_nothing_that_moves_wakes_it(self):
        unit = self.unit(watch_from_h=20, watch_to_h=6)
        unit.sleep()
        self.assertEqual(unit.sleep()[1] & PIR, 0)  # without a time no such hour is known
        unit.unit._clock.hear(unit.now, 1790000000000 // DAY_MS * DAY_MS + 12 * 3600000, 5)
        self.assertEqual(unit.sleep()[1] & PIR, 0)
        unit.unit._clock.hear(unit.now, 1790000000000 // DAY_MS * DAY_MS + 22 * 3600000, 5)
        self.assertTrue(unit.sleep()[1] & PIR)


class LineTest(Faults):
    def test_a_wake_that_was_lost_on_the_line_is_said_again(self):
        unit = self.unit()
        unit.sleep()
        unit.sleep(PIR)
        unit.run(1000)
        unit.pi_says(line.HELLO)
        self.assertTrue(line.WAKE in [kind for kind, _ in unit.run(100)])  # the Pi does not get it
        said = []
        for _ in range(2):
            unit.done(0, 0)
            said.append([struct.unpack(">IBI", p)[0] for kind, p in unit.run(10000) if kind == line.WAKE])
        self.assertEqual(said, [[], [1]])  # the first may have crossed it
        unit.done(0, 1)
        self.assertTrue(line.LEAVE in [kind for kind, _ in unit.run(20)])

    def test_what_the_pi_holds_is_said_in_heartbeats_after_a_sleep_too(self):
        unit = self.unit()
        unit.pi_says(line.STATUS, struct.pack(">IIB", 7, 3, 255))
        unit.run(20)
        unit.board.halted = True
        unit.sleep()
        unit.health = []
        unit.unit.courier.beat()
        unit.run(3000)
        self.assertEqual((unit.health[0]["unreceipted"], unit.health[0]["full_held"]), (7, 3))


class PartnerTest(Faults):
    def test_a_partner_that_was_stolen_is_heeded_no_more_until_the_station_has_another_key(self):
        unit = self.unit(station_key="5a" * 16)
        self.assertTrue(unit.unit.courier._pair is not None)
        unit.unit.courier._told.on_event(("setting", 900, SETTING_CODES["pair"], 0), unit.now)
        unit.run(20000)
        unit.sleep(TIMER)
        self.assertTrue(unit.unit.courier._pair is None)
        unit.start(POWER)
        self.assertTrue(unit.unit.courier._pair is None)
        unit.settings = dict(unit.settings, station_key="5b" * 16, pair=2)
        unit.start(POWER)
        self.assertTrue(unit.unit.courier._pair is not None)


class HopTest(Faults):
    def test_times_that_the_base_sets_are_in_force_behind_a_repeater_too(self):
        unit = self.unit(hop_key="07" * 16)
        courier = unit.unit.courier
        before = courier._link._times.reply_window_ms
        courier._apply(SETTING_CODES["heartbeat_ms"], 60000)
        courier._apply(SETTING_CODES["reply_window_ms"], 700)
        times = courier._link._times
        self.assertEqual((times.heartbeat_ms, times.reply_window_ms - before), (60000, 400))


class FlashTest(Faults):
    def test_an_object_that_flash_cannot_read_holds_up_nothing(self):
        unit = self.unit()
        path = unit.folder + "/up"
        store = FlashStore(path, 100000)
        store.put(KEY, ENVELOPE, 0)
        name = os.listdir(path)[0]
        os.remove(path + "/" + name)
        os.mkdir(path + "/" + name)  # it can be neither read nor taken away
        unit.start(POWER)
        unit.run(130000)
        self.assertEqual(unit.unit.courier.queued(), False)
        self.assertTrue(len(unit.health) > 0)
        self.assertTrue(unit.state == PARKED and unit.unit.rest(unit.now) is not None)


if __name__ == "__main__":
    unittest.main()
