"""A unit's event log (`trapmcu.eventlog`) as lines for the bench. Pure. The base has its own, fuller words."""

import binascii
import struct
from datetime import UTC, datetime, timedelta

from trapwire import events

RECORD_BYTES = 13
TRUE_TIME = 0x80
EPOCH = datetime(2020, 1, 1, tzinfo=UTC)  # of true time in the log
NAMES = {value: name for name, value in vars(events).items() if name.isupper() and name not in ("IMPORTANT", "FAULT")}


def last_entries(logs: list[bytes], count: int) -> list[dict[str, object]]:
    """The newest entries of both files, oldest first; what is torn or damaged is left out."""
    found: dict[int, dict[str, object]] = {}
    for log in logs:
        for at in range(0, len(log) - RECORD_BYTES + 1, RECORD_BYTES):
            record = log[at : at + RECORD_BYTES]
            if struct.pack(">H", binascii.crc32(record[:11]) & 0xFFFF) != record[11:]:
                continue
            sequence, time_s, code, value = struct.unpack(">IIBH", record[:11])
            found[sequence] = {
                "time": _moment(time_s, bool(code & TRUE_TIME)),
                "code": code & ~TRUE_TIME,
                "name": NAMES.get(code & ~TRUE_TIME, "unknown").lower().replace("_", " "),
                "value": value,
                "is_fault": code & ~TRUE_TIME >= events.FAULT,
            }
    return [found[sequence] for sequence in sorted(found)[-count:]]


def _moment(time_s: int, is_true: bool) -> str:
    if is_true:
        return (EPOCH + timedelta(seconds=time_s)).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{time_s} s of its own clock"
