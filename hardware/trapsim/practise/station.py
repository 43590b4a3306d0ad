"""The processes of units that are practised with. A file of theirs that changes does here what systemd, and `trapship
flash`, do in the field:

file                        what is done
base.toml, unit.toml        the base starts again, where they can be read
fleet/ca.crl                the broker starts again (pugmark-broker-revoked.path)
trap.toml, its unit.toml    the trap's program starts again
mcu.json of a trap          its board gets it, and starts again
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from trapbase.config import Settings
from trapkit.errors import SetupError
from trapkit.files import make_folder
from trapkit.settings import load_settings
from trapship.broker import write_broker
from trapsim.cable import Cable
from trapsim.practise import local
from trapsim.practise.machines import flash, read_mcu, settle, stamp
from trapsim.processes import Processes
from trapsim.tools import find_mosquitto

BASE, BROKER, MODEM = "base", "broker", "modem"


@dataclass(frozen=True, kw_only=True)
class Ports:
    """Free ones of this machine."""

    bus: int
    channel: int
    page: int
    updates: int


@dataclass(frozen=True, kw_only=True)
class Trap:
    """mcu: the file that `trapship flash` would take; pictures: what its camera sees."""

    number: int
    mcu: Path
    pictures: Path
    page_port: int


@dataclass(kw_only=True)
class Watched:
    """A file, what was in it last, and what is done when that is another."""

    path: Path
    act: Callable[[], None]
    last: tuple[int, int] = field(default=(0, 0))


class Station:
    """Below `state`: base/, modem/, trap-N/ with etc, var and its board; stick/ stands for /media/stick."""

    def __init__(
        self, state: Path, traps: list[Trap], modem: Path, ports: Ports, *, parked: bool, pir_s: float,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.state, self.ports = state, ports
        self._traps, self._modem, self._parked, self._pir_s, self._say = traps, modem, parked, pir_s, say
        self._processes = Processes(state / "logs")
        lines = [("modem.base", "modem.mcu"), *((f"{t.number}.pi", f"{t.number}.mcu") for t in traps)]
        self._cables = [Cable(self._line(a), self._line(b)) for a, b in lines]
        self._watched: list[Watched] = []

    def _line(self, name: str) -> Path:
        return self.state / "run" / name

    def folder(self, trap: Trap) -> Path:
        return self.state / f"trap-{trap.number}"

    @property
    def base(self) -> Path:
        return self.state / BASE

    def base_settings(self) -> Settings:
        """As its files say them now; they are read from within `base`.  Raises: SetupError."""
        return load_settings(Settings, self.base / "base.toml")

    def settle(self) -> None:
        """All that was provisioned lives on this machine from here on.  Raises: SetupError, OSError."""
        for name in ("logs", "run", "stick"):
            make_folder(self.state / name, 0o755)
        self._settle_base()
        write_broker(self.base / "broker", self.base / "fleet", self.ports.bus)
        flash(self.state / MODEM, local.modem_says(read_mcu(self._modem, "modem")))
        for trap in self._traps:
            self._settle_trap(trap)
            self._flash(trap)

    def _settle_base(self) -> None:
        ports, modem = self.ports, str(self._line("modem.base"))
        moves = {local.VAR: str(self.base), local.STICK: str(self.state / "stick")}
        settle(self.base, moves, lambda found: local.base_says(
            found, modem=modem, bus_port=ports.bus, page_port=ports.page, updates_port=ports.updates,
        ))  # fmt: skip

    def _settle_trap(self, trap: Trap) -> None:
        folder, ports = self.folder(trap), self.ports
        moves = {local.ETC: f"{folder}/etc", local.VAR: f"{folder}/var", local.STICK: str(self.state / "stick")}
        make_folder(folder / "var", 0o755)
        settle(folder / "etc", moves, lambda found: local.trap_says(
            found, line=str(self._line(f"{trap.number}.pi")), pictures=str(trap.pictures), bus_port=ports.bus,
            page_port=trap.page_port, updates_port=ports.updates,
        ))  # fmt: skip

    def _flash(self, trap: Trap) -> None:
        settings = read_mcu(trap.mcu, "supervisor")
        flash(self.folder(trap), local.supervisor_says(settings, parked=self._parked))

    def start(self) -> None:
        """Everything runs, from within `base`, as the base's settings name its files.  Raises: SetupError."""
        tools, sf = Path(sys.executable).parent, read_mcu(self._modem, "modem").get("sf", 9)
        trapsim, trapbase, channel = str(tools / "trapsim"), str(tools / "trapbase"), str(self.ports.channel)
        for cable in self._cables:
            cable.start()
        add = self._processes.add
        add(BROKER, [find_mosquitto(), "-c", str(self.base / "broker/mosquitto.conf")])
        add("channel", [
            trapsim, "channel", "--port", channel, "--sf", str(sf), "--stats", str(self.state / "run/channel.json"),
        ])  # fmt: skip
        self.base_settings()
        add(BASE, [trapbase, "run", "--config", "base.toml"])
        add(MODEM, self._unit(trapsim, self.state / MODEM, "modem.mcu", 0))
        for trap in self._traps:
            folder = self.folder(trap)
            add(f"supervisor-{trap.number}", self._unit(trapsim, folder, f"{trap.number}.mcu", trap.number))
            launcher = [sys.executable, "-m", "trapkit.update.launch", "--root", str(folder / "var/update"), "--"]
            command = [*launcher, "run", "--config", str(folder / "etc/trap.toml")]
            self._processes.add_switched(f"trapcam-{trap.number}", command, folder)
        self._watch()

    def _unit(self, trapsim: str, folder: Path, line: str, number: int) -> list[str]:
        return [
            trapsim, "unit", "--folder", str(folder), "--serial", str(self._line(line)),
            "--channel", str(self.ports.channel), "--seed", str(100 + number),
            "--pir-every", str(self._pir_s if number else 0.0),
        ]  # fmt: skip

    def _watch(self) -> None:
        def again(name: str) -> None:
            self._processes.keepers[name].kill()

        def base() -> None:
            self._settle_base()
            self.base_settings()
            again(BASE)

        watched = [(self.base / "base.toml", base), (self.base / "unit.toml", base)]
        watched.append((self.base / "fleet/ca.crl", lambda: again(BROKER)))
        for trap in self._traps:
            etc, name = self.folder(trap) / "etc", f"trapcam-{trap.number}"

            def card(trap: Trap = trap, name: str = name) -> None:
                self._settle_trap(trap)
                again(name)

            def board(trap: Trap = trap) -> None:
                self._flash(trap)
                again(f"supervisor-{trap.number}")

            watched += [(etc / "trap.toml", card), (etc / "unit.toml", card), (trap.mcu, board)]
        self._watched = [Watched(path=path, act=act, last=stamp(path)) for path, act in watched]

    def step(self) -> None:
        """Start again what has ended, and do what a changed file asks for.  Raises: ProcessGaveUp."""
        for name in self._processes.watch():
            self._say(f"{name} was started again")
        for each in self._watched:
            if stamp(each.path) in (each.last, (0, 0)):
                continue
            try:
                each.act()
                self._say(f"{each.path} has changed: taken")
            except SetupError as error:
                self._say(f"{each.path} has changed, and is left out: {error}")
            each.last = stamp(each.path)

    def stop(self) -> None:
        """End everything."""
        self._processes.stop()
        for cable in self._cables:
            cable.close()
