"""The repeater's firmware between a supervisor and a base, on bench boards: the role, its settings, a trap's."""

import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.wire.keys import base_keys, cipher
from tests.wire.world import no_reserve
from trapmcu.main import build
from trapmcu.settings import NUMBERS, complete
from trapwire import serialline as line
from trapwire.alert import Alert
from trapwire.frame import Counter
from trapwire.hop import HopKey, is_wrapped
from trapwire.hopbase import HopBaseLink
from trapwire.objects import ALERT, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys

HOP = "0e" * 16
TRAP = {"trap": 5, "plan": "cn470", "link_key": "05" * 16, "hop_key": HOP}
REPEATER = {"role": "repeater", "plan": "cn470", "hops": {"5": HOP}}
KEY = ObjectKey(5, 1, 1, ALERT)
ENVELOPE = Envelope(KEY, Alert(1700000000000, 0, 0, 200, 1, (0, 0, 9, 9), 50).encode()).encode()


class HoppedBench:
    """A supervisor and a base that do not hear each other, and a repeater that hears both. The air takes no time."""

    def __init__(self):
        self.folder = make_folder()
        self.board, self.middle = BenchBoard(self.folder), BenchBoard(None, 7)
        self.trap, self.repeater = build(self.board, TRAP), build(self.middle, REPEATER)
        hops = {5: HopKey(b"\x0e" * 16, 5, cipher)}
        self.base = HopBaseLink(hops, 9, base_keys([5]), 197, Counter(0, no_reserve))
        self.objects, self.taken = [], []

    def run(self, ms):
        for _ in range(ms // 10):
            for board, unit in ((self.board, self.trap), (self.middle, self.repeater)):
                board.now += 10
                unit.step(board.now)
            now = self.board.now
            said, self.board.radio.air = self.board.radio.air, []
            passed, self.middle.radio.air = self.middle.radio.air, []
            for frame in passed:
                for event in self.base.on_frame(frame, -90, 20, now):
                    if event[0] == "object":
                        self.objects.append(event[1])
                        self.base.committed(decode_envelope(event[1]).key, now)
                    elif event[0] == "down_delivered":
                        self.taken.append(event[1])
            self.middle.radio.incoming += said + self.base.frames_due(now)
            self.board.radio.incoming += passed


class RepeaterTest(unittest.TestCase):
    def test_an_alert_goes_up_and_a_receipt_down(self):
        bench = HoppedBench()
        receipt = Envelope(ObjectKey(5, 1, 9, RECEIPT), bytes(300))
        bench.base.offer_down(receipt)
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(20000)
        said = bench.board.said()
        self.assertTrue((line.DELIVERED, pack_keys([KEY])) in said)
        self.assertTrue((line.DOWN, receipt.encode()) in said)
        self.assertEqual((bench.objects, bench.taken, bench.trap.courier.dropped), ([ENVELOPE], [receipt.key], 0))
        remove_folder(bench.folder)

    def test_a_receipt_that_was_no_use_to_the_pi_is_named_to_the_base_by_an_object_of_it(self):
        bench = HoppedBench()
        receipt, told = ObjectKey(5, 1, 9, RECEIPT), []
        bench.base.offer_down(Envelope(receipt, bytes(300)))
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(20000)
        bench.taken, told = [], bench.taken
        bench.board.say(line.RECEIPT_TAKEN, pack_keys([receipt, KEY]))
        bench.run(5000)
        self.assertEqual((told, bench.taken, bench.trap.courier.dropped), ([receipt], [KEY], 0))
        remove_folder(bench.folder)

    def test_a_trap_by_repeater_sends_wrapped_frames_within_the_plan(self):
        bench = HoppedBench()
        bench.board.say(line.PUT, b"\x00" + Envelope(ObjectKey(5, 1, 2, 2), bytes(800)).encode())
        for _ in range(2400):  # nobody answers the first heartbeat, which is repeated for a while
            bench.board.now += 50
            bench.trap.step(bench.board.now)
        sizes = [len(frame) for frame in bench.board.radio.air]
        # A piece is 4 bytes shorter than the plan's largest frame.
        self.assertEqual((max(sizes), all(is_wrapped(frame) for frame in bench.board.radio.air)), (193, True))
        remove_folder(bench.folder)

    def test_settings_that_cannot_be_are_named(self):
        wrong = (
            (dict(REPEATER, hops={}), "hops"),
            (dict(REPEATER, hops=[5]), "hops"),
            (dict(REPEATER, hops={str(n): HOP for n in range(1, 18)}), "hops"),
            (dict(REPEATER, hops={"x": HOP}), "trap 'x'"),
            (dict(REPEATER, hops={"0": HOP}), "trap '0'"),
            (dict(REPEATER, hops={"5": "0e"}), "hops of trap 5 has"),
            (dict(REPEATER, link_key="05" * 16), "link_key"),
            (dict(REPEATER, hop_key=HOP), "hop_key"),
            (dict(REPEATER, sf=11), "SF11"),
            (dict(REPEATER, hop_burst_s=0), "hop_burst_s"),
            (dict(REPEATER, hop_permille=1001), "hop_permille"),
            (dict(TRAP, hops={"5": HOP}), "hops"),
            (dict(TRAP, hop_key="zz" * 16), "hop_key has"),
            (dict(TRAP, station_key=5), "station_key has"),
            (dict(TRAP, wake_khz=470500), "wake_khz"),
            ({"role": "modem", "plan": "cn470", "hop_key": HOP}, "hop_key"),
        )
        for settings, word in wrong:
            try:
                complete(settings)
            except ValueError as error:
                self.assertTrue(word in str(error), str(error))
                self.assertFalse(HOP in str(error))
                continue
            self.assertTrue(False, "%r was taken" % (settings,))
        self.assertEqual(complete(REPEATER)["hop_burst_s"], NUMBERS["hop_burst_s"][0])


if __name__ == "__main__":
    unittest.main()
