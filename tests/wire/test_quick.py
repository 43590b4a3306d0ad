"""Quick turns: a near trap's pieces at a faster spreading factor, and both ends back whatever happens."""

import unittest

from tests.wire.keys import base_key, trap_key
from tests.wire.world import EPOCH, TrapNode, World, no_reserve
from trapsim.places import Places, Tuning
from trapwire.baselink import BaseLink
from trapwire.errors import WireError
from trapwire.frame import ACK, ASK, MORE, PIECE, QUICK, Counter
from trapwire.objects import ALERT, FRAME, ObjectKey
from trapwire.payloads import decode_quick, encode_quick
from trapwire.quick import MARGIN_QUARTER_DB, REST_MS, TURN_MS, QuickTurns, allowed_sf, fitting, turn_ms
from trapwire.traplink import TrapLink

HOME, FASTEST, FRAME_BYTES = 9, 7, 197
HOUR_MS = 3600000


class QuickNode(TrapNode):
    def _make(self):
        self.quick = QuickTurns(HOME, FASTEST, self._frame_bytes)
        return TrapLink(
            self.key, self._frame_bytes, self._times, self.counter, self.queue.get, self._random.below, self._beat,
            None, self.quick,
        )  # fmt: skip


class QuickWorld(World):
    """As the world, and each antenna is tuned as supervisor and modem tune it. `snr`: as the base hears, quarter dB."""

    def __init__(self, traps=1, loss=0.0, seed=1, snr=20, allow=True):
        super().__init__(traps, loss, seed, 30, FRAME_BYTES, 3000000)
        self.air = Places(HOME, loss, self.random.unit)
        self.air.nodes = set(range(traps + 1))
        quick = (HOME, FASTEST) if allow else None
        self.base = BaseLink(self.keys, FRAME_BYTES, self.base_counter, 150, quick)
        self.traps = [QuickNode(n, self.random, FRAME_BYTES, 3000000) for n in range(1, traps + 1)]
        self.snr = snr
        self.sent = []  # node, spreading factor, frame
        self.tuned = {}
        self._turn = None
        self._home_at = 0

    def _on_base(self, frame):
        heard, self.base.on_frame = self.base.on_frame, None
        try:
            self.base.on_frame = lambda data, rssi, snr, now: heard(data, rssi, self.snr, now)
            super()._on_base(frame)
        finally:
            self.base.on_frame = heard

    def step(self):
        for node in self.traps:
            if node.number not in self._sending:
                self.tune(node.number, node.quick.sf)
        super().step()
        self._turn = self.base.take_tuning() or self._turn
        if 0 not in self._sending:
            if self._turn is not None and not self._out:
                self._home_at = self.now + self._turn[1]
                self.tune(0, self._turn[0])
                self._turn = None
            elif self.tuned.get(0, HOME) != HOME and self.now >= self._home_at:
                self.tune(0, HOME)

    def tune(self, node, sf):
        if self.tuned.get(node, HOME) != sf:
            self.tuned[node] = sf
            self.air.tune(node, Tuning(sf), self.now)

    def _send(self, node, link):
        before = self._sending.get(node)
        super()._send(node, link)
        if node in self._sending and self._sending[node] != before:
            frame = self.air._flying[-1][0].frame
            self.sent.append((node, self.tuned.get(node, HOME), frame))
            if node == 0 and self.tuned.get(0, HOME) != HOME and not frame[0] & MORE:
                self._home_at = self._sending[0]

    def frame(self, trap=1, number=1, size=8192):
        self.traps[trap - 1].hand_over(ObjectKey(trap, EPOCH, number, FRAME), self.random.bytes(size), 2)


