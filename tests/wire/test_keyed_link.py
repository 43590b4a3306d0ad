"""What a keyed link refuses, under real keys: forged, played again, of another trap, of version 1; rotation."""

import gc
import unittest

from tests.wire.keys import base_key, base_keys, link_key, trap_key
from tests.wire.world import EPOCH, Random, World, no_reserve
from trapwire.alert import Alert
from trapwire.baselink import BaseLink
from trapwire.company import MAX_QUIET_WINDOWS
from trapwire.errors import FORGED, NO_KEY, OLD_VERSION, REPLAYED, STRANGER
from trapwire.frame import ACK, ALERT, FRAGMENT, HEARTBEAT, ChecksumCipher, Counter, Frame, encode_frame
from trapwire.linkkeys import NEVER, direction_key, key_name
from trapwire.linktimes import LinkTimes
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import RECEIPT, Envelope, ObjectKey
from trapwire.payloads import Heartbeat, encode_ack, encode_alert_payload

HOUR_MS = 3600000
BEAT = Heartbeat({"battery": 80}).encode()
NEW_KEY = b"another link key"
HOSTILE = 10000


def alert_payload(number):
    body = Alert(1700000000000, 200, 0, 200, 1, (10, 20, 30, 40), 80).encode()
    return encode_alert_payload(ObjectKey(1, EPOCH, number, ALERT_RUNG), body)


def names(events):
    return [event[0] for event in events]


class RefusalTest(unittest.TestCase):
    def base(self, keys=None):
        base = BaseLink(base_keys([1, 2]) if keys is None else keys, 197, Counter(0, no_reserve))
        return base, trap_key(1)

    def hear(self, base, frame, now=0):
        return names(base.on_frame(frame, -90, 20, now))

    def test_a_trap_under_its_key_is_heard_and_answered(self):
        base, trap = self.base()
        self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, 0, BEAT)), ["heartbeat"])
        (answer,) = base.frames_due(0)
        self.assertEqual(trap.open(answer).kind, ACK)
        self.assertEqual(sum(base.counts.values()), 0)

    def test_another_traps_key_opens_nothing(self):
        """Whoever takes one unit apart speaks in its name, and in no other's."""
        base, _ = self.base()
        thief = trap_key(1, link_key(2))
        self.assertEqual(self.hear(base, thief.seal(ALERT, True, 7, alert_payload(1))), ["dropped"])
        base.on_frame(trap_key(1).seal(HEARTBEAT, True, 8, BEAT), -90, 20, 0)
        (answer,) = base.frames_due(0)
        try:
            thief.open(answer)
            self.assertTrue(False, "it was opened")
        except ValueError:
            self.assertEqual(base.counts[FORGED], 1)

    def test_keys_differ_by_trap_direction_and_link_key(self):
        made = {direction_key(link_key(k), way, trap) for k in (1, 2) for way in (0, 1) for trap in (1, 2)}
        self.assertEqual(len(made), 8)
        self.assertFalse(key_name(link_key(1)) == key_name(link_key(2)))

    def test_a_counter_that_is_not_greater_is_refused(self):
        base, trap = self.base()
        frame = trap.seal(ALERT, False, 500, alert_payload(1))
        self.assertEqual(self.hear(base, frame), ["object"])
        for counter in (500, 499, 0):
            again = trap.seal(ALERT, True, counter, alert_payload(2))
            self.assertEqual(self.hear(base, again), ["dropped"])
        self.assertEqual(self.hear(base, frame), ["dropped"])
        self.assertEqual((base.counts[REPLAYED], base.frames_due(1000)), (4, []))
        self.assertEqual(self.hear(base, trap.seal(ALERT, False, 501, alert_payload(2))), ["object"])

    def test_a_refused_counter_does_not_move_the_one_heard(self):
        base, trap = self.base()
        forged = bytearray(trap.seal(HEARTBEAT, True, 0xFFFFFFFF, BEAT))
        forged[-1] ^= 1
        self.assertEqual(self.hear(base, bytes(forged)), ["dropped"])
        self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, 1, BEAT)), ["heartbeat"])

    def test_version_1_is_refused_and_counted(self):
        world = World()
        for i in range(5):
            for down in (False, True):
                old = encode_frame(Frame(ACK, down, True, 1, 100 + i, b"", 1), ChecksumCipher())
                self.assertEqual(names(world.base.on_frame(old, -90, 20, 0)), ["dropped"])
                self.assertEqual(names(world.traps[0].link.on_frame(old, 0)), ["dropped"])
        self.assertEqual(world.base.counts[OLD_VERSION], 10)
        self.assertEqual(world.traps[0].link.counts[OLD_VERSION], 10)
        self.assertEqual(world.base.frames_due(1000), [])
        self.assertEqual(world.base.refusals(1000, 2000), [(1, OLD_VERSION)])

    def test_without_a_key_a_trap_is_refused_until_it_has_one(self):
        keys = {1: [], 2: [base_key(2)]}
        base, trap = self.base(keys)
        for counter in range(3):
            self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, counter, BEAT), 10), ["dropped"])
        self.assertEqual((base.counts[NO_KEY], base.frames_due(1000)), (3, []))
        self.assertEqual(base.refusals(10, 0), [(1, NO_KEY)])
        keys[1].append(base_key(1))
        self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, 3, BEAT)), ["heartbeat"])
        self.assertEqual(base.refusals(10, 1000), [])

    def test_a_key_that_is_taken_away_ends_the_answer_that_was_due(self):
        keys = base_keys([1])
        base, trap = self.base(keys)
        self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, 1, BEAT)), ["heartbeat"])
        keys[1].clear()
        self.assertEqual(base.frames_due(1000), [])
        self.assertEqual(self.hear(base, trap.seal(HEARTBEAT, True, 2, BEAT)), ["dropped"])

    def test_what_is_refused_long_ago_is_no_trouble_any_more(self):
        base, trap = self.base({1: []})
        self.hear(base, trap.seal(HEARTBEAT, True, 1, BEAT), 1000)
        self.assertEqual(base.refusals(5000, 4000), [(1, NO_KEY)])
        self.assertEqual(base.refusals(5001, 4000), [])

    def test_strangers_leave_nothing_behind(self):
        base, _ = self.base()
        for address in range(3, 3000):
            stranger = trap_key(address, b"s" * 16)
            self.assertEqual(self.hear(base, stranger.seal(HEARTBEAT, True, 1, BEAT)), ["dropped"])
        self.assertEqual((base.counts[STRANGER], len(base._peers), base.refusals(0, 1000)), (2997, 2, []))


