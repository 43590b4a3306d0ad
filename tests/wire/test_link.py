"""The link's two ends over a simulated channel: what arrives, what repeats, what never happens."""

import unittest

from tests.wire.keys import base_key, trap_key
from tests.wire.world import EPOCH, World, no_reserve
from trapwire.baselink import BaseLink
from trapwire.fragments import cut, transfer_of
from trapwire.frame import ACK, ASK, FRAGMENT, HEARTBEAT, PIECE, Counter
from trapwire.objects import ALERT, CROP, FRAME, RECEIPT, Envelope, ObjectKey
from trapwire.traplink import HEARTBEAT_TRIES

HOUR_MS = 3600000


class LinkTest(unittest.TestCase):
    def deliver(self, **options):
        world = World(**options)
        for trap in range(1, len(world.traps) + 1):
            for number in (1, 2):
                world.sighting(trap, number)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "not delivered within an hour")
        keys = [key for _, key in world.traps[0].delivered]
        self.assertEqual(len(keys), 4)
        self.assertEqual(len(world.committed), len(set(world.committed)), "an object was committed twice")
        self.assertEqual(len(world.committed), 4 * len(world.traps))
        return world

    def test_a_quiet_channel_delivers_everything_once_and_alerts_first(self):
        world = self.deliver()
        rungs = [key.rung for _, key in world.traps[0].delivered]
        self.assertEqual(rungs[:2], [ALERT, ALERT])
        self.assertLess(world.traps[0].delivered[0][0], 1500)

    def test_loss_of_a_third_delivers_everything_once(self):
        for seed in (1, 2, 3):
            self.deliver(loss=0.33, seed=seed)

    def test_two_traps_share_the_channel(self):
        world = self.deliver(traps=2, loss=0.1)
        self.assertEqual(len(world.traps[1].delivered), 4)

    def test_small_frames_deliver_too(self):
        self.deliver(frame_bytes=66, loss=0.1)

    def test_an_alert_goes_out_between_two_fragments(self):
        world = World()
        world.sighting(1, 1, crop_bytes=6000)
        world.run(lambda: len(world.committed) == 1, HOUR_MS)
        world.run(lambda: False, 3000)
        world.sighting(1, 2)
        handed_over = world.now
        world.run(lambda: len(world.traps[0].delivered) == 2, HOUR_MS)
        at, key = world.traps[0].delivered[1]
        self.assertEqual((key.number, key.rung), (2, ALERT))
        self.assertLess(at - handed_over, 3500)

    def test_nothing_is_acknowledged_before_it_is_committed(self):
        world = World(commit_ms=None)
        world.sighting(1, 1)
        world.run(lambda: False, 60000)
        self.assertEqual(world.traps[0].delivered, [])
        frames_in_a_minute = world.air.frames
        world.run(lambda: False, 240000)
        # Asking again grows rarer: four minutes more cost less than twice the first one.
        self.assertLess(world.air.frames - frames_in_a_minute, 2 * frames_in_a_minute)

    def test_a_receipt_of_several_fragments_comes_down_once_under_loss(self):
        for seed in range(1, 5):
            world = World(loss=0.3, seed=seed)
            body = world.random.bytes(700)
            world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), body))
            world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), body))
            world.sighting(1, 1)
            done = world.run(lambda w=world: w.down_delivered and w.all_delivered(), HOUR_MS)
            self.assertTrue(done, "the receipt was not taken")
            self.assertEqual([e.body for e in world.traps[0].received], [body])

    def test_a_base_that_forgets_everything_loses_nothing(self):
        world = World(loss=0.1)
        world.sighting(1, 1, crop_bytes=4000)
        world.run(lambda: len(world.committed) == 1, HOUR_MS)
        world.run(lambda: False, 2500)
        world.forget()
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual({k.rung for k in world.committed}, {0, 1})

    def test_damaged_frames_are_counted_and_repeated(self):
        world = World()
        world.mangle = self.flip_some(world)
        world.sighting(1, 1)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertGreater(len(world.dropped), 0)
        self.assertEqual(len(world.committed), 2)

    @staticmethod
    def flip_some(world):
        def mangle(frame):
            if world.random.below(4):
                return frame
            damaged = bytearray(frame)
            damaged[world.random.below(len(damaged))] ^= 1 << world.random.below(8)
            return bytes(damaged)

        return mangle

    def test_ten_thousand_hostile_frames_raise_nothing_and_change_nothing(self):
        """Half of them garbage, half with a tag that fits, so that every handler is reached."""
        world = World()
        world.sighting(1, 1)
        world.run(world.all_delivered, HOUR_MS)
        trap = world.traps[0]
        ends = (trap_key(1), base_key(1))  # somebody has the key, and says what it likes
        known = ("dropped", "heard", "object", "piece", "down_delivered", "heartbeat", "delivered")
        reached = 0
        for i in range(10000):
            payload = world.random.bytes(world.random.below(64))
            if i % 2:
                down = bool(world.random.below(2))
                kind = 1 + world.random.below(11)
                frame = ends[down].seal(kind, bool(world.random.below(2)), 10000 + i, payload)
            else:
                frame = bytes([0xC0 | world.random.below(64)]) + payload
            for event in trap.link.on_frame(frame, world.now) + world.base.on_frame(frame, 0, 0, world.now):
                reached += event[0] != "dropped"
                self.assertTrue(event[0] in known)
            world.base.frames_due(world.now)
        self.assertGreater(reached, 1000)
        self.assertEqual(len(world.committed), 2)
        trap.link._counter = world.base._counter = Counter(30000, no_reserve)
        world.sighting(1, 2)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "the link no longer works")

    def test_two_objects_with_the_same_transfer_number_both_arrive(self):
        world = World()
        bodies = self.clash(world)
        for number, body in enumerate(bodies):
            world.traps[0].hand_over(ObjectKey(1, EPOCH, number + 1, CROP), body, 1)
            self.assertTrue(world.run(world.all_delivered, HOUR_MS), "the second was taken for the first")
        self.assertEqual(len(world.committed), 2)

    @staticmethod
    def clash(world):
        """Two bodies whose envelopes share their transfer's number."""
        seen = {}
        while True:
            body = world.random.bytes(400)
            for number in (1, 2):
                transfer = transfer_of(Envelope(ObjectKey(1, EPOCH, number, CROP), body).encode())
                other = seen.get((3 - number, transfer))
                if other is not None:
                    return (body, other) if number == 1 else (other, body)
                seen[(number, transfer)] = body

    def test_an_object_that_ingest_forgot_is_handed_on_again(self):
        world = World(commit_ms=None)
        world.sighting(1, 1)
        world.run(lambda: False, 30000)
        for rung in (ALERT, CROP):
            world.base.forget(ObjectKey(1, EPOCH, 1, rung))
        world.commit_ms = 30
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))

    def test_a_crop_that_ingest_refused_when_it_was_whole_is_gathered_again(self):
        """Its trap knows that it is complete, and only asks: the answer is that nothing of it is there."""
        world = World()
        crop = ObjectKey(1, EPOCH, 1, CROP)
        world.refuse = (crop,)
        world.sighting(1, 1, crop_bytes=600)
        peer = world.base._peers[1]
        self.assertTrue(world.run(lambda: crop in peer.pending, HOUR_MS))
        world.run(lambda: False, 5000)  # and was told so
        world.base.forget(crop)
        world.refuse = ()
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "asked for ever about what nobody has")
        self.assertEqual(world.committed.count(crop), 1)

    def test_commits_of_other_carriers_do_not_delay_an_alert(self):
        world = World()
        for number in range(300):
            world.base.committed(ObjectKey(1, EPOCH, 1000 + number, CROP), 0)
        world.sighting(1, 1)
        world.run(lambda: world.traps[0].delivered, 10000)
        self.assertLess(world.traps[0].delivered[0][0], 3000)

    def test_an_object_that_is_never_committed_gives_way_to_others(self):
        world = World(heartbeat_ms=20000)
        world.sighting(1, 1)
        world.refuse = (ObjectKey(1, EPOCH, 1, ALERT), ObjectKey(1, EPOCH, 1, CROP))
        world.run(lambda: False, 20000)
        world.sighting(1, 2)
        done = world.run(lambda: len(world.traps[0].delivered) == 2, HOUR_MS)
        self.assertTrue(done, "held up by what the base refuses")
        self.assertGreater(len(world.heartbeats), 1)

    def test_after_silence_a_short_question_goes_in_place_of_the_piece(self):
        world = World()
        world.sighting(1, 1, crop_bytes=2000)
        world.run(lambda: len(world.committed) == 1, HOUR_MS)
        sent = self.record(world)
        world.run(lambda: len(sent) >= 4, HOUR_MS)
        world.mangle = lambda frame: b""  # the air goes dead, and lives again
        world.run(lambda: False, 30000)
        before = len(world.committed)
        sent = self.record(world)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual(len(world.committed) - before, 1)
        kinds = [frame[0] & 0x0F for frame in sent if not frame[0] & 0x20]
        self.assertEqual(kinds[0], ASK)
        self.assertLess(len(kinds), 14)  # else pieces that had arrived were sent again

    def test_what_a_reset_interrupted_goes_on_with_what_is_missing(self):
        world = World()
        world.sighting(1, 1, crop_bytes=6000)
        world.run(lambda: len(world.committed) == 1, HOUR_MS)
        world.run(lambda: False, 9000)  # some seven pieces of 34
        trap = world.traps[0]
        trap.restart()
        sent = self.record(world)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        kinds = [frame[0] & 0x0F for frame in sent if not frame[0] & 0x20]
        self.assertEqual(kinds[kinds.index(HEARTBEAT) + 1], ASK)
        self.assertLess(kinds.count(PIECE), 28)  # else pieces that had arrived were sent again
        self.assertEqual(len(world.committed), 2)

    def test_what_something_urgent_interrupted_goes_on_with_what_is_missing(self):
        world = World()
        world.traps[0].hand_over(ObjectKey(1, EPOCH, 1, FRAME), world.random.bytes(6000), 2)
        world.run(lambda: False, 12000)
        sent = self.record(world)
        world.traps[0].hand_over(ObjectKey(1, EPOCH, 2, CROP), world.random.bytes(900), 1)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual([key.rung for key in world.committed], [CROP, FRAME])
        # 34 pieces of the frame, some ten of them before, and 6 of the crop.
        self.assertLess(sum(frame[0] & 0x0F == PIECE for frame in sent), 33)

    def test_a_heartbeat_without_answer_goes_again_some_times_at_moments_of_its_own(self):
        """As PROTOCOL.md says. Else those of traps that were switched on together would collide for ever."""
        world = World(traps=2, heartbeat_ms=HOUR_MS)
        first, second = [self.unheard(node.link, 3 * HOUR_MS) for node in world.traps]
        within_hour = [at for at in first if at < HOUR_MS]
        self.assertEqual(len(within_hour), HEARTBEAT_TRIES)
        self.assertLess(within_hour[-1], HOUR_MS // 4)
        self.assertEqual(len(first) - HEARTBEAT_TRIES, 2)  # a base that is gone costs one an hour
        self.assertEqual(first[0], second[0])
        self.assertFalse(set(first[2:]) & set(second[2:]))

    @staticmethod
    def unheard(link, until):
        """When a trap sends to a base that is gone."""
        times, now = [], 0
        while now < until:
            if link.next_frame(now, False) is not None:
                times.append(now)
                link.sent(now)
            now = max(now + 1, link.deadline(now))
        return times

    @staticmethod
    def record(world):
        sent = []

        def mangle(frame):
            sent.append(frame)
            return frame

        world.mangle = mangle
        return sent

    def test_a_heartbeat_waits_for_the_end_of_a_turn(self):
        world = World(heartbeat_ms=6000)
        world.run(lambda: world.heartbeats, HOUR_MS)
        sent = self.record(world)
        world.sighting(1, 1, crop_bytes=5000)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        kinds = [frame[0] & 0x0F for frame in sent if not frame[0] & 0x20]
        first, last = kinds.index(PIECE), kinds.index(FRAGMENT)
        self.assertGreater(last - first, 20)
        self.assertFalse(HEARTBEAT in kinds[first:last])

    def test_most_pieces_go_in_the_short_form(self):
        world = World()
        sent = self.record(world)
        world.sighting(1, 1, crop_bytes=3000)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        kinds = [frame[0] & 0x0F for frame in sent]
        self.assertEqual((kinds.count(PIECE), kinds.count(FRAGMENT)), (16, 1))

    def test_a_trap_of_version_2_is_answered_in_version_2(self):
        base = BaseLink({1: [base_key(1)]}, 197, Counter(0, no_reserve))
        trap = trap_key(1)
        envelope = Envelope(ObjectKey(1, EPOCH, 1, CROP), bytes(400)).encode()
        events = []
        for i, payload in enumerate(cut(envelope, 197)):
            events += base.on_frame(trap.seal(FRAGMENT, i == 2, i, payload, 2), -90, 20, 0)
        self.assertEqual([event for event in events if event[0] != "piece"], [("object", envelope, 1)])
        base.committed(ObjectKey(1, EPOCH, 1, CROP), 0)
        (answer,) = base.frames_due(0)
        frame = trap.open(answer)
        self.assertEqual((frame.version, frame.kind), (2, ACK))

    def test_in_company_pieces_leave_gaps_that_an_alert_goes_into(self):
        world = World(traps=2)
        world.sighting(2, 1, crop_bytes=300)  # so that the first one knows of company
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        world.sighting(1, 1, crop_bytes=8000)
        world.run(lambda: len(world.traps[0].delivered) == 1, HOUR_MS)
        world.run(lambda: False, 2500)
        world.sighting(2, 2, crop_bytes=300)
        handed_over = world.now
        self.assertTrue(world.run(lambda: len(world.traps[1].delivered) == 3, HOUR_MS))
        self.assertLess(world.traps[1].delivered[2][0] - handed_over, 3000)
        self.assertEqual(len(world.traps[0].delivered), 1)

    def test_a_full_queue_takes_an_alert_and_keeps_the_rest_for_later(self):
        world = World()
        link = world.traps[0].link
        for number in range(300):
            link.offer(ObjectKey(1, EPOCH, number, CROP), 1)
        self.assertEqual(link.queued(), 256)
        self.assertTrue(link.offer(ObjectKey(1, EPOCH, 999, ALERT), 0))
        self.assertEqual(link.queued(), 256)

    def test_no_frame_is_larger_than_the_plan_allows(self):
        for size in (36, 66, 99):
            world = World(frame_bytes=size, loss=0.2)
            longest = [0]

            def measure(frame, longest=longest):
                longest[0] = max(longest[0], len(frame))
                return frame

            world.mangle = measure
            world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), bytes(300)))
            for number in range(1, 12):
                world.sighting(1, number, crop_bytes=300)
            done = world.run(lambda w=world: w.all_delivered() and w.down_delivered, 4 * HOUR_MS)
            self.assertTrue(done, "frames of %d bytes do not get through" % size)
            self.assertTrue(longest[0] <= size, "a frame of %d bytes, allowed are %d" % (longest[0], size))

    def test_strangers_and_the_wrong_way_are_ignored(self):
        world = World(traps=2)
        world.sighting(1, 1)
        frame = world.traps[0].link.next_frame(1000, False)
        self.assertEqual(world.traps[1].link.on_frame(frame, 1000), [])
        only_second = World(traps=1)
        only_second.base._peers = {2: only_second.base._peers[1]}
        self.assertEqual(only_second.base.on_frame(frame, 0, 0, 1000)[0][0], "dropped")

    def test_a_busy_channel_is_waited_for(self):
        world = World()
        world.sighting(1, 1)
        link = world.traps[0].link
        self.assertIsNone(link.next_frame(0, True))
        self.assertGreater(link.deadline(0), 0)
        self.assertIsNotNone(link.next_frame(link.deadline(0), False))


if __name__ == "__main__":
    unittest.main()
