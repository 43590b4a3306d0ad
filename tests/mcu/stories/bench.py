"""A trap in the woods for the stories: the real firmware, its Pi, its base, and the days."""

import struct
import sys
import unittest
from binascii import crc32

from tests.mcu.bench import make_folder, remove_folder
from trapsim.unitsim.antenna import Aether
from trapsim.unitsim.carrier import Unit
from trapsim.unitsim.ledger import Ledger
from trapsim.unitsim.simbase import SimBase
from trapsim.unitsim.world import SECOND, START_UNIX_MS, World
from trapwire.airtime import usable_frame
from trapwire.words import decode_time

ON_A_DISK = sys.implementation.name == "micropython"  # only there flash can fail
PLAN, SF = "cn470", 9
RECORD_BYTES = 13
LOOK_REACH = 40 * SECOND  # a cold boot, a burst, the hand-over, the shutdown
TRUE = 0x80
REPEATED = 0


class Woods:
    """Traps (5, and 6 where there are two) and their base. settings: over the defaults here, for all traps."""

    def __init__(self, seed=1, traps=(5,), loss=0.05, settings=None, **given):
        if not ON_A_DISK:
            given["fresh_every"] = 100  # there loading modules takes most of the time; that it may be so rare is tested
        self.world = World(seed)
        self.air = Aether(self.world, SF, loss)
        self.world.add(self.air)
        self.base = SimBase(self.world, self.air, {t: bytes([t]) * 16 for t in traps}, usable_frame(PLAN, SF), SF)
        self._folders = []
        self.units = []
        for trap in traps:
            own = {"trap": trap, "plan": PLAN, "sf": SF, "link_key": "%02x" % trap * 16, "picture_min": 1440}
            own.update(settings or {})
            folder = None
            if not ON_A_DISK:
                folder = make_folder()
                self._folders.append(folder)
            self.units.append(Unit(self.world, self.air, own, folder, **given))
        self.unit = self.units[0]
        self.pi = self.unit.pi
        self.ledger = Ledger(self.units, self.base)

    def run(self, ms, until=None):
        return self.world.run(ms, until)

    def passes(self, count, every_ms, first_ms=0):
        """Something passes the camera of the first trap, so often."""
        for i in range(count):
            self.unit.edge(first_ms + i * every_ms)

    def health(self, name):
        """A value of the last heartbeat."""
        return self.base.heartbeats[-1][2].values[name]

    def settled(self):
        """Whether all that was committed is at the base."""
        return not self.ledger.missing()

    def close(self):
        self.world.close()
        for folder in self._folders:
            remove_folder(folder)


class Story(unittest.TestCase):
    """A test that goes into the woods, and tidies up behind itself."""

    def woods(self, **given):
        self._woods = Woods(**given)
        return self._woods

    def tearDown(self):
        self._woods.close()

    def all_is_well(self, woods, reach_ms=LOOK_REACH, spans=None):
        """Nothing lost, nothing doubled, all at the base; the Pi was told true times, and was on for reasons only."""
        self.assertEqual((woods.ledger.lost(), woods.ledger.missing(), woods.ledger.doubled()), ([], [], 0))
        for unit in woods.units:
            self.assertEqual(woods.ledger.unexplained(unit, reach_ms, spans), [])
            self.assertEqual(wrong_times(unit), [])


def wrong_times(unit):
    """Times that the Pi was told and that were further off than was said: (when, off by ms, uncertainty ms)."""
    found = []
    for when, payload in unit.pi.times:
        unix_ms, uncertainty_ms = decode_time(payload)
        off_ms = unix_ms - START_UNIX_MS - when
        if abs(off_ms) > uncertainty_ms + 5:  # and the serial line's own
            found.append((when, off_ms, uncertainty_ms))
    return found


def log(unit):
    """What the unit's log holds in flash, oldest first: (seconds, whether of true time, code, value)."""
    found = []
    for name in ("/log0", "/log1"):
        data = unit.flash.read(name) or b""
        for at in range(0, len(data) - RECORD_BYTES + 1, RECORD_BYTES):
            record = data[at : at + RECORD_BYTES]
            if struct.pack(">H", crc32(record[:11]) & 0xFFFF) == record[11:]:
                sequence, seconds, code, value = struct.unpack(">IIBH", record[:11])
                found.append((sequence, seconds, bool(code & TRUE), code & ~TRUE, value))
    return [entry[1:] for entry in sorted(found)]


def count(unit, code):
    """How often the log names a code, those entries counted in that came too often to be written."""
    entries = log(unit)
    said = sum(1 for _, _, which, _ in entries if which == code)
    return said + sum(value & 255 for _, _, which, value in entries if which == REPEATED and value >> 8 == code)
