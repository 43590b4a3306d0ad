"""The base's end of a link of which some traps go by a repeater: what `BaseLink` does, one hop longer.

It unwraps; it answers wrapped where the repeater's copy came, and one frame after the other, so that each is carried
before the next.
"""

from trapwire.airtime import airtime_us
from trapwire.baselink import BaseLink
from trapwire.errors import WireError
from trapwire.frame import Counter, peek_frame
from trapwire.hop import HOP_BYTES, HopKey, find_key, is_wrapped
from trapwire.relay import overheard, relay_ms

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapwire.basewords import BaseWords
    from trapwire.linkkeys import LinkKey
    from trapwire.peer import Peer

LINE_MS = 80  # from the gateway's word until its modem sends: 255 bytes at 115,200 baud, two loops


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
