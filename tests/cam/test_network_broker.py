"""The network over a real Mosquitto with TLS: full frames, slow links, certificates that do not fit."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cam_parts import BACKEND, BASE, CAT, NOW, REVIEWER, PtySupervisor, write_picture
from records import SOURCE, kept
from tests.support import Broker, wait_for

from trapbase import ingest, receipts
from trapbase.config import BatchSettings, UploadSettings
from trapbase.config import TrapSettings as BaseTrap
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.store import Store
from trapbase.upload import Uploader
from trapcam import cmd_run
from trapcam.cli import main
from trapcam.network import MAX_PACKET_BYTES, Network, subscriptions
from trapcam.outbox import FULL_FOLDER, Outbox, open_outbox
from trapcam.states import DELETED, DELIVERED
from trapkit import bus as kit_bus
from trapkit import topics
from trapkit.bus import Bus
from trapship.broker import MAX_INFLIGHT_BYTES, MAX_QUEUED_BYTES
from trapship.certificates import revoke
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_store import BackendStore
from trapwire.objects import ALERT, CROP, FULL

PROGRAM = Path(__file__).parent / "scripted_trap.py"
TRAP = 7
KEY = bytes(BACKEND.verify_key)
FULL_BYTES = 5_000_000


class Base:
    """Ingest, batches, uploads and receipts as they are, on a real broker; the back end answers directly."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.store = Store(folder / "base")
        self.backend = BackendStore(folder / "backend", bytes(BACKEND))
        settings = UploadSettings(receipt_poll_s=0.1, retry_min_s=0.1, chunk_bytes=1 << 20)
        outlet = DirectOutlet(self.backend)
        traps = {TRAP: BaseTrap(number=TRAP, station="S1", latitude=43.1, longitude=131.4)}
        cutter = Cutter(self.store, traps, BatchSettings(max_age_s=0, max_wait_s=3600), None)
        uploader = Uploader(self.store, cutter, outlet, settings, lambda: 0.5)
        down = receipts.Receipts(
            self.store, uploader, outlet, broker.bus("forward", *receipts.SUBSCRIPTIONS), KEY, settings
        )
        self.ingest = ingest.Ingest(broker.bus("ingest", *ingest.SUBSCRIPTIONS), self.store)
        self.forward = Forward(cutter, uploader, down)

    def step(self) -> None:
        now = time.monotonic_ns() // 1_000_000
        self.ingest.step(now, NOW)
        self.forward.step(now, NOW + now % 1_000_000)  # batches are cut by this clock

    def close(self) -> None:
        self.store.close()
        self.backend.close()


@pytest.fixture
def base(broker: Broker, tmp_path: Path) -> Iterator[Base]:
    made = Base(broker, tmp_path)
    yield made
    made.close()


def trap_bus(broker: Broker, port: int) -> Bus:
    files = (broker.fleet / "ca.crt", broker.fleet / f"{TRAP}.crt", broker.fleet / f"{TRAP}.key")
    return Bus("127.0.0.1", port, *files, str(TRAP), subscriptions(TRAP), max_packet_bytes=MAX_PACKET_BYTES)


@pytest.fixture
def bus(broker: Broker) -> Iterator[Bus]:
    made = trap_bus(broker, broker.port)
    made.start()
    yield made
    made.stop()


