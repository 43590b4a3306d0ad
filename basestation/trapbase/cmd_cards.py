"""`trapbase deployments`, `visits` and `samples`: what rangers' cards say, for people and as tables."""

import argparse
import csv
import sys
from contextlib import closing
from pathlib import Path

from trapbase.camtrap_rows import Row, time_text
from trapbase.cardbook import CardBook
from trapbase.config import Settings
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.sample_rows import SAMPLES, sample_row
from trapbase.shutout import watched_traps
from trapbase.stays import Stay
from trapbase.visit_rows import VISITS, visit_row, words_of
from trapkit.cards import Sample, Visit
from trapkit.sealing import read_key

DEPLOYMENTS = (
    "deploymentID", "station", "side", "trap", "start", "end", "ended", "latitude", "longitude", "uncertainty_m",
    "height_cm", "bearing_deg", "trail_m", "bait", "who", "note", "time_issues",
)  # fmt: skip


def add_parsers(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommands."""
    deployments = subparsers.add_parser("deployments", help="where traps stand and stood, by rangers' cards")
    deployments.set_defaults(run=_deployments)
    visits = subparsers.add_parser("visits", help="what rangers did at the traps")
    visits.set_defaults(run=_visits)
    samples = subparsers.add_parser("samples", help="what rangers found near the traps")
    samples.set_defaults(run=_samples)
    for parser in (deployments, visits, samples):
        parser.add_argument("--csv", action="store_true", help="a table, with positions")
        parser.add_argument("--config", type=Path, metavar="FILE", help="settings (TOML); defaults without it")


def read_places(settings: Settings, reader: Reader) -> Places:
    """Where the traps stand, read beside a running base.  Raises: SetupError, StorageError."""
    secret = read_key(Path(settings.box_key), "the key that opens crops") if settings.box_key else None
    traps = {trap.number: trap for trap in settings.trap}
    shut_out = watched_traps(settings.revoked, settings.operator_key)
    return CardBook(reader, secret, traps, settings.cards, shut_out).current()


def _places(settings: Settings) -> Places:
    with closing(Reader(Path(settings.folder))) as reader:
        return read_places(settings, reader)


def _deployments(args: argparse.Namespace, settings: Settings) -> int:
    places = _places(settings)
    stays = [stay for own in places.stays.by_trap.values() for stay in own]
    rows = [_row(places, stay) for stay in sorted(stays, key=lambda s: (s.station, s.side, s.start_ms, s.trap))]
    if args.csv:
        _table(DEPLOYMENTS, rows)
        return 0
    for problem in places.problems:
        print(f"LOOK AFTER: {problem}")
    for row in rows:
        until = f" to {row['end']}" if row["end"] else ", stands there"
        doubt = " (time not sure)" if row["time_issues"] == "true" else ""
        visited = f", visited {row['visited']}" if row["visited"] else ""
        print(
            f"{row['station']} {row['side']}: trap {row['trap']} from {row['start']}{until}, by {row['who']}{doubt}"
            f"{visited}"
        )
    if not rows:
        print("no deployment card is here; the traps stand where the settings say")
    return 0


def _visits(args: argparse.Namespace, settings: Settings) -> int:
    places = _places(settings)
    rows = []
    for said in places.visits():
        assert isinstance(said.said, Visit)  # `visits` gives no other
        rows.append(visit_row(said, said.said, places) | {"words": words_of(said.said)})
    if args.csv:
        _table(VISITS, rows)
        return 0
    for row in rows:
        note = f" ({row['comments']})" if row["comments"] else ""
        print(f"{row['timestamp']}, {row['deploymentID']}: {row['words']}, by {row['visitedBy']}{note}")
    if not rows:
        print("no service visit is here")
    return 0


def _samples(args: argparse.Namespace, settings: Settings) -> int:
    places = _places(settings)
    rows = []
    for said in places.samples():
        assert isinstance(said.said, Sample)  # `samples` gives no other
        rows.append(sample_row(said, said.said, places, {}))
    if args.csv:
        _table(SAMPLES, rows)
        return 0
    for row in rows:
        print(
            f"{row['barcode']}: {row['kind']} in {row['preserved']}, {row['timestamp']}, {row['deploymentID']}, "
            f"by {row['collectedBy']}"
        )
    refused = [s for s in places.said.values() if s.said is None]
    if refused:
        print(f"{len(refused)} cards or samples are kept and not used; `trapbase deployments` says why")
    if not rows:
        print("no sample is here")
    return 0


def _row(places: Places, stay: Stay) -> Row:
    site = places.site_of(stay)
    visits = [v.said.at_ms for v in places.visits() if v.trap == stay.trap and v.said and stay.holds(v.said.at_ms)]
    return {
        "visited": time_text(max(visits)) if visits else "",  # the last time
        "deploymentID": site.id,
        "station": stay.station,
        "side": stay.side,
        "trap": stay.trap,
        "start": time_text(stay.start_ms),
        "end": "" if stay.end_ms is None else time_text(stay.end_ms),
        "ended": stay.ended,
        "latitude": stay.latitude,
        "longitude": stay.longitude,
        "uncertainty_m": site.trap.uncertainty_m,
        "height_cm": stay.height_cm,
        "bearing_deg": stay.bearing_deg,
        "trail_m": stay.trail_m,
        "bait": stay.bait,
        "who": stay.who,
        "note": stay.note,
        "time_issues": "true" if stay.doubt else "false",
    }


def _table(columns: tuple[str, ...], rows: list[Row]) -> None:
    writer = csv.DictWriter(sys.stdout, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