class RotationTest(unittest.TestCase):
    def test_the_first_frame_under_the_next_key_ends_the_old_one(self):
        keys = {1: [base_key(1), base_key(1, NEW_KEY)]}
        base = BaseLink(keys, 197, Counter(0, no_reserve))
        old, new = trap_key(1), trap_key(1, NEW_KEY)
        for trap, counter in ((old, 70), (old, 71), (new, 3)):
            self.assertEqual(names(base.on_frame(trap.seal(HEARTBEAT, True, counter, BEAT), -90, 20, 0)), ["heartbeat"])
            (answer,) = base.frames_due(0)
            self.assertEqual(trap.open(answer).kind, ACK)  # in the key in which it spoke
        self.assertEqual([key.name for key in keys[1]], [key_name(NEW_KEY)])
        self.assertEqual(names(base.on_frame(old.seal(HEARTBEAT, True, 72, BEAT), -90, 20, 0)), ["dropped"])
        self.assertEqual(base.counts[FORGED], 1)

    def test_a_replay_under_the_old_key_is_told_from_a_forgery(self):
        base = BaseLink({1: [base_key(1), base_key(1, NEW_KEY)]}, 197, Counter(0, no_reserve))
        frame = trap_key(1).seal(HEARTBEAT, False, 9, BEAT)
        base.on_frame(frame, -90, 20, 0)
        base.on_frame(frame, -90, 20, 0)
        self.assertEqual((base.counts[REPLAYED], base.counts[FORGED]), (1, 0))

    def test_a_lost_counter_is_mended_by_a_new_key(self):
        keys = {1: [base_key(1, heard=5000)]}
        base = BaseLink(keys, 197, Counter(0, no_reserve))
        self.assertEqual(names(base.on_frame(trap_key(1).seal(HEARTBEAT, True, 0, BEAT), -90, 20, 0)), ["dropped"])
        self.assertEqual(base.refusals(0, 0), [(1, REPLAYED)])
        keys[1].append(base_key(1, NEW_KEY))
        event = base.on_frame(trap_key(1, NEW_KEY).seal(HEARTBEAT, True, 0, BEAT), -90, 20, 0)
        self.assertEqual(names(event), ["heartbeat"])


class ReplayAfterRestartTest(unittest.TestCase):
    """Both ends may have forgotten the last counters: what was recorded then opens once more, and harms nobody."""

    def test_a_whole_night_played_again_to_a_base_that_forgot_doubles_nothing(self):
        world = World()
        recorded = []

        def record(frame):
            recorded.append(frame)
            return frame

        world.mangle = record
        world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), bytes(300)))
        world.sighting(1, 1)
        self.assertTrue(world.run(lambda: world.all_delivered() and world.down_delivered, HOUR_MS))
        kept = set(world.committed)
        world.mangle = None
        world.forget()
        trap = world.traps[0]
        trap.key.heard = NEVER
        queue, received = dict(trap.queue), len(trap.received)
        for frame in recorded:
            for event in world.base.on_frame(frame, -90, 20, world.now):
                # Ingest has these: it drops what it has by its key, and says so again.
                self.assertTrue(event[0] in ("object", "piece", "heartbeat", "down_delivered", "dropped"))
                if event[0] == "object":
                    self.assertTrue(ObjectKey(1, EPOCH, 1, event[1][1]) in kept)
            trap.on_frame(frame, world.now)
        self.assertEqual((trap.queue, len(trap.received)), (queue, received))
        world.run(lambda: False, 5000)
        world.sighting(1, 2)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "the link no longer works")

    def test_a_played_acknowledgement_settles_nothing_that_was_not_committed(self):
        world = World(commit_ms=None)
        world.sighting(1, 1)
        base = base_key(1)
        old = base.seal(ACK, False, 5, encode_ack([ObjectKey(1, EPOCH - 1, 1, ALERT_RUNG)]))
        self.assertEqual(names(world.traps[0].link.on_frame(old, 0)), ["heard"])
        self.assertEqual(len(world.traps[0].queue), 2)


