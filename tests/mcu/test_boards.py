"""The board files themselves on hardware in software: start, PIR, sleep, wake, reset; handlers allocate nothing."""

import unittest

from tests.mcu.sim import boards

if boards.skip_reason:
    raise unittest.SkipTest(boards.skip_reason)

from tests.mcu.bench import make_folder, remove_folder
from tests.mcu.sim.boards import pico, start, xiao
from tests.mcu.sim.machine import Asleep, Restarted
from trapmcu import main
from trapmcu.radio import Antenna
from trapmcu.settings import complete
from trapwire.wake import PREAMBLE, WAKE_BYTES

SETTINGS = complete({"plan": "eu868", "trap": 7, "link_key": "00" * 16})
MODEM = complete({"role": "modem", "plan": "eu868"})
POWER, SLEEP, WATCHDOG, SOFT = range(4)
TIMER, PIR, RADIO, BUTTON = 1, 2, 4, 8


class Rig:
    def __init__(self, name, settings):
        self.folder = make_folder()
        self.name = name
        self.settings = settings
        self.machine = xiao() if name == "XiaoS3" else pico()
        self.world = self.machine.world
        self.board = self.start()

    def start(self):
        self.board = start(self.machine, self.name, self.folder, self.settings)
        return self.board

    def set(self, name, level):
        self.world.set(self.machine.names[name], level)

    def level(self, name):
        return self.world.level(self.machine.names[name])

    def pulse(self, name, ms, in_ms):
        self.world.at(self.world.us + in_ms * 1000, lambda: self.set(name, 1))
        self.world.at(self.world.us + (in_ms + ms) * 1000, lambda: self.set(name, 0))

    def sleep(self, ms, wakes):
        """To deep sleep and through it; the board of the next run."""
        try:
            self.board.sleep(ms, wakes)
        except Asleep:
            self.power_asleep = self.level("PI_POWER")
            self.machine.sleep_through()
            return self.start()
        raise AssertionError("it returned")


class Deaf(dict):
    """The chips on the wires, of which the clock misses one word: that many are asked of it before, less one."""

    def __init__(self, chips, lost):
        super().__init__(chips)
        self._left = lost

    def __contains__(self, address):
        if address == 0x51:
            self._left -= 1
        return self._left != 0 and address in self.keys()


class Silent:
    """No chip on the SPI: zeros come."""

    def transfer(self, data):
        return bytes(len(data))


class RigTest(unittest.TestCase):
    name, settings = "XiaoS3", SETTINGS

    def rig(self):
        self._rig = Rig(self.name, self.settings)
        return self._rig

    def tearDown(self):
        if getattr(self, "_rig", None) is not None:
            remove_folder(self._rig.folder)
            self._rig = None


