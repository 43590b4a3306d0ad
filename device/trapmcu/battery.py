"""The battery: what was drawn is counted, and the voltage corrects the count where it can tell something.

lithium-primary  Li-SOCl2, flat to its end: the count alone; below the knee three times running: nearly empty
lifepo4          flat in the middle: the voltage corrects the count near empty and near full, from 0 C up
liion            the voltage corrects the count, from 0 C up

Cold: a voltage is compared as it would be at +20 C, the capacity shrinks with the cold and comes back, and a sag under
load makes the class LOW, never CRITICAL. A new pack shows as a jump to full, after a loss of power or after the knee;
where a half-used primary pack is changed no voltage tells it: `renew()`.
"""

import struct

OK, LOW, CRITICAL = 0, 1, 2
# A cell at rest: full, knee (mV); tenths of mV a degree; capacity lost a degree below +20 C, and a year (thousandths);
# a sag under load is below this (mV); at 0, 20, 95 and 100 % (mV).
KINDS = {
    "lithium-primary": (3660, 3300, 25, 4, 30, 3150, ()),
    "lifepo4": (3380, 3100, 20, 9, 300, 2700, (3000, 3200, 3340, 3420)),
    "liion": (4150, 3500, 10, 10, 200, 3150, (3300, 3580, 4090, 4170)),
}  # fmt: skip


class Battery:
    """kind: of KINDS; cells in series; mah: of the pack at +20 C, what is usable of it (0.92 of the maker's figure, for
    Li-SOCl2 under a Pi); state: of `pack()`, or nothing for a new pack.

    level: OK, LOW or CRITICAL, with hysteresis.
    """

    def __init__(self, kind: str, cells: int, mah: int, state: bytes = b"") -> None:
        self._kind = KINDS[kind]
        self._cells = cells
        self._uah = mah * 1000  # microampere-hours, as all counts here
        self._temp = 20
        self._used, self._part, at, self._learned, self._minutes, self._mv, self.level, self._runs = struct.unpack(
            ">IIIIHHBB", state if len(state) == 22 else bytes(22)
        )
        self._at = at << 10

    def pack(self) -> bytes:
        """22 bytes: what survives a deep sleep and a loss of power."""
        return struct.pack(
            ">IIIIHHBB", self._used, self._part, self._at >> 10, self._learned, self._minutes, self._mv, self.level,
            self._runs,
        )  # fmt: skip

    def spend(self, now: int, ua: int) -> None:
        """Since the last call the unit drew `ua` out of the battery. A clock that began anew counts from here."""
        gap = now - self._at
        if self._at and gap > 0:
            ua += self._uah * self._kind[4] // 8766000  # self-discharge
            uah, self._part = divmod(ua * gap + self._part, 3600000)
            self._used = min(self._used + uah, 2000000000)
            self._learned += uah
            self._minutes += now // 60000 - self._at // 60000
            while self._minutes > 40320:  # four weeks: a change of habits counts half after as long
                self._minutes //= 2
                self._learned //= 2
        self._at = now

    def skip(self, now: int, most_ms: int) -> None:
        """What went on uncounted since `pack` was written: at the average, and for `most_ms` at most."""
        if self._at and self._minutes and now > self._at:
            self._used += self._learned * min(now - self._at, most_ms) // (60000 * self._minutes)
        self._at = now

    def reading(
        self, rest_mv: "int | None", temp_c: "int | None", load_mv: "int | None" = None, power_lost: bool = False
    ) -> None:
        """The pack some minutes after its last load, and under it; None: not known. power_lost: since the last one."""
        full, knee, tenths, _, _, sag, table = self._kind
        if temp_c is not None:
            self._temp = temp_c
        low, sags = self._runs & 15, self._runs >> 4
        if rest_mv is not None:
            mv = max(0, rest_mv // self._cells + tenths * (20 - self._temp) // 10)
            jump = mv - self._mv
            low = min(low + 1, 15) if mv < knee else 0
            if self._mv and mv > full - 80 and (jump > 60 if power_lost else jump > 200 and self._runs & 15 > 2):
                self.renew()
            self._mv = mv
            if table and self._temp >= 0:
                i = 2 if mv > table[2] else mv > table[1]
                if i != 1 or full > 4000:  # no cell but Li-ion slopes in its middle
                    share = (1000, 800, 50, 0)  # used, in thousandths
                    part = (mv - table[i]) * (share[i + 1] - share[i]) // (table[i + 1] - table[i])
                    says = min(max(share[i] + part, 0), 1000) * self._uah // 1000
                    self._used += (says - self._used) // 8
        if load_mv is not None:
            sags = min(sags + 1, 15) if load_mv // self._cells < sag else 0
        self._runs = sags << 4 | low
        percent, level = self.percent, self.level
        self.level = (
            2 if percent < (17 if level > 1 else 12) else 1 if percent < (30 if level else 25) or sags > 2 else 0
        )

    def renew(self) -> None:
        """A full pack was put in. What the unit draws a day is still known."""
        self._used = 0

    @property
    def percent(self) -> int:
        """Of what the pack holds at this temperature."""
        room = self._room()
        percent: int = max(0, room - self._used) * 100 // room
        return min(percent, 5) if self._runs & 15 > 2 else percent

    @property
    def days_left(self) -> "int | None":
        """At this temperature and at the average of the last weeks; None in the first half day."""
        if self._minutes < 720:
            return None
        days: int = self._room() * self.percent // 100 * self._minutes // (self._learned * 1440 + 1)
        return days

    def _room(self) -> int:
        return self._uah * (1000 - self._kind[3] * min(max(20 - self._temp, 0), 60)) // 1000
