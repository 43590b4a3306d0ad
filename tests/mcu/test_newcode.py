"""New firmware from the Pi, piece by piece: whole or not at all, on trial, and back. Both interpreters."""

import hashlib
import os
import struct
import unittest
from binascii import hexlify

from tests.mcu.bench import BenchBoard, make_folder, remove_folder
from tests.mcu.cuts import every_cut
from tests.wire.world import Random
from trapmcu import boot, newcode, slots
from trapmcu.main import run
from trapmcu.newcode import RESET_AFTER_S, Loader
from trapmcu.slots import Slots
from trapmcu.unit import Trials
from trapwire import serialline as line
from trapwire import slotask as ask
from trapwire import slotwords as sw
from trapwire.errors import WireError

NOW_S = 1000000
PIECE = 40


def firmware(mark):
    """(files, the text of their list)"""
    files = {"trapmcu/unit.py": b"# " + mark * 30, "trapmcu/empty.py": b"", "lora/sub/x.py": mark * 7}
    lines = ["%s  %s\n" % (hexlify(hashlib.sha256(files[path]).digest()).decode(), path) for path in sorted(files)]
    return files, "".join(lines).encode()


def stream_of(files, listing):
    return listing + b"".join([struct.pack(">I", len(files[path])) + files[path] for path in sorted(files)])


def put(root, slot, mark):
    files, listing = firmware(mark)
    for path in files:
        with open(slots.make_folders(root + "/" + slot + "/", path), "wb") as file:
            file.write(files[path])
    with open(root + "/" + slot + boot.LIST, "wb") as file:
        file.write(listing)


def say(loader, payload):
    return ask.decode_word(loader.on(payload, NOW_S))


def send(loader, files, listing):
    """The whole conversation; the last word."""
    word = say(loader, ask.begin(listing))
    stream = stream_of(files, listing)
    while word.outcome == sw.DONE and word.at < len(stream):
        word = say(loader, ask.piece(word.at, stream[word.at : word.at + PIECE]))
    return word