class StartTest(RigTest):
    def test_the_first_start(self):
        board = self.rig().board
        self.assertEqual((board.reset_cause(), board.woke_by(), board.retained()), (POWER, 0, b""))
        self.assertFalse(board.clock_kept())
        self.assertLess(board.now_ms(), 500)
        self.assertTrue(board.running())
        self.assertEqual((board.pir_edges(), board.button(), board.uart_read()), (0, 0, b""))
        self.assertEqual((board.battery_mv(), board.temperature_c(), board.pi_halted()), (3700, 20, False))
        self.assertEqual(self._rig.level("PI_POWER"), 0)
        self.assertTrue(all(0 <= board.random(n) < n for n in (1, 2, 255, 1 << 31)))
        self.assertEqual(len(board.aes(bytes(16)).ecb(bytes(16))), 16)

    def test_the_interface_is_whole(self):
        calls = (
            "now_ms clock_kept reset_cause woke_by retained retain feed sleep reset pi_power pi_halted battery_mv "
            "temperature_c button lamp beep wait running random aes uart_read uart_write pir_edges"
        )
        for name in ("XiaoS3", "Pico"):
            self.name, self.settings = name, SETTINGS if name == "XiaoS3" else MODEM
            board = self.rig().board
            for call in calls.split():
                self.assertTrue(callable(getattr(board, call)), call)
            for call in ("doze", "listen_asleep", "rssi_dbm", "channel_busy", "start_recv", "poll_recv", "configure"):
                self.assertTrue(callable(getattr(board.radio, call)), call)
            self.assertTrue(isinstance(board.flash, str))
            self.tearDown()

    def test_without_the_slow_chips_it_runs_and_says_so(self):
        rig = self.rig()
        for address in (0x51, 0x20, 0x40):
            rig.machine.i2c.chips.clear()
            rig.start()
            board = rig.board
            self.assertEqual(
                (board.battery_mv(), board.temperature_c(), board.pi_halted()), (None, None, None), address
            )
            self.assertFalse(board.clock_kept())
            board.lamp(True)
            board.beep(True)
            before = board.now_ms()
            rig.world.run(3000000)
            self.assertEqual(board.now_ms() - before, 3000)

    def test_chips_that_fall_silent_later(self):
        rig = self.rig()
        rig.machine.i2c.chips.clear()
        board = rig.board
        self.assertEqual((board.battery_mv(), board.temperature_c(), board.pi_halted()), (None, None, None))
        board.lamp(True)
        before = board.now_ms()
        for _ in range(200):
            rig.world.run(1000000)
            board.now_ms()
        self.assertEqual(board.now_ms() - before, 200000)

    def test_a_radio_that_is_silent_at_the_start_is_done_without_and_started_later(self):
        rig = self.rig()
        self.assertTrue(rig.board.radio is not None)
        chip, rig.machine.spi = rig.machine.spi, Silent()
        rig.machine.restart(1)
        board = rig.start()
        self.assertTrue(board.radio is None)
        board.start_radio()
        self.assertTrue(board.radio is None)
        rig.machine.spi = chip
        board.start_radio()
        antenna = Antenna(board.radio, 9)
        antenna.start(868100)
        antenna.send(b"\x83" + bytes(30))
        rig.world.run(2000000)
        self.assertTrue(antenna.finished())

    def test_what_is_high_and_the_lid(self):
        rig = self.rig()
        self.assertEqual((rig.board.high(), rig.board.lid_open()), (0, False))
        rig.set("PIR", 1)
        rig.set("BUTTON", 1)
        rig.machine.expander.inputs = 8
        self.assertEqual((rig.board.high(), rig.board.lid_open()), (PIR | BUTTON, True))
        rig.machine.i2c.chips.clear()
        self.assertIsNone(rig.board.lid_open())

    def test_lamp_beeper_and_the_pis_word(self):
        rig = self.rig()
        rig.board.lamp(True)
        rig.board.beep(True)
        self.assertEqual(rig.machine.expander.driven(), 3)
        rig.board.lamp(False)
        self.assertEqual(rig.machine.expander.driven(), 2)
        rig.machine.expander.inputs = 4
        self.assertTrue(rig.board.pi_halted() is True)


class ClockTest(RigTest):
    def test_time_goes_on_through_sleep_watchdog_and_reset_and_begins_anew_only_without_supply(self):
        rig = self.rig()
        ahead_us = rig.world.us - rig.board.now_ms() * 1000
        rig.sleep(3600000, PIR)
        self.assertTrue(rig.board.clock_kept())
        self.assertTrue(abs(rig.board.now_ms() * 1000 + ahead_us - rig.world.us) < 30000)
        for cause in (3, 5):
            rig.machine.restart(cause)
            board = rig.start()
            self.assertTrue(board.clock_kept())
            self.assertTrue(abs(board.now_ms() * 1000 + ahead_us - rig.world.us) < 30000)
        rig.machine.clock.lose_power()
        rig.machine.restart(1)
        self.assertFalse(rig.start().clock_kept())
        self.assertLess(rig.board.now_ms(), 1000)

    def test_one_word_that_is_lost_on_the_wires_is_no_clock_that_began_anew(self):
        rig = self.rig()
        rig.sleep(3600000, PIR)
        chips = rig.machine.i2c.chips
        for lost in range(1, 8):
            rig.machine.i2c.chips = Deaf(chips, lost)
            rig.machine.restart(3)
            board = rig.start()
            self.assertTrue(board.clock_kept())
            self.assertTrue(board.now_ms() > 3600000)

    def test_light_sleep_counts_badly_and_the_chip_puts_it_right(self):
        rig = self.rig()
        began, last = rig.world.us - rig.board.now_ms() * 1000, 0
        for _ in range(200):
            rig.board.wait(1000)
            now = rig.board.now_ms()
            self.assertTrue(now >= last and abs(now * 1000 + began - rig.world.us) < 30000)
            last = now

    def test_weeks_awake(self):
        rig = self.rig()
        began, last = rig.world.us - rig.board.now_ms() * 1000, 0
        for _ in range(60):
            rig.world.run(8 * 3600 * 10**6)
            now = rig.board.now_ms()
            self.assertTrue(now > last and abs(now * 1000 + began - rig.world.us) < 30000)
            last = now


