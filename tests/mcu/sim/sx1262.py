"""An SX1262 by its commands: what comes over SPI, what it says, its busy line and DIO1, and the air around it.

A command while BUSY is high, one that a sleeping chip does not hear, or a mode that its state does not allow are the
driver's faults: they fail the test. Numbers: Semtech's datasheet, chapter 13.
"""

from trapwire.airtime import airtime_us

SLEEP, STANDBY_RC, STANDBY_XOSC, FS, RX, TX, CAD, DUTY = 0, 2, 3, 4, 5, 6, 7, 8
TX_DONE, RX_DONE, PREAMBLE, HEADER, HEADER_ERROR, CRC_ERROR, CAD_DONE, CAD_DETECTED, TIMEOUT = (
    1, 2, 4, 16, 32, 64, 128, 256, 512,
)  # fmt: skip
FIND_SYMBOLS = 5  # until a preamble is found
NOISE_DBM = -110


class OnAir:
    """A frame somebody sends: when its preamble begins, and what of it arrives."""

    def __init__(self, frame, sf, khz, preamble, start_us, rssi_dbm, crc_ok, header_ok):
        self.frame, self.sf, self.khz, self.rssi_dbm = frame, sf, khz, rssi_dbm
        self.crc_ok, self.header_ok = crc_ok, header_ok
        self.symbol_us = 8000 * (1 << sf) // 1000
        self.start = start_us
        self.preamble_end = start_us + preamble * self.symbol_us
        self.header_at = self.preamble_end + 12 * self.symbol_us
        self.end = start_us + airtime_us(len(frame), sf, preamble=preamble)


