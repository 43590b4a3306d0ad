"""The page's part on rangers' cards: who stands where since when, visits, samples. Pure; it shows no position."""

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from trapbase.moments import moment
from trapbase.places import Places
from trapbase.stays import plain
from trapbase.visit_rows import doubtful, words_of
from trapkit.cards import Sample, Visit

MOST_DEPLOYMENTS = 200  # shown, those that stand first
MOST_VISITS = 50
MOST_SAMPLES = 50
Row = dict[str, Any]


def deployment_rows(places: Places, zones: Mapping[int, ZoneInfo]) -> list[Row]:
    """The deployments that cards began: those that stand by station, then those that ended, the newest first."""
    stays = [stay for own in places.stays.by_trap.values() for stay in own]
    standing = sorted((s for s in stays if s.end_ms is None), key=lambda s: (s.station, s.side, s.trap))
    ended = sorted((s for s in stays if s.end_ms is not None), key=lambda s: (-(s.end_ms or 0), s.trap))
    rows = []
    for stay in [*standing, *ended][:MOST_DEPLOYMENTS]:
        zone = zones.get(stay.trap, ZoneInfo("UTC"))
        rows.append(
            {
                "id": places.site_of(stay).id,
                "station": stay.station,
                "side": stay.side,
                "trap": stay.trap,
                "since": moment(stay.start_ms, zone),
                "until": None if stay.end_ms is None else moment(stay.end_ms, zone),
                "ended": stay.ended,
                "who": stay.who,
                "note": stay.note,
                "doubt": stay.doubt,
            }
        )
    return rows


def visit_rows(places: Places, zones: Mapping[int, ZoneInfo]) -> list[Row]:
    """The newest service visits."""
    rows = []
    for said in places.visits()[:MOST_VISITS]:
        visit = said.said
        assert isinstance(visit, Visit)  # `visits` gives no other
        trap = places.site(said.trap, visit.at_ms).trap
        rows.append(
            {
                "station": trap.station,
                "side": trap.side,
                "trap": said.trap,
                "what": words_of(visit),
                "who": plain(visit.who),
                "note": plain(visit.note),
                "doubt": doubtful(visit),
                "time": moment(visit.at_ms, zones.get(said.trap, ZoneInfo("UTC"))),
            }
        )
    return rows


def sample_rows(places: Places, zones: Mapping[int, ZoneInfo]) -> list[Row]:
    """The newest samples."""
    rows = []
    for said in places.samples()[:MOST_SAMPLES]:
        sample = said.said
        assert isinstance(sample, Sample)  # `samples` gives no other
        rows.append(
            {
                "barcode": sample.barcode,
                "kind": sample.kind,
                "kept": sample.kept,
                "station": plain(sample.station),
                "trap": said.trap,
                "who": plain(sample.who),
                "time": moment(sample.at_ms, zones.get(said.trap, ZoneInfo("UTC"))),
                "sighting": sample.sighting,
            }
        )
    return rows
