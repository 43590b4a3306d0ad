"""What the base's words do on a trap: time, wishes, settings and their trials, over resets at every step."""

import os
import unittest

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.wire.keys import base_keys
from tests.wire.world import Random, no_reserve
from trapmcu.clock import HEAR_MS, Clock
from trapmcu.main import build
from trapwire import serialline as line
from trapwire.airtime import airtime_us
from trapwire.alert import Alert
from trapwire.baselink import BaseLink
from trapwire.basewords import BaseWords
from trapwire.frame import ALERT as ALERT_FRAME
from trapwire.frame import HEARTBEAT, Counter, peek_frame
from trapwire.objects import ALERT, FRAME, Envelope, ObjectKey, pack_keys
from trapwire.words import (
    DONE,
    ON_TRIAL,
    OUT_OF_BOUNDS,
    REVERTED,
    UNKNOWN_SETTING,
    decode_time,
    encode_item,
    encode_setting,
)

SETTINGS = {
    "trap": 5,
    "plan": "cn470",
    "sf": 9,
    "times": {"heartbeat_ms": 60000},
    "link_key": "05" * 16,
    "armed_to_h": 24,
}
UNIX_MS = 1763686800000
MINUTE_MS = 60000
TRIAL_MS = 600000
HEARTBEAT_MS, WINDOW_MS, SF = 1, 2, 3
KEY = ObjectKey(5, 1, 1, ALERT)
ENVELOPE = Envelope(KEY, Alert(1700000000000, 0, 0, 200, 1, (0, 0, 9, 9), 50).encode()).encode()


