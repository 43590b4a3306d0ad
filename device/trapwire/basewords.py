"""What a base has to say to its traps beside acknowledgements and receipts, and when it is due (PROTOCOL.md section 6).

Nothing here costs a frame of its own unless something is due: the time once an hour and after a trap's start, the
margin when it has changed, what is wanted until it comes, a setting until its reply is here.
"""

import struct

from trapwire.airtime import airtime_us, snr_floor_quarter_db
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS
from trapwire.errors import WireError
from trapwire.frame import HEADER_BYTES, HEARTBEAT, LOG, WORD, Frame, tag_bytes
from trapwire.objects import ObjectKey
from trapwire.payloads import decode_heartbeat
from trapwire.words import (
    ITEM_HEAD_BYTES,
    LOG_ENTRY_BYTES,
    LOG_HEAD_BYTES,
    LOG_WANTED,
    MARGIN,
    ON_TRIAL,
    SETTING,
    TIME,
    VALUE_BYTES,
    WANTED,
    decode_reply,
    encode_item,
    encode_margin,
    encode_setting,
    encode_time,
    encode_wanted,
)

TIME_EVERY_MS = 3600000
DAY_MS = 86400000
MARGIN_EVERY_MS = 600000
MARGIN_STEP_QUARTERS = 12  # 3 dB: less is the weather
WANTED_EVERY_MS = 600000  # the trap's computer may sleep: asking oftener wakes nobody
TRIAL_HOLD_MS = 1200000  # after "on trial" the outcome comes by itself; asked for again after this
LOG_EVERY_MS = 60000  # until the first entries come, doubled each time: an older trap or repeater has none
LOG_MOST_MS = 21600000
LOG_ENTRY = ">IBH"  # seconds, code with bit 7 for true time, value
LOG_HOLD_MS = 600000
MAX_WANTED = 8  # of one trap
MAX_SETTINGS = 8
START_SLACK_MS = 5000  # uptime is in whole seconds and of before the frame's airtime; clocks differ by a thousandth
FIRST_VERSION = 3  # of a trap that takes words
LINE_MS = 20  # the serial line to the modem, and the modem's own loop


class _Said:
    """What one trap was told, and what it is to be told."""

    def __init__(self) -> None:
        self.time_at: "int | None" = None
        self.margin: "int | None" = None  # quarter dB, told last
        self.margin_at: "int | None" = None
        self.heard: "int | None" = None  # quarter dB above the floor, of the frame heard last
        self.wanted: "dict[ObjectKey, int]" = {}  # when each is due
        self.settings: "list[list[int]]" = []  # command, setting, value, due; one after the other
        self.log: "list[int]" = []  # of an excerpt: first sequence, count, due, wait; empty for none