class WaitTest(RigTest):
    def test_it_sleeps_lightly_while_the_pi_is_off_and_pir_and_button_end_that(self):
        rig = self.rig()
        for name in ("PIR", "BUTTON"):
            rig.board.wait(100)
            rig.board.pir_edges()
            rig.pulse(name, 2000, 500)
            before = rig.world.us
            rig.board.wait(1500)
            self.assertTrue(500000 <= rig.world.us - before < 560000, (name, rig.world.us - before))
            self.assertEqual(rig.board.pir_edges(), 1 if name == "PIR" else 0)
            rig.world.run(3000000)
        self.assertGreater(rig.machine.light_sleeps_us, 1000000)

    def test_one_edge_is_counted_once_and_each_of_several(self):
        rig = self.rig()
        for _ in range(5):
            rig.pulse("PIR", 1000, 300)
            for _ in range(8):
                rig.board.wait(500)
        self.assertEqual(rig.board.pir_edges(), 5)
        self.assertEqual(rig.board.pir_edges(), 0)

    def test_a_frame_ends_it(self):
        for powered in (False, True):
            rig = self.rig()
            rig.board.pi_power(powered)
            antenna = Antenna(rig.board.radio, 9)
            antenna.start(868100)
            rig.board.wait(10)
            end = rig.machine.spi.hear(b"\x83" + bytes(30), 9, 868100)
            rig.board.wait(1900)
            self.assertTrue(end <= rig.world.us < end + 12000)
            self.assertEqual(len(antenna.received()[0]), 31)
            self.tearDown()

    def test_with_the_pi_on_it_stays_awake_and_bytes_end_it(self):
        rig = self.rig()
        rig.board.pi_power(True)
        self.assertEqual(rig.level("PI_POWER"), 1)
        every = bytes(range(256))
        rig.world.at(rig.world.us + 700000, lambda: setattr(rig.machine, "uart_in", every))
        before = rig.world.us
        rig.board.wait(1500)
        self.assertTrue(abs(rig.world.us - before - 700000) < 10000)
        self.assertEqual(rig.board.uart_read(), every)
        self.assertEqual(rig.machine.light_sleeps_us, 0)
        rig.board.uart_write(every)
        self.assertEqual(rig.machine.uart_out, every)
        rig.board.pi_power(False)
        rig.board.uart_write(b"nobody")
        self.assertEqual((rig.board.uart_read(), rig.machine.uart_out), (b"", every))
        self.assertEqual(rig.machine.directions[43], 0)  # let go, or the Pi is fed through it

    def test_no_wait_is_longer_than_the_watchdog_bears(self):
        rig = self.rig()
        for powered in (False, True):
            rig.board.pi_power(powered)
            for ms in (100000, 10**9):
                before = rig.world.us
                rig.board.wait(ms)
                self.assertLess(rig.world.us - before, 3000000)
            before = rig.world.us
            rig.board.wait(-5)
            self.assertEqual(rig.world.us, before)

    def test_a_source_that_stays_high_neither_spins_nor_deafens(self):
        rig = self.rig()
        rig.set("PIR", 1)
        rig.board.wait(5)
        before = rig.machine.light_sleeps_us
        rig.board.wait(1000)
        self.assertGreater(rig.machine.light_sleeps_us - before, 900000)

    def test_presses_by_their_length_and_bounces_not(self):
        for powered in (False, True):
            rig = self.rig()
            rig.board.pi_power(powered)
            for held_ms in (10, 80, 700, 3200):
                rig.pulse("BUTTON", held_ms, 50)
                got = 0
                for _ in range(12):
                    rig.board.wait(400)
                    got = got or rig.board.button()
                want = 0 if held_ms < 30 else held_ms
                self.assertTrue(abs(got - want) < 30, (powered, held_ms, got))
            self.tearDown()