class QuietTest(unittest.TestCase):
    def test_headers_that_nobody_can_prove_do_not_silence_a_trap_for_ever(self):
        world = World(traps=2)
        link = world.traps[0].link
        world.sighting(1, 1)
        window = LinkTimes().reply_window_ms
        now, sent = 1000, None
        while sent is None and now < 100 * window:
            if now % 100 == 0:
                link.on_frame(bytes([0xC0 | 0x10 | ALERT]) + b"\x00\x02" + bytes(12), now)
            sent = link.next_frame(now, False)
            now += 10
        self.assertGreater(now, 2 * window)
        self.assertLess(now, 1000 + (MAX_QUIET_WINDOWS + 1) * window)


class HostileTest(unittest.TestCase):
    """Ten thousand frames by somebody without a key who has recorded everything."""

    def test_nothing_is_taken_nothing_raises_and_nothing_grows(self):
        world = World(traps=2)
        recorded = []

        def record(frame):
            recorded.append(frame)
            return frame

        world.mangle = record
        for trap in (1, 2):
            world.sighting(trap, 1, crop_bytes=700)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        world.mangle = None
        random = Random(21)
        committed, queues = len(world.committed), [dict(node.queue) for node in world.traps]
        before = self.state(world)
        size = self.allocated()
        refused = 0
        for i in range(HOSTILE):
            frame = self.invent(random, recorded, i)
            events = world.base.on_frame(frame, -90, 20, world.now)
            for node in world.traps:
                events += node.link.on_frame(frame, world.now)
            for event in events:
                self.assertEqual(event[0], "dropped")
            refused += len(events)
        self.assertGreater(refused, HOSTILE)
        self.assertEqual(self.state(world), before)
        self.assertLess(self.allocated() - size, 16384)
        self.assertEqual(world.base.frames_due(world.now + 60000), [])
        self.assertEqual((len(world.committed), [node.queue for node in world.traps]), (committed, queues))
        counts = world.base.counts
        for cause in (FORGED, REPLAYED, STRANGER, OLD_VERSION):
            self.assertGreater(counts[cause], HOSTILE // 50)
        world.sighting(1, 2, crop_bytes=300)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "the link no longer works")

    @staticmethod
    def invent(random, recorded, i):
        frame = bytearray(recorded[random.below(len(recorded))])
        way = i % 8
        if way == 1:  # a bit flipped, wherever
            frame[random.below(len(frame))] ^= 1 << random.below(8)
        elif way == 2:  # cut short
            frame = frame[: random.below(len(frame))]
        elif way == 3:  # a counter of tomorrow over bytes of yesterday
            frame[3:7] = bytes([random.below(256) for _ in range(4)])
        elif way == 4:  # of another trap, ours or not
            frame[2] ^= 1 + random.below(255)
        elif way == 5:  # of another kind or version, or the other way round
            frame[0] ^= 1 + random.below(255)
        elif way == 6:  # made up from the header on
            frame[7:] = random.bytes(random.below(248))
        elif way == 7:  # made up altogether
            frame = random.bytes(random.below(256))
        return bytes(frame)

    @staticmethod
    def state(world):
        """What could grow or be moved by what comes from the air."""
        peers = [
            (number, p.key is not None, len(p.incoming._partials), len(p.complete), len(p.committed), len(p.pending),
             len(p.acks), len(p.reports), p.reply_at, len(p.down), [k.heard for k in p.keys])
            for number, p in sorted(world.base._peers.items())
        ]  # fmt: skip
        traps = [
            (n.key.heard, len(n.link._down._pieces._partials), n.link.queued(), n.link._down.owes())
            for n in world.traps
        ]
        return peers, traps

    @staticmethod
    def allocated():
        """Bytes on the heap, where the interpreter tells."""
        gc.collect()
        return gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0


class FragmentsTest(unittest.TestCase):
    def test_a_fragment_has_a_short_tag_and_is_refused_by_it(self):
        base = BaseLink(base_keys([1]), 197, Counter(0, no_reserve))
        frame = trap_key(1).seal(FRAGMENT, True, 1, b"\x12\x34\x00\x00\x02" + bytes(50))
        self.assertEqual(len(frame), 7 + 55 + 4)
        for i in range(len(frame)):
            bad = bytearray(frame)
            bad[i] ^= 0x40
            self.assertTrue(names(base.on_frame(bytes(bad), -90, 20, 0)) in (["dropped"], []))
        self.assertEqual(base.frames_due(1000), [])
        self.assertEqual(names(base.on_frame(frame, -90, 20, 0)), ["piece"])
        self.assertEqual(len(base.frames_due(1000)), 1)


if __name__ == "__main__":
    unittest.main()
