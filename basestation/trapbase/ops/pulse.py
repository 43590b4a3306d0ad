"""Which parts' loops turn. Pure: times are arguments, ms of a clock that never goes back.

A part beats once a turn. One that waits for a silent back end turns again within the waits that its settings allow
(`patience_ms`); one that does not is hanging, and then systemd gets no keepalive: it ends the process and starts it
again, and everything survives that.
"""

from collections.abc import Iterable


class Pulse:
    """`names`: of the parts that this process runs."""

    def __init__(self, names: Iterable[str]) -> None:
        self._turned_ms: dict[str, int | None] = dict.fromkeys(names)
        self._patience_ms: dict[str, int] = {}

    def starts(self, name: str, patience_ms: int) -> None:
        """How long a turn of this part may take; said before its first one."""
        self._patience_ms[name] = patience_ms

    def beat(self, name: str, now_ms: int) -> None:
        """A part's loop has turned."""
        self._turned_ms[name] = now_ms

    @property
    def all_run(self) -> bool:
        """Whether every part has turned once."""
        return all(at is not None for at in self._turned_ms.values())

    def turned_ms(self, name: str) -> int | None:
        """When it turned last; None before its first turn."""
        return self._turned_ms[name]

    def hanging(self, now_ms: int) -> dict[str, int]:
        """Parts that should have turned by now, and for how long they have not (ms)."""
        return {
            name: now_ms - at
            for name, at in self._turned_ms.items()
            if at is not None and now_ms - at > self._patience_ms.get(name, 0)
        }
