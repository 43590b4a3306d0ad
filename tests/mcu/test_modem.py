"""The base's modem on a bench board, and what a unit's settings may say."""

import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.mcu.test_units import SETTINGS
from trapmcu.main import build
from trapwire import serialline as line


class ModemTest(unittest.TestCase):
    def setUpModem(self):
        board = BenchBoard(None)
        return board, build(board, {"role": "modem", "plan": "cn470"})

    def test_frames_pass_both_ways(self):
        board, unit = self.setUpModem()
        board.say(line.TRANSMIT, b"down")
        board.radio.incoming.append(b"up")
        unit.step(0)
        self.assertEqual(board.radio.air, [b"down"])
        self.assertEqual(board.said(), [(line.HEARD, b"\xff\xa6\x14up")])
        unit.step(10)
        self.assertEqual(board.said(), [(line.SENT, b"\x00")])

    def test_it_waits_for_a_busy_channel_and_drops_what_is_too_old(self):
        board, unit = self.setUpModem()
        board.radio.busy = True
        board.say(line.TRANSMIT, b"down")
        unit.step(0)
        self.assertEqual(board.radio.air, [])
        unit.step(5000)
        board.radio.busy = False
        unit.step(5010)
        self.assertEqual((board.radio.air, unit.dropped), ([], 1))

    def test_its_queue_is_bounded(self):
        board, unit = self.setUpModem()
        board.radio.busy = True
        for _ in range(40):
            board.say(line.TRANSMIT, b"down")
        board.say(line.TRANSMIT, bytes(300))
        unit.step(0)
        self.assertEqual(unit.dropped, 25)

    def test_it_says_that_it_is_there_when_it_is_asked(self):
        board = BenchBoard(None)
        unit = build(board, {"role": "modem", "plan": "cn470", "sf": 10, "freq_khz": 470500})
        board.radio.busy = True
        for kind, payload in ((line.TRANSMIT, b"down"), (line.TRANSMIT, bytes(300)), (line.HELLO, b"")):
            board.say(kind, payload)
        unit.step(0)
        self.assertEqual(board.said(), [(line.HELLO, b"\x0a" + (470500).to_bytes(4, "big") + b"\x01\x00\x01")])
        board.say(line.HELLO, b"no question")
        unit.step(1)
        self.assertEqual((board.said(), unit.dropped), ([], 2))


class SettingsTest(unittest.TestCase):
    def test_a_unit_without_a_plan_refuses_to_start(self):
        folder = make_folder()
        for role in ("supervisor", "modem"):
            for settings in ({"trap": 5}, {"trap": 5, "plan": "mongolia"}):
                with self.assertRaises(ValueError):
                    build(BenchBoard(folder), dict(settings, role=role))
        with self.assertRaises(ValueError):
            build(BenchBoard(folder), dict(SETTINGS, sf=12))  # no room for an alert
        remove_folder(folder)

    def test_a_supervisor_needs_a_key_and_a_modem_has_none(self):
        folder = make_folder()
        for key in ("", "05", "zz" * 16, "05" * 17, 5, None):
            try:
                build(BenchBoard(folder), dict(SETTINGS, link_key=key))
            except ValueError as error:
                self.assertTrue(str(error).startswith("link_key has "), str(error))
                continue
            self.assertTrue(False, "%r was taken" % (key,))
        with self.assertRaises(ValueError):
            build(BenchBoard(None), {"role": "modem", "plan": "cn470", "link_key": "05" * 16})
        remove_folder(folder)

    def test_unknown_settings_and_roles_are_named(self):
        for settings in ({"plan": "cn470", "colour": 1}, {"role": "toaster"}):
            with self.assertRaises(ValueError):
                build(BenchBoard(None), settings)


if __name__ == "__main__":
    unittest.main()
