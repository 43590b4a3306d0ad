"""Which sightings are one event: both cameras of a station photograph the same cat.

Two sightings of a station within 60 s, plus the uncertainties of both clocks, share an eventID (Camtrap DP:
`observations.eventID`); chains of such pairs are one event. A sighting whose time is the first or last that an alert
can tell stays alone: its trap's clock was years off, and a hundred others have that very time. Pure and recomputable
from the stored rows; an eventID that has been published stays.
"""

from collections.abc import Callable, Iterable

from trapbase.model import Event, Sighting
from trapwire.alert import TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS

WINDOW_MS = 60_000
# A clock that is lost for days would join everything; such a sighting is joined as if it were off by ten minutes.
MAX_UNCERTAINTY_MS = 600_000
CLAMPED_MS = (TIME_BASE_UNIX_MS, TIME_LAST_UNIX_MS)
# Two sightings further apart are never a pair, whatever their clocks.
REACH_MS = WINDOW_MS + 2 * MAX_UNCERTAINTY_MS


def sighting_id(sighting: Sighting) -> str:
    """The observationID: trap, epoch and number."""
    trap, epoch, number = sighting
    return f"{trap}-{epoch:08x}-{number}"


StationAt = Callable[[int, int], str | None]
"""The station of a trap at a time (Unix ms)."""


def event_ids(events: Iterable[Event], station_at: StationAt) -> dict[Sighting, str]:
    """The eventID of every sighting, by where each trap stood then. Events of unknown traps stay alone."""
    ids: dict[Sighting, str] = {}
    by_station: dict[str, list[Event]] = {}
    for event in events:
        by_station.setdefault(station_at(event.trap, event.time_ms) or f"trap-{event.trap}", []).append(event)
    for station, own in by_station.items():
        timed = sorted((e for e in own if e.time_ms not in CLAMPED_MS), key=lambda e: (e.time_ms, e.sighting))
        for group in [*_chains(timed), *([e] for e in own if e.time_ms in CLAMPED_MS)]:
            published = [e.event_id for e in group if e.event_id]
            name = published[0] if published else f"{station}-{sighting_id(group[0].sighting)}"
            for event in group:
                # One that was published under another name, before the link between the two arrived, keeps it.
                ids[event.sighting] = event.event_id or name
    return ids


def _chains(events: list[Event]) -> list[list[Event]]:
    """Groups in which each sighting is near one before it; `events` sorted by time."""
    groups: list[tuple[int, list[Event]]] = []  # until when (ms) a perfect clock may still join, and the group
    for event in events:
        blur = min(event.uncertainty_ms or 0, MAX_UNCERTAINTY_MS)
        reach, group = event.time_ms + WINDOW_MS + blur, [event]
        # A blurred clock may reach over the latest group into the one before it.
        while groups and event.time_ms - blur <= groups[-1][0]:
            earlier_reach, earlier = groups.pop()
            reach, group = max(reach, earlier_reach), earlier + group
        groups.append((reach, group))
    return [group for _, group in groups]
