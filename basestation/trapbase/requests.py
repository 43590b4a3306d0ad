"""What people ask of traps, kept until it is settled: said again on the bus, answers taken down.

A wish is settled when its object is in custody; a setting when its trap has replied. Both are given up after a month.
"""

import json
from typing import Any

from trapbase.request_store import DAY_MS, LOG, Entry, OpenRequest, RequestStore
from trapkit import topics
from trapkit.errors import StorageError
from trapkit.topics import MessageBus
from trapwire.basewords import decode_log
from trapwire.errors import WireError
from trapwire.objects import ObjectKey, pack_keys
from trapwire.words import OUTCOME_NAMES

REPUBLISH_MS = 5000
MAX_OPEN = 256  # said in one round
GIVE_UP_DAYS = 30
MAX_ANSWER_BYTES = 256
MAX_LOG_BYTES = 1024  # a frame's entries in hexadecimal, and what is beside them
OUTCOMES = tuple(OUTCOME_NAMES.values())


def read_log(payload: bytes) -> tuple[int | None, int, int, list[Entry]] | None:
    """Command if it was asked for, first sequence, how many entries are to come, and entries of a message on
    `answer/<trap>`; None when it is no log.  Raises: WireError."""
    said = _read(payload)
    if not isinstance(said, dict) or "log" not in said:
        return None
    command, log = said.get("command"), said["log"]
    if command is not None and (type(command) is not int or not 0 <= command < 1 << 16):
        raise WireError("command of a log is out of bounds")
    try:
        return (command, *decode_log(bytes.fromhex(log)))
    except (TypeError, ValueError) as error:
        raise WireError("log is not hexadecimal") from error


def read_answer(payload: bytes) -> tuple[int, str, int]:
    """Command, outcome and the value in force of a message on `answer/<trap>`.  Raises: WireError."""
    if len(payload) > MAX_ANSWER_BYTES:
        raise WireError(f"answer of {len(payload)} bytes")
    said = _read(payload)
    command, outcome, value = (said.get(n) if isinstance(said, dict) else None for n in ("command", "outcome", "value"))
    if type(command) is not int or not 0 <= command < 1 << 16 or type(value) is not int or not 0 <= value < 1 << 32:
        raise WireError("command or value of an answer is out of bounds")
    if outcome not in OUTCOMES:
        raise WireError(f"outcome {str(outcome)[:40]!r} is unknown")
    return command, str(outcome), value


def _read(payload: bytes) -> object:
    if len(payload) > MAX_LOG_BYTES:
        raise WireError(f"answer of {len(payload)} bytes")
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise WireError("answer is not JSON") from error


class Requests:
    """The step from the store's open requests to the bus. `now_ms` must never go back, `utc_ms` is Unix time."""

    def __init__(self, bus: MessageBus, store: RequestStore) -> None:
        self._bus = bus
        self._store = store
        self._at_ms: int | None = None
        self.storage_error = ""

    def step(self, now_ms: int, utc_ms: int) -> None:
        """Settle what is settled, and say what is open. When the disk refuses, the same again later."""
        if not self._bus.connected or (self._at_ms is not None and now_ms - self._at_ms < REPUBLISH_MS):
            return
        self._at_ms = now_ms
        try:
            self._store.settle(utc_ms, utc_ms - GIVE_UP_DAYS * DAY_MS)
            requests = self._store.open(MAX_OPEN)
        except StorageError as error:
            self.storage_error = str(error)
            return
        self.storage_error = ""
        for request in requests:
            if not self._bus.publish(*_message(request)):
                return


def _message(request: OpenRequest) -> tuple[str, bytes]:
    if request.setting is None:
        key = ObjectKey(request.trap, request.epoch or 0, request.number or 0, request.rung or 0)
        return topics.wanted(request.trap), pack_keys([key])
    if request.setting == LOG:
        asked = {"command": request.command, "first": request.first, "count": request.value}
        return topics.setting(request.trap), json.dumps(asked, sort_keys=True).encode()
    said: dict[str, Any] = {"command": request.command, "setting": request.setting, "value": request.value}
    return topics.setting(request.trap), json.dumps(said, sort_keys=True).encode()
