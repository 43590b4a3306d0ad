"""A page of results, which of them stands, and the poller in virtual time: whatever a back end answers."""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from tests.base.parts import EPOCH, NOW, SIGNING
from tests.base.result_parts import CATS, KEY, Said, Source, page, said, signed
from trapbase.model import Identification
from trapbase.results import kept as kept_module
from trapbase.results.answer import MOST, BadAnswerError, read_page
from trapbase.results.kept import MAX_OF_SIGHTING, ResultStore
from trapbase.results.poller import ROUND, Poller
from trapbase.results.standing import standing
from trapkit.errors import StorageError


def read(results: list[Any], after: str = "") -> Any:
    return read_page(*signed(page(results, after)), after, KEY)


def test_a_result_is_read_as_it_was_said() -> None:
    (found,) = read([said("r1", 812, classificationTimestamp="2025-11-21T01:05:00.25Z", replaces="r0")]).results
    assert found == Identification(
        result_id="r1", trap=1, epoch=EPOCH, number=812, individual="T-12 Elduga", species="Panthera tigris",
        sex="female", life_stage="adult", confidence=0.97, method="machine", reviewer="HotSpotter 2.1",
        decided_ms=NOW + 300_250, withdrawn=False, replaces="r0",
    )  # fmt: skip


def test_what_may_be_left_out_is_nothing_and_what_is_new_is_passed_over() -> None:
    names = ("result_id", "observationID", "classificationMethod", "classifiedBy", "classificationTimestamp")
    (found,) = read([{name: said("r1")[name] for name in names} | {"coat": "pale"}]).results
    assert (found.individual, found.sex, found.confidence, found.withdrawn) == (None, None, None, False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"result_id": ""}, {"result_id": "a b"}, {"result_id": "x\n"}, {"result_id": 7},
        {"observationID": "1-c0ffee01"},
        {"observationID": "70000-c0ffee01-1"}, {"observationID": "1-C0FFEE01-1"},
        {"observationID": "1-c0ffee01-5000000000"},
        {"observationID": "01-c0ffee01-1"}, {"observationID": "1-c0ffee01-1\n"}, {"individualID": ""},
        {"individualID": "x" * 65}, {"individualID": "T-12\nT-13"}, {"individualID": " T-12"},
        {"sex": "Female"}, {"lifeStage": "cub"}, {"classificationMethod": "guess"}, {"classifiedBy": None},
        {"classificationProbability": 1.01}, {"classificationProbability": "0.9"}, {"withdrawn": 1},
        {"classificationTimestamp": "2025-11-21 01:05:00Z"}, {"classificationTimestamp": "2025-02-30T01:05:00Z"},
        {"classificationTimestamp": "1969-12-31T23:59:59Z"}, {"classificationTimestamp": "2025-11-21T01:05:00+10:00"},
        {"replaces": "a b"},
    ],
    ids=str,
)  # fmt: skip
def test_a_result_that_cannot_be_read_costs_itself_alone(wrong: Said) -> None:
    found = read([said("r1"), said("r2", **wrong), said("r3")])
    assert [r.result_id for r in found.results] == ["r1", "r3"]
    assert len(found.bad) == 1


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "malformed"), (b"[]", "malformed"), (b"{", "malformed"), (b"[" * 100_000, "malformed"),
        (b"\xff", "malformed"), (page([], "c9"), "was asked for"), (page([], "", "a b"), "malformed"),
        (page([], "", "c" * 257), "malformed"), (page([1] * (MOST + 1)), "malformed"),
        (page([said("r1", individualID="\ud800")]), "malformed"),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_page_that_is_none_is_refused_as_a_whole(body: bytes, words: str) -> None:
    with pytest.raises(BadAnswerError, match=words):
        read_page(*signed(body), "", KEY)


def test_a_cursor_that_stands_still_is_refused_unless_nothing_came() -> None:
    for body in (page([said("r1")], "c1", "c1"), page([], "c1", "c1", more=True)):
        with pytest.raises(BadAnswerError, match="stands still"):
            read_page(*signed(body), "c1", KEY)
    assert read_page(*signed(page([], "c1", "c1")), "c1", KEY).results == []


def test_only_the_back_ends_own_signature_over_these_very_bytes_counts() -> None:
    body, signature = signed(page([said("r1")]))
    assert read_page(body, signature, "", KEY).results
    other = signed(body, bytes(SigningKey.generate()))[1]
    for changed in (
        (body + b" ", signature), (body.replace(b"T-12", b"T-13"), signature), (body, other), (body, signature[:-2]),
        (body, ""), (body, "zz" * 64), (body, signature.upper()), (body, bytes(SIGNING.sign(body).signature).hex()),
    ):  # fmt: skip
        with pytest.raises(BadAnswerError, match="signature"):
            read_page(*changed, "", KEY)


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_be_refused(body: bytes) -> None:
    with pytest.raises(BadAnswerError):
        read_page(*signed(body), "", KEY)


# Which one stands