class Bench:
    """A supervisor and a base with words, one frame at a time; the base hears one spreading factor."""

    def __init__(self, **more):
        self.folder = make_folder()
        self.settings = dict(SETTINGS, **more)
        self.words = BaseWords(9)
        self.base = BaseLink(base_keys([5]), 197, Counter(0, no_reserve), words=self.words)
        self.sf = 9  # the base's modem's
        self.loss = 0.0
        self.random = Random(8)
        self.replies = []
        self.air = []
        self.late = False  # answers come when the trap has stopped listening
        self.coming = []  # on its way down: when it is there
        self.unix = UNIX_MS
        self.reset()

    def reset(self, **changed):
        """Power off and on: only the flash stays. changed: of mcu.json."""
        self.settings.update(changed)
        now = self.board.now if hasattr(self, "board") else 1000
        self.board = BenchBoard(self.folder, 3)
        self.board.now = now
        self.board.radio.sf = self.settings["sf"]
        self.unit = build(self.board, self.settings)

    def sf_in_force(self):
        return self.board.radio.sf

    def run(self, ms, until=lambda: False, every=20):
        """Let time pass; whether `until()` came true."""
        radio = self.board.radio
        for _ in range(ms // every):
            self.board.now += every
            self.unit.step(self.board.now)
            heard, radio.air = radio.air, []
            self.air += [(self.board.now, frame) for frame in heard]
            for frame in heard:
                if radio.sf == self.sf and self.random.unit() >= self.loss:
                    for event in self.base.on_frame(frame, -90, 20, self.board.now):
                        if event[0] == "reply":
                            self.replies.append(event[2:])
            self.words.clock(self.board.now, self.unix + self.board.now, 40)
            for frame in self.base.frames_due(self.board.now):
                start = max([self.board.now] + [at for at, _ in self.coming])
                self.coming.append((start + airtime_us(len(frame), 9) // 1000, frame))
            listens = self.unit.courier._link._listen_until is not None or self.unit.courier._antenna.sending
            hears = not self.late or not listens
            for at, frame in [c for c in self.coming if c[0] <= self.board.now and hears]:
                self.coming.remove((at, frame))
                if radio.sf == self.sf and self.random.unit() >= self.loss:
                    radio.incoming.append(frame)
            if until():
                return True
        return False

    def outcomes(self, command=None):
        """What has come of the commands, repeats left out."""
        found = []
        for reply in self.replies:
            if (command is None or reply[0] == command) and reply not in found:
                found.append(reply)
        return found

    def set(self, command, setting, value, ms=3 * MINUTE_MS):
        """Say it, and let time pass until a reply comes."""
        self.words.set(5, command, setting, value)
        return self.run(ms, lambda: any(reply[0] == command for reply in self.replies))

    def say(self, payload):
        """A word of the base's by hand, under its key and next counter."""
        from trapwire.frame import WORD

        key = self.base._peers[5].keys[0]
        self.board.radio.incoming.append(key.seal(WORD, False, self.base._counter.take(), payload))

    def beats(self, ms):
        start = self.board.now
        self.run(ms)
        return [now for now, frame in self.air if now > start and peek_frame(frame).kind == HEARTBEAT]

    def last_trial(self):
        overlay = self.unit.courier._told._trial._overlay
        return None if overlay.last is None else overlay.last.outcome


class WordsTest(unittest.TestCase):
    def bench(self, **more):
        self._bench = Bench(**more)
        return self._bench

    def tearDown(self):
        if hasattr(self, "_bench"):
            remove_folder(self._bench.folder)


class ClockTest(unittest.TestCase):
    def test_it_knows_nothing_until_it_is_told_and_grows_unsure(self):
        clock = Clock(100)
        self.assertIsNone(clock.read(5))
        self.assertTrue(clock.hear(1000, UNIX_MS, 80))
        self.assertEqual(clock.read(1000), (UNIX_MS, 80 + HEAR_MS + 1))
        self.assertEqual(clock.read(3601000), (UNIX_MS + 3600000, 80 + HEAR_MS + 361))

    def test_it_keeps_the_surer_and_believes_the_base_when_both_cannot_be(self):
        clock = Clock(100)
        clock.hear(0, UNIX_MS, 80)
        self.assertFalse(clock.hear(1000, UNIX_MS + 1100, 500))
        self.assertEqual(clock.read(1000)[0], UNIX_MS + 1000)
        self.assertTrue(clock.hear(2000, UNIX_MS + 2030, 50))
        self.assertEqual(clock.read(2000)[0], UNIX_MS + 2030)
        self.assertTrue(clock.hear(3000, UNIX_MS - 90000, 5000))  # the base's clock was put right
        self.assertEqual(clock.read(3000)[0], UNIX_MS - 90000)


class TimeTest(WordsTest):
    def times(self, bench):
        return [decode_time(payload) for kind, payload in bench.board.said() if kind == line.TIME]

    def test_the_pi_hears_the_time_at_hello_and_at_each_wake_before_the_wake(self):
        bench = self.bench()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertEqual(self.times(bench), [])  # nobody has said it yet
        bench.run(5000)
        bench.board.said()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        bench.board.edges = 1
        bench.run(20)
        said = bench.board.said()
        self.assertEqual([kind for kind, _ in said], [line.HELLO, line.TIME, line.TIME, line.WAKE])
        for kind, payload in said:
            if kind == line.TIME:
                unix_ms, uncertainty_ms = decode_time(payload)
                self.assertLess(abs(unix_ms - bench.unix - bench.board.now), uncertainty_ms + 1)
                self.assertLess(uncertainty_ms, 500)

    def test_after_a_reset_the_first_heartbeat_brings_the_time_back(self):
        bench = self.bench()
        bench.run(10 * MINUTE_MS)
        bench.reset()
        bench.run(5000)
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertEqual(len(self.times(bench)), 1)

    def test_an_old_word_played_to_a_trap_that_was_reset_sets_no_time(self):
        bench = self.bench()
        played = []
        bench.run(5000, lambda: bool(played.extend(bench.board.radio.incoming)))
        self.assertGreater(len(played), 0)
        os.remove(bench.folder + "/clock")  # or the clock chip lost its power
        bench.reset()
        bench.board.radio.incoming += played
        bench.sf = None  # the base itself is not heard
        bench.run(2000)
        self.assertEqual(bench.unit.courier.dropped, len(played))
        bench.board.said()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertEqual(self.times(bench), [])


class WantedTest(WordsTest):
    def test_a_wish_is_told_at_once_and_at_every_hello_until_the_object_is_handed_over(self):
        bench = self.bench()
        key = ObjectKey(5, 1, 812, FRAME)
        bench.words.want(key)
        bench.run(2 * MINUTE_MS)
        self.assertTrue((line.WANTED, pack_keys([key])) in bench.board.said())
        for _ in range(2):  # the Pi slept, and starts
            bench.board.say(line.HELLO, b"")
            bench.run(20)
            self.assertTrue((line.WANTED, pack_keys([key])) in bench.board.said())
        bench.board.say(line.PUT, b"\x01" + Envelope(key, bytes(500)).encode())
        bench.run(20)
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertFalse((line.WANTED, pack_keys([key])) in bench.board.said())

    def test_what_was_delivered_goes_again_to_a_base_that_asks_for_it(self):
        bench = self.bench()
        put = b"\x01" + ENVELOPE
        packed = pack_keys([KEY])
        bench.board.say(line.PUT, put)
        bench.run(5000)
        bench.base.committed(KEY, bench.board.now)
        bench.run(2 * MINUTE_MS)
        self.assertTrue((line.DELIVERED, packed) in bench.board.said())
        bench.board.say(line.PUT, put)
        bench.run(20)
        self.assertEqual(bench.board.said(), [(line.DELIVERED, packed)])
        bench.words.want(KEY)  # it came back from a backup
        bench.run(2 * MINUTE_MS)
        self.assertTrue((line.WANTED, packed) in bench.board.said())
        before = len(bench.air)
        for _ in range(2):  # the Pi offers it, and again before it is there
            bench.board.say(line.PUT, put)
            bench.run(20)
            self.assertEqual(bench.board.said()[:1], [(line.STORED, packed)])
        bench.run(5000)
        self.assertGreater(len([1 for _, frame in bench.air[before:] if peek_frame(frame).kind == ALERT_FRAME]), 0)

    def test_wishes_are_bounded(self):
        bench = self.bench()
        for number in range(100):
            bench.say(encode_item(3, b"\x00\x00\x00\x01" + bytes([0, 0, number, FRAME])))
            bench.run(20)
        bench.board.said()
        bench.board.say(line.HELLO, b"")
        bench.run(20)
        self.assertEqual(len([k for k, _ in bench.board.said() if k == line.WANTED]), 8)


class SettingTest(WordsTest):
    def test_heartbeats_are_set_at_once_and_stay_over_a_reset(self):
        bench = self.bench()
        self.assertTrue(bench.set(7, HEARTBEAT_MS, 20000))
        self.assertEqual(bench.outcomes(), [(7, DONE, 20000)])
        for _ in range(2):
            beats = bench.beats(5 * MINUTE_MS)
            self.assertGreater(len(beats), 12)
            bench.reset()
        self.assertTrue(bench.set(8, HEARTBEAT_MS, 60000))  # back to mcu.json's
        self.assertLess(len(bench.beats(5 * MINUTE_MS)), 7)

    def test_bounds(self):
        bench = self.bench()
        own = {HEARTBEAT_MS: 60000, WINDOW_MS: 500, SF: 9}
        command = 10
        for setting, value in (
            (HEARTBEAT_MS, 0), (HEARTBEAT_MS, 9999), (HEARTBEAT_MS, 86400001), (HEARTBEAT_MS, 0xFFFFFFFF),
            (WINDOW_MS, 99), (WINDOW_MS, 60001), (SF, 6), (SF, 13), (SF, 12),
        ):  # fmt: skip
            # cn470 at SF12 has no room for an alert
            command += 1
            self.assertTrue(bench.set(command, setting, value))
            self.assertEqual(bench.outcomes(command), [(command, OUT_OF_BOUNDS, own[setting])])
        self.assertTrue(bench.set(99, 77, 1))
        self.assertEqual(bench.outcomes(99), [(99, UNKNOWN_SETTING, 0)])
        self.assertEqual(bench.sf_in_force(), 9)

    def test_the_same_number_twice_is_answered_alike_and_done_once_also_after_a_reset(self):
        bench = self.bench()
        bench.set(7, HEARTBEAT_MS, 20000)
        bench.set(8, HEARTBEAT_MS, 30000)
        word = encode_item(4, encode_setting(8, HEARTBEAT_MS, 30000))
        writes = self.state(bench)
        for _ in range(3):
            bench.replies.clear()
            bench.say(word)
            self.assertTrue(bench.run(5000, lambda: bool(bench.replies)))
            self.assertEqual(bench.outcomes(), [(8, DONE, 30000)])
            bench.reset()
            self.assertEqual(self.state(bench), writes)

    @staticmethod
    def state(bench):
        with open(bench.folder + "/by-radio", "rb") as file:
            return file.read()

    def test_the_reply_comes_through_loss(self):
        bench = self.bench()
        bench.loss = 0.3
        for command in range(1, 8):
            self.assertTrue(bench.set(command, HEARTBEAT_MS, 10000 + command, 15 * MINUTE_MS))
        done = [(c, DONE, 10000 + c) for c in range(1, 8)]
        self.assertEqual(bench.outcomes(), done)

    def test_who_changes_mcu_json_has_the_last_word(self):
        bench = self.bench()
        bench.set(7, HEARTBEAT_MS, 20000)
        bench.reset(times={"heartbeat_ms": 50000})
        self.assertLess(len(bench.beats(5 * MINUTE_MS)), 8)

    def test_a_damaged_overlay_is_none(self):
        bench = self.bench()
        bench.set(7, HEARTBEAT_MS, 20000)
        good = self.state(bench)
        for at in range(0, len(good), 3):
            for bad in (good[:at], good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :], good + good[at:]):
                with open(bench.folder + "/by-radio", "wb") as file:
                    file.write(bad)
                bench.reset()
                self.assertTrue(bench.unit.courier._times.heartbeat_ms in (60000, 20000))
                if bad != good + good[at:]:
                    self.assertTrue(bench.last_trial() is None or bad in (good, good[1:], good[:-1]))

    def test_flash_that_is_full_does_nothing_and_says_nothing(self):
        bench = self.bench()
        bench.run(3000)
        os.mkdir(bench.folder + "/partial")
        self.assertFalse(bench.set(7, HEARTBEAT_MS, 20000))
        self.assertEqual(bench.unit.courier._times.heartbeat_ms, 60000)
        os.rmdir(bench.folder + "/partial")
        self.assertTrue(bench.run(3 * MINUTE_MS, lambda: bool(bench.replies)))
        self.assertEqual(bench.outcomes(), [(7, DONE, 20000)])


class TrialTest(WordsTest):
    def promised(self, setting=SF, value=10):
        """A bench on which a trial was promised: its reply is here, and was not answered yet."""
        bench = self.bench()
        self.assertTrue(bench.set(7, setting, value))
        return bench

    def trying(self, setting=SF, value=10):
        bench = self.promised(setting, value)
        bench.run(1000)
        return bench

    def test_on_trial_is_said_first_and_the_base_follows(self):
        bench = self.promised()
        self.assertEqual(bench.outcomes(), [(7, ON_TRIAL, 9)])
        self.assertEqual(bench.sf_in_force(), 9)  # until the reply was answered
        bench.run(1000)
        self.assertEqual(bench.sf_in_force(), 10)
        bench.sf = 10  # the operator's turn
        bench.run(2 * MINUTE_MS)
        self.assertEqual(bench.outcomes()[-1], (7, DONE, 10))
        bench.run(TRIAL_MS)
        self.assertEqual(bench.sf_in_force(), 10)
        bench.reset()
        bench.run(1000)
        self.assertEqual(bench.sf_in_force(), 10)

    def test_a_base_that_does_not_follow_has_its_trap_back_after_the_trial(self):
        bench = self.trying()
        start = bench.board.now
        self.assertEqual(bench.sf_in_force(), 10)
        self.assertTrue(bench.run(2 * TRIAL_MS, lambda: bench.sf_in_force() == 9))
        self.assertLess(abs(bench.board.now - start - TRIAL_MS), 2000)
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.outcomes()[-1] == (7, REVERTED, 9)))
        bench.reset()
        bench.run(1000)
        self.assertEqual((bench.sf_in_force(), bench.last_trial()), (9, REVERTED))
        tried = [f for now, f in bench.air if start < now < start + TRIAL_MS]
        self.assertLess(len(tried), 60)  # airtime of a trial in vain
        self.assertGreater(len(tried), 10)

    def test_the_base_may_follow_at_the_end_of_the_trial(self):
        bench = self.trying()
        bench.run(TRIAL_MS - 2 * MINUTE_MS)
        bench.sf = 10
        bench.run(3 * MINUTE_MS)
        self.assertEqual((bench.outcomes()[-1], bench.sf_in_force()), ((7, DONE, 10), 10))

    def test_a_reset_while_it_is_promised_reverts(self):
        bench = self.promised()
        bench.reset()
        self.assertEqual(bench.last_trial(), REVERTED)
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.outcomes()[-1] == (7, REVERTED, 9)))
        self.assertEqual(bench.sf_in_force(), 9)

    def test_a_reset_while_it_is_tried_reverts(self):
        bench = self.trying()
        self.assertEqual(bench.sf_in_force(), 10)
        bench.reset()
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.outcomes()[-1] == (7, REVERTED, 9)))
        self.assertEqual(bench.sf_in_force(), 9)
        bench.say(encode_item(4, encode_setting(7, SF, 10)))  # the same number: not tried again
        bench.run(2 * MINUTE_MS)
        self.assertEqual((bench.sf_in_force(), bench.outcomes()[-1]), (9, (7, REVERTED, 9)))

    def test_a_reset_after_it_was_confirmed_keeps_it(self):
        bench = self.trying()
        bench.sf = 10
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.last_trial() == DONE))
        bench.replies.clear()
        bench.reset()
        bench.run(2000)
        self.assertEqual(bench.sf_in_force(), 10)
        bench.say(encode_item(4, encode_setting(7, SF, 10)))  # its last reply was lost in the reset: asked after
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bool(bench.replies)))
        self.assertEqual(bench.outcomes(), [(7, DONE, 10)])

    def test_a_promise_whose_reply_is_never_answered_is_not_kept(self):
        bench = self.bench()
        bench.words.set(5, 7, SF, 10)
        bench.run(2 * MINUTE_MS, lambda: bench.last_trial() == ON_TRIAL)
        bench.sf = None
        bench.run(TRIAL_MS)
        self.assertEqual(bench.sf_in_force(), 9)
        bench.sf = 9
        self.assertTrue(bench.run(TRIAL_MS, lambda: bench.sf_in_force() == 10))

    def test_a_reply_window_is_tried_too(self):
        bench = self.trying(WINDOW_MS, 2000)
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.outcomes()[-1] == (7, DONE, 2000)))
        bench.reset()
        self.assertEqual(bench.unit.courier._times.reply_window_ms, 2000)

    def test_a_window_in_which_no_answer_comes_is_taken_back(self):
        bench = self.promised(WINDOW_MS, 100)
        bench.unit.courier._told._trial._trial_ms = MINUTE_MS
        self.assertTrue(bench.run(2 * MINUTE_MS, lambda: bench.unit.courier._times.reply_window_ms == 100))
        bench.late = True
        heard = bench.unit.courier._memory.key.heard
        bench.run(2 * MINUTE_MS, lambda: bench.unit.courier._times.reply_window_ms == 500)
        self.assertGreater(bench.unit.courier._memory.key.heard, heard + 5)  # authentic, and no use
        bench.late = False
        self.assertTrue(bench.run(TRIAL_MS + MINUTE_MS, lambda: bench.outcomes()[-1] == (7, REVERTED, 500)))
        self.assertEqual(bench.unit.courier._times.reply_window_ms, 500)

    def test_flash_that_is_full_when_it_is_confirmed_takes_it_back(self):
        bench = self.trying()
        os.mkdir(bench.folder + "/partial")
        bench.sf = 10
        bench.run(TRIAL_MS, lambda: bench.sf_in_force() == 9)
        bench.sf = 9
        os.rmdir(bench.folder + "/partial")
        self.assertTrue(bench.run(3 * MINUTE_MS, lambda: bench.outcomes()[-1] == (7, REVERTED, 9)))
        bench.reset()
        bench.run(1000)
        self.assertEqual(bench.sf_in_force(), 9)

    def test_objects_go_on_under_the_new_rate(self):
        bench = self.trying()
        bench.base._frame_bytes = 99
        bench.sf = 10
        bench.run(2 * MINUTE_MS, lambda: bench.last_trial() == DONE)
        bench.board.say(line.PUT, b"\x00" + ENVELOPE)
        bench.board.say(line.PUT, b"\x01" + Envelope(ObjectKey(5, 1, 2, FRAME), bytes(700)).encode())
        bench.run(MINUTE_MS)
        self.assertTrue(max(len(frame) for _, frame in bench.air[-8:]) <= 99)
        self.assertEqual(bench.unit.courier.dropped, 0)

    def test_trials_through_loss_end_where_both_ends_agree(self):
        bench = self.bench(trial_ms=60000)
        bench.loss = 0.3
        for command, (value, follows) in enumerate(((10, True), (9, False), (9, True), (8, False))):
            self.assertTrue(bench.set(command, SF, value, 20 * MINUTE_MS))
            bench.run(5 * MINUTE_MS, lambda value=value: bench.sf_in_force() == value)
            if follows:
                bench.sf = value
            bench.run(5 * MINUTE_MS, lambda: bench.sf_in_force() == bench.sf and bench.last_trial() != ON_TRIAL)
            self.assertEqual(bench.sf_in_force(), bench.sf)
            over = 45 * MINUTE_MS  # should its last reply be lost, the base asks after it
            self.assertTrue(bench.run(over, lambda c=command: bench.outcomes(c)[-1][1] in (DONE, REVERTED)))
            self.assertEqual(bench.outcomes(command)[-1][2], bench.sf)


