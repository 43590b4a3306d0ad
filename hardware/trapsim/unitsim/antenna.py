"""LoRa chips on one air. A chip lives on while its MCU sleeps; the driver in front of it is made anew at each start.

The chip refuses what micropython-lib's driver may not do (configure while it receives), so that a story finds it.
"""

from trapsim.places import Places, Tuning
from trapwire.airtime import PREAMBLE_SYMBOLS, symbol_us

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapsim.air import Transmission
    from trapsim.unitsim.world import World

STANDBY, RECEIVE, SEND, DOZE, DUTY = 0, 1, 2, 3, 4
DETECT_SYMBOLS = 8  # of a preamble that a receiver must still hear
SILENCE_DBM = -120
HEARD_DBM = -97
HEARD_SNR_QUARTERS = 22


class Packet:
    """A received frame with its signal, as the driver's `RxPacket` has it: `rssi` dBm, `snr` quarter dB."""

    def __init__(self, data: bytes, snr: int) -> None:
        self._data = data
        self.rssi = HEARD_DBM
        self.snr = snr

    def __bytes__(self) -> bytes:
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> "object":
        return iter(self._data)


class Chip:
    """One antenna's chip. reset(): as at power-on, on the channel of its board."""

    def __init__(self, air: "Aether", node: int, sf: int) -> None:
        self.air = air
        self.node = node
        self.home_sf = sf
        self.snr_quarters = HEARD_SNR_QUARTERS
        self.on_send: "Callable[[], None]" = lambda: None
        self.broken = False  # it neither sends nor hears
        self.dead = False  # its BUSY line is high for ever
        self.stuck = False  # what it sends never leaves
        self.sent = 0
        self.received = 0
        self.listen_ms = 0  # in RECEIVE; DUTY counts by its share
        self._since = 0
        air.join(self)
        self.reset()

    def reset(self) -> None:
        self._count()
        self.mode = STANDBY
        self.tuning = Tuning(self.home_sf)
        self.rx_ms = self.sleep_ms = 0
        self.sends_until: "int | None" = None
        self.heard: "list[Packet]" = []
        self.air.tune(self.node, self.tuning, self.air.world.now)

    def go(self, mode: int) -> None:
        """Change the mode; a receiver that starts hears what begins from now on."""
        self._count()
        if mode in (RECEIVE, DUTY) and self.mode not in (RECEIVE, DUTY):
            self.air.tune(self.node, self.tuning, self.air.world.now)
        self.mode = mode

    def power_w(self) -> float:
        """At 3.3 V: SX1262 data sheet, DC-DC; 0.6 µA asleep, 4.6 mA receiving, 118 mA at +22 dBm."""
        if self.mode == DUTY:
            return 0.0152 * self.rx_ms / (self.rx_ms + self.sleep_ms)
        return (0.0026, 0.0152, 0.39, 0.000002)[self.mode]

    def _count(self) -> None:
        now = self.air.world.now
        mode = getattr(self, "mode", STANDBY)
        if mode == RECEIVE:
            self.listen_ms += now - self._since
        elif mode == DUTY:
            self.listen_ms += (now - self._since) * self.rx_ms // (self.rx_ms + self.sleep_ms)
        self._since = now