class NewCodeTest(unittest.TestCase):
    def __init__(self, *names):
        super().__init__(*names)
        self.root = make_folder()
        os.mkdir(self.root + "/a")
        put(self.root, "a", b"old")
        self.old = sw.digest(firmware(b"old")[1])
        self.new = sw.digest(firmware(b"new")[1])

    def tearDown(self):
        remove_folder(self.root)

    def loader(self, running="a"):
        return Loader(self.root, Slots(self.root, running))

    def test_what_came_whole_is_named_by_its_digest_and_starts_only_when_told(self):
        loader = self.loader()
        word = say(loader, bytes([sw.ASK]))
        self.assertEqual((word.running, word.stands, word.own, word.other), ("a", sw.SETTLED, self.old, sw.NONE))
        word = send(loader, *firmware(b"new"))
        self.assertEqual((word.outcome, word.stands, word.other), (sw.DONE, sw.SETTLED, self.new))
        self.assertEqual(boot.choose(self.root, False), "a")
        word = say(loader, ask.turn(self.new))
        self.assertEqual((word.outcome, word.stands), (sw.DONE, sw.TURNED))
        self.assertEqual(loader.turned_s, NOW_S)
        self.assertEqual(boot.choose(self.root, False), "b")
        word = say(self.loader("b"), bytes([sw.ASK]))
        self.assertEqual((word.running, word.stands, word.own, word.other), ("b", sw.TRYING, self.new, self.old))
        with open(self.root + "/b/lora/sub/x.py", "rb") as file:
            self.assertEqual(file.read(), b"new" * 7)

    def test_a_turn_may_be_said_again_and_taken_back(self):
        loader = self.loader()
        send(loader, *firmware(b"new"))
        for _ in range(2):
            self.assertEqual(say(loader, ask.turn(self.new)).outcome, sw.DONE)
        word = say(loader, ask.turn(self.old))
        self.assertEqual((word.outcome, word.stands), (sw.DONE, sw.SETTLED))
        self.assertTrue(loader.turned_s is None)
        say(loader, ask.turn(self.new))
        self.assertEqual(boot.choose(self.root, False), "b")
        trying = self.loader("b")
        self.assertEqual(say(trying, ask.turn(self.old)).stands, sw.TURNED)  # taken back while it is on trial
        self.assertEqual(boot.choose(self.root, False), "a")
        say(loader, ask.turn(self.new))
        boot.choose(self.root, False)
        Slots(self.root, "b").confirm()
        self.assertEqual(say(trying, ask.turn(self.old)).stands, sw.TURNED)  # and when it was proved: on trial itself
        self.assertEqual(boot.state(self.root)[:2], ("b", "a"))

    def test_what_is_not_there_is_not_started(self):
        loader = self.loader()
        for wanted in (self.new, sw.NONE):
            self.assertEqual(say(loader, ask.turn(wanted)).outcome, sw.REFUSED)
        self.assertEqual(boot.state(self.root)[:2], ("a", "a"))

    def test_nothing_is_written_while_a_slot_is_on_trial(self):
        send(self.loader(), *firmware(b"new"))
        say(self.loader(), ask.turn(self.new))
        for running in "ab":
            self.assertEqual(send(self.loader(running), *firmware(b"newer")).outcome, sw.ON_TRIAL)
        self.assertEqual(Slots(self.root, "a").digest("b"), self.new)

    def test_a_lost_message_is_told_by_its_place(self):
        loader = self.loader()
        files, listing = firmware(b"new")
        stream = stream_of(files, listing)
        say(loader, ask.begin(listing))
        self.assertEqual(say(loader, ask.piece(0, stream[:10])).at, 10)
        for at in (0, 9, 11):
            word = say(loader, ask.piece(at, stream[at : at + 10]))
            self.assertEqual((word.outcome, word.at), (sw.OUT_OF_ORDER, 10))
        self.assertEqual(say(loader, ask.piece(10, stream[10:])).other, self.new)
        self.assertEqual(say(loader, ask.piece(len(stream), b"x")).outcome, sw.OUT_OF_ORDER)

    def test_what_is_not_the_firmware_of_its_digest_is_no_slot(self):
        files, listing = firmware(b"new")
        wrong = dict(files)
        wrong["trapmcu/unit.py"] = b"x"
        cases = [
            (files, listing, listing + b"x", b""),  # another list than its digest says
            (wrong, listing, listing, b""),
            (files, listing, listing, b"more"),
        ]
        for sent, listed, named, more in cases:
            loader = self.loader()
            word = say(loader, struct.pack(">BH", sw.BEGIN, len(listed)) + sw.digest(named))
            word = say(loader, ask.piece(word.at, stream_of(sent, listed) + more))
            self.assertEqual(word.outcome, sw.REFUSED)
            if not more:
                self.assertEqual(word.other, sw.NONE)
        self.assertEqual(say(self.loader(), struct.pack(">BH", sw.BEGIN, 0) + sw.NONE).outcome, sw.REFUSED)
        for text in (b"x\n", b"00" * 32 + b"  ../x\n", b"00" * 32 + b"  files.sha256\n", b"00" * 32 + b"  x"):
            loader = self.loader()
            say(loader, struct.pack(">BH", sw.BEGIN, len(text)) + sw.digest(text))
            word = say(loader, ask.piece(0, text))
            self.assertEqual((word.outcome, word.other), (sw.REFUSED, sw.NONE))

    def test_full_flash_is_said_and_the_slot_that_runs_is_untouched(self):
        loader = self.loader()
        files, listing = firmware(b"new")
        say(loader, ask.begin(listing))
        with open(self.root + "/b/lora", "w") as file:
            file.write("in the way")
        self.assertEqual(say(loader, ask.piece(0, stream_of(files, listing))).outcome, sw.NO_ROOM)
        self.assertEqual(Slots(self.root, "a").digest("a"), self.old)
        self.assertEqual(send(self.loader(), files, listing).other, self.new)

    def test_garbage_changes_nothing_that_runs(self):
        random = Random(7)
        loader = self.loader()
        for _ in range(300):
            data = random.bytes(random.below(40))
            if data:
                data = bytes([data[0] % 5]) + data[1:]
            word = say(loader, data)
            self.assertEqual((word.own, word.running, word.stands), (self.old, "a", sw.SETTLED))
        for length in range(40):
            data = random.bytes(length)
            try:
                ask.decode_word(data)
            except WireError:
                continue
            self.assertTrue(length >= 40)

    def test_the_unit_starts_again_a_while_after_it_was_told_to(self):
        trials = Trials(self.root, "a")
        files, listing = firmware(b"new")
        trials.on_pi(ask.begin(listing))
        trials.on_pi(ask.piece(0, stream_of(files, listing)))
        self.assertFalse(trials.over())
        trials.on_pi(ask.turn(self.new))
        self.assertFalse(trials.over())
        trials._loader.turned_s -= RESET_AFTER_S
        self.assertTrue(trials.over())


