"""The board's SX1262 driver, micropython-lib's and our part of it, against a chip that speaks its commands."""

import unittest

from tests.mcu.sim import boards

if boards.skip_reason:
    raise unittest.SkipTest(boards.skip_reason)

from tests.mcu.sim.boards import xiao
from tests.mcu.sim.sx1262 import DUTY, RX, SLEEP, STANDBY_XOSC
from trapmcu.radio import Antenna
from trapwire.errors import WireError
from trapwire.wake import PREAMBLE, WAKE_BYTES

KHZ = 868100
FRAME = b"\x83" + bytes(range(40))


def radio_of(machine, plan="eu868", sf=9, khz=0, attach=False):
    """The radio alone, as the trap's board makes it."""
    pins = machine.names
    with machine.installed():
        from machine import SPI, Pin

        from trapmcu.boards.sx126x_radio import Radio
    cs, reset, switch = [Pin(pins[name], Pin.OUT) for name in ("LORA_CS", "LORA_RESET", "LORA_RF_SWITCH")]
    spi = SPI(1, baudrate=4000000, sck=None, mosi=None, miso=None)
    return Radio(
        spi, cs, Pin(pins["LORA_BUSY"]), Pin(pins["LORA_DIO1"]), reset, plan, sf, khz, rf_switch=switch, attach=attach
    )


class StartTest(unittest.TestCase):
    def test_what_a_chip_is_set_to(self):
        machine = xiao()
        radio_of(machine)
        chip = machine.spi
        self.assertEqual((chip.khz, chip.sf, chip.bw, chip.cr, chip.sync), (868100, 9, 4, 1, 0x3444))
        self.assertTrue(chip.tcxo and chip.dcdc and chip.dio2 and chip.calibrated)
        self.assertEqual((chip.tcxo_trim, chip.image, chip.resets), (2, 0xD7DB, 1))

    def test_power_is_bounded_by_the_plan_and_follows_the_channel(self):
        for plan, khz, dbm in (("eu868", 0, 13), ("kr920", 921500, 7), ("kr920", 923100, 11), ("cn470", 0, 17)):
            machine = xiao()
            antenna = Antenna(radio_of(machine, plan), 9)
            antenna.start(khz)
            antenna.send(FRAME)
            # 17 dBm has a setting of its own: less of the amplifier, and 22 (DS table 13-21)
            self.assertEqual(machine.spi.sent[-1][4], 22 if dbm == 17 else dbm)

    def test_a_channel_outside_of_the_plan_is_refused(self):
        machine = xiao()
        with self.assertRaises(WireError):
            radio_of(machine, khz=915000)
        antenna = Antenna(radio_of(machine), 9)
        with self.assertRaises(WireError):
            antenna.start(869525)
        with self.assertRaises(WireError):
            radio_of(machine, plan="")

    def test_no_chip_and_a_broken_one_are_errors_not_hangs(self):
        for answers in (0x00, 0xFF):
            for attach in (False, True):
                machine = xiao()
                machine.spi.answers = answers
                with self.assertRaises(RuntimeError):
                    radio_of(machine, attach=attach)
        machine = xiao()
        machine.world.watchers.clear()  # nobody is there, and BUSY is pulled up
        machine.world.levels[machine.names["LORA_BUSY"]] = 1
        with self.assertRaises(RuntimeError):
            radio_of(machine)
        self.assertLess(machine.world.us, 500000)


