"""The two ends of a link that goes by a repeater: what `TrapLink` and `BaseLink` do, one hop longer.

The trap wraps what it sends, and takes what comes as it comes: the repeater unwraps it. After each frame it leaves the
repeater the time to send it on: to its link the frame has left only then. The base unwraps; it answers wrapped where
the repeater's copy came, and one frame after the other, so that each is carried before the next.
"""

from trapwire.airtime import airtime_us
from trapwire.baselink import BaseLink
from trapwire.errors import WireError
from trapwire.frame import Counter, peek_frame
from trapwire.hop import HOP_BYTES, HopKey, find_key, is_wrapped
from trapwire.linktimes import LinkTimes
from trapwire.relay import overheard, relay_ms
from trapwire.traplink import TrapLink

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from collections.abc import Callable

    from trapwire.basewords import BaseWords
    from trapwire.linkkeys import LinkKey
    from trapwire.objects import ObjectKey
    from trapwire.payloads import Heartbeat
    from trapwire.peer import Peer

LINE_MS = 80  # from the gateway's word until its modem sends: 255 bytes at 115,200 baud, two loops


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

        times = hop_times(times, frame_bytes, sf)
        super().__init__(key, frame_bytes - HOP_BYTES, times, counter, load, random, heartbeat, wait_wrapped_ms)
        self._hop = hop
        self._sf = sf
        self._taken_counter = counter
        self._size = 0
        self._carried_at: "int | None" = None  # the frame sent last has been sent on then

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


class HopBaseLink(BaseLink):
    """The base's end for traps of which some go by a repeater: those in `hops`. Else as `BaseLink`."""

    def __init__(
        self,
        hops: "dict[int, HopKey]",
        sf: int,
        keys: "dict[int, list[LinkKey]]",
        frame_bytes: int,
        counter: Counter,
        commit_wait_ms: int = 150,
        quick: "tuple[int, int] | None" = None,
        words: "BaseWords | None" = None,
    ) -> None:
        super().__init__(keys, frame_bytes - (HOP_BYTES if hops else 0), counter, commit_wait_ms, quick, words)
        self._hops = hops
        self._sf = sf
        self._through: "dict[int, list[bytes]]" = {}  # traps heard by repeater, with what goes down wrapped
        self._free_at: "dict[int, int]" = {}  # when the repeater has carried what went down last

    def on_frame(self, data: bytes, rssi_dbm: int, snr_quarters: int, now: int) -> "list[tuple[object, ...]]":
        if not is_wrapped(data):
            events = super().on_frame(data, rssi_dbm, snr_quarters, now)
            if not (data and data[0] & 0x20) and not any(event[0] == "dropped" for event in events):
                self._through.pop(data[1] << 8 | data[2], None)
            return events
        try:
            wrapped = find_key(self._hops, data).unwrap(data)
            if wrapped.down:
                return []  # our own word, or another base's
            if wrapped.hopped:
                waiting = self._through.setdefault(wrapped.trap, [])
                if wrapped.polls and not wrapped.again:
                    del waiting[:]  # it asks anew: what was not said yet is old
            elif not wrapped.again:
                self._through.pop(wrapped.trap, None)
            if wrapped.again:
                return []  # heard on both ways: it is answered by the longer one, which works both ways
        except WireError as error:
            return [self._dropped(error, overheard(data), now)]
        return super().on_frame(wrapped.inner, rssi_dbm, snr_quarters, now)

    def frames_due(self, now: int) -> "list[bytes]":
        plain = []
        for frame in super().frames_due(now):
            head = peek_frame(frame)
            waiting = self._through.get(head.address)
            if waiting is None:
                plain.append(frame)
            else:
                waiting.append(self._hops[head.address].wrap(frame, head.counter, False))
        for trap, waiting in self._through.items():
            if waiting and now >= self._free_at.get(trap, 0):
                frame = waiting.pop(0)
                plain.append(frame)
                size = len(frame)
                on_air_ms = airtime_us(size, self._sf) // 1000
                self._free_at[trap] = now + LINE_MS + on_air_ms + relay_ms(size - HOP_BYTES, self._sf)
        return plain

    def _allow(self, peer: "Peer", trap: int) -> "tuple[int, int] | None":
        return None if trap in self._through else super()._allow(peer, trap)  # a repeater stays where it is

    def deadline(self) -> "int | None":
        times = [self._free_at.get(trap, 0) for trap, waiting in self._through.items() if waiting]
        own = super().deadline()
        return min(times if own is None else times + [own], default=None)
