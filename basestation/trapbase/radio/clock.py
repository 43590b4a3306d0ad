"""What this base's clock is worth: how far it may be off, or that nobody knows, and why. Readings are handed in.

    the clock                                    worth
    kept right (NTP, GNSS, PTP by chrony, …)     what the kernel was told, at the least `SURE_MS`
    kept right once, this start                  that, and the drift since
    kept right in an earlier start, and set
    from a real-time clock at this one           that, and the drift since, and a second
    anything else                                nothing
    `fixed_ms` is given                          that, whatever the kernel says

Worth nothing, whatever else holds: before 2026 and from 2050 on; before a time that it had when it was kept right; for
five minutes after it leapt. A leap that nobody vouches for ends what was known: it has to be kept right again.

What is known is remembered in a file, so that a restart never makes a clock better than it was. It is written only
once the clock has been kept right for `RTC_WRITTEN_MS`: by then the kernel has set the real-time clock too.
"""

import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trapbase.radio_counter import CLOCK_SET_S
from trapkit.files import write_atomically
from trapkit.kernelclock import Reading

CLOCK_SET_MS = CLOCK_SET_S * 1000
CLOCK_MOST_MS = 2_524_608_000_000  # 2050-01-01: beyond it no certificate is valid, and no radio time exists soon after
SURE_MS = 100  # what a clock kept by NTP over the internet may be off, whatever its keeper thinks
LEAP_MS = 500  # within `REFER_MS`: no clock drifts so fast
REFER_MS = 60_000
SETTLE_MS = 300_000
RTC_WRITTEN_MS = 15 * 60_000  # the kernel writes the real-time clock every 11 minutes while it is kept right
RTC_MS = 1000  # it is read in whole seconds
REMEMBER_EVERY_MS = 3_600_000  # for the card's sake
WORTH_NOTHING_MS = 3_600_000
MAX_BYTES = 4096
MEMORY = "clock-sync"  # when it was kept right last
STATE = "clock.json"  # for people
State = dict[str, Any]


