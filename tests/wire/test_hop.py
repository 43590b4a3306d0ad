"""One hop: what arrives through a repeater, and that it reads nothing, forges nothing and starts no storm."""

import json
import unittest
from binascii import hexlify, unhexlify

from tests.wire.hopworld import FRAME_BYTES, SF, HopWorld, hop_key
from tests.wire.keys import base_key, base_keys, cipher, trap_key
from tests.wire.world import EPOCH, Random, World, no_reserve
from trapwire.airtime import airtime_us
from trapwire.errors import DAMAGED, FORGED, REPLAYED, STRANGER, RefusedError, WireError
from trapwire.frame import ALERT as ALERT_KIND
from trapwire.frame import FRAGMENT, HEARTBEAT, PIECE, Counter
from trapwire.hop import HOP_BYTES, MAX_TRAPS, Bucket, HopKey, inner_of, is_wrapped
from trapwire.hopbase import HopBaseLink
from trapwire.objects import FRAME, RECEIPT, Envelope, ObjectKey
from trapwire.payloads import Heartbeat
from trapwire.relay import LATE_MS, START_MAX_MS, Relay

HOUR_MS = 3600000
HOSTILE = 3000
BEAT = Heartbeat({"battery": 80}).encode()


def load_vectors(name):
    with open(__file__[: __file__.rindex("/") + 1] + "vectors/" + name) as file:
        return json.load(file)


class Recorder:
    """Between the world and its air: who sent what."""

    def __init__(self, world):
        self.frames = []  # (node, frame, airtime in us)
        self._transmit = world.air.transmit
        world.air.transmit = self.transmit

    def transmit(self, node, frame, now):
        self.frames.append((node, frame, airtime_us(len(frame), SF)))
        return self._transmit(node, frame, now)

    def of(self, node):
        return [frame for sender, frame, _ in self.frames if sender == node]


def load(world):
    """Two sightings, an 8 kB frame and a receipt down; what must be committed."""
    for number in (1, 2):
        world.sighting(1, number, crop_bytes=700)
    world.traps[0].hand_over(ObjectKey(1, EPOCH, 1, FRAME), world.random.bytes(8192), 2)
    world.base.offer_down(Envelope(ObjectKey(1, EPOCH, 7, RECEIPT), bytes(300)))
    return set(world.traps[0].queue)


def arrives(world, limit_ms=2 * HOUR_MS):
    return world.run(lambda: world.all_delivered() and world.down_delivered, limit_ms)


def relay(traps=(1,), burst_s=60, permille=10):
    return Relay({n: hop_key(n) for n in traps}, FRAME_BYTES, SF, burst_s, permille, Random(5).below)


def beat(trap, counter, hopped=False):
    """A trap's heartbeat, wrapped."""
    return hop_key(trap).wrap(trap_key(trap).seal(HEARTBEAT, True, counter, BEAT), counter, hopped)


def carried(unit, since, until=None):
    """What it sends within some time on a free channel."""
    found = []
    for now in range(since, until or since + 2 * LATE_MS, 5):
        frame = unit.next_frame(now, False)
        if frame is not None:
            found.append(frame)
    return found


class ArrivalTest(unittest.TestCase):
    def arrive(self, loss):
        for seed in (1, 2):
            world = HopWorld(loss=loss, seed=seed)
            recorder = Recorder(world)
            keys = load(world)
            self.assertTrue(arrives(world), "loss %s seed %d" % (loss, seed))
            self.assertEqual(sorted(k.as_tuple() for k in world.committed), sorted(k.as_tuple() for k in keys))
            self.assertEqual([e.key.number for e in world.traps[0].received], [7])
            self.assertLess(world.air.frames, 150 * 2 / (1 - loss) ** 4)
            # A frame is carried once: the repeater says less than the other two together, and nothing twice.
            said = recorder.of(-1)
            self.assertEqual(len(said), len(set(said)))
            self.assertFalse(len(said) > len(recorder.of(0)) + len(recorder.of(1)))
            for frame in said:
                self.assertFalse(len(frame) > FRAME_BYTES)
                source = recorder.of(0 if not is_wrapped(frame) else 1)
                inner = inner_of(frame) if is_wrapped(frame) else frame
                self.assertTrue(inner in [inner_of(f) for f in source])

    def test_all_arrives_once_without_loss(self):
        self.arrive(0.0)

    def test_all_arrives_once_with_a_tenth_lost_on_each_hop(self):
        self.arrive(0.1)

    def test_all_arrives_once_with_three_tenths_lost_on_each_hop(self):
        self.arrive(0.3)

    def test_without_loss_nothing_collides_and_air_is_spent_twice(self):
        world = HopWorld()
        load(world)
        self.assertTrue(arrives(world))
        near = World(frame_bytes=FRAME_BYTES)
        load(near)
        self.assertTrue(arrives(near))
        self.assertEqual(world.air.collisions, 0)
        self.assertLess(world.air.airtime_ms, 2.4 * near.air.airtime_ms)

    def test_without_its_repeater_a_trap_keeps_all_and_says_little(self):
        world = HopWorld()
        keys = load(world)
        lost = world.relays.pop(-1)
        world.run(lambda: False, HOUR_MS)
        self.assertEqual((world.committed, set(world.traps[0].queue)), ([], keys))
        self.assertLess(world.air.frames, 700)  # the pauses of a trap with an alert: below 7.5 s
        world.relays[-1] = lost
        self.assertTrue(arrives(world))
        self.assertEqual(len(world.committed), len(keys))

    def test_three_traps_by_one_repeater(self):
        world = HopWorld(traps=3, loss=0.1)
        for trap in (1, 2, 3):
            world.sighting(trap, 1)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual(len(world.committed), len(set(world.committed)), 6)

    def test_the_base_may_forget_all(self):
        world = HopWorld()
        keys = load(world)
        world.run(lambda: len(world.committed) > 1, HOUR_MS)
        world.forget()
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual(set(world.committed), keys)