class ResetError(Exception):
    """The board starts again."""


class LoopBoard(BenchBoard):
    """A bench board for the main loop itself: a script of what the Pi says, a message a round."""

    def __init__(self, flash, script):
        super().__init__(flash)
        self.script = script
        self.words = []

    def running(self):
        self.words += [payload for kind, payload in self.said() if kind == line.FIRMWARE_IS]
        if not self.script:
            return False
        self.now += 10
        message = self.script.pop(0)
        if message is not None:
            self.say(line.FIRMWARE, message)
        return True

    def feed(self):
        pass

    def wait(self, ms):
        pass

    def sleep(self, ms, wakes):
        raise ResetError

    def reset(self):
        raise ResetError


class LoopTest(unittest.TestCase):
    """The real main loop of a supervisor: the Pi's words reach the loader, and the turn ends in a reset."""

    def test_firmware_comes_through_the_main_loop_and_the_unit_starts_again(self):
        root = make_folder()
        try:
            os.mkdir(root + "/a")
            put(root, "a", b"old")
            files, listing = firmware(b"new")
            new = sw.digest(listing)
            script = [bytes([sw.ASK]), ask.begin(listing), ask.piece(0, stream_of(files, listing)), ask.turn(new), None]
            board = LoopBoard(root, script)
            trials = Trials(root, "a")
            run(board, {"trap": 5, "plan": "cn470", "link_key": "05" * 16}, trials)
            words = [ask.decode_word(payload) for payload in board.words]
            self.assertEqual([word.outcome for word in words], [sw.DONE] * 4)
            self.assertEqual((words[3].stands, words[3].other), (sw.TURNED, new))
            board.script = [None] * 9
            trials._loader.turned_s -= RESET_AFTER_S
            with self.assertRaises(ResetError):
                run(board, {"trap": 5, "plan": "cn470", "link_key": "05" * 16}, trials)
            self.assertEqual(boot.choose(root, False), "b")
        finally:
            remove_folder(root)

    def test_a_supervisor_without_slots_answers_nothing(self):
        root = make_folder()
        try:
            board = LoopBoard(root, [bytes([sw.ASK]), None])
            run(board, {"trap": 5, "plan": "cn470", "link_key": "05" * 16})
            self.assertEqual(board.words, [])
        finally:
            remove_folder(root)


class CutTest(unittest.TestCase):
    """Whatever is cut off: the slot that runs is whole, and one that has a list is what its list says."""

    def test_a_cut_anywhere_leaves_the_old_firmware_or_the_new(self):
        names = [sw.digest(firmware(mark)[1]) for mark in (b"old", b"new")]

        def make(root):
            os.mkdir(root + "/a")
            put(root, "a", b"old")
            os.mkdir(root + "/b")
            put(root, "b", b"oldest")

        def story(root, journal):
            loader = Loader(root, Slots(root, "a"))
            send(loader, *firmware(b"new"))
            say(loader, ask.turn(names[1]))
            journal.append("turned")

        def check(root, journal):
            good, now = boot.state(root)[:2]
            self.assertEqual(good, "a")
            self.assertEqual(now, "b" if journal else now)
            for slot in "a" + now:
                files, listing = firmware(b"old" if slot == "a" else b"new")
                self.assertEqual(Slots(root, "a").digest(slot), sw.digest(listing))
                for path in files:
                    with open(root + "/" + slot + "/" + path, "rb") as file:
                        self.assertEqual(file.read(), files[path])
            if now == "a":  # again, over whatever lies there
                self.assertEqual(send(Loader(root, Slots(root, "a")), *firmware(b"new")).other, names[1])

        counts = every_cut([boot, slots, newcode], make, story, check, step=11)
        print("power cuts while firmware comes:", counts)


if __name__ == "__main__":
    unittest.main()