def one(name: str, minute: int, **more: Any) -> Identification:
    return read([said(name, classificationTimestamp=f"2025-11-21T01:{minute:02}:00Z", **more)]).results[0]


@pytest.mark.parametrize(
    ("results", "stands"),
    [
        ([], None),
        ([one("a", 1), one("b", 2)], "b"),
        ([one("a", 2), one("b", 1, replaces="a")], "b"),  # the corrector's clock is behind
        ([one("a", 1), one("b", 2, replaces="a"), one("c", 3, replaces="b")], "c"),
        ([one("a", 1), one("b", 2, replaces="a", withdrawn=True)], None),
        ([one("a", 1), one("b", 2, replaces="a", withdrawn=True), one("c", 3)], "c"),
        ([one("a", 1), one("b", 3), one("c", 2, replaces="a", withdrawn=True)], "b"),
        ([one("a", 1, replaces="b"), one("b", 2, replaces="a")], "b"),  # a ring
        ([one("a", 1, replaces="a")], "a"),
        ([one("a", 1), one("b", 1)], "b"),  # the same second: the same at every base
    ],
    ids=range(10),
)
def test_the_newest_decision_that_nothing_replaces_stands_in_any_order(
    results: list[Identification], stands: str | None
) -> None:
    for order in itertools.permutations(results):
        assert standing(order) == stands


# The poller