class SleepTest(RigTest):
    def test_by_the_timer(self):
        rig = self.rig()
        rig.board.retain(bytes(range(256)) * 8)
        before = rig.world.us
        board = rig.sleep(30000, PIR | RADIO | BUTTON)
        self.assertEqual((board.reset_cause(), board.woke_by(), board.pir_edges()), (SLEEP, TIMER, 0))
        self.assertEqual(board.retained(), bytes(range(256)) * 8)
        self.assertTrue(30000000 <= rig.world.us - before < 30900000)

    def test_by_pir_and_its_edge_is_counted(self):
        rig = self.rig()
        rig.pulse("PIR", 2300, 5000)
        board = rig.sleep(None, PIR | BUTTON)
        self.assertEqual((board.woke_by(), board.pir_edges(), board.button()), (PIR, 1, 0))
        board.wait(1000)
        self.assertEqual(board.pir_edges(), 0)

    def test_only_by_what_was_asked_for(self):
        rig = self.rig()
        rig.pulse("PIR", 2300, 5000)
        rig.pulse("BUTTON", 400, 9000)
        board = rig.sleep(None, BUTTON)
        self.assertEqual((board.woke_by(), board.pir_edges()), (BUTTON, 0))

    def test_a_press_that_is_over_before_we_run_and_one_that_is_not(self):
        rig = self.rig()
        rig.pulse("BUTTON", 1, 5000)
        self.assertGreater(rig.sleep(None, BUTTON).button(), 0)
        rig.pulse("BUTTON", 4000, 5000)
        board = rig.sleep(None, BUTTON)
        self.assertEqual((board.woke_by(), board.button()), (BUTTON, 0))
        rig.world.run(4000000)
        self.assertTrue(3000 < board.button() <= 4000)

    def test_a_pir_that_is_high_is_looked_at_again(self):
        rig = self.rig()
        rig.set("PIR", 1)
        before = rig.world.us
        board = rig.sleep(None, PIR)
        self.assertEqual(board.woke_by(), TIMER)
        self.assertTrue(rig.world.us - before < 6000000)
        rig.set("PIR", 0)
        rig.pulse("PIR", 2000, 60000)
        self.assertEqual(rig.sleep(None, PIR).woke_by(), PIR)

    def test_by_the_partner_and_its_frame_is_there(self):
        rig = self.rig()
        antenna = Antenna(rig.board.radio, 9)
        antenna.tune(7, 868300, PREAMBLE)
        rig.board.radio.listen_asleep(14, 300)
        frame = b"w" * WAKE_BYTES
        rig.world.at(rig.world.us + 7777777, lambda: rig.machine.spi.hear(frame, 7, 868300, preamble=PREAMBLE))
        resets = rig.machine.spi.resets
        board = rig.sleep(None, PIR | RADIO)
        self.assertEqual((board.woke_by(), rig.machine.spi.resets), (RADIO, resets))
        self.assertEqual(Antenna(board.radio, 9).received()[0], frame)

    def test_the_pi_has_no_power_meanwhile(self):
        rig = self.rig()
        rig.board.pi_power(True)
        rig.sleep(1000, 0)
        self.assertEqual(rig.power_asleep, 0)
        rig.board.pi_power(True)
        self.assertEqual(rig.level("PI_POWER"), 1)

    def test_a_radio_that_dozes_is_not_reset_either(self):
        rig = self.rig()
        rig.board.radio.doze()
        resets = rig.machine.spi.resets
        board = rig.sleep(60000, PIR)
        self.assertEqual(rig.machine.spi.resets, resets)
        Antenna(board.radio, 9).send(b"\x83" + bytes(30))
        self.assertEqual(len(rig.machine.spi.sent), 1)

    def test_nights_of_it(self):
        """Fifty sleeps in a row, by turns: nothing wears out, every frame and every cat is there."""
        rig = self.rig()
        for turn in range(50):
            Antenna(rig.board.radio, 9).tune(7, 868300, PREAMBLE)
            rig.board.radio.listen_asleep(14, 300)
            if turn % 3 == 0:
                rig.pulse("PIR", 2300, 1000 + turn * 37)
            elif turn % 3 == 1:
                rig.world.at(
                    rig.world.us + 10**6 + turn * 12345,
                    lambda: rig.machine.spi.hear(b"w" * WAKE_BYTES, 7, 868300, preamble=PREAMBLE),
                )
            board = rig.sleep(60000, PIR | RADIO)
            self.assertEqual(board.woke_by(), (PIR, RADIO, TIMER)[turn % 3])
            if turn % 3 == 1:
                self.assertEqual(len(Antenna(board.radio, 9).received()[0]), WAKE_BYTES)
            rig.world.run(3000000)


