"""The chips on the trap's two wires, by their registers, and the bus. Both interpreters."""

ENODEV = 19


class Bus:
    """`machine.I2C` as far as it is used; `chips` by address. One that is missing does not answer."""

    def __init__(self, world, chips):
        self._world = world
        self.chips = chips

    def readfrom_mem(self, address, register, count):
        self._world.run(75)  # 400 kHz
        if address not in self.chips:
            raise OSError(ENODEV)
        chip = self.chips[address]
        if hasattr(chip, "word"):
            word = chip.word(register)
            return bytes([word >> 8, word & 0xFF])[:count]
        data = bytearray()
        for i in range(count):
            data.append(chip.read(register + i))
            self._world.run(25)
        return bytes(data)

    def writeto_mem(self, address, register, data):
        self._world.run(25 * (len(data) + 2))
        if address not in self.chips:
            raise OSError(ENODEV)
        self.chips[address].write(register, bytes(data))


class Garbage:
    """Something answers, by no rule."""

    def __init__(self, value):
        self._value = value

    def read(self, register):
        return self._value

    def write(self, register, data):
        pass


class ClockChip:
    """An RV-3032. Its counters go on between two bytes of a reading: the driver must not need that they stand still."""

    def __init__(self, world, ms=0, status=3, pmu=0):
        self._world = world
        self._base_us = world.us - ms * 1000
        self._seconds = None
        self.status = status
        self.pmu = pmu
        self.control = 0
        self.eeprom_writes = 0
        self._busy_until = 0
        self.sixteenths = 20 * 16

    def lose_power(self):
        self.status |= 3
        self._base_us = self._world.us

    def read(self, register):
        if register < 8:
            return self._digits()[register]
        if register == 0x0D:
            return self.status
        if register == 0x0E:
            return (self.sixteenths & 15) << 4 | (self._world.us < self._busy_until) << 2
        if register == 0x0F:
            return self.sixteenths >> 4 & 0xFF
        return {0x10: self.control, 0xC0: self.pmu}.get(register, 0)

    def write(self, register, data):
        if register == 1:
            assert data == b"\x00\x00\x00\x06\x01\x01\x00", data
            self._base_us = self._world.us
        elif register == 0x0D:
            self.status &= data[0]
        elif register == 0x10:
            self.control = data[0]
        elif register == 0xC0:
            assert self.control & 4, "the EEPROM's refresh would undo it"
            self.pmu = data[0]
        elif register == 0x3F:
            assert (data, self._world.us >= self._busy_until) == (b"\x11", True)
            self.eeprom_writes += 1
            self._busy_until = self._world.us + 46000

    def _digits(self):
        hundredths = (self._world.us - self._base_us) // 10000
        days, rest = hundredths // 8640000, hundredths % 8640000
        year = 0
        while days >= 365 + (year % 4 == 0):
            days -= 365 + (year % 4 == 0)
            year += 1
        lengths = [31, 29 if year % 4 == 0 else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        month = 0
        while days >= lengths[month]:
            days -= lengths[month]
            month += 1
        values = (rest % 100, rest // 100 % 60, rest // 6000 % 60, rest // 360000, 0, days + 1, month + 1, year)
        return [v // 10 << 4 | v % 10 for v in values]


class Expander:
    """A TCA9534. `inputs`: what is on its lines from outside; `seen`: every state of the driven lines."""

    def __init__(self, inputs=0):
        self.registers = [0, 0xFF, 0, 0xFF]
        self.inputs = inputs
        self.seen = []

    def driven(self):
        return self.registers[1] & ~self.registers[3] & 0xFF

    def read(self, register):
        if register == 0:
            return self.driven() | self.inputs & self.registers[3]
        return self.registers[register]

    def write(self, register, data):
        self.registers[register] = data[0]
        self.seen.append(self.driven())


class Monitor:
    """An INA226. `on_us`: how long it was not powered down."""

    def __init__(self, world, mv=3700):
        self._world = world
        self.mv = mv
        self.mode = 0x4127
        self._ready_at = None
        self._on_since = 0
        self.on_us = 0
        self.stuck = False

    def word(self, register):
        ready = self._ready_at is not None and self._world.us >= self._ready_at and not self.stuck
        if register == 6:
            return 8 if ready else 0
        if register == 2:
            return self.mv * 4 // 5 if ready else 0
        return {0: self.mode, 0xFE: 0x5449, 0xFF: 0x2260}.get(register, 0)

    def write(self, register, data):
        assert register == 0
        mode = data[0] << 8 | data[1]
        if self.mode & 7 == 0 and mode & 7:
            self._on_since = self._world.us
        if self.mode & 7 and not mode & 7:
            self.on_us += self._world.us - self._on_since
        self.mode = mode
        if mode & 7 == 2:
            averages = (1, 4, 16, 64, 128, 256, 512, 1024)[mode >> 9 & 7]
            self._ready_at = self._world.us + 1100 * averages
