"""A board on the bench: serial line and radio in memory, flash in a folder, time by hand. Both interpreters."""

import os

from tests.wire.keys import Aes
from tests.wire.world import Random
from trapwire.serialline import MODE, SerialDecoder, encode_message

_made = [0]


def make_folder():
    """A new empty folder."""
    root = os.getenv("TMPDIR") or "/tmp"
    while True:
        _made[0] += 1
        path = "%s/pugmark-bench-%d-%d" % (root, id(_made), _made[0])
        try:
            os.mkdir(path)
        except OSError:
            continue
        return path


def remove_folder(path):
    for name in os.listdir(path):
        full = path + "/" + name
        if os.stat(full)[0] & 0x4000:
            remove_folder(full)
        else:
            os.remove(full)
    os.rmdir(path)


class Packet:
    """As the driver's RxPacket: bytes with a signal."""

    def __init__(self, data, rssi=-90, snr=20):
        self._data = data
        self.rssi = rssi
        self.snr = snr

    def __iter__(self):
        return iter(self._data)

    def __len__(self):
        return len(self._data)


class BenchRadio:
    """Keeps what is sent in `air`; hands out what is put into `incoming`."""

    def __init__(self):
        self.air = []
        self.incoming = []
        self.busy = False
        self.sf = None  # as long as it is what the board was made with
        self.tuned = []  # what it was configured to, in order
        self.listening = False
        self._frame = b""
        self._sending = False

    def standby(self):
        self.listening = False

    def configure(self, lora_cfg):
        if self.listening or self._sending:
            raise RuntimeError("only in standby")
        self.sf = lora_cfg["sf"]
        self.tuned.append(lora_cfg)

    def prepare_send(self, packet):
        self._frame = bytes(packet)

    def start_send(self):
        self.air.append(self._frame)
        self._sending = True

    def poll_send(self):
        if not self._sending:
            return False
        self._sending = False
        return 1

    def start_recv(self, continuous=False):
        self.listening = continuous

    def doze(self):
        self.listening = False
        self.tuned.append("dozes")

    def listen_asleep(self, rx_ms, sleep_ms):
        self.tuned.append((rx_ms, sleep_ms))

    def poll_recv(self):
        return Packet(self.incoming.pop(0)) if self.incoming else True

    def channel_busy(self):
        return self.busy


class BenchBoard:
    """What `trapmcu` asks of a board; the test plays the Pi and the air."""

    def __init__(self, flash, seed=3):
        self.flash = flash
        self.radio = BenchRadio()
        self.now = 1000
        self.edges = 0
        self.mv = None
        self.celsius = None
        self.cause = 0
        self.woke = 0
        self.kept = True
        self.memory = b""
        self.switched = []  # the Pi's load switch
        self.halted = None
        self.held = 0  # inputs that are high, as wake sources
        self.lid = None
        self.mended = 0  # how often the radio was reset
        self.held_ms = 0  # of the button
        self.lit = []
        self.modes = []  # that the Pi was told
        self._to_board = b""
        self._from_board = b""
        self._random = Random(seed)

    def now_ms(self):
        return self.now

    def random(self, below):
        return self._random.below(below)

    def uart_read(self):
        data, self._to_board = self._to_board, b""
        return data

    def uart_write(self, data):
        self._from_board += data

    def aes(self, key):
        return Aes(key)

    def battery_mv(self):
        return self.mv

    def temperature_c(self):
        return self.celsius

    def clock_kept(self):
        return self.kept

    def reset_cause(self):
        return self.cause

    def woke_by(self):
        return self.woke

    def retained(self):
        return self.memory

    def retain(self, data):
        self.memory = data

    def pi_power(self, on):
        self.switched.append(on)

    def pi_halted(self):
        return self.halted

    def button(self):
        held, self.held_ms = self.held_ms, 0
        return held

    def high(self):
        return self.held

    def lid_open(self):
        return self.lid

    def start_radio(self):
        self.mended += 1

    def lamp(self, on):
        self.lit.append(on)

    def beep(self, on):
        pass

    def pir_edges(self):
        edges, self.edges = self.edges, 0
        return edges

    def say(self, kind, payload):
        """The other end of the line says something."""
        self._to_board += encode_message(kind, payload)

    def said(self):
        """What the unit has said since the last call, but for the modes: those are in `modes`."""
        data, self._from_board = self._from_board, b""
        messages = SerialDecoder().feed(data)
        self.modes += [payload[0] for kind, payload in messages if kind == MODE]
        return [message for message in messages if message[0] != MODE]
