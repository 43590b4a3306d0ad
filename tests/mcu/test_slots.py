"""Code slots and boot: trials, damage, and power cuts at every flash operation. Both interpreters."""

import hashlib
import os
import struct
import sys
import unittest
from binascii import hexlify

from tests.mcu.bench import make_folder, remove_folder
from tests.mcu.cuts import every_cut
from tests.wire.world import Random
from trapmcu import boot, newcode, slots
from trapmcu.newcode import Loader
from trapmcu.slots import TRIAL_S, Slots
from trapwire import slotask as ask
from trapwire.slotwords import digest

ENTRY = "pugmark_slot_test.unit"
PACKAGE = "pugmark_slot_test/"
NOW_S = 1000000
EMPTY = hexlify(hashlib.sha256(b"").digest()).decode()


def firmware(name, broken=False):
    """Files of a slot that says who it is."""
    unit = "raise ValueError('broken')\n" if broken else "from pugmark_slot_test.names import said, NAME\n"
    unit += "def main(slot):\n    said.append((slot, NAME))\n"
    names = "from tests.mcu.test_slots import said\nNAME = %r\n" % name
    files = {PACKAGE + "__init__.py": b"", PACKAGE + "names.py": names.encode(), PACKAGE + "unit.py": unit.encode()}
    return files, {path: hexlify(hashlib.sha256(files[path]).digest()).decode() for path in files}


said = []


def put(root, slot, name, broken=False):
    """A slot as trapship puts it there."""
    files, listing = firmware(name, broken)
    os.mkdir(root + "/" + slot)
    os.mkdir(root + "/" + slot + "/" + PACKAGE[:-1])
    for path in files:
        with open(root + "/" + slot + "/" + path, "wb") as file:
            file.write(files[path])
    with open(root + "/" + slot + boot.LIST, "w") as file:
        file.write("".join("%s  %s\n" % (listing[path], path) for path in sorted(listing)))


def start(root, woke=False):
    """One start of the unit: (slot, its name); heap and path are new."""
    path = list(sys.path)
    said.clear()
    try:
        boot.start(root, woke, ENTRY)
    finally:
        sys.path[:] = path
        for name in list(sys.modules):
            if name.startswith(PACKAGE[:-1]):
                del sys.modules[name]
        if hasattr(sys, "path_importer_cache"):
            sys.path_importer_cache.clear()
    return said[0]


def stage(root, running, name, broken=False):
    files, listing = firmware(name, broken)
    fill(root, running, files, listing)


def fill(root, running, files, listing):
    """New firmware into the idle slot, on trial from the next start on.

    Raises: ValueError while a slot is on trial, and for what is no firmware.
    """
    lines = "".join(["%s  %s\n" % (listing[path], path) for path in sorted(listing)]).encode()
    stream = lines + b"".join([struct.pack(">I", len(files[path])) + files[path] for path in sorted(listing)])
    loader = Loader(root, Slots(root, running))
    for said in (ask.begin(lines), ask.piece(0, stream[:90]), ask.piece(90, stream[90:]), ask.turn(digest(lines))):
        word = ask.decode_word(loader.on(said, NOW_S))
        if word.outcome:
            raise ValueError(ask.OUTCOMES[word.outcome])