class Asked:
    """A base's tables and its poller, beside a source."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = Source()
        self.kept = ResultStore(folder)
        self.restart()

    def restart(self) -> None:
        self.poller = Poller(self.kept, self.source, KEY, CATS, lambda: 1.0)

    def run(self, start_ms: int, end_ms: int) -> None:
        for now in range(start_ms, end_ms, 1000):
            while self.poller.step(now, NOW + now):
                pass

    def rows(self, sql: str) -> list[Any]:
        db = sqlite3.connect(self.folder / "base.sqlite3")
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    @property
    def names(self) -> list[str]:
        return [r for (r,) in self.rows("SELECT result_id FROM identifications ORDER BY id")]

    @property
    def standing(self) -> list[tuple[int, str]]:
        return self.rows("SELECT number, result_id FROM identifications WHERE stands = 1 ORDER BY number")

    def counted(self, name: str) -> int:
        return int(self.rows(f"SELECT value FROM counters WHERE name = '{name}'")[0][0])


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Asked]:
    base = Asked(tmp_path)
    yield base
    base.kept.close()


def test_all_pages_are_fetched_at_once_and_then_it_asks_once_an_interval(base: Asked) -> None:
    base.source.pages([said("r1", 1)], [said("r2", 2)], [said("r3", 3)])
    base.run(0, 1000)
    assert base.names == ["r1", "r2", "r3"]
    assert base.source.asked == ["", "c1", "c2"]
    base.run(1000, 181_000)
    assert base.source.asked == ["", "c1", "c2", *["c3"] * 3]
    assert base.poller.last_error == ""


def test_a_restart_goes_on_where_it_was(base: Asked) -> None:
    base.source.pages([said("r1")])
    base.run(0, 1000)
    base.restart()
    base.run(0, 1000)
    assert base.source.asked == ["", "c1"]


def test_cursor_and_page_are_one_transaction(base: Asked) -> None:
    """Whichever statement of it fails, the base asks for the same page again, and has everything once."""
    base.source.pages([said("r1", 1), said("r2", 2), said("r3", 1, replaces="r1"), said("bad", sex="tom")])
    for name in ("add_identification", "lay_down", "set_up", "set_identification_cursor", "count_result"):
        whole, base.kept._sql[name] = base.kept._sql[name], "this is no SQL"
        with pytest.raises(StorageError):
            base.poller.step(0, NOW)
        base.kept._sql[name] = whole
        assert (base.names, base.kept.cursor(KEY.hex())) == ([], "")
    base.run(0, 1000)
    assert base.standing == [(1, "r3"), (2, "r2")]
    assert base.counted("bad_identifications") == 1


def test_the_order_of_arrival_is_nothing(tmp_path: Path) -> None:
    first, later = said("r1", 1), said("r2", 1, replaces="r1", individualID="T-7")
    other = said("r3", 1, classificationTimestamp="2025-11-21T01:04:00Z")
    for n, order in enumerate(itertools.permutations([first, later, other])):
        (tmp_path / str(n)).mkdir()
        base = Asked(tmp_path / str(n))
        base.source.pages(*[[r] for r in order])
        base.run(0, 1000)
        assert base.standing == [(1, "r2")]
        base.kept.close()


def test_the_same_result_again_changes_nothing_and_with_other_words_it_is_counted(base: Asked) -> None:
    base.source.pages([said("r1")], [said("r1")], [said("r1", individualID="T-13")])
    base.run(0, 1000)
    base.run(60_000, 61_000)
    assert base.rows("SELECT individual FROM identifications") == [("T-12 Elduga",)]
    assert base.counted("identification_conflicts") == 1


@pytest.mark.parametrize("status", [500, 429, 401, 0])
def test_a_back_end_that_is_ill_is_asked_less_and_less_and_then_goes_on(base: Asked, status: int) -> None:
    base.source.status = status
    if not status:
        base.source.answers[""] = (b"<html>a hotel's page</html>", "")
    base.run(0, 3_600_000)
    assert len(base.source.asked) < 16
    assert base.poller.last_error.startswith("back end")
    assert base.names == []
    base.source.status = 0
    base.source.pages([said("r1")])
    base.run(3_600_000, 4_300_000)
    assert (base.names, base.poller.last_error) == (["r1"], "")


@pytest.mark.parametrize("seed", [bytes(SigningKey.generate()), None], ids=["other key", "none"])
def test_what_another_signed_changes_nothing(base: Asked, seed: bytes | None) -> None:
    base.source.pages([said("r1", 1)], [said("r2", 2)])
    body = base.source.answers["c1"][0]  # type: ignore[index]
    base.source.answers["c1"] = (body, signed(body, seed)[1] if seed else "")
    base.run(0, 1_000_000)
    assert base.names == ["r1"]
    assert base.kept.cursor(KEY.hex()) == "c1"
    assert (
        "the signature is not the back end's; nothing is taken from it. Is keys/backend.pub" in base.poller.last_error
    )
    assert base.counted("bad_identifications") == base.source.asked.count("c1")


def test_a_result_that_cannot_be_read_is_counted_said_and_left(base: Asked) -> None:
    base.source.pages([said("r1", sex="tom"), said("r2", 2)])
    base.run(0, 1000)
    assert base.names == ["r2"]
    assert base.counted("bad_identifications") == 1
    assert "1 cannot be read and were left" in base.poller.last_error
    base.run(1000, 61_000)
    assert base.poller.last_error == ""


def test_a_cursor_that_is_forgotten_there_begins_anew_and_doubles_nothing(base: Asked) -> None:
    base.source.pages([said("r1", 1)], [said("r2", 2)])
    base.run(0, 1000)
    whole = base.source.identifications

    def forgetful(after: str, limit: int) -> Any:
        base.source.status = 410 if after == "c2" else 0
        return whole(after, limit)

    base.source.identifications = forgetful  # type: ignore[method-assign]
    base.source.answers |= {"c1": signed(page([said("r2", 2), said("r3", 3)], "c1", "d2"))}
    base.run(60_000, 70_000)
    assert base.names == ["r1", "r2", "r3"]
    assert base.kept.cursor(KEY.hex()) == "d2"


def test_one_that_knows_no_cursor_at_all_is_trouble(base: Asked) -> None:
    base.source.status = 410
    base.run(0, 600_000)
    assert base.poller.last_error == "back end: asking was answered with 410"
    assert len(base.source.asked) < 12


@pytest.mark.parametrize("status", [404, 405, 501])
def test_one_that_gives_none_is_no_trouble_and_asked_seldom(base: Asked, status: int) -> None:
    base.source.status = status
    base.run(0, 1_801_000)
    assert base.poller.last_error == ""
    assert len(base.source.asked) == 4


def test_a_cursor_that_goes_round_is_paused_and_said(base: Asked) -> None:
    there = {"": "a", "a": "b", "b": "a"}
    for after, next_ in there.items():
        base.source.answers[after] = signed(page([said(f"r-{after}", 1)], after, next_, more=True))
    steps = 0
    while not base.poller.last_error:
        base.poller.step(0, NOW)
        steps += 1
    assert steps == 3 + ROUND
    assert f"{ROUND} pages in a row brought nothing new" in base.poller.last_error
    before = len(base.source.asked)
    base.poller.step(59_000, NOW)
    assert len(base.source.asked) == before
    assert len(base.names) == 3


def test_a_mad_back_end_is_bounded(base: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    base.source.pages([said(f"r{n}", 1) for n in range(MAX_OF_SIGHTING + 3)])
    base.run(0, 1000)
    assert len(base.names) == MAX_OF_SIGHTING
    assert base.counted("bad_identifications") == 3
    monkeypatch.setattr(kept_module, "MAX_KEPT", MAX_OF_SIGHTING + 1)
    base.source.answers["c1"] = signed(page([said("s1", 2), said("s2", 3)], "c1", "c2"))
    base.run(60_000, 61_000)
    assert "65; no more are taken" in base.poller.last_error
    assert base.kept.cursor(KEY.hex()) == "c1", "what found no room is asked for again"


def test_another_back_end_begins_at_the_beginning(base: Asked) -> None:
    base.source.pages([said("r1")])
    base.run(0, 1000)
    other = SigningKey.generate()
    base.source.answers[""] = signed(page([said("other-1", 2)]), bytes(other))
    base.poller = Poller(base.kept, base.source, bytes(other.verify_key), CATS, lambda: 1.0)
    base.run(0, 1000)
    assert base.source.asked[-1] == ""
    assert base.names == ["r1", "other-1"]
