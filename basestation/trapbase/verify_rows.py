"""What rows say of each other: an alert and its event, a batch and its objects, a receipt and what it names. Pure."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from trapbase.batch import id_of
from trapbase.store_rows import note_said
from trapwire.alert import decode_alert
from trapwire.errors import WireError
from trapwire.notes import decode_note
from trapwire.objects import ALERT, NOTE, RUNG_NAMES
from trapwire.receipt import decode_receipt

Row = dict[str, Any]
WRITTEN = "somebody wrote in the database; bring the base back: trapbase restore"


def name_of(row: Row) -> str:
    """An object, for people."""
    return f"trap {row['trap']} epoch {row['epoch']:08x} number {row['number']} {RUNG_NAMES.get(row['rung'], '?')}"


def row_problem(row: Row, event: Callable[[], list[Row]], note: Callable[[], list[Row]]) -> str:
    """What is wrong with a row of `objects` beside its bytes; `event`, `note`: give what the base noted of it."""
    if row["gone_ms"] is not None and row["state"] != "receipted":
        return f"its file was given up and it is not signed for: {WRITTEN}"
    if row["rung"] == ALERT and row["body"] is not None:
        try:
            alert = decode_alert(row["body"])
        except WireError:
            return f"nobody can read it, and an event is noted: {WRITTEN}" if event() else ""
        facts = (alert.time_ms, alert.uncertainty_ms, alert.species, alert.confidence, alert.count)
        if [tuple(found.values()) for found in event()] != [(*facts, *alert.box, alert.battery)]:
            return f"its event says something else than it does: {WRITTEN}"
    if row["rung"] == NOTE and row["body"] is not None:
        try:
            said = decode_note(row["body"])
        except WireError:
            return f"nobody can read it, and it is noted: {WRITTEN}" if note() else ""
        noted = [(n["kind"], n["time_ms"], n["uncertainty_ms"], json.loads(n["said"])) for n in note()]
        if noted != [(said.kind, said.time_ms, said.uncertainty_ms, note_said(said))]:
            return f"what is noted of it is something else than it says: {WRITTEN}"
    return ""


def batch_problems(row: Row, identities: list[tuple[int, int, int, int, bytes]]) -> Iterator[str]:
    """What is wrong with a row of `batches`; `identities`: of the objects that it has here."""
    if row["held"] != row["objects"]:
        yield f"has {row['held']} objects, {row['objects']} are recorded: {WRITTEN}"
    signed = row["state"] == "receipted"
    if row["receipted"] != (row["held"] if signed else 0) or signed != bool(row["receipts"]):
        yield f"is {row['state']} with {row['receipts']} receipts over {row['receipted']} objects: {WRITTEN}"
    # One that came from the back end after a restore has no size, and may have objects that are not here.
    if row["size"] and row["held"] == row["objects"] and id_of(identities) != row["batch_id"]:
        yield f"its name is not that of its objects: {WRITTEN}"


def receipt_problem(row: Row, named: list[Row]) -> str:
    """What is wrong with a row of `receipts`; `named`: the objects of its batch and outbox."""
    try:
        receipt = decode_receipt(row["body"])
    except WireError as error:
        return f"cannot be read ({error}): {WRITTEN}"
    if receipt.epoch != row["epoch"]:
        return f"is for another outbox than is recorded: {WRITTEN}"
    if sorted(receipt.objects) != sorted((each["number"], each["rung"]) for each in named) and row["size"]:
        return f"names {len(receipt.objects)} objects that are not the {len(named)} of its batch: {WRITTEN}"
    return ""
