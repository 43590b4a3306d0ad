"""The base's upload beside a bare tus client: the same server over real HTTP, the same chunks, packages as large.

The bare client is the plainest there is: one connection, POST, then PATCH after PATCH from an open file, nothing kept.
In turn, package by package. The server (`trapsim backend`) syncs every chunk before it answers.
"""

import hashlib
import http.client
import socket
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from trapbase.config import BatchSettings, UploadSettings
from trapbase.cutter import Cutter
from trapbase.forward import Forward
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.model import Batch
from trapbase.store import Store
from trapbase.tus import TusOutlet
from trapbase.upload import Uploader
from trapkit import topics
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapsim.basebench.feed import BEGIN_MS, BOX, EPOCH, alert, listed
from trapsim.basebench.rig import SIGNING
from trapsim.memorybus import MemoryBroker
from trapsim.processes import Processes
from trapsim.site import free_port
from trapwire.objects import ALERT, FULL, RUNG_NAMES, Envelope, ObjectKey

FULL_BYTES = 1_000_000  # a sealed full frame


def bench_goodput(folder: Path, rounds: int, frames: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Goodput in MB/s, and the median of the rounds' ratios; a round is a package of `frames` full frames each."""
    say(f"upload: {rounds} packages of {frames} MB each way…")
    (folder / "logs").mkdir(parents=True)
    write_atomically(folder / "key", (bytes(SIGNING).hex() + "\n").encode(), mode=0o600)
    port = free_port()
    processes = Processes(folder / "logs")
    tool = str(Path(sys.executable).parent / "trapsim")
    processes.add(
        "backend",
        [tool, "backend", "--folder", str(folder / "backend"), "--port", str(port), "--key", str(folder / "key")],
    )
    try:
        _wait(port, processes)
        settings = UploadSettings(url=f"http://127.0.0.1:{port}")
        return _play(folder, rounds, frames, settings)
    finally:
        processes.stop()


def _play(folder: Path, rounds: int, frames: int, settings: UploadSettings) -> dict[str, Any]:
    ours, theirs = (_Base(folder / name, trap, rounds, frames) for name, trap in (("ours", 1), ("theirs", 2)))
    outlet = TusOutlet(settings.url, settings.timeout_s)
    forward = Forward(ours.cutter, Uploader(ours.store, ours.cutter, outlet, settings, lambda: 1.0), None)
    port = int(settings.url.rpartition(":")[2])
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    for number, name in enumerate([b.batch_id for b in theirs.batches()]):
        path = theirs.cutter.path(name)
        pair: list[tuple[str, Callable[[], int]]] = [
            ("ours", partial(_forward, forward, ours, number + 1)),
            ("bare", partial(_upload, port, path, name, settings.chunk_bytes)),
        ]
        for which, work in pair if number % 2 else pair[::-1]:
            started = time.perf_counter()
            rates[which].append(work() / (time.perf_counter() - started) / 1e6)
    outlet.close()
    ours.close()
    theirs.close()
    return {
        "ours_mb_per_s": round(median(rates["ours"]), 2),
        "bare_mb_per_s": round(median(rates["bare"]), 2),
        "ratio": round(median(a / b for a, b in zip(rates["ours"], rates["bare"], strict=True)), 3),
        "ratio_of_sums": round(sum(1 / r for r in rates["bare"]) / sum(1 / r for r in rates["ours"]), 3),
        "chunk_bytes": settings.chunk_bytes, "packages": rounds, "package_mb": frames,
    }  # fmt: skip


def _forward(forward: Forward, base: "_Base", done: int) -> int:
    """Drive the base until so many of its packages are uploaded; the size of the last one."""
    pieces = 0
    while True:
        moved = forward.step(time.monotonic_ns() // 1_000_000, BEGIN_MS)
        if forward.storage_error:
            raise SetupError(forward.storage_error)
        pieces += 1
        if (not moved or pieces > base.pieces) and len(uploaded := base.batches(("uploaded",))) >= done:
            return uploaded[-1].size


class _Base:
    """A store with `rounds` batches, cut and not uploaded, each of `frames` full frames."""

    def __init__(self, folder: Path, trap: int, rounds: int, frames: int) -> None:
        self.pieces = frames * FULL_BYTES // UploadSettings().chunk_bytes  # of a package, at least
        broker = MemoryBroker()
        self.store = Store(folder)
        ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), self.store, group=8)
        rules = BatchSettings(max_events=frames, max_wait_s=0, max_bytes=25_000_000)
        self.cutter = Cutter(self.store, listed(2), rules, bytes(BOX))
        self.cutter.recover()
        for number in range(1, rounds * frames + 1):
            body = hashlib.shake_128(b"%d %d" % (trap, number)).digest(FULL_BYTES)
            for rung, data in ((ALERT, alert(BEGIN_MS + number * 1000, number)), (FULL, body)):
                envelope = Envelope(ObjectKey(trap, EPOCH, number, rung), data)
                broker.deliver(topics.up(trap, RUNG_NAMES[rung]), envelope.encode(), {})
            while ingest.step(0, BEGIN_MS):
                pass
            if number % frames == 0 and self.cutter.step(BEGIN_MS + number) is None:
                raise SetupError("the measured base cut no batch")

    def batches(self, states: tuple[str, ...] = ("cut",)) -> list[Batch]:
        return self.store.batches_in(states, 1000)

    def close(self) -> None:
        self.store.close()


def _upload(port: int, path: Path, name: str, chunk_bytes: int) -> int:
    line = http.client.HTTPConnection(
        "127.0.0.1", port, timeout=30
    )  # the server hangs up on one that was silent for 5 s
    size = path.stat().st_size
    tus = {"Tus-Resumable": "1.0.0"}
    said = {"Upload-Length": str(size), "Upload-Metadata": f"batch_id {b64encode(name.encode()).decode()}"}
    url = _ask(line, "POST", "/files", tus | said, b"", 201).headers["Location"]
    kind = {"Content-Type": "application/offset+octet-stream"}
    with path.open("rb") as file:
        for offset in range(0, size, chunk_bytes):
            _ask(line, "PATCH", url, tus | kind | {"Upload-Offset": str(offset)}, file.read(chunk_bytes), 204)
    line.close()
    return size


def _ask(
    line: http.client.HTTPConnection, method: str, url: str, headers: dict[str, str], body: bytes, status: int
) -> http.client.HTTPResponse:
    line.request(method, url, body, headers)
    answer = line.getresponse()
    said = answer.read()
    if answer.status != status:
        raise SetupError(
            f"the back end answered the bare client with {answer.status}: {said[:200].decode(errors='replace')}"
        )
    return answer


def _wait(port: int, processes: Processes) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        processes.watch()
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SetupError("the back end did not start within a minute")
