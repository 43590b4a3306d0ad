"""A back end that is slow, lies, refuses, forgets and signs wrongly, by a drawn mixture; then it is well again."""

import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from nacl.signing import SigningKey

from trapbase.config import Settings
from trapbase.outlet import OutletError, refusal_by
from trapkit.database import transaction
from trapsim.backend_direct import DirectOutlet
from trapsim.basesoak.life import Life
from trapsim.crash import Fuse
from trapsim.soakplan import draws_of

T = TypeVar("T")
STATUSES = (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 502, 503, 507)
WAYS = (
    "slow", "never answers", "answer lost", "refuses", "lies about the offset", "forgets an upload", "forgets a batch",
    "signs with another key", "signs for other bytes", "names other objects", "answers nonsense", "knows no receipt",
)  # fmt: skip
MIXED = 4  # ways at once in one life
SHARE = (0.1, 0.5)  # of its answers that are wrong
ROUNDS = 220  # of questions in a life while it is ill; then it is well
SICK_LIMIT_MS = 3_600_000
STRANGER = SigningKey(bytes(range(96, 128)))


class BadOutlet:
    """Before the reference back end. `wait`: lets virtual time pass; `asked`: questions so far."""

    def __init__(self, direct: DirectOutlet, draws: random.Random, wait: Callable[[int], None]) -> None:
        self._direct = direct
        self._draws = draws
        self._wait = wait
        self.ways: tuple[str, ...] = tuple(draws.sample(WAYS, MIXED))
        self.share = draws.uniform(*SHARE)
        self.asked = 0
        self.is_ill = True
        self.counts: Counter[str] = Counter()

    def create(self, batch_id: str, size: int) -> str:
        return self._ask(lambda: self._direct.create(batch_id, size), "create", size, batch_id)

    def offset(self, url: str) -> int | None:
        return self._ask(lambda: self._direct.offset(url), "offset", 0, url)

    def send(self, url: str, offset: int, data: bytes) -> int:
        return self._ask(lambda: self._direct.send(url, offset, data), "send", offset + len(data), url)

    def receipts(self, batch_id: str) -> bytes | None:
        return self._ask(lambda: self._direct.receipts(batch_id), "receipts", 0, batch_id)

    def batches(self, after: str) -> tuple[list[str], str | None]:
        return self._direct.batches(after)

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        return self._direct.identifications(after, limit)

    def _ask(self, call: Callable[[], T], what: str, reach: int, name: str) -> T:
        self.asked += 1
        if not self.is_ill or self._draws.random() >= self.share:
            return call()
        way = self._draws.choice(self.ways)
        self.counts[f"back end: {way}"] += 1
        return self._err(way, call, what, reach, name)  # type: ignore[no-any-return]

    def _err(self, way: str, call: Callable[[], Any], what: str, reach: int, name: str) -> Any:
        if way == "slow":
            self._wait(self._draws.randint(1_000, 29_000))
        elif way == "never answers":
            self._wait(30_000)
            raise OutletError("back end: timed out")
        elif way == "answer lost":
            call()
            raise OutletError("back end: the connection broke")
        elif way == "refuses":
            # It never says 413 of what it took: a back end that does asks for the same objects twice.
            raise refusal_by(what, self._draws.choice(STATUSES), "no")
        elif way == "lies about the offset" and what in ("offset", "send"):
            call()
            return self._draws.choice((0, 1, max(0, reach - 1), reach + 1, reach * 2, 1 << 40))
        elif way == "forgets an upload":
            self._forget_uploads()
        elif way == "forgets a batch":
            self._forget_batches()
        elif what == "receipts":
            answer = call()
            return None if way == "knows no receipt" or answer is None else self._spoil(way, json.loads(answer))
        return call()

    def _forget_uploads(self) -> None:
        assert self._direct.store is not None
        with transaction(self._direct.store._db) as db:
            db.execute("DELETE FROM uploads")

    def _forget_batches(self) -> None:
        """As after its own restore from a backup: nothing of the newest batch."""
        assert self._direct.store is not None
        with transaction(self._direct.store._db) as db:
            found = db.execute("SELECT batch_id FROM batches ORDER BY rowid DESC LIMIT 1").fetchone()
            if found is not None:
                for table in ("batch_objects", "objects", "batches", "uploads"):
                    db.execute(f"DELETE FROM {table} WHERE batch_id = ?", (found[0],))  # noqa: S608 - four names

    def _spoil(self, way: str, answer: dict[str, Any]) -> bytes:
        receipt = answer["receipts"][0]
        if way == "signs with another key":
            receipt["signature"] = STRANGER.sign(bytes.fromhex(receipt["signature"])).signature.hex()
        elif way == "signs for other bytes":
            receipt["objects"][0]["sha256"] = self._draws.randbytes(32).hex()
        elif way == "names other objects":
            kind = self._draws.randrange(4)
            if kind == 0:
                receipt["objects"].pop()
            elif kind == 1:
                receipt["objects"].append({"number": 77, "rung": 0, "sha256": "00" * 32})
            elif kind == 2:
                receipt["trap"] += 1
            else:
                answer["batch_id"] = "0" * 64
        elif way == "answers nonsense":
            text = json.dumps(answer)
            broken = (text[: len(text) // 2], "[]", "null", "[" * 5000, '{"batch_id": 5}', "\udcff" * 9, "")
            return self._draws.choice(broken).encode(errors="surrogateescape")
        return json.dumps(answer).encode()


def _large_pieces(settings: Settings) -> Settings:
    """More batches in as many questions."""
    return msgspec.structs.replace(settings, upload=msgspec.structs.replace(settings.upload, chunk_bytes=16384))


def run_backend(seed: int, number: int, folder: Path, rounds: int = ROUNDS) -> dict[str, Any]:
    """One life: an ill back end for so many questions, then a well one."""
    draws = draws_of(seed, number, "back end")
    made: list[BadOutlet] = []
    lives: list[Life] = []

    def wait(ms: int) -> None:
        lives[0].clock.now += ms

    def wrap(direct: DirectOutlet) -> BadOutlet:
        made.append(BadOutlet(direct, draws_of(seed, number, "answers"), wait))
        return made[0]

    life = Life(folder, draws, Fuse(), radio=0, network=2, wrap=wrap, change=_large_pieces)
    lives.append(life)
    bad, seen = made[0], 0
    life.books.backend_forgets = "forgets a batch" in bad.ways

    def watch() -> bool:
        nonlocal seen
        if life.is_done():
            seen += 1
            life.see(draws.choice(life.traps), (100 + seen,), draws)
        return bad.asked >= rounds

    with life.seams.in_place():
        for trap in life.traps:
            life.see(trap, (1, 2), draws)
        life.run(watch, SICK_LIMIT_MS)
        bad.is_ill = False
        life.finish()
    counts = dict(life.books.counts) | dict(bad.counts) | {
        "questions to a back end that is ill": bad.asked, "virtual seconds": life.clock.now // 1000,
        "ended by itself": sum(life.base.ended.values()),
    }  # fmt: skip
    return {"counts": counts, "violations": life.books.violations, "ended": dict(life.base.ended)}