class Sx1262:
    """pins: numbers of `cs`, `busy`, `dio1`, `reset`, as a dict; more names for DIO1 in `dio1_too`."""

    def __init__(self, world, cs, busy, dio1, reset, dio1_too=None):
        self._world = world
        self._busy, self._dio1 = busy, [dio1] + ([] if dio1_too is None else [dio1_too])
        world.watchers[cs] = self._chip_select
        world.watchers[reset] = self._reset
        world.levels[cs] = world.levels[reset] = 1
        self.air = []
        self.sent = []  # (frame, sf, khz, preamble, power byte)
        self.commands = []
        self.resets = 0
        self.answers = None  # a byte: what a broken chip says
        self._boot()

    def _boot(self):
        self.mode = STANDBY_RC
        self.irq = self.irq_mask = self.dio1_mask = 0
        self.buffer = bytearray(256)
        self.registers = {}
        self.sf, self.bw, self.cr, self.khz = 7, 4, 1, 0
        self.preamble, self.tx_length = 8, 0
        self.power = None
        self.tcxo = self.dcdc = self.dio2 = self.calibrated = False
        self.errors = 0
        self.sync = 0x1424
        self._bases = (0, 0)
        self._got = (0, 0, NOISE_DBM)
        self._locked = None
        self._since = self._world.us  # in this mode
        self._mosi = bytearray()
        self._selected = False
        self._busy_until = 0
        self._continuous = False
        self._generation = 0
        self._duty = (0, 0)
        self._lines()

    def _reset(self, level):
        if not level:
            self.resets += 1
            self._boot()

    # What a host does

    def transfer(self, out):
        """Bytes in, bytes out, while chip select is low."""
        if not self._selected:
            return bytes(len(out))
        answer = bytearray()
        for byte in out:
            answer.append(self._answer(len(self._mosi)) if self.answers is None else self.answers)
            self._mosi.append(byte)
        self._world.run(len(out) * 2 + 10)
        return bytes(answer)

    def _chip_select(self, level):
        if not level:
            self._selected = True
            self._mosi = bytearray()
            if self.mode in (SLEEP, DUTY):
                self._wake()
        elif self._selected:
            self._selected = False
            if self._mosi and self.answers is None:
                self._execute(bytes(self._mosi))
            self._lines()

    def _wake(self):
        if self.mode == SLEEP or self._in_duty_sleep():
            self._set_mode(STANDBY_RC)
            self._be_busy(340)
            self.errors |= 0x20 if self.tcxo else 0

    def _in_duty_sleep(self):
        rx_us, sleep_us = self._duty
        return self.mode == DUTY and (self._world.us - self._since) % (rx_us + sleep_us) >= rx_us

    def _be_busy(self, us):
        self._busy_until = self._world.us + us
        self._world.at(self._busy_until, self._lines)
        self._lines()

    def _lines(self):
        busy = self.mode == SLEEP or self._world.us < self._busy_until or self._in_duty_sleep()
        self._world.set(self._busy, int(busy))
        for pin in self._dio1:
            self._world.set(pin, int(bool(self.irq & self.dio1_mask)))

    def _status(self):
        return (self.mode if self.mode < CAD else RX) << 4 | 1 << 1

    def _answer(self, index):
        if index == 0:
            return self._status()
        code = self._mosi[0]
        rssi = -2 * self._got[2]
        tables = {
            0x12: (self._status(), self.irq >> 8, self.irq & 0xFF),
            0x17: (self._status(), self.errors >> 8, self.errors & 0xFF),
            0x13: (self._status(), self._got[0], self._got[1]),
            0x14: (self._status(), rssi, 24, rssi),
            0x15: (self._status(), -2 * self._rssi_dbm()),
        }
        if code in tables:
            table = tables[code]
            return table[index - 1] if index <= len(table) else 0
        if code == 0x1D and index >= 4:
            return self.registers.get((self._mosi[1] << 8 | self._mosi[2]) + index - 4, 0)
        if code == 0x1E and index >= 3:
            return self.buffer[self._mosi[1] + index - 3 & 0xFF]
        return self._status()

    def _execute(self, data):
        code, args = data[0], data[1:]
        deaf = self._world.us < self._busy_until or self._in_duty_sleep()
        assert not deaf, "command %02x while BUSY" % code
        self.commands.append(code)
        word = args[0] << 8 | args[1] if len(args) > 1 else 0
        if code == 0x02:
            self.irq &= ~word
        elif code == 0x07:
            self.errors = 0
        elif code == 0x08:
            self.irq_mask, self.dio1_mask = word, args[2] << 8 | args[3]
        elif code == 0x0D:
            for i, value in enumerate(args[2:]):
                self.registers[word + i] = value
            if word == 0x740 and len(args) == 4:
                self.sync = args[2] << 8 | args[3]
        elif code == 0x0E:
            for i, value in enumerate(args[1:]):
                self.buffer[args[0] + i & 0xFF] = value
        elif code == 0x80:
            self._set_mode(STANDBY_XOSC if args[0] else STANDBY_RC)
            self._be_busy(100)
        elif code == 0x82:
            self._continuous = args == b"\xff\xff\xff"
            self._start_rx()
        elif code == 0x83:
            self._start_tx()
        elif code == 0x84:
            assert args[0] & 4, "a cold start forgets all"
            assert self.mode in (STANDBY_RC, STANDBY_XOSC), self.mode
            self._set_mode(SLEEP)
            self.irq = 0
        elif code == 0x86:
            value = args[0] << 24 | args[1] << 16 | args[2] << 8 | args[3]
            self.khz = (value * 32000 + (1 << 24)) >> 25
        elif code == 0x88:
            self.cad = (args[0], args[1], args[2], args[3], (args[4] << 16 | args[5] << 8 | args[6]) * 125 // 8)
        elif code == 0x89:
            assert self.mode == STANDBY_RC, "calibration is made in STDBY_RC"
            self.calibrated = True
            self._be_busy(3500)
        elif code == 0x8B:
            self.sf, self.bw, self.cr = args[0], args[1], args[2]
        elif code == 0x8C:
            self.preamble, self.tx_length = word, args[3]
        elif code == 0x8E:
            self.power = args[0]
        elif code == 0x8F:
            self._bases = (args[0], args[1])
        elif code == 0x94:
            rx, asleep = (args[0] << 16 | args[1] << 8 | args[2], args[3] << 16 | args[4] << 8 | args[5])
            self._duty = (rx * 125 // 8, asleep * 125 // 8)
            self._set_mode(DUTY)
            self._limit_rx(self._duty[0], DUTY)
            for frame in self.air:
                self._duty_hear(frame)
        elif code == 0x96:
            assert self.mode == STANDBY_RC
            self.dcdc = bool(args[0])
        elif code == 0x97:
            self.tcxo = True
            self.tcxo_trim = args[0]
            self.errors |= 0x20
        elif code == 0x98:
            self.image = word
            self._be_busy(2000)
        elif code == 0x9D:
            self.dio2 = bool(args[0])
        elif code == 0xC5:
            self._start_cad()
        else:
            assert code in (0x12, 0x13, 0x14, 0x15, 0x17, 0x1D, 0x1E, 0x8A, 0x95), "command %02x" % code

    # What the air does

    def hear(self, frame, sf, khz, preamble=8, in_us=0, rssi_dbm=-90, crc_ok=True, header_ok=True):
        """Somebody sends; until when, in us."""
        on_air = OnAir(frame, sf, khz, preamble, self._world.us + in_us, rssi_dbm, crc_ok, header_ok)
        self.air.append(on_air)
        self._listen_to(on_air)
        self._duty_hear(on_air)
        return on_air.end

    def false_preamble(self):
        """Noise that looks like one."""
        self._raise(PREAMBLE)

    def _now_on_air(self):
        return [f for f in self.air if f.start <= self._world.us < f.end]

    def _rssi_dbm(self):
        return max([NOISE_DBM] + [f.rssi_dbm for f in self._now_on_air() if f.khz == self.khz])

    def _raise(self, flags):
        self.irq |= flags & self.irq_mask
        self._lines()

    def _set_mode(self, mode):
        self.mode = mode
        self._since = self._world.us
        self._locked = None
        self._generation += 1
        self._lines()

    def _start_rx(self):
        assert all((self.calibrated, self.khz, self.tcxo))
        self._set_mode(RX)
        self._be_busy(120)
        for frame in self.air:
            self._listen_to(frame)

    def _listen_to(self, frame):
        if self.mode != RX or frame.sf != self.sf or frame.khz != self.khz:
            return
        found_at = max(frame.start, self._since) + FIND_SYMBOLS * frame.symbol_us
        if found_at > frame.preamble_end + 2 * frame.symbol_us:
            return
        generation = self._generation

        def step(call):
            return lambda: call(frame) if self._generation == generation else None

        self._world.at(found_at, step(self._found))
        self._world.at(frame.header_at, step(self._header))
        self._world.at(frame.end, step(self._ended))

    def _found(self, frame):
        if self._locked is None:
            self._locked = frame
            self._raise(PREAMBLE)

    def _header(self, frame):
        if self._locked is frame:
            self._raise(HEADER if frame.header_ok else HEADER_ERROR)
            if not frame.header_ok:
                self._locked = None

    def _ended(self, frame):
        if self._locked is not frame:
            return
        self._locked = None
        self._take(frame)
        if not self._continuous:
            self._set_mode(STANDBY_RC)

    def _take(self, frame):
        base = self._bases[1]
        for i, value in enumerate(frame.frame):
            self.buffer[base + i & 0xFF] = value
        self._got = (len(frame.frame), base, frame.rssi_dbm)
        self._raise(RX_DONE | HEADER | (0 if frame.crc_ok else CRC_ERROR))

    def _start_tx(self):
        assert (self.power is not None, self.calibrated) == (True, True)
        self._set_mode(TX)
        base = self._bases[0]
        frame = bytes(self.buffer[base : base + self.tx_length])
        self.sent.append((frame, self.sf, self.khz, self.preamble, self.power))
        generation = self._generation

        def done():
            if self._generation == generation:
                self._set_mode(STANDBY_RC)
                self._raise(TX_DONE)

        self._world.at(self._world.us + airtime_us(len(frame), self.sf, preamble=self.preamble), done)

    def _start_cad(self):
        assert self.mode in (STANDBY_RC, STANDBY_XOSC)
        self._set_mode(CAD)
        symbol_us = 8000 * (1 << self.sf) // 1000
        began, generation = self._world.us, self._generation

        def done():
            if self._generation != generation:
                return
            found = [f for f in self.air if f.sf == self.sf and f.khz == self.khz and f.start <= began < f.end]
            if found and self.cad[3]:
                self._continuous = False
                self._start_rx()
                self._limit_rx(self.cad[4])
            else:
                self._set_mode(STANDBY_RC)
            self._raise(CAD_DONE | (CAD_DETECTED if found else 0))

        self._world.at(began + (1 << self.cad[0]) * symbol_us + symbol_us // 2, done)

    def _limit_rx(self, us, then=STANDBY_RC):
        generation = self._generation

        def late():
            if self._generation == generation and self._locked is None:
                if then != self.mode:
                    self._set_mode(then)
                self._raise(TIMEOUT)  # the datasheet does not say that a window of the duty cycle raises none

        self._world.at(self._world.us + us, late)

    def _duty_hear(self, frame):
        """Found by a window of its duty cycle, and held until its header (DS 13.1.7)."""
        if self.mode != DUTY or frame.sf != self.sf or frame.khz != self.khz:
            return
        rx_us, sleep_us = self._duty
        window = self._since
        while window < frame.preamble_end:
            found_at = max(window, frame.start) + 8 * frame.symbol_us
            if frame.start < window + rx_us and found_at <= min(window + rx_us, frame.preamble_end):
                break
            window += rx_us + sleep_us
        else:
            return
        if frame.header_at > found_at + 2 * rx_us + sleep_us + 12 * frame.symbol_us:
            return  # its timer has ended before the header came
        generation = self._generation

        def ended():
            if self._generation == generation:
                self._set_mode(STANDBY_RC)
                self._take(frame)

        self._world.at(frame.end, ended)
