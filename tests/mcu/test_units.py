"""Supervisor and modem on a bench board: hand-over, custody over resets, receipts down, settings."""

import os
import struct
import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.wire.keys import base_key, base_keys
from tests.wire.world import no_reserve
from trapmcu.flash import FlashStore, write_file
from trapmcu.linkmemory import FIRST_BELOW, HEARD_STEP
from trapmcu.main import build
from trapwire import serialline as line
from trapwire.alert import Alert
from trapwire.baselink import BaseLink
from trapwire.errors import FORGED
from trapwire.frame import ACK, Counter, peek_frame
from trapwire.linkkeys import key_name
from trapwire.objects import ALERT, CROP, FULL, PACK, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys
from trapwire.payloads import encode_ack

SETTINGS = {
    "trap": 5,
    "plan": "cn470",
    "times": {"heartbeat_ms": 3600000},
    "link_key": "05" * 16,
    "armed_to_h": 24,  # the Pi stays on: what it is switched by is test_supervisor's
    "min_gap_ms": 0,
}
KEY = ObjectKey(5, 1, 1, ALERT)
ENVELOPE = Envelope(KEY, Alert(1700000000000, 0, 0, 200, 1, (0, 0, 9, 9), 50).encode()).encode()


class Bench:
    """A supervisor, its board, and a base that answers by the real link."""

    def __init__(self):
        self.folder = make_folder()
        self.keys = base_keys([5])
        self.base = BaseLink(self.keys, 197, Counter(0, no_reserve))
        self.objects = []
        self.taken = []
        self.words = []
        self.reset()

    def reset(self, seed=3):
        """Power off and on: only the flash stays. seed: of the board's noise."""
        self.board = BenchBoard(self.folder, seed)
        self.unit = build(self.board, SETTINGS)

    def last_word(self):
        """The values of the heartbeat that the base hears next."""
        self.words = []
        self.run(3700000, every=1000)
        return self.words[-1].values

    def run(self, ms, base_hears=True, every=10):
        for _ in range(ms // every):
            self.board.now += every
            self.unit.step(self.board.now)
            heard, self.board.radio.air = self.board.radio.air, []
            for frame in heard if base_hears else []:
                for event in self.base.on_frame(frame, -90, 20, self.board.now):
                    if event[0] == "object":
                        self.objects.append(event[1])
                        self.base.committed(decode_envelope(event[1]).key, self.board.now)
                    elif event[0] == "down_delivered":
                        self.taken.append(event[1])
                    elif event[0] == "heartbeat":
                        self.words.append(event[2])
            self.board.radio.incoming += self.base.frames_due(self.board.now)

    def kinds(self):
        return [kind for kind, _ in self.board.said()]


class SupervisorTest(unittest.TestCase):
    def bench(self):
        self._bench = Bench()
        return self._bench

    def tearDown(self):
        remove_folder(self._bench.folder)

    def test_an_object_is_stored_then_sent_then_reported_delivered(self):
        bench = self.bench()
        bench.board.said()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(20, base_hears=False)
        self.assertEqual(bench.board.said(), [(line.STORED, pack_keys([KEY]))])
        bench.run(5000)
        self.assertEqual(bench.board.said(), [(line.DELIVERED, pack_keys([KEY]))])
        self.assertEqual(bench.objects, [ENVELOPE])

    def test_the_battery_is_what_the_pi_says_where_the_board_measures_none(self):
        bench = self.bench()
        bench.board.say(line.STATUS, struct.pack(">IIB", 7, 3, 61))
        said = bench.last_word()
        self.assertEqual((said["battery"], said["unreceipted"], said["full_held"]), (61, 7, 3))

    def test_an_object_offered_again_after_delivery_is_not_sent_again(self):
        bench = self.bench()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(5000)
        bench.board.said()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(5000)
        self.assertEqual(bench.board.said(), [(line.DELIVERED, pack_keys([KEY]))])
        self.assertEqual(len(bench.objects), 1)

    def test_a_reset_before_delivery_loses_nothing(self):
        bench = self.bench()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(20, base_hears=False)
        bench.reset()
        self.assertEqual(bench.kinds(), [line.HELLO])
        bench.run(5000)
        self.assertEqual(bench.objects, [ENVELOPE])
        self.assertTrue(line.DELIVERED in bench.kinds())

    def test_counters_go_on_over_resets(self):
        bench = self.bench()
        seen = []
        for _ in range(3):
            bench.board.say(line.PUT, b"\x00" + ENVELOPE)
            for _ in range(400):
                bench.board.now += 10
                bench.unit.step(bench.board.now)
            seen += [peek_frame(f).counter for f in bench.board.radio.air]
            bench.reset()
        self.assertGreater(len(seen), 3)
        self.assertEqual(len(seen), len(set(seen)))

    def test_a_base_with_another_key_is_neither_heard_nor_answered(self):
        bench = self.bench()
        bench.base = BaseLink({5: [base_key(5, b"another link key")]}, 197, Counter(0, no_reserve))
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(5000)
        self.assertEqual(bench.objects, [])
        self.assertGreater(bench.base.counts[FORGED], 1)
        forged = base_key(5, b"another link key").seal(ACK, False, 1, encode_ack([KEY]))
        bench.board.radio.incoming.append(forged)
        bench.run(20, base_hears=False)
        self.assertTrue(line.DELIVERED not in bench.kinds())
        self.assertEqual(bench.unit.courier.dropped, 1)

    def test_what_was_heard_is_remembered_over_resets_without_a_write_each_time(self):
        bench = self.bench()
        base = base_key(5)
        path = self._bench.folder + "/heard"

        def hear(counter):
            bench.board.radio.incoming.append(base.seal(ACK, False, counter, b""))
            bench.run(20, base_hears=False)
            return bench.unit.courier.dropped

        self.assertEqual(hear(10), 0)
        self.assertEqual(hear(11), 0)
        self.assertTrue("heard" not in os.listdir(self._bench.folder))
        self.assertEqual(hear(5000), 0)
        self.assertEqual(hear(5000 + HEARD_STEP - 1), 0)
        with open(path) as file:
            self.assertEqual(file.read(), "%s 5000" % key_name(b"\x05" * 16))
        self.assertEqual(hear(5000), 1)  # played again
        bench.reset()
        self.assertEqual(hear(5000), 1)  # and after a reset
        self.assertEqual(hear(4000), 2)
        self.assertEqual(hear(5001), 2)
        for text in ("", "words", "%s many" % key_name(b"\x05" * 16)):
            with open(path, "w") as file:
                file.write(text)
            bench.reset()
            self.assertEqual(hear(1), 0)

    def test_a_new_key_begins_with_nothing_heard(self):
        bench = self.bench()
        bench.board.radio.incoming.append(base_key(5).seal(ACK, False, 70000, b""))
        bench.run(20, base_hears=False)
        bench.board = BenchBoard(bench.folder)
        bench.unit = build(bench.board, dict(SETTINGS, link_key="0b" * 16))
        bench.board.radio.incoming.append(base_key(5, b"\x0b" * 16).seal(ACK, False, 3, b""))
        bench.run(20, base_hears=False)
        self.assertEqual(bench.unit.courier.dropped, 0)

    def test_flash_that_is_full_costs_memory_and_nothing_else(self):
        bench = self.bench()
        bench.run(3000)  # the frame counter's own block is reserved with the first frame
        os.mkdir(self._bench.folder + "/partial")  # no file can be written under this name
        bench.board.radio.incoming.append(base_key(5).seal(ACK, False, 70000, b""))
        bench.run(20, base_hears=False)
        self.assertEqual((bench.unit.courier.dropped, "heard" in os.listdir(self._bench.folder)), (0, False))
        os.rmdir(self._bench.folder + "/partial")
        bench.board.radio.incoming.append(base_key(5).seal(ACK, False, 70000 + HEARD_STEP, b""))
        bench.run(20, base_hears=False)
        self.assertTrue("heard" in os.listdir(self._bench.folder))

    def test_a_unit_without_a_counter_begins_by_lot_and_goes_on_from_there(self):
        """Two lives of one unit under one key, its flash new in the second: no nonce is met again."""
        lives = []
        bench = self.bench()
        for seed in (3, 4):
            for name in os.listdir(bench.folder):
                if name in ("counter", "resets"):  # the latter, as many starts in a row silence a unit
                    os.remove(bench.folder + "/" + name)
            bench.keys[5][:] = base_keys([5])[5]
            for again in (0, 10):
                bench.reset(seed + again)
                bench.run(3000)
                lives.append(bench.keys[5][0].heard)
        for i in (0, 2):  # over a reset it goes on in the next block
            self.assertEqual(lives[i + 1] - lives[i], 1024)
        self.assertGreater(abs(lives[0] - lives[2]), 1 << 20)
        self.assertLess(max(lives), FIRST_BELOW + 2048)

    def test_a_receipt_is_kept_over_resets_until_the_pi_has_taken_it(self):
        self.kept_until_taken(Envelope(ObjectKey(5, 1, 9, RECEIPT), b"r" * 100))

    def test_a_settings_pack_is_kept_as_a_receipt_is(self):
        self.kept_until_taken(Envelope(ObjectKey(5, 17, 9, PACK), b"s" * 600))

    def kept_until_taken(self, receipt):
        bench = self.bench()
        bench.base.offer_down(receipt)
        bench.run(3000)
        self.assertEqual(bench.taken, [receipt.key])
        bench.reset()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertTrue((line.DOWN, receipt.encode()) in bench.board.said())
        bench.board.say(line.RECEIPT_TAKEN, pack_keys([receipt.key]))
        bench.run(20)
        bench.board.said()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertEqual(bench.kinds(), [line.HELLO])

    def test_a_full_flash_says_so_and_takes_more_when_there_is_room(self):
        bench = self.bench()
        small = dict(SETTINGS)
        small["queue_bytes"] = len(ENVELOPE)
        bench.unit = build(bench.board, small)
        bench.board.said()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        second = Envelope(ObjectKey(5, 1, 2, ALERT), ENVELOPE[28:]).encode()
        bench.board.say(line.PUT, b"\x00" + second)
        bench.run(20, base_hears=False)
        self.assertEqual(bench.kinds(), [line.STORED, line.FULL_QUEUE])
        bench.run(5000)
        bench.board.said()
        bench.board.say(line.PUT, b"\x00" + second)
        bench.run(20, base_hears=False)
        self.assertEqual(bench.kinds(), [line.STORED])

    def test_a_pir_edge_wakes_the_pi(self):
        bench = self.bench()
        bench.board.said()
        bench.board.say(line.HELLO, b"")
        bench.board.edges = 2
        bench.run(20)
        wakes = [payload for kind, payload in bench.board.said() if kind == line.WAKE]
        self.assertEqual(wakes, [b"\x00\x00\x00\x01\x00" + bytes(4), b"\x00\x00\x00\x02\x00" + bytes(4)])

    def test_objects_that_cannot_go_in_this_traps_name_are_refused(self):
        bench = self.bench()
        bench.board.said()
        foreign = Envelope(ObjectKey(6, 1, 1, ALERT), ENVELOPE[28:])
        long_alert = Envelope(KEY, bytes(400))
        full = Envelope(ObjectKey(5, 1, 1, FULL), b"x")
        large = Envelope(ObjectKey(5, 1, 1, CROP), bytes(11300))
        for envelope in (foreign, long_alert, full, large):
            bench.board.say(line.PUT, b"\x00" + envelope.encode())
        bench.run(2000)
        self.assertEqual((bench.unit.courier.dropped, bench.kinds(), bench.objects), (4, [line.REFUSED] * 4, []))

    def test_a_damaged_object_in_flash_is_dropped_and_asked_for_again(self):
        bench = self.bench()
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(20, base_hears=False)
        name = os.listdir(self._bench.folder + "/up")[0]
        for data in (b"", ENVELOPE[:-1] + b"?"):
            with open(self._bench.folder + "/up/" + name, "wb") as file:
                file.write(data)
            bench.reset()
            bench.board.said()
            bench.run(2000)
            self.assertTrue(line.HELLO in bench.kinds())
            self.assertEqual(bench.unit.courier.dropped, 1)
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(5000)
        self.assertEqual(bench.objects, [ENVELOPE])

    def test_a_new_receipt_under_an_old_number_is_taken_too(self):
        bench = self.bench()
        first, second = (Envelope(ObjectKey(5, 1, 9, RECEIPT), body) for body in (b"first" * 20, b"second" * 20))
        bench.base.offer_down(first)
        bench.run(3000)
        bench.base = BaseLink(base_keys([5]), 197, Counter(5000, no_reserve))
        bench.base.offer_down(second)
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.run(10000)
        self.assertEqual(len(bench.taken), 1)  # the Pi has not taken the first: there is no room for the second
        bench.board.say(line.RECEIPT_TAKEN, pack_keys([first.key]))
        bench.run(20)
        bench.board.said()
        other = Envelope(ObjectKey(5, 1, 2, ALERT), ENVELOPE[28:]).encode()
        bench.board.say(line.PUT, b"\x00" + other)
        bench.run(10000)
        self.assertEqual(len(bench.taken), 2)
        self.assertTrue((line.DOWN, second.encode()) in bench.board.said())

    def test_only_receipts_of_a_bounded_size_come_down(self):
        bench = self.bench()
        bench.base.offer_down(Envelope(ObjectKey(5, 1, 9, ALERT), b"no receipt"))
        bench.base.offer_down(Envelope(ObjectKey(5, 1, 10, RECEIPT), bytes(9000)))
        bench.run(20000)
        self.assertEqual((bench.taken, os.listdir(self._bench.folder + "/down")), ([], []))
        bench.reset()
        bench.run(100)

    def test_garbage_on_the_line_is_counted(self):
        bench = self.bench()
        for kind, payload in ((line.PUT, b""), (line.PUT, b"\x00junk"), (99, b""), (line.STATUS, b"x")):
            bench.board.say(kind, payload)
        bench.run(20)
        self.assertEqual(bench.unit.courier.dropped, 4)


class FlashTest(unittest.TestCase):
    def tearDown(self):
        remove_folder(self._folder)

    def test_half_a_write_is_swept_away_at_the_start(self):
        self._folder = make_folder()
        store = FlashStore(self._folder + "/up", 1000)
        self.assertTrue(store.put(KEY, ENVELOPE, 0))
        with open(self._folder + "/up/partial", "wb") as file:
            file.write(b"half")
        again = FlashStore(self._folder + "/up", 1000)
        self.assertEqual([key for key, _ in again.ordered()], [KEY])
        self.assertEqual(again.get(KEY), ENVELOPE)
        self.assertFalse("partial" in os.listdir(self._folder + "/up"))

    def test_order_is_by_priority_then_age(self):
        self._folder = make_folder()
        store = FlashStore(self._folder + "/up", 10000)
        for number, priority in ((3, 1), (1, 1), (2, 0)):
            store.put(ObjectKey(5, 1, number, ALERT), b"x", priority)
        self.assertEqual([key.number for key, _ in store.ordered()], [2, 1, 3])
        write_file(self._folder + "/counter", b"7")
        self.assertEqual(len(store.ordered()), 3)


if __name__ == "__main__":
    unittest.main()