class AirTest(unittest.TestCase):
    def setUp(self):
        self.machine = xiao()
        self.world, self.chip = self.machine.world, self.machine.spi
        self.radio = radio_of(self.machine)
        self.antenna = Antenna(self.radio, 9)
        self.antenna.start(KHZ)

    def test_sent_and_listening_again(self):
        self.setUp()
        self.antenna.send(FRAME)
        self.assertTrue(self.antenna.busy())
        self.assertFalse(self.antenna.finished())
        self.world.run(500000)
        self.assertTrue(self.antenna.finished())
        self.assertEqual(self.chip.sent, [(FRAME, 9, KHZ, 8, 13)])
        self.assertEqual(self.chip.mode, RX)
        self.assertEqual(self.world.level(self.machine.names["LORA_RF_SWITCH"]), 1)

    def test_received_with_its_strength(self):
        self.setUp()
        self.world.run(self.chip.hear(FRAME, 9, KHZ, rssi_dbm=-101) - self.world.us + 1000)
        self.assertEqual(self.world.level(self.machine.names["LORA_DIO1"]), 1)
        self.assertTrue(self.antenna.busy())  # it was not taken yet
        self.world.run(5000000)
        self.assertTrue(self.antenna.busy())
        self.assertEqual(self.antenna.received(), (FRAME, -101, 24))
        self.assertEqual(self.world.level(self.machine.names["LORA_DIO1"]), 0)
        self.assertIsNone(self.antenna.received())
        self.assertFalse(self.antenna.busy())

    def test_two_frames_and_a_damaged_one(self):
        self.setUp()
        for crc_ok, want in ((True, FRAME), (False, None), (True, FRAME)):
            self.world.run(self.chip.hear(FRAME, 9, KHZ, crc_ok=crc_ok) - self.world.us + 1000)
            packet = self.antenna.received()
            self.assertEqual(packet and packet[0], want)

    def test_busy_from_preamble_to_end_without_a_gap(self):
        self.setUp()
        self.antenna.busy()  # its one look at a channel it knows nothing of
        self.world.run(100000)
        self.assertFalse(self.antenna.busy())
        end = self.chip.hear(bytes(100), 9, KHZ)
        self.world.run(6 * 4096)
        while self.world.us < end + 20000:
            self.assertTrue(self.antenna.busy())
            self.world.run(3000)
        self.assertEqual(len(self.antenna.received()[0]), 100)

    def test_a_false_preamble_passes(self):
        self.setUp()
        self.world.run(100000)
        self.antenna.busy()
        self.chip.false_preamble()
        self.assertTrue(self.antenna.busy())
        self.world.run(200000)
        self.assertFalse(self.antenna.busy())
        self.assertFalse(self.antenna.busy())

    def test_a_broken_header_is_no_frame(self):
        self.setUp()
        self.antenna.busy()
        self.world.run(self.chip.hear(FRAME, 9, KHZ, header_ok=False) - self.world.us - 50000)
        self.assertFalse(self.antenna.busy())
        self.assertIsNone(self.antenna.received())

    def test_another_sf_or_channel_is_not_heard(self):
        self.setUp()
        self.antenna.busy()
        for sf, khz in ((8, KHZ), (9, KHZ + 200)):
            self.world.run(self.chip.hear(FRAME, sf, khz) - self.world.us + 1000)
            self.assertFalse(self.antenna.busy())
            self.assertIsNone(self.antenna.received())

    def test_the_plans_threshold_counts_where_it_has_one(self):
        machine = xiao()
        antenna = Antenna(radio_of(machine, "kr920"), 9)
        antenna.start(922100)
        antenna.busy()
        machine.spi.hear(FRAME, 12, 922100, rssi_dbm=-81)
        machine.world.run(20000)
        self.assertFalse(antenna.busy())
        machine.spi.hear(FRAME, 12, 922100, rssi_dbm=-80)
        machine.world.run(20000)
        self.assertTrue(antenna.busy())

    def test_rssi(self):
        self.setUp()
        self.assertEqual(self.radio.rssi_dbm(), -110)

    def test_dozing_costs_no_setting(self):
        self.setUp()
        self.radio.doze()
        self.assertEqual(self.chip.mode, SLEEP)
        self.world.run(60000000)
        self.antenna.listen()
        self.assertEqual((self.chip.mode, self.chip.sf, self.chip.khz), (RX, 9, KHZ))