class BaseWords:
    """The words of one base. sf: its spreading factor, None for a base that says nothing; wait_ms: the longest that its
    modem lets a frame wait for the channel; other: the words of its modems at another spreading factor, with which
    these share what each trap was told.

    `modem_of`: by trap, which of several modems speaks to it; 0 for one that is not there. Kept by who has several.
    """

    def __init__(self, sf: "int | None" = None, wait_ms: int = 500, other: "BaseWords | None" = None) -> None:
        self._sf = sf
        self._wait_ms = wait_ms
        self._said: "dict[int, _Said]" = {} if other is None else other._said
        self.modem_of: "dict[int, int]" = {}
        self._ahead_ms: "int | None" = None  # from `now` to Unix time
        self._uncertainty_ms = 0
        # Of each modem, when each frame that was handed out will have left, at the earliest.
        self._leaving: "dict[int, list[int]]" = {}

    # What the gateway hands in

    def clock(self, now: int, unix_ms: int, uncertainty_ms: "int | None") -> None:
        """This base's time, again with every step; with an unknown uncertainty no trap is told the time."""
        known = uncertainty_ms is not None and TIME_BASE_UNIX_MS <= unix_ms < TIME_LAST_UNIX_MS - DAY_MS
        self._ahead_ms = unix_ms - now if known else None
        self._uncertainty_ms = uncertainty_ms or 0

    def want(self, key: ObjectKey) -> bool:
        """Ask for an object until it comes or `drop`; False when too many are asked for."""
        wanted = self._of(key.trap).wanted
        if key not in wanted and len(wanted) < MAX_WANTED:
            wanted[key] = -1
        return key in wanted

    def drop(self, key: ObjectKey) -> None:
        """This object is here, or is not wanted any more."""
        if key.trap in self._said:
            self._said[key.trap].wanted.pop(key, None)

    def set(self, trap: int, command: int, setting: int, value: int) -> bool:
        """Change a setting: said until the reply is here. False when too many wait."""
        settings = self._of(trap).settings
        if any(s[0] == command for s in settings):
            return True
        if len(settings) >= MAX_SETTINGS:
            return False
        settings.append([command, setting, value, -1])
        return True

    def unset(self, trap: int, command: int) -> None:
        """This command is not to be said any more."""
        if trap in self._said:
            said = self._said[trap]
            said.settings = [s for s in said.settings if s[0] != command]

    def ask_log(self, trap: int, first: int, count: int) -> None:
        """Ask for so many entries of a trap's log, from a sequence on or, with 0, the newest; until they have come.

        count: 0-255. Another ask takes the place of one that waits.
        """
        log = self._of(trap).log
        if log[:2] != [first, count]:
            log[:] = [first, count, -1, LOG_EVERY_MS]

    def asks_log(self, trap: int) -> bool:
        """Whether an excerpt of this trap's log is asked for and has not come whole."""
        return trap in self._said and bool(self._said[trap].log)

    def drop_log(self, trap: int) -> None:
        """No excerpt is wanted of this trap any more."""
        if trap in self._said:
            self._said[trap].log = []

    def margin_db(self, snr_quarters: int) -> "float | None":
        """Above the floor of this base's spreading factor, in dB; None for a base that has none."""
        return None if self._sf is None else (snr_quarters - snr_floor_quarter_db(self._sf)) / 4

    # What the link hands in

    def heard(self, frame: Frame, snr_quarters: int, now: int) -> None:
        """An authentic frame has come from a trap."""
        if self._sf is None:
            return
        said = self._of(frame.address)
        said.heard = snr_quarters - snr_floor_quarter_db(self._sf)
        if frame.kind == HEARTBEAT and said.time_at is not None:
            try:
                uptime_s = decode_heartbeat(frame.payload).values["uptime_s"]
            except WireError:
                return
            since = now - said.time_at
            if uptime_s * 1000 + START_SLACK_MS + since // 1000 < since:
                said.time_at = None  # it has started since, and lost what it was told

    def on_up(self, frame: Frame, now: int) -> "list[tuple[object, ...]]":
        """The event of a reply, ("reply", trap, command, outcome, value), or of an excerpt, ("log", trap, how many
        entries follow, payload for `decode_log`).  Raises: WireError.
        """
        if frame.kind != LOG:
            return self._on_reply(frame.address, frame.payload, now)
        left = decode_log(frame.payload)[1]
        log = self._of(frame.address).log
        if log and log[2] >= 0:  # not for an ask that the trap has not heard yet
            log[:] = log[:2] + [now + LOG_HOLD_MS, LOG_EVERY_MS] if left else []
        return [("log", frame.address, left, frame.payload)]

    def _on_reply(self, trap: int, payload: bytes, now: int) -> "list[tuple[object, ...]]":
        command, outcome, value = decode_reply(payload)
        said = self._of(trap)
        if outcome == ON_TRIAL:
            for waiting in said.settings:
                if waiting[0] == command:
                    waiting[3] = now + TRIAL_HOLD_MS
        else:
            said.settings = [s for s in said.settings if s[0] != command]
        return [("reply", trap, command, outcome, value)]

    def word(self, trap: int, version: int, room: int, now: int) -> bytes:
        """The payload of the word that goes before an answer; empty when nothing is due, or the trap takes none."""
        if self._sf is None or version < FIRST_VERSION:
            return b""
        said = self._of(trap)
        time_bytes = ITEM_HEAD_BYTES + VALUE_BYTES[TIME] if self._time_is_due(said, now) else 0
        word = b""
        for kind, value in self._due(said, now):
            if len(word) + ITEM_HEAD_BYTES + len(value) + time_bytes <= room:
                word += encode_item(kind, value)
                self._told(said, kind, value, now)
        if 0 < time_bytes <= room:
            said.time_at = now
            # How long the frame is is known now.
            word += encode_item(TIME, self._time(self.modem_of.get(trap, 0), len(word) + time_bytes, now))
        return word

    def leaves(self, trap: int, frames: "list[bytes]", now: int) -> None:
        """These frames go to the trap's modem now."""
        if self._sf is None:
            return
        leaving = self._queue(self.modem_of.get(trap, 0), now)
        for frame in frames:
            leaving.append(max(leaving + [now]) + _airtime_ms(len(frame), self._sf))

    def _of(self, trap: int) -> _Said:
        if trap not in self._said:
            self._said[trap] = _Said()
        return self._said[trap]

    @staticmethod
    def _due(said: _Said, now: int) -> "list[tuple[int, bytes]]":
        """All but the time, the most urgent first."""
        items: "list[tuple[int, bytes]]" = []
        if said.settings and said.settings[0][3] <= now:
            items.append((SETTING, encode_setting(*said.settings[0][:3])))
        if _margin_is_due(said, now):
            items.append((MARGIN, encode_margin((said.heard or 0) // 4)))
        if said.log and said.log[2] <= now:
            items.append((LOG_WANTED, encode_log_wanted(*said.log[:2])))
        for key in [k for k in said.wanted if said.wanted[k] <= now]:
            items.append((WANTED, encode_wanted(key.epoch, key.number, key.rung)))
        return items

    def _time_is_due(self, said: _Said, now: int) -> bool:
        return self._ahead_ms is not None and (said.time_at is None or now - said.time_at >= TIME_EVERY_MS)

    def _time(self, modem: int, payload_bytes: int, now: int) -> bytes:
        """When this word's last byte will have left, and how far that may be off: each frame before it, and it itself,
        may wait for the channel."""
        leaving = self._queue(modem, now)
        slack = (len(leaving) + 1) * self._wait_ms + LINE_MS
        ready = max(leaving + [now])
        leaves = ready + _airtime_ms(HEADER_BYTES + payload_bytes + tag_bytes(WORD), self._sf or 0) + slack // 2
        return encode_time((self._ahead_ms or 0) + leaves, self._uncertainty_ms + slack // 2 + 1)

    def _queue(self, modem: int, now: int) -> "list[int]":
        """What has not left that modem yet; the list that is kept."""
        self._leaving[modem] = [end for end in self._leaving.get(modem, []) if end > now]
        return self._leaving[modem]

    @staticmethod
    def _told(said: _Said, kind: int, value: bytes, now: int) -> None:
        if kind == MARGIN:
            said.margin, said.margin_at = said.heard, now
        elif kind == LOG_WANTED:
            said.log[2:] = [now + said.log[3], min(2 * said.log[3], LOG_MOST_MS)]
        elif kind == WANTED:
            for key in said.wanted:
                if encode_wanted(key.epoch, key.number, key.rung) == value:
                    said.wanted[key] = now + WANTED_EVERY_MS


def _airtime_ms(size: int, sf: int) -> int:
    return (airtime_us(size, sf) + 999) // 1000


def _margin_is_due(said: _Said, now: int) -> bool:
    if said.heard is None:
        return False
    if said.margin is None or said.margin_at is None:
        return True
    return abs(said.heard - said.margin) >= MARGIN_STEP_QUARTERS and now - said.margin_at >= MARGIN_EVERY_MS


def encode_log_wanted(first: int, count: int) -> bytes:
    """At most so many entries of the trap's log, from this sequence on; where that is not there, the newest."""
    return struct.pack(">IB", first, count)


def decode_log(payload: bytes) -> "tuple[int, int, list[tuple[int, bool, int, int]]]":
    """First sequence, how many follow, the entries: seconds, whether since 2020, code, value.  Raises: WireError."""
    size = len(payload) - LOG_HEAD_BYTES
    if size < 0 or size % LOG_ENTRY_BYTES:
        raise WireError("log of %d bytes is not 5 and whole entries" % len(payload))
    first, left = struct.unpack(">IB", payload[:LOG_HEAD_BYTES])
    if first + size // LOG_ENTRY_BYTES > 1 << 32:
        raise WireError("log entries beyond sequence 2^32")
    entries = []
    for at in range(LOG_HEAD_BYTES, len(payload), LOG_ENTRY_BYTES):
        time_s, code, value = struct.unpack(LOG_ENTRY, payload[at : at + LOG_ENTRY_BYTES])
        entries.append((time_s, code > 127, code & 127, value))
    return first, left, entries
