"""Words down and replies up: their bytes, when a base says what, and that nothing is done twice. Both interpreters."""

import gc
import json
import unittest
from binascii import unhexlify

from tests.wire.keys import base_key, base_keys, cipher, trap_key
from tests.wire.world import EPOCH, Random, World, no_reserve
from trapwire.baselink import BaseLink
from trapwire.basewords import MARGIN_EVERY_MS, TIME_EVERY_MS, TRIAL_HOLD_MS, WANTED_EVERY_MS, BaseWords
from trapwire.errors import REPLAYED, WireError
from trapwire.frame import ACK, HEARTBEAT, REPLY, WORD, Counter, decode_frame, peek_frame
from trapwire.objects import CROP, FRAME, ObjectKey
from trapwire.payloads import Heartbeat
from trapwire.trapwords import REPLY_TRIES, TrapWords
from trapwire.words import (
    DONE,
    MARGIN,
    ON_TRIAL,
    REVERTED,
    SETTING,
    SETTING_CODES,
    TIME,
    WANTED,
    decode_reply,
    decode_word,
    encode_item,
    encode_margin,
    encode_reply,
    encode_setting,
    encode_time,
    encode_wanted,
)

HERE = __file__[: __file__.rindex("/") + 1]
UNIX_MS = 1763686800123
MINUTE_MS = 60000
HOUR_MS = 3600000
HOSTILE = 10000
BEAT = Heartbeat({"uptime_s": 9}).encode()


class ClockedWords(BaseWords):
    """With a clock that needs no setting: the world's."""

    def word(self, trap, version, room, now):
        self.clock(now, UNIX_MS + now, 40)
        return super().word(trap, version, room, now)


def told(node, name):
    return [(now, event) for now, event in node.told if event[0] == name]


def kinds(frames):
    return [peek_frame(frame).kind for frame in frames]


class CodecTest(unittest.TestCase):
    def vector(self, name):
        with open(HERE + "vectors/v3.json") as file:
            return unhexlify(json.load(file)[name])

    def test_the_frozen_word(self):
        frame = decode_frame(self.vector("word_frame"), cipher(self.vector("down_key")))
        self.assertEqual((frame.kind, frame.down, frame.flag, frame.address, frame.counter), (WORD, True, True, 513, 9))
        items, skipped = decode_word(frame.payload)
        said = [(TIME, 1763686800123, 320), (MARGIN, -7), (WANTED, 0xC0FFEE01, 812, 2), (SETTING, 40001, 3, 10)]
        self.assertEqual((items, skipped), (said, 1))
        again = encode_item(TIME, encode_time(1763686800123, 300)) + encode_item(MARGIN, encode_margin(-7))
        again += encode_item(WANTED, encode_wanted(0xC0FFEE01, 812, 2))
        again += encode_item(SETTING, encode_setting(40001, 3, 10)) + encode_item(200, b"later")
        self.assertEqual(frame.payload, again)

    def test_the_frozen_reply(self):
        frame = decode_frame(self.vector("reply_frame"), cipher(self.vector("up_key")))
        self.assertEqual((frame.kind, frame.down, frame.flag, frame.counter), (REPLY, False, True, 1028))
        self.assertEqual(decode_reply(frame.payload), (40001, ON_TRIAL, 9))
        self.assertEqual(frame.payload, encode_reply(40001, ON_TRIAL, 9))

    def test_what_is_not_known_is_skipped_and_counted_and_the_rest_is_done(self):
        words = TrapWords(5)
        payload = encode_item(9, b"") + encode_item(MARGIN, b"\x05") + encode_item(MARGIN, b"\x05\x06")
        payload += encode_item(TIME, encode_time(UNIX_MS, 10)[:-1] + b"\xff")  # of unknown uncertainty
        payload += encode_item(WANTED, encode_wanted(1, 2, 77)) + encode_item(255, bytes(60))
        self.assertEqual(words.read(payload), [("margin", 5)])
        self.assertEqual(words.skipped, 5)

    def test_a_word_that_is_cut_off_does_nothing_at_all(self):
        whole = encode_item(MARGIN, b"\x05") + encode_item(SETTING, encode_setting(1, 1, 60000))
        for end in range(1, len(whole)):
            if end == 3:
                continue  # whole, and shorter
            with self.assertRaises(WireError):
                TrapWords(5).read(whole[:end])
        self.assertEqual(decode_word(b""), ([], 0))

    def test_times_and_replies_that_cannot_be(self):
        for unix_ms in (0, 1577836799999, 1577836800000 + (1 << 40)):
            with self.assertRaises(WireError):
                encode_time(unix_ms, 0)
        for payload in (b"", bytes(6), bytes(8), b"\x00\x01\x05" + bytes(4)):
            with self.assertRaises(WireError):
                decode_reply(payload)


