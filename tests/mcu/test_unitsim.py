"""The simulated unit keeps its own promises: lives, deep sleep, power, flash, Pi, battery. Not the firmware's."""

import os
import sys
import unittest

from tests.mcu.bench import make_folder, remove_folder
from trapmcu.flash import write_file
from trapsim.unitsim import carrier
from trapsim.unitsim.antenna import Aether
from trapsim.unitsim.battery import Battery, Weather
from trapsim.unitsim.endings import BUTTON, PIR, POWER, SLEEP, SOFT, TIMER, WATCHDOG, Ended
from trapsim.unitsim.flashdisk import Flash
from trapsim.unitsim.world import HOUR, MINUTE, SECOND, World
from trapwire import serialline as line

ON_A_DISK = sys.implementation.name == "micropython"
SETTINGS = {"trap": 5, "plan": "cn470", "link_key": "05" * 16}


class Lab:
    """A unit whose firmware is a function of the test's."""

    def __init__(self, program, **given):
        self.folder = None if ON_A_DISK else make_folder()
        self.world = World(7)
        self.air = Aether(self.world, 9)
        self.world.add(self.air)
        self._real = carrier.run_firmware
        carrier.run_firmware = lambda board, settings: program(board)
        self.unit = carrier.Unit(self.world, self.air, SETTINGS, self.folder, **given)

    def close(self):
        self.world.close()
        carrier.run_firmware = self._real
        if self.folder:
            remove_folder(self.folder)
            self.folder = None


