"""The trap's end of a link that goes by a repeater: what `TrapLink` does, one hop longer.

It wraps what it sends, and takes what comes as it comes: the repeater unwraps it. After each frame it leaves the
repeater the time to send it on: to its link the frame has left only then. The other end is in `hopbase.py`, by itself:
a trap has no room for it.
"""

from trapwire.airtime import airtime_us
from trapwire.frame import Counter
from trapwire.hop import HOP_BYTES, HopKey, is_wrapped
from trapwire.linktimes import LinkTimes
from trapwire.relay import overheard, relay_ms
from trapwire.traplink import TrapLink

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.linkkeys import LinkKey
    from trapwire.objects import ObjectKey
    from trapwire.payloads import Heartbeat


def hop_times(times: LinkTimes, frame_bytes: int, sf: int) -> LinkTimes:
    """What a trap waits that goes by a repeater: twice the window, and the base's frame that it does not hear."""
    values = dict(times.__dict__)
    values["reply_window_ms"] = 2 * times.reply_window_ms + airtime_us(frame_bytes, sf) // 1000
    return LinkTimes(**values)


class HopTrapLink(TrapLink):
    """The trap's end by a repeater. frame_bytes: the plan's largest frame; else as `TrapLink`."""

    def __init__(
        self,
        hop: HopKey,
        sf: int,
        key: "LinkKey",
        frame_bytes: int,
        times: LinkTimes,
        counter: Counter,
        load: "Callable[[ObjectKey], bytes | None]",
        random: "Callable[[int], int]",
        heartbeat: "Callable[[], Heartbeat]",
        wait_ms: "Callable[[int, int, bool], int] | None" = None,
    ) -> None:
        def wait_wrapped_ms(now: int, size: int, urgent: bool) -> int:
            return 0 if wait_ms is None else wait_ms(now, size + HOP_BYTES, urgent)

        asked, times = times, hop_times(times, frame_bytes, sf)
        super().__init__(key, frame_bytes - HOP_BYTES, times, counter, load, random, heartbeat, wait_wrapped_ms)
        self._asked_times = asked  # which `retune` says were changed
        self._hop = hop
        self._sf = sf
        self._taken_counter = counter
        self._size = 0
        self._carried_at: "int | None" = None  # the frame sent last has been sent on then

    def retune(self, frame_bytes: int, now: int) -> None:
        for name, value in hop_times(self._asked_times, frame_bytes + HOP_BYTES, self._sf).__dict__.items():
            setattr(self._times, name, value)
        super().retune(frame_bytes, now)

    def on_frame(self, data: bytes, now: int) -> "list[tuple[object, ...]]":
        if is_wrapped(data):
            if data[2] << 8 | data[3] == self.address:
                return []  # our own, on its way, or an answer that the repeater has yet to unwrap
            return super().on_frame(overheard(data), now)
        if self._carried_at is not None and _is_answer(data, self.address):
            self._end(now)  # the base has heard us without the repeater
        return super().on_frame(data, now)

    def next_frame(self, now: int, busy: bool) -> "bytes | None":
        if self._carried_at is not None and now >= self._carried_at:
            self._end(now)
        inner = super().next_frame(now, busy)
        if inner is None:
            return None
        self._size = len(inner) + HOP_BYTES
        return self._hop.wrap(inner, self._taken_counter.last, False)

    def sent(self, now: int) -> None:
        self._carried_at = now + relay_ms(self._size - HOP_BYTES, self._sf)

    def deadline(self, now: int) -> "int | None":
        return super().deadline(now) if self._carried_at is None else self._carried_at

    def idle(self) -> bool:
        """While a frame that polls not is sent on there is nothing to hear."""
        return super().idle() or (self._carried_at is not None and self._polling is False)

    def _end(self, now: int) -> None:
        self._carried_at = None
        super().sent(now)


def _is_answer(data: bytes, address: int) -> bool:
    return len(data) > 2 and bool(data[0] & 0x20) and data[1] << 8 | data[2] == address
