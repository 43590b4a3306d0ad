"""The pair of settings: versions, trials, damage, and power cuts at every flash operation. Both interpreters."""

import json
import os
import unittest

from tests.mcu.bench import make_folder, remove_folder
from tests.mcu.cuts import every_cut
from tests.wire.world import Random
from trapmcu import boot, settingsfile
from trapmcu.settings import complete
from trapmcu.settingsfile import TRIAL_S, SettingsFile

FIRST = {"trap": 5, "plan": "cn470", "sf": 9, "link_key": "05" * 16}
SECOND = {"trap": 5, "plan": "cn470", "sf": 10, "link_key": "05" * 16}
NOW_S = 1000000


def bare(folder):
    with open(folder + "/mcu.json", "w") as file:
        file.write(json.dumps(FIRST))


def start(folder, woke=False, now_s=NOW_S):
    """One start: the pair, and the spreading factor in force."""
    pair = SettingsFile(folder, complete)
    return pair, pair.load(woke, now_s)["sf"]


class SettingsFileTest(unittest.TestCase):
    def __init__(self, *names):
        super().__init__(*names)
        self.folder = make_folder()
        bare(self.folder)

    def tearDown(self):
        remove_folder(self.folder)

    def propose(self, settings=SECOND):
        pair, _ = start(self.folder)
        pair.propose(settings, NOW_S)

    def test_a_bare_table_is_version_0_with_its_defaults(self):
        pair, sf = start(self.folder)
        self.assertEqual((pair.version, sf, pair.damaged, pair.reverted, pair.since), (0, 9, False, False, None))
        self.assertEqual(pair.load(False, NOW_S)["queue_bytes"], 262144)

    def test_new_ones_that_are_confirmed_stay(self):
        self.propose()
        pair, sf = start(self.folder)
        self.assertEqual((pair.version, sf, pair.since), (1, 10, NOW_S))
        pair.confirm()
        self.assertIsNone(pair.since)
        for _ in range(5):
            pair, sf = start(self.folder, now_s=NOW_S + 10 * TRIAL_S)
            self.assertEqual((pair.version, sf, pair.since, pair.reverted), (1, 10, None, False))
        pair.propose(FIRST, NOW_S)
        self.assertEqual(start(self.folder)[0].version, 2)
        with open(self.folder + "/mcu.json", "rb") as file:
            line = file.read().split(b"\n")[0]
        self.assertEqual(json.loads(line), {"version": 2, "settings": FIRST})

    def test_repeated_starts_take_new_ones_back(self):
        for woke, expected in ((False, 3), (True, 150)):
            self.propose()
            starts = 0
            while start(self.folder, woke)[1] == 10:
                starts += 1
            self.assertEqual(starts, expected)
            pair, sf = start(self.folder)
            self.assertEqual((sf, pair.reverted, pair.damaged, pair.since), (9, False, False, None))

    def test_a_base_that_is_not_heard_takes_them_back(self):
        self.propose()
        pair, _ = start(self.folder)
        self.assertFalse(pair.expired(NOW_S + TRIAL_S - 1))
        self.assertTrue(pair.expired(NOW_S + TRIAL_S))
        pair, sf = start(self.folder, True, NOW_S + TRIAL_S)
        self.assertEqual((sf, pair.reverted, pair.version, pair.since), (9, True, 0, None))
        self.assertFalse(pair.expired(NOW_S + 2 * TRIAL_S))
        self.assertFalse(start(self.folder)[0].reverted)

    def test_a_clock_that_began_anew_gives_a_day_from_there(self):
        self.propose()
        pair, sf = start(self.folder, True, 5)
        self.assertEqual((sf, pair.since), (10, 5))
        self.assertEqual(start(self.folder, True, 5 + TRIAL_S - 1)[1], 10)
        self.assertEqual(start(self.folder, True, 5 + TRIAL_S)[1], 9)

    def test_what_settings_may_not_be_changes_nothing(self):
        pair, _ = start(self.folder)
        for wrong in ({}, {"trap": 0}, [], None, 7, {"plan": "cn470", "sf": 99}, {"colour": "red"}):
            with self.assertRaises(ValueError):
                pair.propose(wrong, NOW_S)
        self.assertEqual(os.listdir(self.folder), ["mcu.json"])

    def test_new_ones_over_ones_on_trial_go_back_to_the_last_good_ones(self):
        self.propose()
        third = dict(SECOND, sf=8)
        pair, _ = start(self.folder)
        pair.propose(third, NOW_S)
        self.assertEqual(start(self.folder)[1], 8)
        self.assertEqual(start(self.folder, True, NOW_S + TRIAL_S)[1], 9)

    def test_damage_takes_the_ones_before(self):
        self.propose()
        start(self.folder)[0].confirm()
        path = self.folder + "/mcu.json"
        with open(path, "rb") as file:
            whole = file.read()
        random = Random(3)
        for i in range(len(whole) + 60):
            data = bytearray(whole)
            if i < len(whole):
                data[i] ^= 1 << random.below(8)
            else:
                data = random.bytes(random.below(200))
            with open(path, "wb") as file:
                file.write(data)
            pair, sf = start(self.folder)
            self.assertEqual((sf, pair.damaged, pair.version), (9, True, 0))
        for size in range(len(whole)):
            with open(path, "wb") as file:
                file.write(whole[:size])
            self.assertTrue(start(self.folder)[0].damaged)
        os.remove(path)
        pair, sf = start(self.folder)
        self.assertEqual((sf, pair.damaged), (9, True))
        pair.propose(dict(SECOND, sf=8), NOW_S)
        self.assertEqual(start(self.folder)[1], 8)
        self.assertEqual(start(self.folder, True, NOW_S + TRIAL_S)[1], 9)

    def test_json_of_every_kind(self):
        for said in (
            1,
            "x",
            [],
            [[]],
            None,
            True,
            {},
            {"version": 1},
            {"settings": FIRST},
            {"version": 1, "settings": 5},
        ):
            for write in (lambda path, data: boot.write(path, data), self.plain):
                write(self.folder + "/mcu.json", json.dumps(said).encode())
                with self.assertRaises(ValueError):
                    start(self.folder)
        for version in ("x", [], None, {}):
            said = json.dumps({"version": version, "settings": FIRST}).encode()
            boot.write(self.folder + "/mcu.json", said)
            with self.assertRaises(ValueError):
                start(self.folder)
        boot.write(self.folder + "/mcu.json", b"[" * 100000)
        with self.assertRaises(ValueError):
            start(self.folder)

    @staticmethod
    def plain(path, data):
        with open(path, "wb") as file:
            file.write(data)

    def test_both_damaged_is_an_error_and_nothing_is_written(self):
        self.propose()
        for name in ("mcu.json", "mcu-before.json"):
            self.plain(self.folder + "/" + name, b"\x00" * 30)
        before = sorted(os.listdir(self.folder))
        with self.assertRaises(ValueError):
            start(self.folder)
        self.assertEqual(sorted(os.listdir(self.folder)), before)

    def test_a_trial_without_the_ones_before_goes_on(self):
        self.propose()
        os.remove(self.folder + "/mcu-before.json")
        for _ in range(6):
            pair, sf = start(self.folder)
            self.assertEqual((sf, pair.reverted), (10, False))

    def test_a_trial_without_the_ones_before_ends_in_no_circle_of_resets(self):
        self.propose()
        os.remove(self.folder + "/mcu-before.json")
        pair, sf = start(self.folder, now_s=NOW_S + 90000)
        self.assertEqual((sf, pair.expired(NOW_S + 90001)), (10, False))

    def test_garbage_in_the_trial_file(self):
        self.propose()
        random = Random(7)
        for _ in range(50):
            self.plain(self.folder + "/trial", random.bytes(random.below(30)))
            self.assertEqual(start(self.folder)[1], 10)
        boot.write(self.folder + "/trial", b"\xff" * 9)
        self.assertEqual(start(self.folder)[1], 10)

    def test_flash_that_refuses_the_count_takes_them_back(self):
        self.propose()
        os.mkdir(self.folder + "/trial.new")
        pair, sf = start(self.folder)
        self.assertEqual((sf, pair.reverted), (9, True))
        os.rmdir(self.folder + "/trial.new")

    def test_power_cut_at_every_flash_operation(self):
        def story(path, journal):
            pair, _ = start(path)
            pair.propose(SECOND, NOW_S)
            journal.append("proposed")
            pair, _ = start(path)
            pair.confirm()
            if pair.since is None:
                journal.append("kept")
            pair.propose(FIRST, NOW_S)
            journal.append("back")
            start(path, True, NOW_S + TRIAL_S)
            journal.append("reverted")

        def check(path, journal):
            pair, sf = start(path)
            self.assertFalse(pair.damaged)
            allowed = ((9, 10), (10,), (10, 9), (9, 10), (10,))[len(journal)]
            self.assertTrue(sf in allowed, (sf, journal))
            if pair.since is not None:
                old = start(path, True, NOW_S + TRIAL_S)
                self.assertEqual(old[1], 19 - sf)
                self.assertTrue(old[0].reverted)
            else:
                self.assertEqual(start(path, True, NOW_S + 9 * TRIAL_S)[1], sf)

        counts = every_cut([boot, settingsfile], bare, story, check)
        self.assertGreater(min(counts), 20)
        print("power cuts:", counts)


if __name__ == "__main__":
    unittest.main()
