"""A unit's share of the air on a plan with a duty: over an hour, over resets, for alerts, at the base's modem."""

import unittest

from tests.mcu.bench import BenchBoard, remove_folder
from tests.mcu.test_units import SETTINGS, Bench
from trapmcu.main import build
from trapwire import serialline as line
from trapwire.airtime import airtime_us
from trapwire.alert import Alert
from trapwire.objects import ALERT, CROP, Envelope, ObjectKey, decode_envelope

EU868 = dict(SETTINGS, plan="eu868")


class DutyTest(unittest.TestCase):
    """A unit on a plan with a duty, between its antenna and the law. Windows are judged from what was on the air."""

    def tearDown(self):
        remove_folder(self.bench.folder)

    def setUpBench(self):
        self.bench = Bench()
        self.sent = []
        self.reset()

    def reset(self):
        self.bench.board = BenchBoard(self.bench.folder, 3)
        self.bench.unit = build(self.bench.board, EU868)

    def silence(self, ms, every=100):
        """Nobody answers; what goes on the air is noted with the time of all runs together."""
        for _ in range(ms // every):
            self.bench.board.now += every
            self.bench.unit.step(self.bench.board.now)
            air, self.bench.board.radio.air = self.bench.board.radio.air, []
            self.sent += [airtime_us(len(frame), 9) for frame in air]

    def test_crops_stop_at_nine_tenths_of_the_hour_and_alerts_still_go(self):
        self.setUpBench()
        for number in range(1, 9):
            self.bench.board.say(line.PUT, b"\x01" + Envelope(ObjectKey(5, 7, number, CROP), bytes(8000)).encode())
        self.answered(1700000)
        spent_us = sum(self.sent)
        self.assertGreater(spent_us, 29000000)
        self.assertLess(spent_us, 32400001)
        self.sent = []
        self.answered(100000)
        self.assertEqual(self.sent, [])
        alert = Alert(1700000000000, 200, 0, 200, 1, (10, 20, 30, 40), 80).encode()
        self.bench.board.say(line.PUT, b"\x00" + Envelope(ObjectKey(5, 7, 9, ALERT), alert).encode())
        self.answered(2000)
        self.assertEqual(len(self.sent), 1)

    def answered(self, ms):
        """The base hears everything; what goes on the air is noted."""
        for _ in range(ms // 20):
            self.bench.board.now += 20
            self.bench.unit.step(self.bench.board.now)
            air, self.bench.board.radio.air = self.bench.board.radio.air, []
            self.sent += [airtime_us(len(frame), 9) for frame in air]
            for frame in air:
                for event in self.bench.base.on_frame(frame, -90, 20, self.bench.board.now):
                    if event[0] == "object":
                        self.bench.base.committed(decode_envelope(event[1]).key, self.bench.board.now)
            self.bench.board.radio.incoming += self.bench.base.frames_due(self.bench.board.now)

    def test_resets_free_no_airtime(self):
        self.setUpBench()
        for number in range(1, 9):
            self.bench.board.say(line.PUT, b"\x01" + Envelope(ObjectKey(5, 7, number, CROP), bytes(8000)).encode())
        for _ in range(40):  # within one hour of true time
            self.answered(80000)
            self.reset()
        self.assertGreater(sum(self.sent), 25000000)
        self.assertLess(sum(self.sent), 36000001)

    def test_a_damaged_memory_counts_as_an_hour_used_up(self):
        self.setUpBench()
        self.silence(5000)
        self.assertGreater(len(self.sent), 0)
        with open(self.bench.folder + "/duty", "wb") as file:
            file.write(b"garbage")
        self.reset()
        self.sent = []
        self.silence(3500000, every=1000)
        self.assertEqual(self.sent, [])
        self.silence(600000, every=1000)
        self.assertGreater(len(self.sent), 0)

    def test_a_modem_answers_no_more_than_its_duty_allows(self):
        self.setUpBench()
        board = BenchBoard(self.bench.folder)
        unit = build(board, {"role": "modem", "plan": "eu868"})
        for i in range(2000):
            board.now += 1000
            # Acknowledgements of 23 bytes, and receipts between them.
            board.say(line.TRANSMIT, bytes([0xE4]) + bytes(22) if i % 2 else bytes([0xE2]) + bytes(199))
            unit.step(board.now)
            unit.step(board.now + 500)
        spent_us = sum(airtime_us(len(frame), 9) for frame in board.radio.air)
        self.assertLess(spent_us, 36000001)
        self.assertGreater(spent_us, 34000000)
        self.assertEqual(len(board.radio.air) + unit.dropped, 2000)


if __name__ == "__main__":
    unittest.main()
