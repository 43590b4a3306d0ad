"""A board on the bench: the interpreter of `board/board.mjs` at the master end of a pty, with a folder as its flash."""

import fcntl
import json
import os
import shutil
import subprocess
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
NODE_MODULE = ROOT / ".cache" / "bin" / "micropython_wasm"
BOARD = Path(__file__).with_name("board") / "board.mjs"
PICO = {
    "machine": "Raspberry Pi Pico with RP2040",
    "version": [1, 25, 0],
    "mpy": 6 | 3 << 8 | 4 << 10,
    "platform": "rp2",
}
XIAO = {**PICO, "machine": "Seeed XIAO ESP32S3 with ESP32-S3-FN8", "mpy": 6 | 3 << 8 | 10 << 10, "platform": "esp32"}
LINE = 3  # the file descriptor that the board's process has as its line


def need_bench() -> None:
    """Skip where there is no Node.js, or no npm that could have brought MicroPython for it."""
    if shutil.which("node") is None:
        pytest.skip("no node: apt-get install nodejs npm, then `make test`, which fetches MicroPython's build for it")
    if not NODE_MODULE.exists():
        pytest.skip(f"no {NODE_MODULE}: `make test` fetches it where npm is installed and a registry can be reached")


class Bench:
    """One board: `port` for `--port`, `flash` the folder that holds its files. `claim`: what it says that it is."""

    def __init__(self, folder: Path, **claim: Any) -> None:
        self.flash = folder / "flash"
        self.flash.mkdir(parents=True, exist_ok=True)
        self._claim = folder / "claim.json"
        self._errors = folder / "errors"
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)  # a USB socket changes no byte
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._process: subprocess.Popen[bytes] | None = None
        self.claim = claim or dict(PICO)

    def replug(self) -> "Bench":
        """Plug it in again: another port, the same flash."""
        self.close()
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        return self

    @contextmanager
    def babbling(self, words: bytes) -> Iterator[None]:
        """Something else than MicroPython is at this port, and says this again and again."""
        over = threading.Event()

        def speak() -> None:
            while not over.wait(0.05):
                with suppress(BlockingIOError):  # nobody listens
                    os.write(self._master, words)

        speaker = threading.Thread(target=speak)
        speaker.start()
        try:
            yield
        finally:
            over.set()
            speaker.join()

    def start(self, **claim: Any) -> "Bench":
        """Put power on, as what it was before or with these changes."""
        self.stop()
        self.claim |= claim
        self._claim.write_text(json.dumps(self.claim))
        self._drain()
        words = ["node", str(BOARD), str(NODE_MODULE), str(self.flash), str(self._claim)]

        def hand_over() -> None:
            os.dup2(self._master, LINE)

        with self._errors.open("ab") as errors:
            self._process = subprocess.Popen(
                words, preexec_fn=hand_over, pass_fds=(LINE, self._master), stdout=errors, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        return self

    def stop(self) -> None:
        """Take the power away, in the middle of whatever it does."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, 9)
            self._process.wait()
            self._process = None

    @property
    def on(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def said(self) -> str:
        """What the harness itself complained about."""
        return self._errors.read_text() if self._errors.exists() else ""

    def files(self) -> dict[str, bytes]:
        """What lies in flash."""
        return {str(p.relative_to(self.flash)): p.read_bytes() for p in sorted(self.flash.rglob("*")) if p.is_file()}

    def close_master(self) -> None:
        """Pull the cable: the port is gone, as far as the program can see."""
        self.stop()
        if self._master >= 0:
            os.close(self._master)
            self._master = -1

    def close(self) -> None:
        self.close_master()
        if self._slave >= 0:
            os.close(self._slave)
            self._slave = -1

    def _drain(self) -> None:
        """Forget what stood in the line when the power went."""
        fcntl.fcntl(self._slave, fcntl.F_SETFL, fcntl.fcntl(self._slave, fcntl.F_GETFL) | os.O_NONBLOCK)
        for end in (self._slave, self._master):
            try:
                while os.read(end, 65536):
                    pass
            except BlockingIOError:
                pass