class SlotsTest(unittest.TestCase):
    def __init__(self, *names):
        super().__init__(*names)
        self.root = make_folder()
        self.write_bytecode = getattr(sys, "dont_write_bytecode", None)
        if self.write_bytecode is not None:
            sys.dont_write_bytecode = True
        put(self.root, "a", "old")

    def tearDown(self):
        if self.write_bytecode is not None:
            sys.dont_write_bytecode = self.write_bytecode
        remove_folder(self.root)

    def test_a_new_unit_starts_what_it_has(self):
        self.assertEqual(start(self.root), ("a", "old"))
        self.assertFalse(Slots(self.root, "a").on_trial())
        os.rename(self.root + "/a", self.root + "/b")
        self.assertEqual(start(self.root), ("b", "old"))

    def test_new_firmware_that_is_confirmed_stays(self):
        stage(self.root, "a", "new")
        self.assertFalse(Slots(self.root, "a").on_trial())  # the old one still runs
        self.assertEqual(start(self.root), ("b", "new"))
        unit = Slots(self.root, "b")
        self.assertTrue(unit.on_trial())
        self.assertTrue(unit.confirm())
        for _ in range(5):
            self.assertEqual(start(self.root), ("b", "new"))
        stage(self.root, "b", "newer")
        self.assertEqual(start(self.root), ("a", "newer"))

    def test_trials_are_used_up_by_starts_and_wakes(self):
        for woke, expected in ((False, 3), (True, 150)):
            stage(self.root, "a", "new")
            starts = 0
            while start(self.root, woke) == ("b", "new"):
                starts += 1
            self.assertEqual(starts, expected)
            self.assertEqual(boot.state(self.root)[:3], ("a", "a", 0))
            self.assertEqual(start(self.root), ("a", "old"))
            self.assertTrue(Slots(self.root, "a").reverted())
            self.assertFalse(Slots(self.root, "a").reverted())

    def test_firmware_that_does_not_import_gives_way_in_the_same_start(self):
        stage(self.root, "a", "new", broken=True)
        for _ in range(2):
            self.assertEqual(start(self.root), ("a", "old"))
        self.assertTrue(Slots(self.root, "a").reverted())
        self.assertEqual(boot.state(self.root), ("a", "a", 0, bytes(4)))
        stage(self.root, "a", "newest")
        self.assertEqual(start(self.root), ("b", "newest"))

    def test_a_good_slot_that_is_damaged_gives_way_and_comes_back(self):
        stage(self.root, "a", "new")
        start(self.root)
        Slots(self.root, "b").confirm()
        path = self.root + "/b/" + PACKAGE + "names.py"
        with open(path, "rb") as file:
            whole = file.read()
        for damage in (b"", b"\x00" * 40, b"NAME = ", b"import no_such_module\n"):
            with open(path, "wb") as file:
                file.write(damage)
            self.assertEqual(start(self.root), ("a", "old"))
        with open(path, "wb") as file:
            file.write(whole)
        self.assertEqual(start(self.root), ("b", "new"))

    def test_two_broken_slots_raise_and_are_tried_again_at_every_start(self):
        path = self.root + "/a/" + PACKAGE + "unit.py"
        os.rename(path, path + ".away")
        for _ in range(3):
            with self.assertRaises(ImportError):
                start(self.root)
        os.rename(path + ".away", path)
        self.assertEqual(start(self.root), ("a", "old"))

    def test_what_main_raises_is_raised_and_the_trial_counts_down(self):
        files, listing = firmware("new")
        files[PACKAGE + "unit.py"] = b"def main(slot):\n    raise KeyError(slot)\n"
        listing[PACKAGE + "unit.py"] = hexlify(hashlib.sha256(files[PACKAGE + "unit.py"]).digest()).decode()
        fill(self.root, "a", files, listing)
        for _ in range(3):
            with self.assertRaises(KeyError):
                start(self.root)
        self.assertEqual(start(self.root), ("a", "old"))

    def test_a_trial_can_be_given_up(self):
        stage(self.root, "a", "new")
        start(self.root)
        self.assertTrue(Slots(self.root, "b").give_up())
        self.assertEqual(start(self.root), ("a", "old"))

    def test_a_trial_lasts_a_day_over_starts_and_wakes(self):
        self.assertFalse(Slots(self.root, "a").expired(NOW_S))
        stage(self.root, "a", "new")
        self.assertFalse(Slots(self.root, "a").expired(NOW_S + TRIAL_S))  # the old one still runs
        start(self.root)
        start(self.root, True)
        self.assertFalse(Slots(self.root, "b").expired(NOW_S + TRIAL_S - 1))
        self.assertTrue(Slots(self.root, "b").expired(NOW_S + TRIAL_S))
        self.assertFalse(Slots(self.root, "b").expired(5))
        Slots(self.root, "b").confirm()
        self.assertFalse(Slots(self.root, "b").expired(NOW_S + TRIAL_S))

    def test_what_is_on_trial_is_not_written_over(self):
        stage(self.root, "a", "new")
        for running in "ab":
            with self.assertRaises(ValueError):
                stage(self.root, running, "newer")
        self.assertEqual(start(self.root), ("b", "new"))

    def test_lists_and_files_that_cannot_be(self):
        files, listing = firmware("new")
        for name in ("", "/x", "x/", "../x", "a/../x", "./x", "a//b", "x" * 65):
            with self.assertRaises(ValueError):
                fill(self.root, "a", {name: b""}, {name: EMPTY})
        for path in listing:
            wrong = dict(listing)
            wrong[path] = "00" * 32
            with self.assertRaises(ValueError):
                fill(self.root, "a", files, wrong)
            self.assertEqual(start(self.root), ("a", "old"))
        stage(self.root, "a", "new")
        self.assertEqual(start(self.root), ("b", "new"))
        self.assertEqual(sorted(os.listdir(self.root + "/b")), ["files.sha256", PACKAGE[:-1]])

    def test_garbage_in_the_slot_file(self):
        random = Random(4)
        stage(self.root, "a", "new")
        with open(self.root + "/slot", "rb") as file:
            whole = file.read()
        for i in range(len(whole) * 8 + 40):
            data = bytearray(whole)
            if i < len(whole) * 8:
                data[i // 8] ^= 1 << i % 8
            else:
                data = random.bytes(random.below(40))
            with open(self.root + "/slot", "wb") as file:
                file.write(data)
            self.assertEqual(boot.state(self.root), ("a", "a", 0, bytes(4)))
        for data in (
            b"",
            b"ab",
            b"ac\x09" + bytes(4),
            b"cb\x09" + bytes(4),
            b"ab\x09" + bytes(3),
            b"\xffb\x09" + bytes(4),
        ):
            boot.write(self.root + "/slot", data)
            self.assertEqual(boot.state(self.root), ("a", "a", 0, bytes(4)))
        self.assertEqual(start(self.root), ("a", "old"))

    def test_flash_that_refuses_the_count_starts_the_good_one(self):
        stage(self.root, "a", "new")
        os.mkdir(self.root + "/slot.new")
        self.assertEqual(start(self.root), ("a", "old"))
        self.assertFalse(Slots(self.root, "b").confirm())
        os.rmdir(self.root + "/slot.new")
        self.assertEqual(start(self.root), ("b", "new"))


class CutTest(unittest.TestCase):
    """Whatever is cut off, both slots that the unit may start are whole."""

    def check_unit(self, root, allowed):
        good, now, left, _ = boot.state(root)
        for slot in (good, now):
            with open(root + "/" + slot + boot.LIST) as file:
                lines = file.read().split("\n")
            for line in lines[:-1]:
                digest, name = line.split("  ")
                with open(root + "/" + slot + "/" + name, "rb") as file:
                    self.assertEqual(hexlify(hashlib.sha256(file.read()).digest()).decode(), digest)
        self.assertTrue((good, now) in allowed, (good, now, left))

    def test_staging(self):
        def make(root):
            put(root, "a", "old")
            put(root, "b", "oldest")

        def story(root, journal):
            stage(root, "a", "new")
            journal.append("staged")

        def check(root, journal):
            self.check_unit(root, [("a", "b")] if journal else [("a", "a"), ("a", "b")])
            good, now = boot.state(root)[:2]
            if now == good:
                stage(root, "a", "again")  # what the cut left there is in nobody's way
                self.assertEqual(boot.state(root), ("a", "b", boot.TRIAL, b"\x00\x0f\x42\x40"))
                self.check_unit(root, [("a", "b")])

        counts = every_cut([boot, slots, newcode], make, story, check, step=3)
        self.assertGreater(min(counts), 20)
        print("power cuts while staging:", counts)

    def test_a_trial_and_its_end(self):
        def make(root):
            put(root, "a", "old")
            put(root, "b", "new")
            boot.put_state(root, "a", "b", boot.TRIAL)

        def story(root, journal):
            journal.append(boot.choose(root, False))
            journal.append(boot.choose(root, True))
            unit = Slots(root, "b")
            if unit.confirm():
                journal.append("kept")

        def check(root, journal):
            good, now, left, _ = boot.state(root)
            self.check_unit(root, [("b", "b")] if "kept" in journal else [("a", "b"), ("b", "b")])
            if now != good:
                # What was started was counted before.
                self.assertTrue(left <= boot.TRIAL - 50 * (len(journal) > 0) - (len(journal) > 1))
            boot.choose(root, False)
            self.check_unit(root, [("a", "b"), ("b", "b")])

        every_cut([boot, slots], make, story, check)


if __name__ == "__main__":
    unittest.main()
