"""The serial line between Pi and supervisor: bytes take their time, and what nobody listens to is gone."""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

BAUD = 115200
BITS_A_BYTE = 10


class Way:
    """One direction. listening(): whether the far end has power and its UART runs, when the bytes arrive."""

    def __init__(self, listening: "Callable[[], bool]") -> None:
        self._listening = listening
        self._flying: "list[tuple[int, bytes]]" = []  # when the last byte of each is there
        self._free_at = 0
        self.lost_bytes = 0

    def send(self, data: bytes, now: int) -> None:
        self._free_at = max(self._free_at, now) + (len(data) * BITS_A_BYTE * 1000 + BAUD - 1) // BAUD
        self._flying.append((self._free_at, data))

    def due(self) -> "int | None":
        """When the next bytes arrive."""
        return self._flying[0][0] if self._flying else None

    def take(self, now: int) -> bytes:
        """What has arrived by now."""
        data = b""
        while self._flying and self._flying[0][0] <= now:
            part = self._flying.pop(0)[1]
            if self._listening():
                data += part
            else:
                self.lost_bytes += len(part)
        return data

    def cut(self, now: int) -> None:
        """The sender has lost its power: what it had not sent yet is never sent."""
        self._flying = [part for part in self._flying if part[0] <= now]
        self._free_at = now


class Buffer:
    """What a UART's receiver holds until its owner reads it."""

    def __init__(self) -> None:
        self._data = b""

    def __len__(self) -> int:
        return len(self._data)

    def add(self, data: bytes, most: int) -> None:
        self._data = (self._data + data)[:most]

    def take(self) -> bytes:
        data, self._data = self._data, b""
        return data