class QuickTest(unittest.TestCase):
    def deliver(self, **options):
        world = QuickWorld(**options)
        world.frame()
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "not delivered within an hour")
        self.assertEqual(len(world.committed), len(set(world.committed)))
        self.assertEqual(world.traps[0].quick.sf, HOME)
        return world

    def test_a_near_trap_is_more_than_twice_as_quick(self):
        quick, plain = self.deliver(), self.deliver(allow=False)
        print(
            "8,192 bytes at SF9, CN470: %.1f s, with quick turns at SF7 %.1f s" % (plain.now / 1000, quick.now / 1000)
        )
        self.assertLess(2 * quick.now, plain.now)
        at = [sf for node, sf, frame in quick.sent if frame[0] & 0x0F == PIECE]
        self.assertEqual((at.count(FASTEST), at.count(HOME)), (len(at), 0))
        asked = [sf for node, sf, frame in quick.sent if frame[0] & 0x0F == QUICK]
        self.assertEqual(set(asked), {HOME})

    def test_it_works_under_loss_and_both_ends_come_back(self):
        for seed in (1, 2, 3, 4):
            world = self.deliver(loss=0.2, seed=seed)
            world.run(lambda: False, TURN_MS + 1000)
            self.assertEqual(world.tuned.get(0, HOME), HOME)

    def test_a_far_trap_is_refused_and_goes_on_at_once(self):
        floor_sf8 = -40 + MARGIN_QUARTER_DB
        world = self.deliver(snr=floor_sf8 - 1)
        self.assertEqual({sf for _, sf, _ in world.sent}, {HOME})
        self.assertEqual(sum(frame[0] & 0x0F == QUICK for _, _, frame in world.sent), 1)
        between = self.deliver(snr=floor_sf8)
        self.assertTrue(8 in {sf for _, sf, _ in between.sent})

    def test_silence_in_a_quick_turn_means_the_cells_own_for_a_while(self):
        world = QuickWorld()
        world.frame()
        world.run(lambda: world.traps[0].quick.active, HOUR_MS)
        world.mangle = lambda frame: b"" if world.traps[0].quick.active else frame  # nothing of it is understood
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        quick = [at for at, (node, sf, frame) in enumerate(world.sent) if sf == FASTEST and node == 1]
        after = [sf for node, sf, frame in world.sent[quick[-1] + 1 :] if node == 1]
        self.assertGreater(len(after), 40)
        self.assertEqual(set(after), {HOME})
        self.assertEqual(world.sent[quick[-1] + 1][2][0] & 0x0F, ASK)

    def test_an_alert_within_a_quick_turn_does_not_wait(self):
        world = QuickWorld()
        world.frame()
        world.run(lambda: world.traps[0].quick.active and len(world.sent) > 6, HOUR_MS)
        world.sighting(1, 2, crop_bytes=300)
        handed_over = world.now
        world.run(lambda: world.traps[0].delivered, HOUR_MS)
        at, key = world.traps[0].delivered[0]
        self.assertEqual(key.rung, ALERT)
        self.assertLess(at - handed_over, 2000)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))

    def test_other_traps_keep_quiet_and_are_heard_afterwards(self):
        world = QuickWorld(traps=2)
        world.sighting(2, 7, crop_bytes=300)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        world.frame()
        world.run(lambda: world.traps[0].quick.active, HOUR_MS)
        world.sighting(2, 1, crop_bytes=300)
        handed_over = world.now
        world.run(lambda: len(world.traps[1].delivered) == 3, HOUR_MS)
        self.assertLess(world.traps[1].delivered[2][0] - handed_over, TURN_MS + 1500)
        self.assertEqual(len(world.traps[0].delivered), 0)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))

    def test_a_base_that_forgets_in_a_quick_turn_loses_nothing(self):
        world = QuickWorld()
        world.frame()
        world.run(lambda: world.traps[0].quick.active and len(world.sent) > 6, HOUR_MS)
        world.forget()
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual(len(world.committed), 1)


class RulesTest(unittest.TestCase):
    def test_the_worst_of_what_was_heard_decides(self):
        base = BaseLink({1: [base_key(1)]}, FRAME_BYTES, Counter(0, no_reserve), 0, (HOME, FASTEST))
        trap = trap_key(1)
        ask = encode_quick(FASTEST, 30)
        for counter, snr in enumerate((20, -20, 20, 20)):  # -5 dB bears no SF7
            base.on_frame(trap.seal(QUICK, True, counter, ask), -90, snr, 0)
            answer = [trap.open(frame) for frame in base.frames_due(0)][-1]
            kind, sf = (answer.kind, decode_quick(answer.payload)[0]) if answer.kind == QUICK else (ACK, HOME)
            self.assertEqual((kind, sf), (QUICK, 7) if counter == 0 else (ACK, HOME))
            self.assertEqual(base.take_tuning() is not None, kind == QUICK)
            self.assertIsNone(base.take_tuning())

    def test_faster_ones_need_more(self):
        for wanted, snr, sf in ((7, -30 + 24, 7), (7, -30 + 23, 8), (7, -40 + 23, 9), (8, 40, 8), (7, 40, 7)):
            self.assertEqual(allowed_sf(snr, wanted, 9), sf)

    def test_a_turn_ends_within_its_time(self):
        for pieces in (4, 7, 12, 45):
            for sf in (7, 8):
                time_ms = turn_ms(pieces, 255, sf)
                self.assertTrue(time_ms <= TURN_MS)
                self.assertTrue(fitting(time_ms, 255, sf) <= pieces)
                self.assertGreater(fitting(time_ms, 255, sf), 2)

    def test_a_permission_that_was_not_asked_for_is_none(self):
        turns = QuickTurns(9, 8, 197)
        for sf, time_ms in ((7, 3000), (9, 3000), (10, 3000), (8, TURN_MS + 1), (8, 100)):
            self.assertFalse(turns.granted(sf, time_ms, 0))
        self.assertEqual(turns.sf, 9)

    def test_rests_grow(self):
        turns = QuickTurns(9, 7, 197)
        self.assertTrue(turns.wanted(10, 0))
        self.assertFalse(turns.wanted(2, 0))
        turns.failed(0)
        self.assertTrue(turns.wanted(10, 0))
        turns.failed(0)
        self.assertFalse(turns.wanted(10, REST_MS - 1))
        self.assertTrue(turns.wanted(10, REST_MS))
        turns.refused(REST_MS)
        self.assertFalse(turns.wanted(10, 3 * REST_MS - 1))
        self.assertTrue(turns.wanted(10, 3 * REST_MS))
        refused = QuickTurns(9, 7, 197)
        refused.refused(0)
        self.assertFalse(refused.wanted(10, REST_MS - 1))

    def test_garbage_is_no_turn(self):
        for payload in (b"", b"\x07\x00", b"\x06\x01\x00", b"\x0d\x01\x00", b"\x07\x01\x00\x00"):
            with self.assertRaises(WireError):
                decode_quick(payload)


if __name__ == "__main__":
    unittest.main()
