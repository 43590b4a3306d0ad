"""The radio governor: whether a frame may go now, or when. It keeps the plan's duty in every window, not in most.

Airtime is counted in buckets of `BUCKET_MS`. A frame counts, rounded up, from when it is booked, in the bucket in
which it ends at the latest, and that bucket counts whole until the last of it has left the window. So what is counted
is never less than what any window up to now holds, whatever was sent when; and the frame that would be too much waits.

Ordinary frames may use nine tenths. The last tenth of each window is for urgent ones: alerts, and a base's
acknowledgements, without which a trap repeats itself. A plan without a duty rule has nothing to share out, hence no
reserve: there only the longest transmission binds, and the queue's order of urgency is enough.

Time is the board's monotonic clock in ms. The governor never takes it on trust that time has passed: a clock that goes
back frees nothing, a reset continues at the snapshot, and what cannot be read counts as a window used up.
"""

import struct
from binascii import crc32

from trapwire.errors import WireError
from trapwire.plans import WHOLE, plan_named

BUCKETS = 48  # in a window; the more, the sooner airtime comes back: by a 48th of a window late at most
RING = BUCKETS + 2  # what has half left the window, and what ends in the bucket after this one
STARTS_WITHIN_MS = 1000  # a frame is on the air this long after it was booked at the latest
RESERVE_TENTHS = 1  # of the budget, for urgent frames
_HEAD = (
    ">BI"  # version, ms since the current bucket began; then RING numbers of 3 bytes, and a CRC-32 over plan and all
)
_VERSION = 1
SNAPSHOT_BYTES = 5 + 3 * RING + 4


class Governor:
    """Keeps one radio to the plan `name`; `now` is ms of the board's monotonic clock.

    Raises: WireError when there is no such plan. `plan` has its rules, the threshold of listening before talk too.
    """

    def __init__(self, name: str, now: int) -> None:
        self.plan = plan_named(name)
        self._budget_ms = self.plan.window_ms * self.plan.duty // WHOLE
        self._ordinary_ms = self._budget_ms - self._budget_ms * RESERVE_TENTHS // 10
        self._bucket_ms = self.plan.window_ms // BUCKETS
        self._used = [0] * RING  # ms of airtime; the first is the next bucket, the second the current one, then older
        self._begun = now  # when the current bucket began
        self._now = now  # the latest time seen
        self._back: "int | None" = None  # the lowest time seen since the clock went back, while it is back

    def wait_ms(self, now: int, airtime_us: int, urgent: bool = False) -> int:
        """How long a frame of that airtime has to wait: 0, it may go now, or ms after which to ask again.

        Raises: WireError when no waiting helps: it is longer than the plan's longest transmission or whole share.
        """
        airtime_ms = self._checked_ms(airtime_us, urgent)
        if self.plan.duty == WHOLE:
            return 0
        self._advance(now)
        if self._back is not None:
            return min(self._now - now, self._back + self._silence_ms() - now)
        excess = sum(self._used) + airtime_ms - (self._budget_ms if urgent else self._ordinary_ms)
        if excess <= 0:
            return 0
        age = RING
        while excess > 0:  # ends: at the latest when all is free, since the frame alone fits
            age -= 1
            excess -= self._used[age]
        return self._begun + (RING - age) * self._bucket_ms - self._now

    def spent(self, now: int, airtime_us: int) -> None:
        """Book a frame, before it is sent: a snapshot that is to survive a reset is taken between the two.

        Takes what was not allowed as well: what was on the air counts. At most a bucket, a minute and more: five times
        the longest LoRa frame.
        """
        if self.plan.duty == WHOLE:
            return
        self._advance(now)
        ends = self._now + STARTS_WITHIN_MS + _rounded_ms(airtime_us)
        newest = 0 if ends >= self._begun + self._bucket_ms else 1
        # A bucket that holds the whole budget already lets nothing out, so it need not count beyond that.
        self._used[newest] = min(self._used[newest] + _rounded_ms(airtime_us), self._budget_ms)
        if self._back is not None:
            self._back = max(self._back, now)

    def left_permille(self, now: int) -> int:
        """How much of the window's budget is left, the reserve included, in thousandths; 1000 without a duty rule."""
        if self.plan.duty == WHOLE:
            return 1000
        self._advance(now)
        return max(0, self._budget_ms - sum(self._used)) * 1000 // self._budget_ms

    def snapshot(self, now: int) -> bytes:
        """`SNAPSHOT_BYTES` that outlive a reset; nothing of them depends on where the clock stands."""
        self._advance(now)
        data = bytearray(struct.pack(_HEAD, _VERSION, self._now - self._begun))
        for used in self._used:
            data.extend(used.to_bytes(3, "big"))
        return bytes(data) + self._seal(bytes(data))

    def restore(self, data: bytes, now: int, away_ms: "int | None" = None) -> bool:
        """Go on from a snapshot, at the start of a run. False when it cannot be used; then a window counts as used up.

        `away_ms`: how long ago it was taken, at the least; None when nobody knows, and no time has passed.
        """
        booked = sum(self._used)  # nothing, unless somebody sent before
        self._used = [0] * RING
        self._begun = self._now = now
        self._back = None
        good = len(data) == SNAPSHOT_BYTES and data[0] == _VERSION and bytes(data[-4:]) == self._seal(bytes(data[:-4]))
        if good:
            self._used = [int.from_bytes(data[i : i + 3], "big") for i in range(5, SNAPSHOT_BYTES - 4, 3)]
            self._begun = now - struct.unpack(_HEAD, data[:5])[1] - max(0, away_ms or 0)
            self._shift()
            self._used[1] = min(self._used[1] + booked, self._budget_ms)
        else:
            self._used[1] = self._budget_ms
        return good

    def _checked_ms(self, airtime_us: int, urgent: bool) -> int:
        """Airtime in ms, rounded up.  Raises: WireError."""
        if self.plan.dwell_ms and airtime_us > self.plan.dwell_ms * 1000:
            raise WireError("frame of %d us, plan %s allows %d ms" % (airtime_us, self.plan.name, self.plan.dwell_ms))
        airtime_ms = _rounded_ms(airtime_us)
        share_ms = self._budget_ms if urgent else self._ordinary_ms
        if self.plan.duty != WHOLE and airtime_ms > share_ms:
            raise WireError("frame of %d us, plan %s has %d ms a window" % (airtime_us, self.plan.name, share_ms))
        return airtime_ms

    def _silence_ms(self) -> int:
        """After so long without a frame nothing of any earlier one is within the window."""
        return RING * self._bucket_ms

    def _advance(self, now: int) -> None:
        """Let go of what has left the window.

        A clock that is back says nothing until it is where it was. Should it stay back, then when a whole window has
        passed on it without a frame, all has left.
        """
        if now >= self._now:
            self._now, self._back = now, None
        elif self._back is None or now < self._back:
            self._back = now
        elif now - self._back >= self._silence_ms():
            self._used = [0] * RING
            self._begun = self._now = now
            self._back = None
        self._shift()

    def _shift(self) -> None:
        passed = (self._now - self._begun) // self._bucket_ms
        if passed > 0:
            self._begun += passed * self._bucket_ms
            passed = min(passed, RING)
            self._used = [0] * passed + self._used[: RING - passed]

    def _seal(self, data: bytes) -> bytes:
        """Another plan's snapshot fits no better than a damaged one: its airtime was counted by another rule."""
        return struct.pack(">I", crc32(self.plan.name.encode() + data) & 0xFFFFFFFF)


def _rounded_ms(airtime_us: int) -> int:
    return (airtime_us + 999) // 1000
