"""A trap in the woods for the stories: the real firmware, its Pi, its base, and the days."""

import sys

from tests.mcu.bench import make_folder, remove_folder
from trapsim.unitsim.antenna import Aether
from trapsim.unitsim.carrier import Unit
from trapsim.unitsim.ledger import Ledger
from trapsim.unitsim.simbase import SimBase
from trapsim.unitsim.world import World
from trapwire.airtime import usable_frame

ON_A_DISK = sys.implementation.name == "micropython"  # only there flash can fail
PLAN, SF = "cn470", 9


class Woods:
    """Traps (5, and 6 where there are two) and their base. settings: over the defaults here, for all traps."""

    def __init__(self, seed=1, traps=(5,), loss=0.05, settings=None, **given):
        self.world = World(seed)
        self.air = Aether(self.world, SF, loss)
        self.world.add(self.air)
        self.base = SimBase(self.world, self.air, {t: bytes([t]) * 16 for t in traps}, usable_frame(PLAN, SF), SF)
        self._folders = []
        self.units = []
        for trap in traps:
            own = {"trap": trap, "plan": PLAN, "sf": SF, "link_key": "%02x" % trap * 16}
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

    def settled(self):
        """Whether all that was committed is at the base."""
        return not self.ledger.missing()

    def close(self):
        self.world.close()
        for folder in self._folders:
            remove_folder(folder)
