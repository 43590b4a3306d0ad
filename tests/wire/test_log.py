"""The log's excerpt over the link, the longer heartbeat: bytes, loss, small frames, older ends. Both interpreters."""

import json
import struct
import unittest
from binascii import unhexlify

from tests.wire.keys import base_key, cipher, trap_key
from tests.wire.world import Random, World
from trapwire.basewords import LOG_ENTRY, LOG_HOLD_MS, LOG_MOST_MS, BaseWords, decode_log, encode_log_wanted
from trapwire.errors import WireError
from trapwire.frame import LOG, REPLY, WORD, decode_frame, peek_frame
from trapwire.payloads import HEARTBEAT_BYTES, LONG_HEARTBEAT_BYTES, UNKNOWN, Heartbeat, decode_heartbeat
from trapwire.trapwords import REPLY_TRIES, TrapWords
from trapwire.words import DONE, LOG_WANTED, decode_word, encode_item, encode_log

HERE = __file__[: __file__.rindex("/") + 1]
MINUTE_MS = 60000
HOUR_MS = 3600000
HOSTILE = 1000
FULL = {"uptime_s": 86400, "battery": 77, "queued": 3, "queued_kib": 5, "airtime_s": 9001, "state": 0, "fault": 27}
FULL.update({"days_left": 212, "temperature_c": -21, "resets": 3, "triggers": 14, "battery_mv": 6312})


def vector(name):
    with open(HERE + "vectors/v3.json") as file:
        return unhexlify(json.load(file)[name])


class Log:
    """A unit's log: entries `first` to `end`, those in `gone` lost; each says its own sequence."""

    def __init__(self, first=1000, end=1040, gone=()):
        self.first = first
        self.end = end
        self.gone = gone

    def find(self, first, count):
        if not self.first <= first < self.end:
            first = self.end - count
        return first, min(first + count, self.end)

    def read(self, first, count):
        while first < self.end and (first in self.gone or first < self.first):
            first += 1
        data = b""
        for sequence in range(first, min(first + count, self.end)):
            if sequence in self.gone:
                break
            data += struct.pack(LOG_ENTRY, sequence, 1, 0)
        return first, data


def words_of(log, first=0, count=20):
    words = TrapWords(5)
    words.log = log
    words.read(encode_item(LOG_WANTED, encode_log_wanted(first, count)))
    return words


def taken(words, room, answered=True):
    """(first, left, how many entries) of every frame until nothing is due."""
    frames = []
    while words.due():
        kind, payload = words.take(room)
        assert kind == LOG
        assert len(payload) <= room
        first, left, entries = decode_log(payload)
        assert [e[0] for e in entries] == list(range(first, first + len(entries)))
        frames.append((first, left, len(entries)))
        words.heard()
        words.answered()
    return frames


class CodecTest(unittest.TestCase):
    def test_the_frozen_excerpt_and_its_ask(self):
        frame = decode_frame(vector("log_frame"), cipher(vector("up_key")))
        self.assertEqual((frame.kind, frame.down, frame.flag, frame.counter), (LOG, False, True, 1030))
        entries = [(185850000, True, 1, 2), (86400, False, 27, 1)]
        self.assertEqual(decode_log(frame.payload), (90721, 3, entries))
        again = struct.pack(LOG_ENTRY, 185850000, 129, 2) + struct.pack(LOG_ENTRY, 86400, 27, 1)
        self.assertEqual(encode_log(90721, 3, again), frame.payload)
        frame = decode_frame(vector("log_wanted_frame"), cipher(vector("down_key")))
        self.assertEqual(decode_word(frame.payload), ([(LOG_WANTED, 90721, 5)], 0))
        self.assertEqual(encode_item(LOG_WANTED, encode_log_wanted(90721, 5)), frame.payload)

    def test_the_frozen_long_heartbeat_and_the_short_one(self):
        frame = decode_frame(vector("long_heartbeat_frame"), cipher(vector("up_key")))
        heartbeat = decode_heartbeat(frame.payload)
        for name in FULL:
            self.assertEqual(heartbeat.values[name], FULL[name])
        self.assertEqual(Heartbeat(FULL).encode(200), frame.payload)
        short = decode_frame(vector("heartbeat_frame"), cipher(vector("up_key")))
        self.assertEqual(Heartbeat(FULL).encode(), short.payload)
        self.assertFalse("state" in decode_heartbeat(short.payload).values)

    def test_a_heartbeat_is_as_long_as_there_is_room(self):
        for room in range(HEARTBEAT_BYTES, 60):
            size = LONG_HEARTBEAT_BYTES if room >= LONG_HEARTBEAT_BYTES else HEARTBEAT_BYTES
            self.assertEqual(len(Heartbeat(FULL).encode(room)), size)
            self.assertEqual(len(Heartbeat({"battery": 5}).encode(room)), HEARTBEAT_BYTES)
        data = Heartbeat(FULL).encode(200)
        for size in range(HEARTBEAT_BYTES, LONG_HEARTBEAT_BYTES):
            self.assertEqual(len(decode_heartbeat(data[:size]).values), 8)
        self.assertEqual(decode_heartbeat(data + b"later").values, Heartbeat(FULL).values)

    def test_fields_out_of_bounds_show_their_bound_and_unknown_ones_say_so(self):
        values = decode_heartbeat(Heartbeat({"state": 4}).encode(99)).values
        for name in UNKNOWN:
            self.assertEqual(values[name], UNKNOWN[name])
        wide = {"state": 999, "temperature_c": -500, "days_left": 99999, "resets": -4, "triggers": 70000}
        values = decode_heartbeat(Heartbeat(wide).encode(99)).values
        self.assertEqual((values["state"], values["temperature_c"], values["days_left"]), (255, -128, 65535))
        self.assertEqual((values["resets"], values["triggers"]), (0, 65535))
        self.assertEqual(
            decode_heartbeat(Heartbeat({"state": 0, "temperature_c": 300}).encode(99)).values["temperature_c"], 127
        )

    def test_logs_that_cannot_be(self):
        for payload in (b"", bytes(4), bytes(6), bytes(11), b"\xff\xff\xff\xff\x00" + bytes(14)):
            with self.assertRaises(WireError):
                decode_log(payload)
        self.assertEqual(decode_log(b"\xff\xff\xff\xff\x00" + bytes(7))[0], 0xFFFFFFFF)
        self.assertEqual(decode_log(bytes(5)), (0, 0, []))


