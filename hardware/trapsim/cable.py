"""A serial cable: two ptys joined by a thread, so that either end may be killed and opened again."""

import os
import select
import threading
import tty
from pathlib import Path


class Cable:
    """Two ends that programs open as serial ports, at the links `a` and `b`.

    As on a UART, what nobody reads is lost once the line's buffer is full. `close` ends the thread.
    """

    def __init__(self, a: Path, b: Path) -> None:
        self.ends = (a, b)
        self._masters: list[int] = []
        self._slaves: list[int] = []  # held open, so that an end that is killed does not hang up the line
        self._stop_read, self._stop_write = os.pipe()
        self._thread = threading.Thread(target=self._pump, name=f"cable {a.name}", daemon=True)

    def start(self) -> None:
        for link in self.ends:
            master, slave = os.openpty()
            tty.setraw(slave)
            os.set_blocking(master, False)
            self._masters.append(master)
            self._slaves.append(slave)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(os.ttyname(slave))
        self._thread.start()

    def close(self) -> None:
        os.write(self._stop_write, b"x")
        self._thread.join()
        for fd in (*self._masters, *self._slaves, self._stop_read, self._stop_write):
            os.close(fd)
        for link in self.ends:
            link.unlink(missing_ok=True)

    def _pump(self) -> None:
        other = {self._masters[0]: self._masters[1], self._masters[1]: self._masters[0]}
        while True:
            ready, _, _ = select.select([*self._masters, self._stop_read], [], [])
            if self._stop_read in ready:
                return
            for fd in ready:
                data = os.read(fd, 4096)
                try:
                    while data:
                        data = data[os.write(other[fd], data) :]
                except BlockingIOError:
                    continue