class BaseTest(unittest.TestCase):
    """One base, asked by hand."""

    def base(self, frame_bytes=197, sf=9, uncertainty=40):
        self.words = BaseWords(sf, wait_ms=500)
        self.link = BaseLink(base_keys([1, 2]), frame_bytes, Counter(0, no_reserve), words=self.words)
        self.uncertainty = uncertainty
        self.now = 0
        self.key = trap_key(1)
        self.counter = 0
        return self.words

    def ask(self, ms=1000, kind=HEARTBEAT, payload=None, snr=20, version=3):
        """The items of the answer to one more poll, `ms` later."""
        self.now += ms
        self.words.clock(self.now, UNIX_MS + self.now, self.uncertainty)
        self.counter += 1
        if payload is None:
            payload = Heartbeat({"uptime_s": self.now // 1000 + 100}).encode()
        self.events = self.link.on_frame(self.key.seal(kind, True, self.counter, payload, version), -90, snr, self.now)
        self.answer = self.link.frames_due(self.now)
        opened = [self.key.open(frame) for frame in self.answer]
        return [item for frame in opened if frame.kind == WORD for item in decode_word(frame.payload)[0]]

    def types(self, *args, **kwargs):
        return [item[0] for item in self.ask(*args, **kwargs)]

    def test_a_base_with_nothing_to_say_says_what_it_said_before(self):
        self.base()
        self.types()
        for _ in range(20):
            self.assertEqual(self.types(MINUTE_MS), [])
            self.assertEqual(kinds(self.answer), [ACK])

    def test_a_word_takes_the_place_of_the_empty_acknowledgement(self):
        self.base()
        self.assertEqual(sorted(self.types()), [TIME, MARGIN])
        self.assertEqual(kinds(self.answer), [WORD])

    def test_time_is_told_once_an_hour(self):
        self.base()
        when = [self.now for _ in range(400) if TIME in self.types(MINUTE_MS)]
        self.assertEqual(len(when), 7)
        self.assertEqual([when[i + 1] - when[i] for i in range(6)], [TIME_EVERY_MS] * 6)

    def test_time_is_told_again_to_a_trap_that_has_started(self):
        self.base()
        self.types()
        self.assertEqual(self.types(5 * MINUTE_MS, payload=Heartbeat({"uptime_s": 2}).encode()), [TIME])
        self.assertEqual(self.types(5 * MINUTE_MS, payload=Heartbeat({"uptime_s": 302}).encode()), [])
        self.assertEqual(self.types(1000, payload=Heartbeat({"uptime_s": 302}).encode()), [])

    def test_a_base_that_does_not_know_how_far_it_is_off_tells_no_time(self):
        self.base(uncertainty=None)
        self.assertEqual(self.types(), [MARGIN])
        self.assertEqual(self.types(HOUR_MS), [])

    def test_margin_is_told_when_it_has_changed_and_not_oftener_than_every_ten_minutes(self):
        self.base()
        self.assertTrue((MARGIN, 17) in self.ask(snr=20))  # 5 dB, and SF9's floor is at -12.5
        self.assertEqual(self.types(MINUTE_MS, snr=31), [])
        self.assertEqual(self.types(MINUTE_MS, snr=33), [])  # 3 dB more, too soon
        self.assertEqual(self.types(MARGIN_EVERY_MS, snr=31), [])  # no longer
        self.assertEqual(self.ask(MINUTE_MS, snr=8), [(MARGIN, 14)])
        self.assertEqual(self.ask(MARGIN_EVERY_MS, snr=-128), [(MARGIN, -20)])

    def test_wanted_is_said_every_ten_minutes_until_the_object_comes(self):
        words = self.base()
        self.types()
        key = ObjectKey(1, EPOCH, 812, FRAME)
        self.assertTrue(words.want(key))
        self.assertEqual(self.ask(), [(WANTED, EPOCH, 812, FRAME)])
        self.assertEqual(self.types(WANTED_EVERY_MS - 1), [])
        self.assertEqual(self.types(1), [WANTED])
        self.assertTrue(words.want(key))  # said again on the bus: no oftener on the air
        self.assertEqual(self.types(1000), [])
        words.drop(key)
        self.assertEqual([t for _ in range(5) for t in self.types(WANTED_EVERY_MS) if t == WANTED], [])

    def test_what_is_wanted_is_bounded(self):
        words = self.base()
        taken = [words.want(ObjectKey(1, EPOCH, n, CROP)) for n in range(20)]
        self.assertEqual(taken, [True] * 8 + [False] * 12)
        taken = [words.set(1, n, 1, 60000) for n in range(20)]
        self.assertEqual(taken, [True] * 8 + [False] * 12)

    def test_a_setting_is_said_in_every_answer_until_its_reply(self):
        words = self.base()
        self.types()
        words.set(1, 700, SETTING_CODES["sf"], 10)
        words.set(1, 701, SETTING_CODES["heartbeat_ms"], 60000)
        for _ in range(3):
            self.assertEqual(self.ask(), [(SETTING, 700, 3, 10)])
        self.assertEqual(self.types(kind=REPLY, payload=encode_reply(699, DONE, 9)), [SETTING])
        self.assertEqual(self.ask(kind=REPLY, payload=encode_reply(700, DONE, 10)), [(SETTING, 701, 1, 60000)])
        self.assertEqual(self.events, [("reply", 1, 700, DONE, 10)])
        self.assertEqual(self.types(kind=REPLY, payload=encode_reply(701, DONE, 60000)), [])

    def test_a_trial_is_waited_for_and_asked_after_once_it_should_be_over(self):
        words = self.base()
        self.types()
        words.set(1, 700, 3, 10)
        self.types()
        self.assertEqual(self.types(kind=REPLY, payload=encode_reply(700, ON_TRIAL, 9)), [])
        self.assertEqual(self.types(TRIAL_HOLD_MS - 1), [])
        self.assertEqual(self.types(1), [SETTING])
        self.assertEqual(self.types(kind=REPLY, payload=encode_reply(700, REVERTED, 9)), [])

    def test_the_smallest_frame_tells_all_in_turns(self):
        words = self.base(frame_bytes=36)
        for n in range(3):
            words.want(ObjectKey(1, EPOCH, n, CROP))
        words.set(1, 700, 3, 10)
        found = []
        for _ in range(8):
            found += self.types(kind=REPLY, payload=encode_reply(700, DONE, 10)) if SETTING in found else self.types()
            self.assertTrue(max(len(frame) for frame in self.answer) <= 36)
        self.assertEqual(sorted(found), [TIME, MARGIN, WANTED, WANTED, WANTED, SETTING])

    def test_a_trap_of_version_2_is_told_nothing(self):
        words = self.base()
        words.set(1, 700, 3, 10)
        self.assertEqual(self.types(version=2), [])
        self.assertEqual(kinds(self.answer), [ACK])

    def test_a_base_without_words_keeps_silent(self):
        self.base()
        self.words = self.link.words = BaseWords()
        self.assertEqual(self.types(), [])


class TrapTest(unittest.TestCase):
    """One trap, spoken to by hand."""

    def test_a_reply_goes_until_it_is_answered_then_with_the_next_chance(self):
        world = World(words=BaseWords(9), heartbeat_ms=3 * MINUTE_MS)
        link = world.traps[0].link
        world.run(lambda: bool(world.heartbeats), HOUR_MS)
        world.run(lambda: False, 2000)
        world.mangle = lambda frame: b""  # nothing arrives
        sent = world.traps[0].counter._next
        link.words.say(7, REVERTED, 9)
        world.run(lambda: False, 2 * MINUTE_MS)
        self.assertEqual(world.traps[0].counter._next - sent, REPLY_TRIES)
        world.mangle = None
        world.run(lambda: bool(world.replies), 4 * MINUTE_MS)  # a heartbeat is answered: the reply has its chance
        world.run(lambda: False, 1000)
        self.assertEqual(world.replies, [(1, 7, REVERTED, 9)])
        self.assertEqual([e for _, e in told(world.traps[0], "replied")], [("replied", 7, REVERTED)])

    def test_replied_is_told_when_the_answer_has_ended_and_not_before(self):
        world = World(words=BaseWords(9))
        link, base = world.traps[0].link, base_key(1)
        link.words.say(7, ON_TRIAL, 9)
        link.next_frame(1000, False)
        link.sent(1200)
        first = base.seal(ACK, True, 1, b"")
        self.assertEqual(link.on_frame(first, 1300), [("heard",)])
        self.assertTrue(link.words._reply is not None)
        last = base.seal(ACK, False, 2, b"")
        self.assertEqual(link.on_frame(last, 1400), [("heard",), ("replied", 7, ON_TRIAL)])
        self.assertFalse(link.words.due())

    def test_an_answer_to_something_else_is_no_answer_to_the_reply(self):
        world = World(words=BaseWords(9))
        link, base = world.traps[0].link, base_key(1)
        self.assertEqual(peek_frame(link.next_frame(1000, False)).kind, HEARTBEAT)
        link.sent(1200)
        link.words.say(7, DONE, 9)
        self.assertEqual(link.on_frame(base.seal(ACK, False, 1, b""), 1300), [("heard",)])
        self.assertTrue(link.words.due())

    def test_a_word_that_is_played_again_does_nothing(self):
        world = World()
        link, base = world.traps[0].link, base_key(1)
        word = base.seal(WORD, False, 5, encode_item(SETTING, encode_setting(7, 1, 60000)))
        self.assertEqual(link.on_frame(word, 0), [("heard",), ("setting", 7, 1, 60000)])
        for _ in range(3):
            self.assertEqual([e[0] for e in link.on_frame(word, 10)], ["dropped"])
        self.assertEqual(link.counts[REPLAYED], 3)

    def test_a_word_does_not_travel_up_nor_a_reply_down(self):
        world = World()
        events = world.traps[0].link.on_frame(base_key(1).seal(REPLY, False, 1, encode_reply(1, DONE, 1)), 0)
        self.assertEqual([e[0] for e in events], ["heard", "dropped"])
        self.assertEqual(
            [e[0] for e in world.base.on_frame(trap_key(1).seal(WORD, True, 1, b""), -90, 20, 0)], ["dropped"]
        )


class WorldTest(unittest.TestCase):
    """Whole links, loss and all."""

    def test_every_time_is_true_within_its_uncertainty(self):
        words = ClockedWords(9, wait_ms=500)
        world = World(traps=4, loss=0.3, seed=5, heartbeat_ms=20000, words=words)
        for number in range(1, 9):
            for trap in range(1, 5):
                world.sighting(trap, number, crop_bytes=600)
            world.run(lambda: False, MINUTE_MS)
            for node in world.traps:
                node.restart()
        for node in world.traps:
            times = told(node, "time")
            self.assertGreater(len(times), 3)
            for now, event in times:
                self.assertLess(abs(event[1] - (UNIX_MS + now)), event[2] + 1)
                self.assertLess(event[2], 4000)

    def test_settings_and_wishes_arrive_once_through_loss(self):
        words = BaseWords(9)
        world = World(traps=2, loss=0.3, seed=9, heartbeat_ms=15000, words=words)
        done = {}

        def obey():
            for node in world.traps:
                for _, event in told(node, "setting"):
                    done.setdefault((node.number, event[1]), []).append(event[3])
                    node.link.words.say(event[1], DONE, event[3])
                node.told[:] = [t for t in node.told if t[1][0] != "setting"]
            return len({r[:2] for r in world.replies}) == 6

        for trap in (1, 2):
            for command in (3, 4, 5):
                words.set(trap, command, 1, 1000 * command)
        self.assertTrue(world.run(obey, HOUR_MS))
        self.assertEqual(sorted({(t, c, v) for t, c, _, v in world.replies}), [
            (t, c, 1000 * c) for t in (1, 2) for c in (3, 4, 5)
        ])  # fmt: skip
        world.replies.clear()
        world.run(obey, MINUTE_MS)
        self.assertLess(len(world.replies), 4)  # at most repeats of what was on its way
        key = ObjectKey(2, EPOCH, 812, CROP)
        words.want(key)
        world.run(lambda: bool(told(world.traps[1], "wanted")), 3 * HOUR_MS)
        world.traps[1].hand_over(key, bytes(700), 1)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS))
        self.assertEqual(words._said[2].wanted, {})

    def test_words_cost_no_frame_where_nothing_is_due(self):
        """A night with words and one without: the same number of frames down."""
        counts = []
        for words in (None, BaseWords(9)):
            world = World(seed=3, heartbeat_ms=15000, words=words)
            world.run(lambda: False, 5000)
            start = world.base_counter._next
            for number in range(1, 4):
                world.sighting(1, number, crop_bytes=500)
                world.run(lambda: False, MINUTE_MS)
            counts.append(world.base_counter._next - start)
        self.assertEqual(counts[0], counts[1])

    def test_ten_thousand_words_by_somebody_with_the_key(self):
        world = World(words=BaseWords(9))
        random, base, link = Random(4), base_key(1), world.traps[0].link
        gc.collect()
        size = gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0
        seen = set()
        for counter in range(HOSTILE):
            payload = random.bytes(random.below(40))
            if counter % 3 == 0:  # well formed, with any content
                value = random.bytes(random.below(9))
                payload = encode_item(1 + random.below(6), value) + payload
            if counter % 7 == 0:
                payload = encode_item(SETTING, random.bytes(7))
            for event in link.on_frame(base.seal(WORD, bool(counter & 1), counter, payload), counter):
                seen.add(event[0])
        self.assertEqual(seen, {"heard", "dropped", "time", "margin", "wanted", "setting"} & seen)
        self.assertTrue("setting" in seen and "dropped" in seen)
        self.assertGreater(link.words.skipped, 100)
        up = trap_key(1)
        for counter in range(HOSTILE // 5):
            kind = REPLY if counter % 4 else HEARTBEAT
            for event in world.base.on_frame(up.seal(kind, False, counter, random.bytes(random.below(30))), -90, 20, 0):
                self.assertTrue(event[0] in ("reply", "heartbeat", "dropped"))
        self.assertEqual((len(world.words._said), len(world.words._said[1].settings)), (1, 0))
        gc.collect()
        grown = (gc.mem_alloc() if hasattr(gc, "mem_alloc") else 0) - size
        self.assertLess(grown, 16384)
        world.traps[0].counter._next = world.traps[0].counter._end = HOSTILE
        world.base_counter._next = world.base_counter._end = HOSTILE
        world.now = HOSTILE
        world.sighting(1, 1, crop_bytes=300)
        self.assertTrue(world.run(world.all_delivered, HOUR_MS), "the link no longer works")


if __name__ == "__main__":
    unittest.main()