class TrapTest(unittest.TestCase):
    def test_an_excerpt_goes_in_as_many_frames_as_it_needs(self):
        self.assertEqual(taken(words_of(Log()), 182), [(1020, 0, 20)])
        frames = taken(words_of(Log()), 21)
        self.assertEqual(frames, [(1020 + 2 * i, 18 - 2 * i, 2) for i in range(10)])
        self.assertEqual(taken(words_of(Log(), 1005, 3), 182), [(1005, 0, 3)])
        self.assertEqual(taken(words_of(Log(), 1039, 99), 182), [(1039, 0, 1)])
        self.assertEqual(taken(words_of(Log(), 7, 2), 182), [(1038, 0, 2)])
        self.assertEqual(sum(f[2] for f in taken(words_of(Log(1000, 1300), 0, 255), 182)), 255)

    def test_what_is_lost_is_left_out(self):
        self.assertEqual(taken(words_of(Log(gone=(1025,))), 182), [(1020, 15, 5), (1026, 0, 14)])
        self.assertEqual(taken(words_of(Log(gone=range(1000, 1040))), 182), [(1040, 0, 0)])
        self.assertEqual(taken(words_of(Log(1000, 1000)), 182), [(1000, 0, 0)])
        self.assertEqual(taken(words_of(Log(), 0, 0), 182), [(1040, 0, 0)])

    def test_a_frame_goes_again_until_it_is_answered_and_not_for_ever(self):
        words = words_of(Log())
        sent = []
        while words.due():
            sent.append(words.take(182))
        self.assertEqual(len(sent), REPLY_TRIES)
        self.assertEqual(len(set(sent)), 1)
        words.heard()
        self.assertFalse(words.due())  # the base asks again
        words.read(encode_item(LOG_WANTED, encode_log_wanted(0, 20)))
        self.assertEqual(words.take(182), sent[0])
        self.assertEqual(words.answered(), [])
        self.assertFalse(words.due())

    def test_a_reply_goes_first_and_an_ask_anew_begins_anew(self):
        words = words_of(Log())
        words.say(7, DONE, 9)
        self.assertEqual(words.take(36)[0], REPLY)
        self.assertEqual(words.answered(), [("replied", 7, DONE)])
        self.assertEqual(words.take(40)[0], LOG)
        words.read(encode_item(LOG_WANTED, encode_log_wanted(1000, 5)))  # in the answer to that frame
        words.answered()
        self.assertEqual(taken(words, 182), [(1000, 0, 5)])

    def test_a_unit_without_a_log_skips_the_ask(self):
        words = words_of(None)
        self.assertFalse(words.due())
        self.assertEqual(words.skipped, 1)