class LookTest(unittest.TestCase):
    """Activity detection, as the station's pair uses it."""

    def make(self):
        machine = xiao()
        antenna = Antenna(radio_of(machine), 9)
        antenna.start(KHZ)
        antenna.busy()
        machine.world.run(300000)
        return machine, antenna, machine.spi

    def test_an_empty_channel_is_seen_quickly_and_listened_to(self):
        machine, antenna, chip = self.make()
        antenna.tune(7, 868300, PREAMBLE)
        before = machine.world.us
        self.assertFalse(antenna.busy())
        self.assertLess(machine.world.us - before, 6000)
        self.assertEqual(chip.cad[:4], (1, 22, 10, 1))
        self.assertEqual(chip.mode, RX)

    def test_wake_frames_are_found_at_every_moment_of_their_preamble(self):
        for late_ms in range(2, 300, 37):
            machine, antenna, chip = self.make()
            end = chip.hear(bytes(WAKE_BYTES), 7, 868300, preamble=PREAMBLE)
            machine.world.run(late_ms * 1000)
            antenna.tune(7, 868300, PREAMBLE)
            while machine.world.us < end + 5000:
                self.assertTrue(antenna.busy())
                machine.world.run(2000)
            self.assertEqual(len(antenna.received()[0]), WAKE_BYTES)
            self.assertFalse(antenna.busy())

    def test_a_frame_that_began_while_away_is_found_and_short_absences_ask_nothing(self):
        machine, antenna, chip = self.make()
        antenna.tune(7, 868300, PREAMBLE)
        antenna.busy()
        looks = chip.commands.count(0xC5)
        antenna.tune(9, KHZ)
        antenna.busy()
        self.assertEqual(chip.commands.count(0xC5), looks)
        antenna.tune(7, 868300, PREAMBLE)
        machine.world.run(400000)
        chip.hear(bytes(200), 9, KHZ)
        machine.world.run(300000)
        antenna.tune(9, KHZ)
        self.assertTrue(antenna.busy())

    def test_while_it_listens_a_question_takes_nothing_from_a_frame(self):
        machine, antenna, chip = self.make()
        looks = chip.commands.count(0xC5)
        end = chip.hear(FRAME, 9, KHZ, in_us=7000)
        while machine.world.us < end:
            antenna.busy()
            machine.world.run(1000)
        self.assertEqual(antenna.received()[0], FRAME)
        self.assertEqual(chip.commands.count(0xC5), looks)

    def test_peaks_by_sf(self):
        for sf, symbols, peak in ((7, 1, 22), (8, 1, 22), (9, 2, 23), (10, 2, 24), (11, 2, 25), (12, 2, 28)):
            machine, antenna, chip = self.make()
            machine.world.run(1000000)
            antenna.tune(sf, 868300)
            antenna.busy()
            self.assertEqual(chip.cad[:3], (symbols, peak, 10))


class AsleepTest(unittest.TestCase):
    """The chip listens by itself while the microcontroller sleeps."""

    def make(self):
        machine = xiao()
        radio = radio_of(machine)
        Antenna(radio, 9).tune(7, 868300, PREAMBLE)
        radio.listen_asleep(14, 300)
        return machine, machine.spi

    def test_a_wake_frame_is_there_after_the_wake(self):
        for start_ms in range(0, 320, 45):
            machine, chip = self.make()
            self.assertEqual(chip.mode, DUTY)
            machine.world.run(start_ms * 1000 + 1000000)
            frame = bytes([start_ms & 0xFF]) * WAKE_BYTES
            machine.world.run(chip.hear(frame, 7, 868300, preamble=PREAMBLE) - machine.world.us + 200)
            self.assertEqual(machine.world.level(machine.names["LORA_DIO1_WAKE"]), 1)
            resets = chip.resets
            antenna = Antenna(radio_of(machine, attach=True), 9)
            self.assertEqual(chip.resets, resets)
            self.assertEqual(antenna.received()[0], frame)
            self.assertIsNone(antenna.received())
            antenna.start(KHZ)
            self.assertEqual((chip.mode, chip.sf), (RX, 9))

    def test_attaching_to_one_that_listens_dozes_or_stands_by(self):
        for rest_ms in (5, 100, 200, 310, 320):
            machine, chip = self.make()
            machine.world.run(rest_ms * 1000)
            resets = chip.resets
            radio = radio_of(machine, attach=True)
            self.assertEqual(chip.resets, resets)
            antenna = Antenna(radio, 9)
            antenna.start(KHZ)
            self.assertIsNone(antenna.received())
            radio.doze()
            radio_of(machine, attach=True)
            self.assertEqual(chip.resets, resets)

    def test_only_a_frame_raises_dio1_and_the_same_driver_can_go_on(self):
        machine, chip = self.make()
        antenna = None
        for rest_ms in (5, 100, 314):
            radio = radio_of(machine)
            antenna = Antenna(radio, 9)
            antenna.tune(7, 868300, PREAMBLE)
            radio.listen_asleep(14, 300)
            machine.world.run(rest_ms * 1000 + 300)
            self.assertEqual(machine.world.level(machine.names["LORA_DIO1_WAKE"]), 0)
            antenna.tune(9, KHZ)
            machine.world.run(20000)
            self.assertEqual((chip.mode, chip.sf), (RX, 9))

    def test_one_that_hangs_is_reset(self):
        machine, chip = self.make()
        chip._be_busy(10**9)
        resets = chip.resets
        radio_of(machine, attach=True)
        self.assertEqual(chip.resets, resets + 1)

    def test_standby_is_with_the_oscillator_on(self):
        machine, chip = self.make()
        radio_of(machine, attach=True).standby()
        self.assertEqual(chip.mode, STANDBY_XOSC)


if __name__ == "__main__":
    unittest.main()
