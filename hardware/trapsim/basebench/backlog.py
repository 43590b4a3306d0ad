"""A season's backlog into real processes: Mosquitto, `trapbase run` with all but the modem, the back end over HTTP.

Everything is published as a gateway would, as fast as it is acknowledged. At half of it the base is killed (`kill -9`)
and started again. The end: every object is signed for at the base, and every receipt is taken.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trapbase.gateway import SUBSCRIPTIONS
from trapbase.reader import Reader
from trapkit import topics
from trapkit.bus import Bus
from trapkit.errors import SetupError, StorageError
from trapkit.files import write_atomically
from trapship.broker import write_broker
from trapship.certificates import make_fleet
from trapsim.basebench.feed import BEGIN_MS, BOX, Season, listed, season
from trapsim.basebench.rig import SIGNING
from trapsim.processes import Processes
from trapsim.site import free_port
from trapsim.tools import find_mosquitto
from trapwire.errors import WireError
from trapwire.objects import RUNG_NAMES, Envelope, ObjectKey, decode_envelope, pack_keys, unpack_keys

WINDOW = 1500  # objects under way, published and not acknowledged
AGAIN_S = 20.0  # then they are published again, as gateways do
LIMIT_S = 3600.0  # the target
SAY_S = 15.0


@dataclass(kw_only=True)
class _Traps:
    """All traps and their gateway: what is under way, and what came back."""

    bus: Bus
    waiting: dict[ObjectKey, tuple[Envelope, float]] = field(default_factory=dict)
    acknowledged: int = 0
    last_ack_s: float = 0.0

    def publish(self, envelope: Envelope) -> bool:
        key = envelope.key
        said = {"base": "north", "rssi_dbm": "-97", "snr_db": "6.25", "received_ms": str(BEGIN_MS)}
        if not self.bus.publish(topics.up(key.trap, RUNG_NAMES[key.rung]), envelope.encode(), said):
            return False
        self.waiting[key] = (envelope, time.monotonic())
        return True

    def take(self) -> bool:
        """Acknowledgements in, receipts taken; whether there was anything."""
        messages = self.bus.take(256)
        for message in messages:
            address = topics.parse(message.topic)
            try:
                if address is not None and address.kind == topics.ACK:
                    for key in unpack_keys(message.payload):
                        self.acknowledged += self.waiting.pop(key, None) is not None
                    self.last_ack_s = time.monotonic()
                elif address is not None and address.kind == topics.DOWN:
                    key = decode_envelope(message.payload).key
                    self.bus.publish(topics.downack(key.trap), pack_keys([key]))
            except WireError as error:
                raise SetupError(f"the base published what is none of ours: {error}") from error
            message.acknowledge()
        return bool(messages)

    def again(self) -> None:
        """What nobody acknowledged for long is published once more."""
        old = time.monotonic() - AGAIN_S
        for envelope, at_s in list(self.waiting.values()):
            if at_s < old and not self.publish(envelope):
                return


def bench_backlog(folder: Path, plan: Season, say: Callable[[str], None]) -> dict[str, Any]:
    """Seconds for `plan`, memory of the base's process, and how soon it acknowledged after the kill.

    Raises: SetupError when a process gives up, or the hour is over.
    """
    for name in ("keys", "logs", "base"):
        (folder / name).mkdir(parents=True)
    ports = (free_port(), free_port(), free_port())
    _write(folder, plan, ports)
    counts = plan.counts()
    processes = Processes(folder / "logs")
    tools = Path(sys.executable).parent
    backend = [
        "--folder",
        str(folder / "backend"),
        "--port",
        str(ports[1]),
        "--key",
        str(folder / "keys" / "backend.key"),
    ]
    base = [str(tools / "trapbase"), "run", "--only", "ingest,forward,page", "--config", str(folder / "base.toml")]
    fleet = folder / "fleet"
    bus = Bus(
        "127.0.0.1", ports[0], fleet / "ca.crt", fleet / "gateway.crt", fleet / "gateway.key", "bench-gateway",
        SUBSCRIPTIONS,
    )  # fmt: skip
    try:
        processes.add("backend", [str(tools / "trapsim"), "backend", *backend])
        processes.add("broker", [find_mosquitto(), "-c", str(folder / "broker" / "mosquitto.conf")])
        processes.add("base", base)
        bus.start()
        return {"season": counts, "traps": plan.traps, "days": plan.days} | _play(
            processes, _Traps(bus=bus), folder, plan, say
        )  # fmt: skip
    finally:
        bus.stop()
        processes.stop()


def _play(
    processes: Processes, traps: _Traps, folder: Path, plan: Season, say: Callable[[str], None]
) -> dict[str, Any]:
    total = plan.counts()["objects"]
    _until(lambda: traps.bus.connected and (folder / "base" / "base.sqlite3").exists(), processes, 120.0)
    objects = season(plan)
    started = said_s = looked_s = time.monotonic()
    held: Envelope | None = None
    memory: dict[str, float] = {}
    restart_s = 0.0
    while traps.acknowledged < total:
        moved = traps.take()
        while len(traps.waiting) < WINDOW and (held or (held := next(objects, None))) and traps.publish(held):
            held, moved = None, True
        now = time.monotonic()
        if now - looked_s > 1.0:
            looked_s = now
            traps.again()
            processes.watch()
            memory["peak_mb"] = max(memory.get("peak_mb", 0.0), _resident_mb(processes))
        if not restart_s and traps.acknowledged >= total // 2:
            memory["half_mb"] = _resident_mb(processes)
            restart_s = _kill(processes, traps)
        if now - said_s > SAY_S:
            said_s = now
            say(f"{traps.acknowledged} of {total} objects acknowledged after {now - started:.0f} s…")
        if now - started > LIMIT_S:
            raise SetupError(f"after an hour {traps.acknowledged} of {total} objects were acknowledged")
        if not moved:
            time.sleep(0.002)
    acknowledged_s = time.monotonic() - started
    say(f"all acknowledged after {acknowledged_s:.0f} s; until the back end has signed for all…")
    reader = Reader(folder / "base")
    _until(lambda: _signed(traps, reader, total), processes, LIMIT_S - acknowledged_s)
    seconds = time.monotonic() - started
    memory["end_mb"] = _resident_mb(processes)
    memory["peak_mb"] = max(memory["peak_mb"], memory["end_mb"])
    summary = reader.summary()
    reader.close()
    return {
        "acknowledged_s": round(acknowledged_s, 1), "seconds": round(seconds, 1),
        "objects_per_s": round(total / seconds), "first_ack_after_kill_s": round(restart_s, 2),
        "batches": sum(summary["batches"].values()), "repeats": summary["counters"]["repeats"],
        "bytes": sum(path.stat().st_size for path in (folder / "backend" / "packages").iterdir()),
    } | {name: round(value, 1) for name, value in memory.items()}  # fmt: skip


def _signed(traps: _Traps, reader: Reader, total: int) -> bool:
    while traps.take():
        pass
    try:
        found = reader.summary()
    except StorageError:
        return False
    return bool(found["objects"] == {"receipted": total} and set(found["receipts"]) == {"delivered"})


def _until(done: Callable[[], bool], processes: Processes, limit_s: float) -> None:
    """Wait for what real processes do in their own time.  Raises: SetupError."""
    deadline = time.monotonic() + limit_s
    while not done():
        processes.watch()
        if time.monotonic() > deadline:
            raise SetupError(f"it took over {limit_s:.0f} s; the processes' words are in their logs")
        time.sleep(0.05)


def _kill(processes: Processes, traps: _Traps) -> float:
    """`kill -9` the base and start it at once; seconds from there to its first acknowledgement."""
    keeper = processes.keepers["base"]
    keeper.kill()
    while traps.take():
        pass  # what it had said before
    killed_s = time.monotonic()
    keeper.start()
    while traps.last_ack_s < killed_s:
        traps.take()
        processes.watch()
        if time.monotonic() - killed_s > 120.0:
            raise SetupError("the base acknowledged nothing for two minutes after a kill")
        time.sleep(0.01)
    return traps.last_ack_s - killed_s


def _resident_mb(processes: Processes) -> float:
    process = processes.keepers["base"].process
    try:
        text = Path(f"/proc/{process.pid if process else 0}/status").read_text()
    except OSError:
        return 0.0
    fields = dict(line.split(":", 1) for line in text.splitlines())
    return int(fields.get("VmRSS", "0").split()[0]) / 1024


def _write(folder: Path, plan: Season, ports: tuple[int, int, int]) -> None:
    """Keys, certificates and settings: the defaults, but that the last batch does not wait its five minutes."""
    keys = folder / "keys"
    for name, data in (
        ("base.key", bytes(BOX)), ("backend.key", bytes(SIGNING)), ("backend.pub", bytes(SIGNING.verify_key)),
    ):  # fmt: skip
        write_atomically(keys / name, (data.hex() + "\n").encode(), mode=0o600)
    make_fleet(folder / "fleet")
    write_broker(folder / "broker", folder / "fleet", ports[0])
    text = f"""\
name = "north"
folder = "{folder / "base"}"
box_key = "{keys / "base.key"}"
unit_keys = "{keys / "units"}"
[bus]
port = {ports[0]}
certificates = "{folder / "fleet"}"
[batch]
max_age_s = 10
[upload]
url = "http://127.0.0.1:{ports[1]}"
public_key = "{keys / "backend.pub"}"
[page]
port = {ports[2]}
"""
    for trap in listed(plan.traps).values():
        text += f"""\
[[trap]]
number = {trap.number}
station = "{trap.station}"
side = "{trap.side}"
latitude = {trap.latitude:.2f}
longitude = {trap.longitude:.2f}
"""
    write_atomically(folder / "base.toml", text.encode())
