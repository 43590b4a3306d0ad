"""The reference back end's identifications: kept in order, given out by a cursor, signed (BACKEND.md)."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping

from nacl.signing import SigningKey

from trapkit.database import load_queries, transaction
from trapsim.backend_error import UploadError
from trapsim.backend_identify import Said, can_be_identified, decide

PREFIX = b"pugmark-identifications-1\x00"
MOST = 200  # results a page
CURSOR = re.compile(r"[A-Za-z0-9_.~-]{0,256}")
OURS = re.compile(r"after-([1-9][0-9]{0,15})")


class Results:
    """On the back end's open database; `key` signs."""

    def __init__(self, db: sqlite3.Connection, key: SigningKey) -> None:
        self._db = db
        self._key = key
        self._sql = load_queries("trapsim")

    def identify(self, db: sqlite3.Connection, observations: Iterable[Mapping[str, str]]) -> None:
        """Say something of each sighting that shows an animal and was not identified yet; `db`: in a transaction."""
        for row in observations:
            if not can_be_identified(row) or db.execute(self._sql["is_identified"], (row["observationID"],)).fetchone():
                continue
            (count,) = db.execute(self._sql["count_identifications"]).fetchone()
            first = db.execute(self._sql["first_identification"]).fetchone()
            self._add(db, decide(row, count, json.loads(first["said"]) if first else None))

    def say(self, said: Iterable[Said]) -> None:
        """Add results, in the terms of BACKEND.md, as somebody decided them."""
        with transaction(self._db) as db:
            self._add(db, said)

    def _add(self, db: sqlite3.Connection, said: Iterable[Said]) -> None:
        for one in said:
            values = (one["result_id"], one["observationID"], json.dumps(one, sort_keys=True))
            db.execute(self._sql["add_identification"], values)

    def page(self, after: str, limit: int) -> tuple[bytes, str] | None:
        """At most `limit` results after a cursor ("": from the beginning), and the signature over them in hexadecimal;
        None when there is nothing new.  Raises: UploadError 400, 410."""
        if not CURSOR.fullmatch(after):
            raise UploadError(400, "after is no cursor")
        if not 1 <= limit <= MOST:
            raise UploadError(400, f"limit is {limit}, allowed are 1 to {MOST}")
        start = self._start(after)
        rows = self._db.execute(self._sql["identifications_after"], (start, limit + 1)).fetchall()
        if not rows:
            return None
        given = rows[:limit]
        page = {
            "after": after,
            "next": f"after-{given[-1]['id']}",
            "more": len(rows) > limit,
            "results": [json.loads(row["said"]) for row in given],
        }
        body = json.dumps(page, separators=(",", ":")).encode()
        return body, self._key.sign(PREFIX + body).signature.hex()

    def _start(self, after: str) -> int:
        found = OURS.fullmatch(after)
        (last,) = self._db.execute(self._sql["last_identification"]).fetchone()
        if after and (found is None or int(found[1]) > last):
            raise UploadError(410, "that cursor is not known here (any more): begin without one")
        return int(found[1]) if found else 0