class NoStormTest(unittest.TestCase):
    def test_two_repeaters_that_hear_each_other_carry_each_frame_once_together(self):
        world = HopWorld(repeaters=2)
        recorder = Recorder(world)
        keys = load(world)
        self.assertTrue(arrives(world))
        self.assertEqual(len(world.committed), len(keys))
        first, second = recorder.of(-1), recorder.of(-2)
        sources = len(recorder.of(0)) + len(recorder.of(1))
        self.assertLess(len(first) + len(second), 1.25 * sources)  # more than once where both began at a time
        yielded = [unit.counts["answered"] + unit.counts["late"] for unit in world.relays.values()]
        self.assertGreater(sum(yielded), sources // 2)
        world.run(lambda: False, 5000)
        before = len(recorder.frames)
        world.traps[0].link.next_frame = lambda now, busy: None
        world.run(lambda: False, 60000)
        self.assertLess(len(recorder.frames) - before, 4)  # when nobody speaks, they do not

    def test_what_was_carried_is_never_carried_again(self):
        """Hop limit 1: the own copy, another's copy, the frame that was unwrapped, the first one played again."""
        unit = relay()
        first = beat(1, 7)
        unit.on_frame(first, 0)
        (copy,) = carried(unit, 0)
        self.assertEqual((copy, inner_of(copy)), (beat(1, 7, True), inner_of(first)))
        for frame in (copy, first, inner_of(first), beat(1, 8, True), beat(1, 7)):
            unit.on_frame(frame, 5000)
        self.assertEqual(carried(unit, 5000), [])
        self.assertEqual(unit.counts[REPLAYED], 2)

    def test_a_copy_is_not_made_into_a_first_one(self):
        """The hops stand under the tag."""
        unit = relay()
        copy = bytearray(beat(1, 7, True))
        copy[0] ^= 0x10
        unit.on_frame(bytes(copy), 0)
        self.assertEqual((carried(unit, 0), unit.counts[FORGED]), ([], 1))

    def test_a_whole_night_played_again_is_not_carried(self):
        world = HopWorld()
        recorder = Recorder(world)
        load(world)
        self.assertTrue(arrives(world))
        unit = world.relays[-1]
        world.run(lambda: False, 2000)
        before = unit.carried
        last = {recorder.of(1)[-1], recorder.of(0)[-1]}
        for _, frame, _ in recorder.frames:
            if frame not in last:
                unit.on_frame(frame, world.now)
        self.assertEqual((carried(unit, world.now), unit.carried), ([], before))

    def test_frames_of_traps_that_are_not_listed_are_counted(self):
        unit = relay()
        for trap in (2, 3):
            unit.on_frame(beat(trap, 1), 0)
            unit.on_frame(trap_key(trap).seal(HEARTBEAT, True, 1, BEAT), 0)
        self.assertEqual((carried(unit, 0), unit.counts[STRANGER]), ([], 2))

    def test_what_is_not_wrapped_is_never_carried(self):
        unit = relay()
        unit.on_frame(trap_key(1).seal(HEARTBEAT, True, 1, BEAT), 0)
        unit.on_frame(base_key(1).seal(4, False, 1, b""), 0)
        self.assertEqual(carried(unit, 0), [])

    def test_who_floods_moves_nothing(self):
        random = Random(3)
        unit = relay(traps=range(1, MAX_TRAPS + 1))
        real = [beat(1, n) for n in range(5, 9)]
        for i in range(HOSTILE):
            frame = bytearray(real[i % 4] if i % 3 else random.bytes(random.below(256)))
            if i % 3 == 1:
                frame[random.below(len(frame))] ^= 1 << random.below(8)
            elif i % 3 == 2:
                frame = frame[: random.below(len(frame))]
            unit.on_frame(bytes(frame), 10 * i)
            self.assertFalse(len(unit._waiting) > 0)
        self.assertEqual((carried(unit, 10 * HOSTILE), unit.carried), ([], 0))
        unit.on_frame(beat(1, 9), 10 * HOSTILE)
        self.assertEqual(len(carried(unit, 10 * HOSTILE)), 1)


class RateTest(unittest.TestCase):
    def test_a_trap_causes_no_more_air_than_its_bucket_holds(self):
        unit = relay(burst_s=20, permille=10)
        spent = 0
        for i in range(400):
            unit.on_frame(beat(1, i), 1000 * i)
            spent += sum(airtime_us(len(f), SF) for f in carried(unit, 1000 * i, 1000 * i + 900))
        self.assertLess(spent, 20000000 + 400000 * 10)
        self.assertGreater(spent, 20000000)
        self.assertGreater(unit.counts["over_rate"], 200)

    def test_pieces_leave_a_tenth_for_alerts_and_others_traps_their_own(self):
        unit = relay(traps=(1, 2), burst_s=20, permille=0)
        key, hop = trap_key(1), hop_key(1)
        sent = []
        for i in range(100):
            kind, data = (FRAGMENT, bytes([0, 0, 0, 0, 9])) if i == 0 else (PIECE, bytes([0, 0, i]))
            unit.on_frame(hop.wrap(key.seal(kind, False, i, data + bytes(150)), i, False), 1000 * i)
            sent += carried(unit, 1000 * i, 1000 * i + 900)
        self.assertLess(len(sent), 100)
        unit.on_frame(hop.wrap(key.seal(ALERT_KIND, True, 100, bytes(21)), 100, False), 100000)
        unit.on_frame(beat(2, 1), 100000)
        self.assertEqual(len(carried(unit, 100000)), 2)

    def test_a_bucket_fills_up_to_its_burst(self):
        bucket = Bucket(1000, 10)
        self.assertTrue(bucket.take(1000, 0))
        self.assertFalse(bucket.take(1, 0))
        self.assertTrue(bucket.take(500, 50))
        self.assertFalse(bucket.take(1001, 10**9))
        self.assertTrue(bucket.take(900, 10**9, 100))
        self.assertFalse(bucket.take(1, 10**9, 100))
        self.assertFalse(bucket.take(101, 0))  # a clock that goes back fills nothing


class ListenBeforeTest(unittest.TestCase):
    def test_it_waits_for_a_busy_channel_and_not_for_ever(self):
        unit = relay()
        unit.on_frame(beat(1, 1), 0)
        self.assertTrue(unit.next_frame(START_MAX_MS, True) is None)
        self.assertTrue(unit.next_frame(LATE_MS - 1, False) is not None)
        unit.on_frame(beat(1, 2), 1000)
        self.assertTrue(unit.next_frame(1000 + LATE_MS, True) is None)
        self.assertEqual((unit.counts["late"], unit.deadline()), (1, None))

    def test_what_the_base_answers_by_itself_is_not_carried(self):
        unit = relay()
        unit.on_frame(beat(1, 1), 0)
        unit.on_frame(base_key(1).seal(4, False, 1, b""), 5)
        self.assertEqual((carried(unit, 5), unit.counts["answered"]), ([], 1))

    def test_a_base_that_hears_its_trap_answers_it_directly(self):
        world = HopWorld()
        world.air.deaf = set()
        load(world)
        self.assertTrue(arrives(world))
        self.assertEqual(len(world.committed), len(set(world.committed)))

    def test_a_base_that_hears_its_trap_and_is_not_heard_answers_by_the_repeater(self):
        base = HopBaseLink({1: hop_key(1)}, SF, base_keys([1]), FRAME_BYTES, Counter(0, no_reserve))
        base.on_frame(beat(1, 5), -90, 20, 0)
        self.assertEqual(base.on_frame(beat(1, 5, True), -90, 20, 0), [])
        (answer,) = base.frames_due(0)
        self.assertTrue(is_wrapped(answer))
        base.on_frame(beat(1, 6), -90, 20, 100)
        (answer,) = base.frames_due(5000)
        self.assertFalse(is_wrapped(answer))
        self.assertEqual(sum(base.counts.values()), 0)


class TrustTest(unittest.TestCase):
    def test_who_holds_the_hop_key_alone_makes_no_frame(self):
        base = HopBaseLink({1: hop_key(1)}, SF, base_keys([1]), FRAME_BYTES, Counter(0, no_reserve))
        real = inner_of(beat(1, 5))
        for i in range(3, len(real)):  # the counter, what it says, its tag
            inner = bytearray(real)
            inner[i] ^= 1
            counter = int.from_bytes(bytes(inner[3:7]), "big")
            events = base.on_frame(hop_key(1).wrap(bytes(inner), counter, True), -90, 20, 0)
            self.assertEqual([e[0] for e in events], ["dropped"])
        self.assertEqual(base.frames_due(HOUR_MS), [])

    def test_every_byte_of_a_wrapped_frame_is_bound(self):
        whole = beat(1, 5)
        self.assertEqual(hop_key(1).unwrap(whole).inner, inner_of(whole))
        for i in range(len(whole)):
            for bit in (1, 0x10, 0x20, 0x80):
                bad = bytearray(whole)
                bad[i] ^= bit
                if is_wrapped(bytes(bad)):
                    with self.assertRaises(WireError):
                        hop_key(1).unwrap(bytes(bad))

    def test_a_wrapped_frame_under_another_traps_hop_key_is_forged(self):
        base = HopBaseLink({1: hop_key(1), 2: hop_key(2)}, SF, base_keys([1, 2]), FRAME_BYTES, Counter(0, no_reserve))
        base.on_frame(hop_key(2).wrap(inner_of(beat(1, 5)), 5, True), -90, 20, 0)
        base.on_frame(beat(3, 5, True), -90, 20, 0)
        self.assertEqual((base.counts[FORGED], base.counts[STRANGER], base.frames_due(HOUR_MS)), (1, 1, []))

    def test_a_piece_played_again_does_not_pass_for_a_later_one(self):
        key, hop = trap_key(1), hop_key(1)
        held = hop_key(1)
        frames = [hop.wrap(key.seal(HEARTBEAT, False, 5, BEAT), 5, False)]
        frames += [hop.wrap(key.seal(PIECE, False, n, bytes(9)), n, False) for n in (6, 7)]
        for frame in frames:
            held.unwrap(frame)
        for frame, cause in ((frames[0], REPLAYED), (frames[1], FORGED)):
            try:
                held.unwrap(frame)
            except RefusedError as error:
                self.assertEqual(error.cause, cause)
                continue
            self.assertTrue(False, "it was taken")
        self.assertEqual((held.heard[False], held.unwrap(frames[2]).again), (7, True))

    def test_a_link_without_hops_counts_it_as_unknown_and_goes_on(self):
        world = World()
        for hopped in (False, True):
            frame = beat(1, 5, hopped)
            self.assertEqual([e[0] for e in world.base.on_frame(frame, -90, 20, 0)], ["dropped"])
            self.assertEqual([e[0] for e in world.traps[0].link.on_frame(frame, 0)], ["dropped"])
        self.assertEqual((world.base.counts[DAMAGED], world.base.frames_due(HOUR_MS)), (2, []))

    def test_the_bytes_are_those_of_the_page(self):
        """PROTOCOL.md section 11: first byte, inner frame, four bytes."""
        frame = hop_key(1).wrap(b"\xc5\x00\x01\x00\x00\x00\x05" + bytes(29), 5, False)
        self.assertEqual(
            (frame[0], frame[1:-4], len(frame)), (0xCB, b"\xc5\x00\x01\x00\x00\x00\x05" + bytes(29), 36 + HOP_BYTES)
        )
        down = hop_key(1).wrap(b"\xe4\x00\x01\x00\x00\x00\x05" + bytes(8), 5, False)
        self.assertEqual((down[0], hop_key(1).wrap(frame[1:-4], 5, True)[0]), (0xEB, 0xDB))

    def test_the_frozen_frames(self):
        row, v3 = load_vectors("hops.json"), load_vectors("v3.json")
        holder = HopKey(unhexlify(row["hop_key"]), 513, cipher)
        holder.heard[False] = 1024
        for name, inner, counter in (("alert", "alert_frame", 1025), ("piece", "piece_frame", 0x10402)):
            holder.heard[False] = counter - 1
            frame = unhexlify(row[name + "_hop"])
            self.assertEqual(holder.wrap(unhexlify(v3[inner]), counter, False), frame)
            found = holder.unwrap(frame)
            self.assertEqual((hexlify(found.inner).decode(), found.counter, found.hopped), (v3[inner], counter, False))
        holder.heard[False] = 1024
        copy = holder.unwrap(unhexlify(row["alert_copy"]))
        self.assertEqual((copy.hopped, copy.polls, copy.down), (True, True, False))
        self.assertTrue(holder.unwrap(unhexlify(row["ack_hop"])).down)


if __name__ == "__main__":
    unittest.main()
