"""A base as processes: a pty for the modem and its trap, settings, a log."""

import os
import pty
import select
import struct
import subprocess
import sys
import tty
import urllib.request
from pathlib import Path

from tests.base.parts import BOX, NOW, SIGNING, alert, envelope, picture
from tests.support import Broker, free_port
from trapkit.aes import AesCcm
from trapkit.sealing import seal_box
from trapwire.errors import WireError
from trapwire.fragments import Reassembly, cut, read_fragment
from trapwire.frame import ACK, ALERT, FRAGMENT, Frame
from trapwire.linkkeys import UP, LinkKey
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import CROP, RECEIPT, Envelope, ObjectKey
from trapwire.payloads import decode_ack, encode_ack, encode_alert_payload
from trapwire.serialline import HEARD, HELLO, TRANSMIT, SerialDecoder, encode_message

TOOLS = Path(sys.executable).parent


LINK_KEY = bytes(range(16))  # of trap 1


FRAME_BYTES = 197


class Modem:
    """Plays the modem and one trap behind it, on a pty: sends what is not acknowledged, again and again."""

    def __init__(self, folder: Path) -> None:
        self._fd, slave = pty.openpty()
        tty.setraw(slave)
        self._slave = slave  # kept open, so that a killed gateway does not hang up the line
        self.path = folder / "modem"
        self.path.symlink_to(os.ttyname(slave))
        self._decoder = SerialDecoder()
        self._counter = 0
        self.key = LinkKey(LINK_KEY, 1, UP, AesCcm)
        self.waiting: dict[ObjectKey, Envelope] = {}
        self.receipts: set[ObjectKey] = set()
        self._pieces: dict[int, bytes] = {}
        self._silent = 0

    def _send(self, kind: int, payload: bytes, trap: int, *, poll: bool) -> None:
        self._counter += 1
        assert trap == 1, "the only one with a key"
        frame = self.key.seal(kind, poll, self._counter, payload)
        os.write(self._fd, encode_message(HEARD, struct.pack(">hb", -97, 25) + frame))

    def step(self) -> bool:
        """One round; whether everything is acknowledged."""
        ready, _, _ = select.select([self._fd], [], [], 0.02)
        for kind, payload in self._decoder.feed(os.read(self._fd, 65536)) if ready else []:
            if kind == HELLO:
                os.write(self._fd, encode_message(HELLO, struct.pack(">BIBH", 9, 470300, 0, 0)))
                continue
            assert kind == TRANSMIT
            self._hear(self.key.open(payload))
        self._silent += 1
        if self._silent >= 15:
            self._silent = 0
            self._talk()
        return not self.waiting

    def _talk(self) -> None:
        trap = 1
        for e in list(self.waiting.values())[:2]:
            trap = e.key.trap
            if e.key.rung == ALERT_RUNG:
                self._send(ALERT, encode_alert_payload(e.key, e.body), trap, poll=False)
            for piece in cut(e.encode(), FRAME_BYTES) if e.key.rung != ALERT_RUNG else []:
                self._send(FRAGMENT, piece, trap, poll=False)
        # An empty word with poll, so that the base says what it has.
        self._send(ACK, encode_ack([k for k in self.receipts if k.trap == trap][-4:]), trap, poll=True)

    def _hear(self, frame: Frame) -> None:
        if frame.kind == ACK:
            for key in decode_ack(frame.address, frame.payload):
                self.waiting.pop(key, None)
        elif frame.kind == FRAGMENT:
            self._pieces[len(self._pieces)] = frame.payload
            self._gather()

    def _gather(self) -> None:
        reassembly = Reassembly()
        for piece in self._pieces.values():
            try:
                _, found = reassembly.add(read_fragment(piece), 0)
            except WireError:
                continue
            if found is not None and found.key.rung == RECEIPT:
                self.receipts.add(found.key)
                self._pieces = {}
                return
        if len(self._pieces) > 200:
            self._pieces = {}

    def close(self) -> None:
        os.close(self._fd)
        os.close(self._slave)


class Site:
    """A base's settings and its processes."""

    def __init__(self, folder: Path, broker: Broker) -> None:
        self.folder = folder
        self.page_port, self.backend_port = free_port(), free_port()
        self.modem = Modem(folder)
        for name, data in (("box", BOX), ("backend", SIGNING)):
            (folder / f"{name}.key").write_text(bytes(data).hex())
        (folder / "backend.pub").write_text(bytes(SIGNING.verify_key).hex() + "\n")
        (folder / "link").mkdir()
        (folder / "link" / "1.key").write_text(LINK_KEY.hex() + "\n")
        self.config = folder / "base.toml"
        self.config.write_text(f"""
name = "north"
folder = "{folder}/base"
box_key = "{folder}/box.key"
[bus]
port = {broker.port}
certificates = "{broker.fleet}"
[gateway]
serial = "{self.modem.path}"
plan = "cn470"
sf = 9
keys = "{folder}/link"
republish_ms = 500
[batch]
max_age_s = 0.5
max_events = 3
[upload]
url = "http://127.0.0.1:{self.backend_port}"
public_key = "{folder}/backend.pub"
chunk_bytes = 1024
retry_min_s = 0.1
retry_max_s = 0.5
receipt_poll_s = 0.1
down_republish_ms = 300
[page]
port = {self.page_port}
[[trap]]
number = 1
station = "S001"
side = "left"
latitude = 43.1
longitude = 131.4
""")
        self.processes: list[subprocess.Popen[bytes]] = []

    def run(self, *command: str, **environ: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            program, *more = command
            env = os.environ | environ
            process = subprocess.Popen([str(TOOLS / program), *more], stdout=log, stderr=log, env=env)
        self.processes.append(process)
        return process

    def base(self, *more: str, **environ: str) -> subprocess.Popen[bytes]:
        return self.run("trapbase", "run", "--config", str(self.config), *more, **environ)

    def backend(self) -> subprocess.Popen[bytes]:
        key = str(self.folder / "backend.key")
        where = ("--folder", str(self.folder / "backend"), "--port", str(self.backend_port))
        return self.run("trapsim", "backend", *where, "--key", key)

    def get(self, port: int, path: str) -> bytes:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return bytes(answer.read())
        except OSError:
            return b"{}"

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()

    def close(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        self.modem.close()


def objects(count: int) -> dict[ObjectKey, Envelope]:
    sealed = [seal_box(bytes(BOX.public_key), picture(n)) for n in range(count)]
    alerts = [envelope(1, n, ALERT_RUNG, alert(NOW + n * 1000)) for n in range(count)]
    crops = [envelope(1, n, CROP, sealed[n]) for n in range(count)]
    return {e.key: e for e in alerts + crops}