class HostileTest(WordsTest):
    def test_thousands_of_settings_by_somebody_with_the_key_leave_a_trap_within_its_bounds(self):
        """In the end the true base still has it; flash holds one small file more."""
        bench = self.bench(trial_ms=60000)
        random = Random(77)
        unit, board = bench.unit, bench.board
        bench.run(3000)
        for i in range(10000 if os.getenv("PUGMARK_SOAK") else 2000):
            if i % 10 == 0:
                bench.say(encode_item(4, random.bytes(7)) + encode_item(random.below(256), random.bytes(6)))
            elif i % 10 == 5:
                setting = encode_setting(random.below(65536), 1 + random.below(3), 7 + random.below(6))
                bench.say(encode_item(4, setting) + encode_item(1, random.bytes(6)))
            else:
                unit.courier._told._trial.on_setting(random.below(65536), random.below(6), random.below(100000))
            if i % 5 == 0:
                board.now += 20
                unit.step(board.now)
                board.radio.air.clear()
                board.said()
            self.assertTrue(10000 <= unit.courier._times.heartbeat_ms <= 86400000)
            self.assertTrue(100 <= unit.courier._times.reply_window_ms <= 60000)
            self.assertTrue(7 <= unit.courier._sf <= 11)
        self.assertTrue("by-radio" in os.listdir(bench.folder))
        self.assertLess(os.stat(bench.folder + "/by-radio")[6], 64)
        bench.run(2 * MINUTE_MS)  # what was on trial is over
        bench.sf = bench.sf_in_force()
        board.say(line.PUT, b"\x00" + ENVELOPE)
        committed = []
        on_frame = bench.base.on_frame

        def commit(*args):
            events = on_frame(*args)
            for event in events:
                if event[0] == "object":
                    committed.append(event)
                    bench.base.committed(KEY, board.now)
            return events

        bench.base.on_frame = commit
        self.assertTrue(bench.run(5 * MINUTE_MS, lambda: bool(committed)))


if __name__ == "__main__":
    unittest.main()