class Aether(Places):
    """The air, which asks each chip whether it listens. `silent_until`: of a node, what it says does not get out and
    nothing gets to it (a wall of snow, a base without power); `burst`: share lost while a burst of noise lasts."""

    def __init__(self, world: "World", sf: int, loss: float = 0.0) -> None:
        super().__init__(sf, loss, world.dice.unit)
        self.world = world
        self.chips: "dict[int, Chip]" = {}
        self.outages: "dict[int, int]" = {}
        self.noise_until = 0

    def join(self, chip: Chip) -> None:
        self.chips[chip.node] = chip
        self.nodes.add(chip.node)

    def cut_off(self, node: int, until: int) -> None:
        """The node neither hears nor is heard until then."""
        self.outages[node] = until

    def noise(self, until: int) -> None:
        """Nobody hears anything until then."""
        self.noise_until = until

    def is_out(self, node: int) -> bool:
        return self.outages.get(node, 0) > self.world.now or self.chips[node].broken

    def hears(self, a: int, b: int) -> bool:
        return super().hears(a, b) and not self.is_out(a) and not self.is_out(b)

    def is_lost(self, receiver: int, now: int) -> bool:
        return now < self.noise_until or super().is_lost(receiver, now)

    def due(self) -> "int | None":
        return self.deadline()

    def act(self) -> None:
        for node, frame in self.advance(self.world.now):
            chip = self.chips[node]
            chip.heard.append(Packet(frame, chip.snr_quarters))
            chip.received += 1

    def _listens(self, node: int, t: "Transmission", tuning: Tuning) -> bool:
        chip = self.chips[node]
        if chip.mode == RECEIVE:
            return super()._listens(node, t, tuning)
        if chip.mode != DUTY or not chip.tuning.hears(tuning) or chip.tuning.since > t.start:
            return False
        head_us = (tuning.preamble - DETECT_SYMBOLS) * symbol_us(tuning.sf)
        if head_us >= chip.sleep_ms * 1000:
            return True
        period = chip.rx_ms + chip.sleep_ms
        return self.world.dice.below(period) * 1000 < chip.rx_ms * 1000 + head_us


class Driver:
    """`board.radio`: micropython-lib's calls and ours. check(): raises when this life is over."""

    def __init__(self, chip: Chip, check: "Callable[[], None]") -> None:
        self._chip = chip
        self._alive = check
        self._frame = b""

    def _check(self) -> None:
        """Raises: RuntimeError, as micropython-lib's driver after some ms."""
        self._alive()
        if self._chip.dead:
            raise RuntimeError("BUSY timeout", 12000)

    def standby(self) -> None:
        self._check()
        self._chip.go(STANDBY)

    def configure(self, lora_cfg: "dict[str, int]") -> None:
        """Raises: RuntimeError unless in standby, as the real chip would go wrong silently."""
        self._check()
        chip = self._chip
        if chip.mode not in (STANDBY, DOZE):
            raise RuntimeError("configure outside of standby")
        old = chip.tuning
        chip.tuning = Tuning(
            lora_cfg.get("sf", old.sf),
            lora_cfg.get("freq_khz", old.freq_khz),
            lora_cfg.get("preamble_len", old.preamble or PREAMBLE_SYMBOLS),
        )
        chip.air.tune(chip.node, chip.tuning, chip.air.world.now)

    def prepare_send(self, packet: bytes) -> None:
        self._check()
        self._chip.go(STANDBY)
        self._frame = bytes(packet)

    def start_send(self) -> None:
        self._check()
        chip = self._chip
        chip.go(SEND)
        chip.on_send()
        chip.sent += 1
        chip.sends_until = chip.air.transmit(chip.node, self._frame, chip.air.world.now)

    def poll_send(self) -> "bool | int":
        self._check()
        chip = self._chip
        if chip.sends_until is None:
            return False
        if chip.stuck or chip.air.world.now < chip.sends_until:
            return True
        ended, chip.sends_until = chip.sends_until, None
        chip.go(STANDBY)
        return ended

    def start_recv(self, continuous: bool = False) -> None:
        self._check()
        self._chip.go(RECEIVE)

    def poll_recv(self) -> "Packet | bool":
        self._check()
        heard = self._chip.heard
        return heard.pop(0) if heard else self._chip.mode in (RECEIVE, DUTY)

    def channel_busy(self) -> bool:
        self._check()
        return self._chip.air.busy(self._chip.node, self._chip.air.world.now)

    def rssi_dbm(self) -> int:
        return HEARD_DBM if self.channel_busy() else SILENCE_DBM

    def doze(self) -> None:
        self._check()
        self._chip.go(DOZE)

    def listen_asleep(self, rx_ms: int, sleep_ms: int) -> None:
        self._check()
        self._chip.go(STANDBY)
        self._chip.rx_ms, self._chip.sleep_ms = rx_ms, sleep_ms
        self._chip.go(DUTY)