class WorldTest(unittest.TestCase):
    """Whole links."""

    def world(self, **more):
        self.words = BaseWords(9)
        self.logs = []
        world = World(heartbeat_ms=20000, words=self.words, **more)
        for node in world.traps:
            node.link.words.log = Log()
        self.made = world
        on_up = self.words.on_up

        def keep(frame, now):
            events = on_up(frame, now)
            self.logs += [e[1:] for e in events if e[0] == "log"]
            return events

        self.words.on_up = keep
        return world

    def is_all_here(self):
        return not self.words.asks_log(1) and self.made.all_delivered()

    def sequences(self):
        return sorted({e[0] for log in self.logs for e in decode_log(log[2])[2]})

    def test_through_loss_all_of_it_comes_and_the_objects_too(self):
        for frame_bytes, loss in ((197, 0.0), (197, 0.3), (36, 0.2)):
            world = self.world(loss=loss, seed=4, frame_bytes=frame_bytes)
            world.sighting(1, 1, crop_bytes=100)
            self.words.ask_log(1, 0, 30)
            self.assertTrue(self.words.asks_log(1))
            self.assertTrue(world.run(self.is_all_here, HOUR_MS))
            self.assertEqual(self.sequences(), list(range(1010, 1040)))
            self.assertEqual(self.logs[-1][1], 0)

    def test_a_reset_in_between_and_it_is_asked_for_again(self):
        world = self.world(frame_bytes=36)
        self.words.ask_log(1, 1000, 40)
        world.run(lambda: len(self.logs) > 5, HOUR_MS)
        due = self.words._of(1).log
        self.assertEqual(due[2] - world.now, LOG_HOLD_MS)
        due[2] = world.now + 30000  # not to wait so long here
        world.traps[0].restart()
        world.traps[0].link.words.log = Log()
        self.assertTrue(world.run(lambda: not self.words.asks_log(1), HOUR_MS))
        self.assertEqual(self.sequences(), list(range(1000, 1040)))

    def test_an_older_trap_skips_it_and_the_base_asks_less_and_less(self):
        world = self.world()
        world.traps[0].link.words.log = None
        self.words.ask_log(1, 0, 5)
        world.run(lambda: False, 2 * MINUTE_MS)
        skipped = world.traps[0].link.words.skipped
        self.assertTrue(1 <= skipped <= 2)
        waits = []
        while len(waits) < 12:
            log = self.words._of(1).log
            waits.append(log[3])
            BaseWords._told(self.words._of(1), LOG_WANTED, b"", log[2])
        self.assertEqual(waits[-1], LOG_MOST_MS)
        self.words.drop_log(1)
        world.run(lambda: False, MINUTE_MS)
        self.assertEqual(world.traps[0].link.words.skipped, skipped)

    def test_an_excerpt_that_nobody_asked_for_changes_nothing(self):
        world = self.world()
        frame = trap_key(1).seal(LOG, True, 1, encode_log(5, 0, b""))
        self.assertEqual(world.base.on_frame(frame, -90, 20, 0), [("log", 1, 0, encode_log(5, 0, b""))])
        self.words.ask_log(1, 0, 5)  # not told yet: an old excerpt's end is not its end
        world.base.on_frame(trap_key(1).seal(LOG, False, 2, encode_log(5, 0, b"")), -90, 20, 0)
        self.assertTrue(self.words.asks_log(1))

    def test_the_way_and_the_version(self):
        world = self.world()
        events = world.traps[0].link.on_frame(base_key(1).seal(LOG, False, 1, encode_log(5, 0, b"")), 0)
        self.assertEqual([e[0] for e in events], ["heard", "dropped"])
        with self.assertRaises(WireError):
            peek_frame(trap_key(1).seal(LOG, True, 3, bytes(5), 2))

    def test_hostile_excerpts_and_asks_by_somebody_with_the_key(self):
        world = self.world()
        random, up, down = Random(6), trap_key(1), base_key(1)
        self.words.ask_log(1, 0, 5)
        seen = set()
        for counter in range(HOSTILE):
            payload = random.bytes(random.below(60))
            for event in world.base.on_frame(up.seal(LOG, bool(counter & 1), counter, payload), -90, 20, counter):
                seen.add(event[0])
            word = encode_item(LOG_WANTED, random.bytes(5 if counter & 1 else random.below(8)))
            link = world.traps[0].link
            for event in link.on_frame(down.seal(WORD, False, counter, word), counter):
                seen.add(event[0])
            if link.words.due():
                self.assertLess(len(link.words.take(21)[1]), 22)
        self.assertEqual(seen, {"log", "dropped", "heard"})

    def test_long_heartbeats_where_they_fit(self):
        for frame_bytes, expected in ((197, FULL["days_left"]), (36, None)):
            world = self.world(frame_bytes=frame_bytes)
            world.traps[0].link._heartbeat = lambda: Heartbeat(FULL)
            sent = []
            world.mangle = lambda frame, sent=sent: sent.append(frame) or frame
            heard = []
            on_frame = world.base.on_frame

            def keep(*args, on_frame=on_frame, heard=heard):
                events = on_frame(*args)
                heard += [e[2] for e in events if e[0] == "heartbeat"]
                return events

            world.base.on_frame = keep
            world.run(lambda heard=heard: heard, MINUTE_MS)
            self.assertEqual(heard[0].values.get("days_left"), expected)
            self.assertEqual(len(sent[0]), 47 if expected else 36)


if __name__ == "__main__":
    unittest.main()
