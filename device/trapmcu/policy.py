"""Which triggers are worth a Pi, and when its camera is kept warm: hours, seasons, gaps, and a budget (pure)."""

import struct

HOUR_MS = 3600000
DAY_MS = 24 * HOUR_MS
SAVING_GAP_MS = 600000  # between two triggers on a low battery
REPORT_MS = 6 * HOUR_MS  # a budget that stays spent is news so often
NEVER_MIN = 1440  # `picture_min`
_PACKED = ">QQQQH"


class Policy:
    """accept(): whether a trigger is heeded now; armed(): whether the camera is to be warm.

    The budget is a bucket: `trigger_burst` at once, `triggers_a_day` all the time. Hours and months are the place's
    own (`utc_offset_min`); without a time only rules that hold at any time hold. `refused`: triggers that the budget
    has cost since `news` was told.
    """

    def __init__(self, settings: "dict[str, int]", now: int) -> None:
        self._settings = settings
        self._offset_ms = settings["utc_offset_min"] * 60000
        self._cost_ms = DAY_MS // settings["triggers_a_day"]
        self._full_ms = self._cost_ms * settings["trigger_burst"]
        self._spent_until = now  # the budget is full again then
        self._gap_until = now
        self._news_at = now
        self.pictured_at = now  # the empty scene, or the unit's start
        self.refused = 0

    def accept(self, now: int, utc_ms: "int | None", saving: bool) -> bool:
        """Take a trigger at `now`; `utc_ms`: what time it is, if that is known."""
        if self.wait_ms(now) or not self.watches(utc_ms):
            self.refused = min(self.refused + self.spent(now), 0xFFFF)
            return False
        self._spent_until = max(self._spent_until, now) + self._cost_ms
        self._gap_until = now + (SAVING_GAP_MS if saving else self._settings["min_gap_ms"])
        return True

    def wait_ms(self, now: int) -> int:
        """How long no trigger would be let through: 0, or ms."""
        return max(0, self._spent_until + self._cost_ms - self._full_ms - now, self._gap_until - now)

    def spent(self, now: int) -> bool:
        """Whether it is the budget that holds triggers back."""
        return self._spent_until + self._cost_ms - self._full_ms > now

    def news(self, now: int) -> "int | None":
        """Once in a while, when the budget is spent: how many triggers that has cost."""
        if now < self._news_at or not self.spent(now):
            return None
        self._news_at = now + REPORT_MS
        refused, self.refused = self.refused, 0
        return refused

    def picture_ms(self, now: int, utc_ms: "int | None") -> "int | None":
        """How long until the day's picture of the empty scene is due, 0 for an hour from then on; None: on no day.

        It costs nothing of the budget. Without a time it is due a day after the last one.
        """
        minute = self._settings["picture_min"]
        if minute == NEVER_MIN or not self._in_season("watch", utc_ms):
            return None
        since = now - self.pictured_at
        if utc_ms is None:
            return max(0, DAY_MS - since)
        past = (utc_ms + self._offset_ms - minute * 60000) % DAY_MS
        return 0 if past < HOUR_MS and past < since else DAY_MS - past

    def watches(self, utc_ms: "int | None") -> bool:
        """Whether these are hours in which anything that moves counts."""
        return self._within("watch", utc_ms)

    def armed(self, utc_ms: "int | None") -> bool:
        return self._within("armed", utc_ms)

    def change_ms(self, utc_ms: "int | None") -> int:
        """How long until hours may begin or end: ms to the next full hour, where any hour is a rule."""
        always = self._within("watch", None) and self._settings["armed_from_h"] == self._settings["armed_to_h"]
        if utc_ms is None or always:
            return HOUR_MS
        return HOUR_MS - (utc_ms + self._offset_ms) % HOUR_MS

    def _within(self, name: str, utc_ms: "int | None") -> bool:
        from_h, to_h = self._settings[name + "_from_h"], self._settings[name + "_to_h"]
        if from_h == to_h or not self._in_season(name, utc_ms):
            return False
        if utc_ms is None:
            return to_h - from_h == 24
        return _between((utc_ms + self._offset_ms) // HOUR_MS % 24, from_h, to_h - 1)

    def _in_season(self, name: str, utc_ms: "int | None") -> bool:
        first, last = self._settings[name + "_from_month"], self._settings[name + "_to_month"]
        if utc_ms is None:
            return last - first == 11
        return _between(month_of((utc_ms + self._offset_ms) // DAY_MS), first, last)

    def pack(self) -> bytes:
        return struct.pack(
            _PACKED, self._spent_until, self._gap_until, self._news_at, self.pictured_at, self.refused
        )  # fmt: skip

    def unpack(self, data: bytes) -> None:
        numbers = struct.unpack(_PACKED, data)
        self._spent_until, self._gap_until, self._news_at, self.pictured_at, self.refused = numbers


def _between(value: int, first: int, last: int) -> bool:
    """Within a span that may go over midnight, or over new year."""
    return first <= value <= last if first <= last else value >= first or value <= last


def month_of(days: int) -> int:
    """The month (1–12) of a day since 1970 (Hinnant, chrono-compatible calendar algorithms, days_from_civil)."""
    day = (days + 719468) % 146097
    year = (day - day // 1460 + day // 36524 - day // 146096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    return month + 3 if month < 10 else month - 9
