"""A settings pack comes down over a lossy link: behind receipts, gone on with where it stood, or given up."""

import unittest

from tests.wire.world import EPOCH, World
from trapwire.baselink import MAX_DOWN_FRAMES
from trapwire.fragments import cut
from trapwire.frame import ACK, FRAGMENT, peek_frame
from trapwire.objects import PACK, RECEIPT, Envelope, ObjectKey
from trapwire.peer import PACK_SPARE, PACK_TIMES

HOUR_MS = 3600000


def pack(world, size, number=5):
    return Envelope(ObjectKey(1, 2, number, PACK), world.random.bytes(size))


class PacksDownTest(unittest.TestCase):
    def test_a_pack_comes_down_once_under_loss_at_the_slowest_rates(self):
        for frame_bytes, size in ((36, 700), (66, 700), (197, 4000)):
            world = World(loss=0.3, seed=frame_bytes, frame_bytes=frame_bytes)
            sent = pack(world, size)
            self.assertTrue(world.base.offer_down(sent))
            self.assertTrue(world.run(lambda w=world: w.down_delivered, HOUR_MS))
            self.assertEqual([e.encode() for e in world.traps[0].received], [sent.encode()])

    def test_a_receipt_that_comes_later_goes_first_and_the_pack_goes_on(self):
        world = World(frame_bytes=66)
        sent = pack(world, 900)
        world.base.offer_down(sent)
        world.run(lambda: len(world.traps[0].link._down._pieces._partials) == 1, HOUR_MS)
        world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), world.random.bytes(70)))
        self.assertTrue(world.run(lambda: len(world.traps[0].received) == 2, HOUR_MS))
        self.assertEqual([e.key.rung for e in world.traps[0].received], [RECEIPT, PACK])

    def test_a_reset_of_the_trap_between_two_pieces_costs_those_pieces_and_no_more(self):
        world = World(frame_bytes=66, loss=0.1)
        sent = pack(world, 900)
        world.base.offer_down(sent)
        trap = world.traps[0]
        world.run(lambda: len(trap.link._down._pieces._partials) == 1, HOUR_MS)
        trap.restart()
        self.assertTrue(world.run(lambda: world.down_delivered, HOUR_MS))
        self.assertEqual([e.encode() for e in trap.received], [sent.encode()])

    def test_the_same_pack_offered_again_is_not_taken_twice(self):
        world = World()
        sent = pack(world, 500)
        for _ in range(2):
            world.base.offer_down(sent)
            self.assertTrue(world.run(lambda: world.down_delivered, HOUR_MS))
            del world.down_delivered[:]
        self.assertEqual(len(world.traps[0].received), 1)

    def test_what_a_trap_never_takes_is_given_up_and_a_receipt_behind_it_is_not(self):
        world = World(frame_bytes=66)
        sent = pack(world, 900)
        pieces = len(cut(sent.encode(), 66))
        world.base.offer_down(sent)
        said = [self.answer(world, now) for now in range(0, 200000, 1000)]  # firmware from before packs: it only asks
        self.assertEqual(said[0], MAX_DOWN_FRAMES)
        self.assertEqual(said[-1], 0)
        self.assertLess(sum(said), PACK_TIMES * pieces + PACK_SPARE + 1)
        self.assertTrue(sum(said) > PACK_TIMES * pieces)
        world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), bytes(30)))
        self.assertTrue(all(self.answer(world, now) for now in range(200000, 400000, 1000)))

    @staticmethod
    def answer(world, now):
        """How many pieces the base says when its trap asks."""
        poll = world.traps[0].key.seal(ACK, True, world.traps[0].counter.take(), b"")
        world.base.on_frame(poll, -90, 20, now)
        return sum([peek_frame(frame).kind == FRAGMENT for frame in world.base.frames_due(now + 500)])

    def test_a_pack_for_another_trap_is_dropped(self):
        world = World()
        trap = world.traps[0]
        events = []
        for payload in cut(Envelope(ObjectKey(2, 2, 5, PACK), bytes(300)).encode(), 197):
            frame = world.keys[1][0].seal(FRAGMENT, False, world.base_counter.take(), payload)
            events += trap.link.on_frame(frame, 0)
        self.assertEqual([e[0] for e in events if e[0] in ("down", "dropped")], ["dropped"])