class HandlerTest(RigTest):
    def test_one_that_allocates_is_found(self):
        """That the handlers above allocate nothing is seen by this: they run with the heap locked."""
        rig = self.rig()
        rig.world.handlers[rig.machine.names["PIR"]] = (lambda pin: [pin], 1, None)
        with self.assertRaises(MemoryError):
            rig.set("PIR", 1)


class ResetTest(RigTest):
    def test_a_loop_that_hangs_is_ended_and_its_memory_is_left(self):
        rig = self.rig()
        rig.board.retain(b"how often")
        rig.board.feed()
        rig.world.run(59 * 10**6)
        rig.board.feed()
        rig.world.run(61 * 10**6)
        with self.assertRaises(Restarted):
            rig.board.feed()
        rig.machine.restart(3)
        board = rig.start()
        self.assertEqual((board.reset_cause(), board.retained()), (WATCHDOG, b"how often"))

    def test_reset_and_lost_power(self):
        rig = self.rig()
        rig.board.retain(b"x")
        with self.assertRaises(Restarted):
            rig.board.reset()
        rig.machine.restart(5)
        self.assertEqual((rig.start().reset_cause(), rig.board.retained()), (SOFT, b"x"))
        rig.machine.restart(1)
        self.assertEqual((rig.start().reset_cause(), rig.board.retained()), (POWER, b""))

    def test_too_much_is_refused(self):
        with self.assertRaises(ValueError):
            self.rig().board.retain(bytes(2049))


class PicoTest(RigTest):
    name, settings = "Pico", MODEM

    def test_every_byte_comes_and_goes(self):
        rig = self.rig()
        every = bytes(range(256)) * 3
        rig.machine.stdin = every
        got = b""
        while len(got) < len(every):
            got += rig.board.uart_read()
        self.assertEqual(got, every)
        rig.board.uart_write(every)
        self.assertEqual(rig.machine.stdout, every)

    def test_bytes_and_frames_end_its_wait(self):
        rig = self.rig()
        antenna = Antenna(rig.board.radio, 9)
        antenna.start(868100)
        rig.board.wait(10)
        rig.world.at(rig.world.us + 300000, lambda: setattr(rig.machine, "stdin", b"\x03"))
        before = rig.world.us
        rig.board.wait(1000)
        self.assertTrue(abs(rig.world.us - before - 300000) < 10000)
        rig.board.uart_read()
        end = rig.machine.spi.hear(b"\x83" + bytes(30), 9, 868100)
        rig.board.wait(1900)
        self.assertTrue(end <= rig.world.us < end + 12000)

    def test_what_it_has_not(self):
        board = self.rig().board
        self.assertEqual((board.woke_by(), board.retained(), board.clock_kept()), (0, b"", False))
        self.assertEqual((board.battery_mv(), board.temperature_c(), board.pi_halted()), (None, None, None))
        self.assertEqual((board.pir_edges(), board.button()), (0, 0))
        board.retain(b"nothing")
        board.lamp(True)
        self.assertEqual(self._rig.level("LAMP"), 1)
        board.feed()


class RolesTest(RigTest):
    """The firmware's roles on their boards."""

    def test_each_starts_and_steps(self):
        repeater = {"role": "repeater", "plan": "eu868", "hops": {"7": "11" * 16}}
        for name, settings in (("XiaoS3", SETTINGS), ("Pico", MODEM), ("Pico", complete(repeater))):
            self.name, self.settings = name, settings
            rig = self.rig()
            rig.board.battery_percent = lambda: None  # until the supervisor asks for battery_mv
            unit = main.build(rig.board, settings)
            for _ in range(40):
                rig.board.feed()
                now = rig.board.now_ms()
                deadline = unit.step(now)
                rig.board.wait(1000 if deadline is None else deadline - now)
            self.tearDown()


if __name__ == "__main__":
    unittest.main()