class BaseClock:
    """`folder`: where it remembers; `fixed_ms`: how far the clock may be off by its operator's word, 0 for none;
    `auto`: whether the kernel is believed; `drift_ppm`: of a clock that nobody keeps right.

    `trouble`: why it is worth nothing, where somebody should look; `words`: what it is worth, for people.
    """

    def __init__(self, folder: Path, *, fixed_ms: int = 0, auto: bool = True, drift_ppm: int = 100) -> None:
        self._path = folder / MEMORY
        self._state_path = folder / STATE
        self._fixed_ms = fixed_ms
        self._auto = auto
        self._drift_ppm = drift_ppm
        self._known = _read_memory(self._path)
        self._reference: Reading | None = None
        self._leapt: tuple[int, int] | None = None  # when (count of the machine), and by how much
        self._synced_since_ms: int | None = None
        self._remember_at_ms = 0
        self._written: tuple[str, int] = ("", 0)
        self.uncertainty_ms: int | None = None
        self.trouble = ""
        self.words = "nothing is known of it yet"

    def step(self, now: Reading) -> int | None:
        """Look at the clock; how far it may be off (ms), None where nobody knows."""
        self._watch(now)
        if not now.synced or self._synced_since_ms is None:
            self._synced_since_ms = now.boot_ms if now.synced else None
        self.trouble = self._impossible(now)
        self.uncertainty_ms = None
        if self.trouble:
            self.words = self.trouble
        elif self._fixed_ms:
            self.uncertainty_ms = self._fixed_ms
            self.words = f"may be off by {_span(self._fixed_ms)}: its operator's word"
        elif not self._auto:
            self.words = "traps get no time: gateway.clock is off"
        else:
            self._judge(now)
        if self._auto and not self.trouble and self._synced_since_ms is not None:
            self._learn(now, now.boot_ms - self._synced_since_ms)
        return self.uncertainty_ms

    def _judge(self, now: Reading) -> None:
        if now.synced:
            self.uncertainty_ms = max(SURE_MS, now.error_ms)
            self.words = f"kept right, to {_span(self.uncertainty_ms)}"
            return
        known = self._known
        if known is None:
            self.words = "nobody keeps it right (no NTP, no GNSS), and nobody did before: traps get no time"
        elif known["boot"] != now.boot and not now.rtc:
            self.words = "not kept right since the machine started, which has no real-time clock: traps get no time"
        else:
            here = known["boot"] == now.boot
            passed_ms = now.boot_ms - known["boot_ms"] if here else now.utc_ms - known["utc_ms"]
            off_ms = known["error_ms"] + max(0, passed_ms) * self._drift_ppm // 1_000_000 + (0 if here else RTC_MS)
            if off_ms >= WORTH_NOTHING_MS:
                self.words = f"last kept right {_span(passed_ms)} ago: too long for what it may have drifted since"
                return
            self.uncertainty_ms = off_ms
            self.words = f"may be off by {_span(off_ms)}: last kept right {_span(passed_ms)} ago"

    def _watch(self, now: Reading) -> None:
        """Whether it has leapt since the last look, or since an earlier run of this start."""
        before = self._reference
        by_ms, allowed_ms = 0, LEAP_MS
        if before is not None:
            by_ms = (now.utc_ms - before.utc_ms) - (now.boot_ms - before.boot_ms)
        elif self._known is not None and self._known["boot"] == now.boot:
            passed_ms = now.boot_ms - self._known["boot_ms"]
            by_ms = now.utc_ms - self._known["utc_ms"] - passed_ms
            allowed_ms += self._known["error_ms"] + passed_ms * (self._drift_ppm + 500) // 1_000_000
        if abs(by_ms) > allowed_ms:
            self._leapt = (now.boot_ms, by_ms)
            self._synced_since_ms = None
            self._remember_at_ms = 0
            if not now.synced:
                self._forget()
        if before is None or abs(by_ms) > allowed_ms or now.boot_ms - before.boot_ms >= REFER_MS:
            self._reference = now

    def _impossible(self, now: Reading) -> str:
        """Why the clock cannot be right, whatever anybody says of it; nothing where it can."""
        if not CLOCK_SET_MS <= now.utc_ms < CLOCK_MOST_MS:
            return f"the clock says {_year(now.utc_ms)}: traps get no time until it is set; what comes is kept as ever"
        if self._leapt is not None:
            at_ms, by_ms = self._leapt
            if now.boot_ms - at_ms < SETTLE_MS:
                way = "forward" if by_ms > 0 else "back"
                return f"the clock leapt {way} by {_span(abs(by_ms))}: traps get no time for five minutes"
            self._leapt = None
        if self._known is not None and not now.synced and not self._fixed_ms:
            behind_ms = self._known["utc_ms"] - self._known["error_ms"] - RTC_MS - now.utc_ms
            if behind_ms > 0:
                return f"the clock is {_span(behind_ms)} before a time that it had: traps get no time until it is set"
        return ""

    def _learn(self, now: Reading, steady_ms: int) -> None:
        error_ms = max(SURE_MS, now.error_ms)
        self._known = {"utc_ms": now.utc_ms, "error_ms": error_ms, "boot": now.boot, "boot_ms": now.boot_ms}
        if steady_ms < RTC_WRITTEN_MS or now.boot_ms < self._remember_at_ms:
            return
        self._remember_at_ms = now.boot_ms + REMEMBER_EVERY_MS
        try:
            write_atomically(self._path, json.dumps(self._known, sort_keys=True).encode())
        except OSError:
            return  # an older memory says less, and nothing wrong

    def _forget(self) -> None:
        self._known = None
        with suppress(OSError):  # a disk that refuses: the next run of this start sees the leap again
            self._path.unlink(missing_ok=True)

    def write(self, now: Reading) -> None:
        """Write down for people what is so, when it changes in kind and once a minute."""
        kind = self.trouble or str(self.uncertainty_ms is None)
        if kind == self._written[0] and now.boot_ms < self._written[1]:
            return
        self._written = (kind, now.boot_ms + REFER_MS)
        state = {"written_ms": now.utc_ms, "uncertainty_ms": self.uncertainty_ms, "words": self.words}
        try:
            write_atomically(self._state_path, json.dumps(state | {"trouble": self.trouble}, sort_keys=True).encode())
        except OSError:
            return


def read_clock(folder: Path) -> State | None:
    """What the gateway wrote of its clock last; None before that, or where the file is damaged."""
    state = _read_json(folder / STATE)
    good = state is not None and type(state.get("written_ms")) is int
    good = good and all(isinstance(state.get(name), str) for name in ("words", "trouble"))  # type: ignore[union-attr]
    return state if good else None


def clock_words(state: State | None) -> str:
    """One line for a person."""
    return "not known yet: no gateway has run on this folder" if state is None else str(state["words"])


def _read_memory(path: Path) -> dict[str, Any] | None:
    found = _read_json(path)
    if found is None or not isinstance(found.get("boot"), str):
        return None
    numbers = [found.get(name) for name in ("utc_ms", "error_ms", "boot_ms")]
    return found if all(type(n) is int and 0 <= n < 1 << 43 for n in numbers) else None


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _year(utc_ms: int) -> int:
    return datetime.fromtimestamp(utc_ms / 1000, UTC).year


def _span(ms: int) -> str:
    for size_ms, name in ((86_400_000, "days"), (3_600_000, "h"), (60_000, "min"), (1000, "s")):
        if ms >= 2 * size_ms:
            return f"{ms / size_ms:.0f} {name}"
    return f"{ms} ms"