def test_a_full_frame_of_5_mb_travels_to_the_back_end_and_is_let_go_by_its_receipt(
    outbox: Outbox, bus: Bus, base: Base, tmp_path: Path
) -> None:
    full = os.urandom(FULL_BYTES)
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0, full=full))
    digest = outbox._digest(1, FULL)
    assert digest is not None
    network = Network(bus, outbox, KEY)

    def everything_is_receipted() -> bool:
        network.step(time.time_ns() // 1_000_000)
        base.step()
        return len(outbox.in_state(DELETED)) == 4

    wait_for(everything_is_receipted, 40)
    assert base.store.media.read(digest) == full
    assert list((tmp_path / "data" / FULL_FOLDER).iterdir()) == []
    packages = [p.read_bytes() for p in (tmp_path / "backend" / "packages").iterdir()]
    assert sum(full in package for package in packages) == 1
    assert network.counts["published"] == 4, "each once"
    assert network.trouble == ""


class SlowLink:
    """A way to the broker that carries `bytes_per_s` upwards."""

    def __init__(self, port: int, bytes_per_s: int) -> None:
        self._rate = bytes_per_s
        self._to = port
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()
        self._open: list[socket.socket] = [self._socket]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()
        self.port = self._socket.getsockname()[1]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._socket.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
                self._open += [near, far]
                for pair in ((near, far, self._rate), (far, near, 1 << 30)):
                    self._threads.append(threading.Thread(target=self._carry, args=pair))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, target: socket.socket, rate: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(max(1, rate // 50)):
                target.sendall(data)
                time.sleep(len(data) / rate)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()


def test_a_slow_link_does_not_cost_a_full_frame_its_connection(
    outbox: Outbox, broker: Broker, base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes several times longer than paho waits for the answer to a ping."""
    monkeypatch.setattr(kit_bus, "KEEPALIVE_S", 1)
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0, full=os.urandom(FULL_BYTES)))
    link = SlowLink(broker.port, 1_000_000)
    bus = trap_bus(broker, link.port)
    bus.start()
    network = Network(bus, outbox, KEY)

    def delivered() -> bool:
        network.step(time.time_ns() // 1_000_000)
        base.ingest.step(time.monotonic_ns() // 1_000_000, NOW)
        return len(outbox.in_state(DELIVERED)) == 4

    try:
        wait_for(delivered, 40)
        assert bus._connection == 1
        assert network.counts["published"] == 4
    finally:
        bus.stop()
        link.close()


def test_a_full_frame_on_a_slow_link_does_not_hold_up_the_end(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmd_run, "GOODBYE_S", 0.5)
    link = SlowLink(broker.port, 20_000)
    bus = trap_bus(broker, link.port)
    with cmd_run.running(bus):
        wait_for(lambda: bus.connected)
        assert bus.publish(topics.up(TRAP, "full"), bytes(FULL_BYTES))
        asked = time.monotonic()
    assert time.monotonic() - asked < 5
    link.close()
    bus.stop()


def test_what_a_slow_base_has_open_is_bounded_in_bytes(broker: Broker) -> None:
    """A dozen traps send their largest full frames at once: the broker lets go of some, which their traps repeat."""
    size = 12_000_000
    bound = MAX_INFLIGHT_BYTES + MAX_QUEUED_BYTES + size
    carrier, slow = broker.bus("carrier"), broker.bus("ingest", *ingest.SUBSCRIPTIONS)
    for number in range(1, 13):
        assert carrier.publish(topics.up(number, "full"), bytes(size))
    wait_for(lambda: not carrier._outstanding)
    seen: set[str] = set()

    def last_has_come() -> bool:
        with slow._lock:
            assert sum(len(message.payload) for message in slow._received) <= bound
        carrier.publish(topics.up(13, "alert"), b"x")  # finds room when the others are gone
        for message in slow.take(1):
            seen.add(message.topic)
            message.acknowledge()
        return topics.up(13, "alert") in seen

    wait_for(last_has_come)
    assert 2 < len(seen) - 1 <= bound // size < 12


def test_a_trap_cannot_publish_as_another(bus: Bus, base: Base, tmp_path: Path) -> None:
    """The certificate says 7; an outbox of trap 8 gets nothing through, and its operator is told."""
    outbox = open_outbox(tmp_path / "eight", 8, NOW)
    outbox.declare_source(SOURCE, None)
    outbox.commit(kept(0))
    network = Network(bus, outbox, KEY)
    started = time.monotonic()

    def told() -> bool:
        seconds = time.monotonic() - started
        network.step(NOW + round(seconds * 30_000))  # half a minute of the trap's a second
        base.step()
        return "denied: Not authorized" in network.trouble

    wait_for(told)
    assert not network.serving
    assert outbox.in_state(DELIVERED) == []
    assert base.store.all_objects([7, 8], 9) == []
    outbox.close()


@pytest.fixture
def config(tmp_path: Path, pictures: Path, fleet: Path) -> Path:
    """Settings of a trap with one cat to see, and its own copy of the fleet's folder."""
    write_picture(pictures / "0.png", CAT)
    (tmp_path / "base.pub").write_text(bytes(BASE.public_key).hex())
    (tmp_path / "backend.pub").write_text(KEY.hex())
    (tmp_path / "recipients.txt").write_text(str(REVIEWER.to_public()))
    shutil.copytree(fleet, tmp_path / "fleet")
    path = tmp_path / "trapcam.toml"
    path.write_text(f"""\
trap = {TRAP}
data = "{tmp_path}/data"
[supervisor]
port = "{tmp_path}/tty"
[camera.replay]
folder = "{pictures}"
[trigger]
source = "interval"
interval_s = 0.1
[keys]
base = "{tmp_path}/base.pub"
receipts = "{tmp_path}/backend.pub"
recipients = "{tmp_path}/recipients.txt"
[network]
host = "127.0.0.1"
certificates = "{tmp_path}/fleet"
""")
    return path


def test_a_revoked_certificate_is_refused_in_words_and_the_radio_goes_on(
    config: Path, mosquitto: str, supervisor: PtySupervisor, tmp_path: Path
) -> None:
    revoke(tmp_path / "fleet", str(TRAP))
    broker = Broker(mosquitto, tmp_path / "broker", tmp_path / "fleet")
    broker.start()
    config.write_text(config.read_text() + f"port = {broker.port}\n")
    log = tmp_path / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen([sys.executable, str(PROGRAM), "run", "--config", str(config)], stderr=stderr)
    try:

        def by_radio() -> bool:
            supervisor.step_live(0.02)
            return len(supervisor.queue) == 2 and "revoked" in log.read_text()

        wait_for(by_radio, 40)
        refused_once = time.monotonic()
        wait_for(lambda: supervisor.step_live(0.02) or time.monotonic() - refused_once > 3)  # it tries again meanwhile
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
        broker.stop()
    told = [line for line in log.read_text().splitlines() if line.startswith("network (the radio goes on): ")]
    assert len(told) == 1, told
    assert f"does not accept {tmp_path}/fleet/7.crt: it was revoked" in told[0]
    assert {key.rung for key in supervisor.queue} == {ALERT, CROP}


@pytest.mark.parametrize("name", ["ca.crt", "7.crt", "7.key"])
def test_a_certificate_that_is_missing_is_named(
    config: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "check", "--config", str(config)]) == 0
    (tmp_path / "fleet" / name).unlink()
    for command in (["config", "check"], ["run"]):
        assert main([*command, "--config", str(config)]) == 2
        assert f"{tmp_path}/fleet/{name}" in capsys.readouterr().err


def test_the_whole_trap_publishes_and_takes_its_receipt(
    config: Path, broker: Broker, base: Base, supervisor: PtySupervisor, tmp_path: Path
) -> None:
    """`trapcam run` as a process, with its supervisor and its base."""
    config.write_text(config.read_text() + f"port = {broker.port}\n")
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), "run", "--config", str(config)], stderr=subprocess.DEVNULL
    )
    full = tmp_path / "data" / FULL_FOLDER
    try:

        def let_go() -> bool:
            supervisor.step_live(0.02)
            base.step()
            stored = base.store.all_objects([TRAP], 9)
            return len(stored) == 4 and not any(full.iterdir())

        wait_for(let_go, 40)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()
