"""Supervisor and modem in a quick turn: who is tuned where, and that both come back."""

import struct
import unittest

from tests.mcu.bench import BenchBoard, remove_folder
from tests.mcu.test_units import SETTINGS, Bench
from tests.wire.keys import base_keys
from tests.wire.world import no_reserve
from trapmcu.main import build
from trapwire import serialline as line
from trapwire.baselink import BaseLink
from trapwire.frame import MORE, Counter
from trapwire.objects import FRAME, Envelope, ObjectKey

LAST, FOLLOWED = bytes([0xE4]) + bytes(22), bytes([0xE4 | MORE]) + bytes(22)


class ModemTest(unittest.TestCase):
    def setUpModem(self):
        self.board = BenchBoard(None)
        self.tuned = []
        self.board.radio.configure = self.configure
        self.unit = build(self.board, {"role": "modem", "plan": "cn470"})
        self.board.say(line.TRANSMIT, LAST)
        self.board.say(line.TUNE, struct.pack(">BH", 7, 3000))

    def configure(self, lora_cfg):
        self.tuned.append((self.board.now, lora_cfg["sf"]))

    def run_ms(self, ms):
        for _ in range(ms // 10):
            self.board.now += 10
            self.unit.step(self.board.now)

    def test_it_goes_where_the_turn_is_behind_the_frame_that_allows_it(self):
        self.setUpModem()
        self.unit.step(self.board.now)
        self.assertEqual((self.board.radio.air, self.tuned), ([LAST], []))
        self.run_ms(20)
        self.assertEqual([sf for _, sf in self.tuned], [7])

    def test_it_comes_back_behind_the_turns_answer(self):
        self.setUpModem()
        self.run_ms(1000)
        self.board.say(line.TRANSMIT, FOLLOWED)
        self.run_ms(100)
        self.assertEqual([sf for _, sf in self.tuned], [7])
        self.board.say(line.TRANSMIT, LAST)
        self.run_ms(100)
        self.assertEqual([sf for _, sf in self.tuned], [7, 9])
        self.assertLess(self.tuned[1][0] - self.tuned[0][0], 1300)

    def test_it_comes_back_when_the_time_is_over(self):
        self.setUpModem()
        self.run_ms(4000)
        self.assertEqual([sf for _, sf in self.tuned], [7, 9])
        self.assertLess(abs(self.tuned[1][0] - self.tuned[0][0] - 3000), 20)

    def test_a_turn_that_cannot_be_is_dropped(self):
        self.setUpModem()
        self.run_ms(4000)
        before, dropped = len(self.tuned), self.unit.dropped
        for payload in (b"", b"\x07", b"\x06\x01\x00", b"\x0d\x01\x00", b"\x07\x01\x00\x00"):
            self.board.say(line.TUNE, payload)
        self.run_ms(100)
        self.assertEqual((len(self.tuned), self.unit.dropped - dropped), (before, 5))
        self.board.say(line.TUNE, b"\x07\xff\xff")  # longer than any: it is bounded
        self.run_ms(6000)
        self.assertEqual([sf for _, sf in self.tuned[before:]], [7, 9])


class SupervisorTest(unittest.TestCase):
    def setUpBench(self):
        self.bench = Bench()
        self.bench.keys = base_keys([5])
        self.bench.base = BaseLink(self.bench.keys, 197, Counter(0, no_reserve), 0, (9, 7))
        self.tuned = []
        self.bench.board = BenchBoard(self.bench.folder, 3)
        self.bench.board.radio.configure = self.configure
        self.bench.unit = build(self.bench.board, dict(SETTINGS, quick_sf=7))

    def configure(self, lora_cfg):
        self.tuned.append(lora_cfg["sf"])

    def tearDown(self):
        remove_folder(self.bench.folder)

    def test_an_object_goes_by_quick_turns_and_the_radio_ends_at_home(self):
        self.setUpBench()
        envelope = Envelope(ObjectKey(5, 7, 1, FRAME), bytes(8000)).encode()
        self.bench.board.say(line.PUT, b"\x01" + envelope)
        self.bench.run(60000)
        self.assertEqual(self.bench.objects, [envelope])
        self.assertGreater(len(self.tuned), 3)
        self.assertEqual(self.tuned, [7, 9] * (len(self.tuned) // 2))

    def test_without_a_base_that_allows_it_the_radio_is_never_tuned(self):
        self.setUpBench()
        self.bench.base = BaseLink(self.bench.keys, 197, Counter(5000, no_reserve), 0)
        self.bench.board.say(line.PUT, b"\x01" + Envelope(ObjectKey(5, 7, 1, FRAME), bytes(2000)).encode())
        self.bench.run(60000)
        self.assertEqual((len(self.bench.objects), self.tuned), (1, []))


class SettingTest(unittest.TestCase):
    def test_a_spreading_factor_that_is_not_faster_is_refused_by_name(self):
        for wrong in (9, 10, 3):
            try:
                build(BenchBoard(None), dict(SETTINGS, quick_sf=wrong))
            except ValueError as error:
                self.assertTrue("quick_sf is %d" % wrong in str(error))
                continue
            self.assertTrue(False, "%d was taken" % wrong)


if __name__ == "__main__":
    unittest.main()
