"""Where each trap stands, and stood: by rangers' cards, and by the settings where no card speaks. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec.structs import replace

from trapbase.camtrap_rows import deployment_id, time_text
from trapbase.config import TrapSettings
from trapbase.model import Sighting
from trapbase.stays import CORRECTION_MS, NOWHERE, Said, Stay, Stays
from trapkit.cards import Sample, Visit

LEAST_UNCERTAINTY_M = 10  # a hand-held receiver under trees, however many digits it shows
UNCERTAINTY_M = 30  # where nobody said how many digits there were


@dataclass(frozen=True, kw_only=True)
class Site:
    """A trap at one place: `trap` as the settings would have it there; `stay`: by which card, None: by the settings."""

    id: str
    trap: TrapSettings
    stay: Stay | None


@dataclass(frozen=True, kw_only=True)
class Places:
    """`listed`: the traps of the settings; `stays`, `said`: by the cards; `problems`: what a person should see to;
    `shut_out`: traps that the operator has shut out, which nobody waits for."""

    listed: Mapping[int, TrapSettings]
    stays: Stays = NOWHERE
    said: Mapping[Sighting, Said] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    shut_out: frozenset[int] = frozenset()

    def known(self) -> dict[int, TrapSettings]:
        """Every trap of which somebody knows where it stands, as it stands now or stood last."""
        found = dict(self.listed)
        for number in self.stays.by_trap:
            stay = self.stays.now(number)
            if stay is not None:
                found[number] = self._settled(number, stay)
        return found

    def taken_down(self) -> set[int]:
        """Traps whose newest card has ended their deployment: nobody need look for them."""
        newest = {number: self.stays.now(number) for number in self.stays.by_trap}
        return {number for number, stay in newest.items() if stay is not None and stay.end_ms is not None}

    def site(self, trap: int, time_ms: int) -> Site:
        """Where it was at that time (Unix ms), or nearest to it. Before its first card the settings hold, if they have
        it; but what came shortly before was the ranger's own test."""
        stay = self.stays.at(trap, time_ms)
        if stay is not None and trap in self.listed and stay.start_ms - time_ms > CORRECTION_MS:
            first = self.stays.by_trap[trap][0]
            stay = None if stay is first else stay
        if stay is None:
            where = self.listed.get(trap) or gone(trap)
            return Site(id=deployment_id(where), trap=where, stay=None)
        return self.site_of(stay)

    def site_of(self, stay: Stay) -> Site:
        """The site of a stay."""
        began = time_text(stay.start_ms).replace("-", "").replace(":", "")[:13]
        again = f"-{stay.again + 1}" if stay.again else ""
        name = f"{stay.station}-{stay.side}-{stay.trap}-{began}{again}"
        return Site(id=name, trap=self._settled(stay.trap, stay), stay=stay)

    def station(self, trap: int, time_ms: int) -> str | None:
        """Its station at that time; None where nobody knows the trap."""
        if trap not in self.listed and trap not in self.stays.by_trap:
            return None
        return self.site(trap, time_ms).trap.station

    def traps_at(self, station: str) -> list[int]:
        """Those that stood at that station at any time."""
        by_card = {n for n, own in self.stays.by_trap.items() if any(s.station == station for s in own)}
        return sorted(by_card | {n for n, trap in self.listed.items() if trap.station == station})

    def samples(self) -> list[Said]:
        """The samples that count, newest first."""
        return self._newest(Sample)

    def visits(self) -> list[Said]:
        """The service visits that count, newest first."""
        return self._newest(Visit)

    def _newest(self, kind: type[Sample | Visit]) -> list[Said]:
        found = [s for s in self.said.values() if isinstance(s.said, kind)]
        return sorted(found, key=lambda s: (-(s.said.at_ms if s.said else 0), s.sighting))

    def _settled(self, number: int, stay: Stay) -> TrapSettings:
        where = self.listed.get(number) or gone(number)
        return replace(
            where,
            station=stay.station,
            side=stay.side,
            latitude=stay.latitude,
            longitude=stay.longitude,
            uncertainty_m=uncertainty_m(stay.precision_m),
            deployed=time_text(stay.start_ms),
        )


def uncertainty_m(precision_m: float | None) -> int:
    """Of a position that somebody typed, m."""
    return UNCERTAINTY_M if precision_m is None else max(LEAST_UNCERTAINTY_M, math.ceil(precision_m))


def gone(number: int) -> TrapSettings:
    """A trap that was known when its batch was cut, and is not any more."""
    return TrapSettings(number=number, station=f"trap-{number}", latitude=0.0, longitude=0.0, uncertainty_m=100000)


def listed_besides(listed: Mapping[int, TrapSettings], stays: Stays) -> list[str]:
    """Traps of the settings, without any card, where another trap stands by its card."""
    found = []
    for number, trap in sorted(listed.items()):
        if number in stays.by_trap:
            continue
        for other in stays.by_trap:
            stay = stays.now(other)
            if stay and stay.end_ms is None and (stay.station, stay.side) == (trap.station, trap.side):
                found.append(
                    f"{trap.station}, {trap.side}: trap {other} stands there by its card, and the settings have trap "
                    f"{number} there. Take its [[trap]] table away if it left."
                )
    return found