class LifeTest(unittest.TestCase):
    def lab(self, program, **given):
        self._lab = Lab(program, **given)
        return self._lab

    def tearDown(self):
        self._lab.close()

    def test_deep_sleep_is_a_reset_after_which_only_retained_memory_and_flash_are_left(self):
        lives = []

        def program(board):
            lives.append((board.reset_cause(), board.woke_by(), board.retained(), board.now_ms(), board.clock_kept()))
            board.retain(b"%d" % len(lives))
            board.wait(1)
            board.sleep(90 * SECOND, PIR)

        lab = self.lab(program)
        lab.unit.edge(100 * SECOND)
        lab.world.run(102 * SECOND)
        expected = [(POWER, 0, b"", 400, False), (SLEEP, TIMER, b"1", 90801, True), (SLEEP, PIR, b"2", 100400, True)]
        self.assertEqual(lives[:3], expected)
        self.assertEqual(len(lives), 3)  # the pin is still high: it ends no sleep
        lab.world.run(5 * SECOND)
        self.assertEqual(lives[3][:2], (SLEEP, TIMER))

    def test_a_source_that_was_not_armed_wakes_nobody(self):
        lives = []

        def program(board):
            lives.append(board.woke_by())
            board.pir_edges()
            board.button()
            board.sleep(None, BUTTON)

        lab = self.lab(program)
        lab.unit.edge(10 * SECOND)
        lab.unit.press(3 * SECOND, 20 * SECOND)
        lab.world.run(HOUR)
        self.assertEqual(lives, [0, BUTTON, TIMER])  # the button is still held, and looked at after 5 s

    def test_a_unit_that_does_not_feed_its_watchdog_is_reset(self):
        lives = []

        def program(board):
            lives.append((board.reset_cause(), board.now_ms(), board.retained()))
            board.retain(b"kept")
            board.feed()
            while True:
                board.wait(1000)

        self.lab(program).world.run(122 * SECOND)
        self.assertEqual(lives, [(POWER, 400, b""), (WATCHDOG, 60800, b"kept"), (WATCHDOG, 121200, b"kept")])

    def test_a_loop_that_never_waits_is_ended_by_the_watchdog_too(self):
        lives = []

        def program(board):
            lives.append(board.reset_cause())
            while len(lives) < 3:
                board.now_ms()
            board.sleep(None, 0)

        self.lab(program).world.run(5 * SECOND)
        self.assertEqual(lives, [POWER, WATCHDOG, WATCHDOG])

    def test_power_that_goes_takes_retained_memory_and_the_clock_only_where_its_supply_goes_too(self):
        lives = []

        def program(board):
            lives.append((board.reset_cause(), board.retained(), board.now_ms(), board.clock_kept()))
            board.retain(b"x")
            if len(lives) == 2:
                board.sleep(None, PIR)
            board.feed()
            board.wait(50 * SECOND)
            board.reset()

        lab = self.lab(program)
        lab.world.at(10 * SECOND, lambda: lab.unit.cut_power(SECOND))
        lab.world.at(30 * SECOND, lambda: lab.unit.cut_power(9 * SECOND, clock_too=True))
        lab.world.run(100 * SECOND)
        self.assertEqual(lives[1], (POWER, b"", 11400, True))
        self.assertEqual(lives[2], (POWER, b"", 9400, False))
        self.assertEqual(lives[3], (SOFT, b"x", 59800, True))

    def test_what_the_program_raises_ends_the_story_with_it(self):
        def program(board):
            raise ValueError("wrong")

        lab = self.lab(program)
        with self.assertRaises(ValueError):
            lab.world.run(SECOND)

    def test_the_pi_is_cut_in_deep_sleep_and_takes_its_time_to_boot(self):
        said = []

        def program(board):
            board.pi_power(True)
            for _ in range(20):
                board.feed()
                board.wait(1000)
                said.append((board.now_ms(), board.uart_read()))
            board.sleep(None, 0)

        lab = self.lab(program)
        lab.unit.battery.weather.fixed_c = -20
        lab.world.run(MINUTE)
        first = min(when for when, data in said if data)
        self.assertGreater(first, 6200)
        self.assertLess(first, 7500)
        self.assertEqual(line.SerialDecoder().feed(b"".join(data for _, data in said))[0], (line.HELLO, b""))
        self.assertEqual(lab.unit.pi.powered, [(400, lab.unit.pi.powered[0][1])])
        self.assertLess(lab.unit.pi.powered[0][1], 21 * SECOND)

    def test_a_pack_that_is_cold_and_old_browns_out_when_the_pi_starts(self):
        lives = []

        def program(board):
            lives.append(board.reset_cause())
            board.retain(b"x")
            if len(lives) == 1:
                board.pi_power(True)
            board.sleep(None, 0)

        lab = self.lab(program)
        lab.unit.battery = Battery(Weather(lab.world, fixed_c=-30), ohm=1.0)
        lab.world.run(MINUTE)
        self.assertEqual((lives, lab.unit.brown_outs, lab.unit.retained), ([POWER, POWER], 1, b"x"))
        lab.unit.battery = Battery(Weather(lab.world, fixed_c=20), ohm=1.0)
        self.assertGreater(lab.unit.battery.under_load_mv(2.4), 5000)

    def test_after_a_story_its_surroundings_have_the_modules_they_had(self):
        before = sys.modules["trapmcu.flash"]
        lab = self.lab(lambda board: board.sleep(1000, 0))
        lab.world.run(10 * SECOND)
        self.assertFalse(sys.modules.get("trapmcu.flash") is before)
        lab.close()
        self.assertTrue(sys.modules["trapmcu.flash"] is before)

    def test_a_firmware_module_is_not_the_same_one_after_a_sleep(self):
        seen = []

        def program(board):
            import trapmcu.flash

            seen.append(id(trapmcu.flash.FlashStore))
            self._kept = trapmcu  # so that the address is not used again
            if len(seen) < 3:
                board.sleep(1000, 0)
            board.sleep(None, 0)

        lab = self.lab(program, fresh_every=2)
        lab.world.run(MINUTE)
        self.assertEqual([seen[0] == seen[1], seen[1] == seen[2]], [False, True])

    if ON_A_DISK:

        def test_power_cut_at_every_write_leaves_the_old_file_or_the_new_one(self):
            flash = Flash(9)
            flash.mount()
            write_file("/flash9/counter", b"0" * 3000)
            flash.unmount()
            before = flash.disk.copy()
            cuts = 0
            while True:
                flash.disk.memory = {block: bytearray(before[block]) for block in before}
                flash.disk.cut_at = flash.disk.ops + cuts + 1
                flash.mount()
                try:
                    write_file("/flash9/counter", b"1" * 3000)
                except Ended:
                    pass
                except OSError:
                    pass
                flash.unmount()
                found = flash.read("/counter")
                self.assertTrue(found in (b"0" * 3000, b"1" * 3000))
                if flash.disk.cut_at is not None:
                    break
                cuts += 1
            self.assertGreater(cuts, 5)
            self.assertEqual(found, b"1" * 3000)
            self.lab(lambda board: board.sleep(None, 0))

        def test_a_disk_that_refuses_writes_or_is_full_says_so(self):
            flash = Flash(9, blocks=16)
            flash.mount()
            flash.disk.refuse_from = flash.disk.ops + 1
            with self.assertRaises(OSError):
                write_file("/flash9/x", b"x" * 5000)
            flash.disk.refuse_from = None
            with self.assertRaises(OSError):
                for i in range(100):
                    write_file("/flash9/x%d" % i, b"x" * 4000)
            self.assertGreater(len(os.listdir("/flash9")), 5)
            flash.unmount()
            self.lab(lambda board: board.sleep(None, 0))
