"""The supervisor's sleep, which is a reset, and its log: on a bench board."""

import struct
import unittest

from tests.mcu.bench import remove_folder
from tests.mcu.test_supervisor import CROP_KEY, Unit
from tests.mcu.test_units import ENVELOPE, KEY
from trapmcu import lights
from trapmcu.retained import BUTTON, PIR, RADIO, SLEEP, TIMER, WATCHDOG
from trapwire import events as ev
from trapwire import serialline as line
from trapwire.objects import Envelope, pack_keys
from trapwire.unitstates import PARKED, SHOOTING


class SleepTest(unittest.TestCase):
    def unit(self, **settings):
        self._unit = Unit(**settings)
        return self._unit

    def tearDown(self):
        remove_folder(self._unit.folder)

    def test_over_a_hundred_sleeps_no_counter_is_used_twice_and_flash_is_left_alone(self):
        unit = self.unit(times={"heartbeat_ms": 600000})
        unit.sleep()
        with open(unit.folder + "/counter") as file:
            reserved = file.read()
        for _ in range(100):
            unit.sleep()
        self.assertGreater(len(unit.counters), 90)
        self.assertEqual(len(set(unit.counters)), len(unit.counters))
        with open(unit.folder + "/counter") as file:
            self.assertEqual(file.read(), reserved)

    def test_memory_of_before_is_not_believed_after_another_reset(self):
        unit = self.unit()
        unit.sleep()
        memory = unit.memory
        unit.run(60000)
        unit.board.memory = memory  # as if the new start had not cleared it
        unit.memory = memory
        unit.start(WATCHDOG)
        unit.run(60000)
        self.assertEqual(len(set(unit.counters)), len(unit.counters))

    def test_damaged_memory_is_a_loss_of_power(self):
        unit = self.unit()
        for spoil in (b"", b"x", b"Pug1" + bytes(50), None):
            unit.sleep()
            unit.memory = unit.memory[:40] + b"\xff" + unit.memory[41:] if spoil is None else spoil
            unit.start(SLEEP, TIMER)
            unit.run(3000)
        self.assertEqual(len(set(unit.counters)), len(unit.counters))

    def test_a_dead_link_is_not_asked_after_at_each_wake(self):
        unit = self.unit()
        unit.base_hears = False
        unit.run(1000)
        unit.pi_says(line.HELLO)
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        unit.run(1000)
        unit.board.halted = True
        unit.run(600000, every=20)
        frames = len(unit.counters)
        for _ in range(20):
            try:
                unit.sleep(PIR, 100)  # a bush
            except AssertionError:
                unit.run(1000)
        self.assertLess(len(unit.counters) - frames, 45)

    def test_delivered_while_the_pi_was_off_is_not_sent_again(self):
        unit = self.unit()
        unit.run(100)
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        unit.run(100)
        unit.board.halted = True
        unit.run(40000)
        self.assertEqual(unit.objects, [ENVELOPE])
        unit.sleep()
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        said = unit.run(1000)
        self.assertTrue((line.DELIVERED, pack_keys([KEY])) in said)
        self.assertEqual(unit.objects, [ENVELOPE])

    def test_an_object_that_was_not_begun_is_not_asked_after(self):
        unit = self.unit()
        unit.base_hears = False
        unit.run(100)
        unit.pi_says(line.PUT, b"\x00" + ENVELOPE)
        unit.pi_says(line.PUT, b"\x01" + Envelope(CROP_KEY, bytes(100)).encode())
        unit.run(1000)
        unit.board.halted = True
        unit.run(200000, every=20)
        unit.sleep(BUTTON)
        self.assertEqual(unit.unit.courier._begun, [])

    def test_the_partners_call_wakes_it_from_the_radios_own_listening(self):
        unit = self.unit(station_key="5a" * 16)
        rest = unit.sleep(RADIO)
        self.assertTrue(rest[1] & RADIO)
        self.assertEqual(unit.board.radio.tuned, [])  # what lies in the radio must not be lost
        unit.run(1000)
        self.assertEqual(unit.board.radio.tuned[0]["sf"], 9)

    def test_health_says_state_and_resets(self):
        unit = self.unit(times={"heartbeat_ms": 60000})
        unit.start(WATCHDOG)
        unit.run(70000, every=20)
        last = unit.health[-1]
        self.assertEqual((last["state"], last["resets"], last["fault"]), (PARKED, 2, ev.WATCHDOG))


def entries(unit):
    """Code and value of each entry of the log, oldest first."""
    ring = unit.unit._diary.log
    first, end = ring.find(0, 200)
    found = []
    while first < end:
        at, data = ring.read(first, end - first)
        for i in range(0, len(data), 7):
            _, code, value = struct.unpack(">IBH", data[i : i + 7])
            found.append((code & 0x7F, value))
        first = at + max(1, len(data) // 7)
    return found


class DiaryTest(unittest.TestCase):
    def unit(self, **settings):
        self._unit = Unit(**settings)
        return self._unit

    def tearDown(self):
        remove_folder(self._unit.folder)

    def test_a_pi_that_comes_and_hangs_at_its_end(self):
        unit = self.unit()
        unit.run(100)
        unit.board.edges = 1
        unit.run(4000)
        unit.pi_says(line.HELLO)
        unit.run(20)
        unit.board.halted = False
        unit.done(0, 1)
        unit.run(31000)
        self.assertEqual(
            entries(unit),
            [
                (ev.START, 0), (ev.STATE, PARKED << 8 | SHOOTING), (ev.PI_ON, 0), (ev.PI_UP, 4),
                (ev.STATE, SHOOTING << 8 | PARKED), (ev.PI_LEAVE, PARKED), (ev.PI_CUT, 1),
            ],
        )  # fmt: skip

    def test_a_week_without_the_base_and_then_its_voice(self):
        unit = self.unit(times={"heartbeat_ms": 21600000})
        unit.run(1000)
        unit.base_hears = False
        began = unit.now
        while unit.now - began < 7 * 86400000:
            unit.sleep()
        unit.base_hears = True
        for _ in range(20):
            unit.sleep()
        found = [entry for entry in entries(unit) if entry[0] in (ev.BASE_LOST, ev.BASE_HEARD)]
        self.assertEqual(found[-2:], [(ev.BASE_LOST, 7), (ev.BASE_HEARD, 7)])

    def test_the_pi_says_that_its_card_is_at_fault_and_the_lamp_shows_it(self):
        unit = self.unit()
        unit.run(1000)
        unit.pi_says(line.FAULT, b"\x01")
        unit.pi_says(line.FAULT, b"\x01")
        unit.run(100)
        self.assertEqual([e for e in entries(unit) if e[0] == ev.CARD_FAULT], [(ev.CARD_FAULT, 1)])
        unit.board.held_ms = 100
        unit.run(3000)
        self.assertEqual(unit.unit._lights.showing, lights.CARD)


if __name__ == "__main__":
    unittest.main()
