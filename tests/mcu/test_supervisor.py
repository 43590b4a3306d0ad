"""The supervisor on a bench board: states, the Pi's power, sleep as a reset, lights, safe mode."""

import struct
import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.mcu.test_units import ENVELOPE
from tests.wire.keys import base_keys
from tests.wire.world import no_reserve
from trapmcu import lights, pipower
from trapmcu.main import build
from trapmcu.resets import SAFE_MS, STEADY_MS
from trapmcu.retained import PIR, SLEEP, SOFT, TIMER, WATCHDOG
from trapmcu.supervisor import LONGEST_REST_MS, PROMISE_MS
from trapwire import serialline as line
from trapwire.baselink import BaseLink
from trapwire.frame import Counter, peek_frame
from trapwire.objects import CROP, Envelope, ObjectKey, decode_envelope
from trapwire.unitstates import ARMED, PARKED, SAFE, SAVING, SERVICE, SHOOTING

SETTINGS = {"trap": 5, "plan": "cn470", "link_key": "05" * 16, "min_gap_ms": 0}
MANY = 5  # starts in a row, by default
CROP_KEY = ObjectKey(5, 1, 1, CROP)


class Unit:
    """A supervisor that sleeps and wakes: each wake is a new one, on a new board with the same memory and flash."""

    def __init__(self, **settings):
        self.folder = make_folder()
        self.settings = dict(SETTINGS, **settings)
        self.base = BaseLink(base_keys([5]), 197, Counter(0, no_reserve))
        self.base_hears = True
        self.objects = []
        self.health = []
        self.counters = []
        self.memory = b""
        self.now = 1000
        self.mv = None
        self.start(0)

    def start(self, cause, woke=0):
        if cause in (0,):
            self.memory = b""
        self.board = BenchBoard(self.folder, self.now)
        self.board.now = self.now
        self.board.cause, self.board.woke, self.board.memory = cause, woke, self.memory
        self.board.mv = self.mv
        self.board.edges = 1 if woke & PIR else 0  # as both boards count the one that ended a sleep
        self.unit = build(self.board, self.settings)

    def run(self, ms, every=10):
        """Let it be awake for so long; what it said to the Pi."""
        said = []
        for _ in range(ms // every):
            self.now += every
            self.board.now = self.now
            self.board.mv = self.mv
            self.unit.step(self.now)
            said += self.board.said()
            heard, self.board.radio.air = self.board.radio.air, []
            for frame in heard:
                self.counters.append(peek_frame(frame).counter)
                for event in self.base.on_frame(frame, -90, 20, self.now) if self.base_hears else []:
                    if event[0] == "object":
                        self.objects.append(event[1])
                        self.base.committed(decode_envelope(event[1]).key, self.now)
                    elif event[0] == "heartbeat":
                        self.health.append(event[2].values)
            self.board.radio.incoming += self.base.frames_due(self.now)
        return said

    def sleep(self, cause=TIMER, limit_ms=600000):
        """Until it sleeps, and then until `cause` wakes it; how long it wanted to sleep, and what may wake it."""
        for _ in range(limit_ms // 10):
            rest = self.unit.rest(self.now)
            if rest is not None:
                break
            self.run(10)
        if rest is None:
            raise AssertionError("it does not sleep")
        if not rest[1] & cause:
            raise AssertionError("it could not wake by %d" % cause)
        self.memory = self.board.memory
        self.now += rest[0] if cause == TIMER else 5000
        self.start(SLEEP, cause)
        return rest

    def pi_says(self, kind, payload=b""):
        self.board.say(kind, payload)

    def done(self, what, number):
        self.pi_says(line.DONE, struct.pack(">BI", what, number))

    @property
    def state(self):
        return self.unit.state


def kinds(said):
    return [kind for kind, _ in said]


class StatesTest(unittest.TestCase):
    def unit(self, **settings):
        self._unit = Unit(**settings)
        return self._unit

    def tearDown(self):
        remove_folder(self._unit.folder)

    def test_parked__a_cat_passes(self):
        unit = self.unit()
        unit.sleep()
        self.assertEqual(unit.state, PARKED)
        unit.sleep(PIR)
        unit.run(1000)
        self.assertEqual((unit.state, unit.board.switched), (SHOOTING, [True]))
        unit.pi_says(line.HELLO)
        said = unit.run(100)
        wakes = [payload for kind, payload in said if kind == line.WAKE]
        self.assertEqual(len(wakes), 1)
        number, cause, age_ms = struct.unpack(">IBI", wakes[0])
        self.assertEqual((number, cause), (1, 0))
        self.assertTrue(1000 <= age_ms <= 1100, age_ms)
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        said = unit.run(100)
        self.assertTrue(line.STORED in kinds(said))
        self.assertTrue(line.LEAVE not in kinds(said))  # it still works
        unit.done(0, 1)
        self.assertTrue(line.LEAVE in kinds(unit.run(20)))
        unit.done(1, 1)
        unit.run(20)
        self.assertEqual(unit.board.switched, [True])
        unit.board.halted = True
        unit.run(20)
        self.assertEqual(unit.board.switched, [True, False])
        unit.sleep()
        self.assertEqual((unit.state, unit.objects), (PARKED, [ENVELOPE]))

    def test_the_pi_stays_until_each_trigger_is_seen_to(self):
        unit = self.unit()
        unit.run(100)
        unit.board.edges = 1
        unit.run(20)
        unit.pi_says(line.HELLO)
        unit.run(20)
        unit.board.edges = 1
        unit.run(20)
        unit.done(0, 1)
        self.assertTrue(line.LEAVE not in kinds(unit.run(6000)))
        unit.done(0, 2)
        self.assertTrue(line.LEAVE in kinds(unit.run(20)))

    def test_armed_hours_keep_it_on_and_sleepless(self):
        unit = self.unit(armed_to_h=24)
        unit.run(100)
        self.assertEqual((unit.state, unit.board.switched), (ARMED, [False, True]))
        for _ in range(12):
            unit.pi_says(line.STATUS, bytes(9))
            unit.run(10000, every=100)
            self.assertIsNone(unit.unit.rest(unit.now))
        self.assertEqual(unit.unit._pi.state, pipower.UP)

    def test_a_pi_that_never_speaks_is_cut_and_tried_again_later_and_later(self):
        unit = self.unit(armed_to_h=24, pi_boot_ms=30000)
        ons = []
        for _ in range(3600 * 3):
            unit.run(1000, every=1000)
            if unit.board.switched[-1:] == [True]:
                ons.append(unit.now)
                unit.board.switched = []
        gaps = [(ons[i + 1] - ons[i]) // 1000 for i in range(len(ons) - 1)]
        self.assertEqual(gaps[:4], [90, 150, 270, 510])
        self.assertTrue(max(gaps) <= 3640, gaps)

    def test_a_pi_that_hangs_at_shutdown_is_cut(self):
        unit = self.unit()
        unit.run(100)
        unit.board.edges = 1
        unit.run(20)
        unit.pi_says(line.HELLO)
        unit.run(20)
        unit.board.halted = False
        unit.done(0, 1)
        asked = [kind for kind in kinds(unit.run(29000)) if kind == line.LEAVE]
        self.assertEqual(len(asked), 6)
        self.assertEqual(unit.board.switched, [False, True])
        unit.run(2000)
        self.assertEqual(unit.board.switched, [False, True, False])
        self.assertEqual(unit.unit._pi.faults, 1)

    def test_the_last_words_of_a_pi_that_a_reset_has_cut_off_leave_none_that_is_believed_up_and_is_off(self):
        unit = self.unit(armed_to_h=24)
        unit.run(100)
        unit.pi_says(line.HELLO)
        unit.run(5000)
        unit.start(WATCHDOG)
        unit.pi_says(line.STATUS, bytes(9))  # it lay in the line
        unit.run(5000)
        self.assertEqual(unit.board.switched, [False, True])
        self.assertTrue(unit.unit._pi.state in (pipower.BOOTING, pipower.UP))

    def test_a_pi_that_speaks_without_us_is_kept_on_until_it_has_left(self):
        unit = self.unit()
        unit.run(5000)
        unit.pi_says(line.HELLO)
        unit.run(20)
        self.assertEqual(unit.board.switched, [False, True])
        unit.done(1, 0)
        unit.board.halted = True
        unit.run(100)
        self.assertEqual(unit.board.switched, [False, True, False])

    def test_a_bush_in_the_wind_spends_its_budget_and_no_more(self):
        unit = self.unit(triggers_a_day=100, trigger_burst=10)
        for _ in range(3600):
            unit.board.edges = 1
            unit.run(1000, every=1000)
            if unit.unit._pi.state in (pipower.BOOTING, pipower.UP):
                unit.done(0, 1 << 30)
            elif unit.unit._pi.state == pipower.LEAVING:
                unit.board.halted = True
        self.assertTrue(10 <= unit.unit._triggers <= 10 + 5, unit.unit._triggers)
        unit.board.halted = None
        rest = unit.sleep()
        self.assertEqual(rest[1] & PIR, 0)  # it does not even wake for it
        self.assertLess(rest[0], 86400000 // 100 + 1)

    def test_service_by_the_magnet_ends_by_itself_and_says_you_may_leave(self):
        unit = self.unit(service_min=10)
        unit.sleep()
        unit.board.held_ms = 3000
        unit.run(100)
        self.assertEqual((unit.state, unit.board.switched), (SERVICE, [True]))
        unit.pi_says(line.HELLO)
        unit.run(50000, every=50)
        unit.board.halted = True
        for _ in range(11):
            unit.pi_says(line.STATUS, bytes(9))
            unit.run(50000, every=50)
        self.assertTrue(unit.state != SERVICE)
        unit.run(10000)
        unit.base_hears = False
        unit.board.held_ms = 100  # a short press: is the base there?
        unit.run(100)
        self.assertEqual(unit.unit._lights.showing, lights.WAIT)
        unit.run(PROMISE_MS, every=50)
        self.assertEqual(unit.unit._lights.showing, lights.NOT_HEARD)
        unit.base_hears = True
        unit.board.held_ms = 100
        unit.run(2000)
        self.assertEqual(unit.unit._lights.showing, lights.LEAVE)
        unit.board.lit = []
        unit.run(6000)
        self.assertEqual((unit.board.lit[-1], unit.unit._lights.showing), (False, lights.NONE))

    def test_repeated_resets_lead_to_safe_and_a_while_or_a_hand_leads_out(self):
        unit = self.unit()
        for _ in range(MANY - 1):
            unit.run(2000)
            unit.start(WATCHDOG)
        unit.run(100)
        self.assertEqual(unit.state, SAFE)
        unit.board.edges = 3
        unit.run(100)
        self.assertEqual(unit.board.switched, [False])
        rest = unit.sleep()
        self.assertEqual(rest[1] & PIR, 0)
        for _ in range(SAFE_MS // LONGEST_REST_MS + 1):
            unit.sleep()
        self.assertEqual(unit.state, PARKED)
        for _ in range(MANY):
            unit.run(2000)
            unit.start(SOFT)
        unit.run(100)
        self.assertEqual(unit.state, SAFE)
        unit.board.held_ms = 5000
        unit.run(100)
        self.assertEqual(unit.state, SERVICE)

    def test_a_steady_hour_forgives_resets(self):
        unit = self.unit()
        for _ in range(3):
            unit.start(WATCHDOG)
        self.assertEqual(unit.unit._resets.in_row, 4)
        spent = 0
        while spent <= STEADY_MS:
            spent += unit.sleep()[0]
        unit.run(100)
        self.assertEqual((unit.unit._resets.in_row, unit.unit._resets.total), (0, 4))

    def test_a_low_battery_sends_alerts_only(self):
        unit = self.unit(battery="liion", battery_cells=1, battery_mah=1000)
        unit.mv = 3400
        unit.base_hears = False
        for _ in range(40):
            unit.run(60000, every=1000)
        unit.run(1000)
        self.assertEqual((unit.state, unit.board.switched), (SAVING, [False]))
        unit.pi_says(line.PUT, b"\x01" + Envelope(CROP_KEY, bytes(1500)).encode())
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        unit.run(100)
        unit.base_hears = True
        unit.run(90000, every=10)
        self.assertEqual(unit.objects, [ENVELOPE])
        self.assertEqual(len(unit.unit.courier._up), 1)


if __name__ == "__main__":
    unittest.main()
