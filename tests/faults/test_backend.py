"""A back end that errs, refuses, hangs or lies: named, outlasted, nothing lost. The reference back end over real HTTP,
with a layer before it that gives the faulty answers; then the whole path in virtual time."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from nacl.signing import SigningKey

from tests.base.backend_server import Server
from tests.base.parts import BATCH, deliver, sighting
from tests.faults.faulty_backend import HANG, Line
from tests.faults.night import Night
from trapbase.outlet import OutletError, refusal_by


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    line = Line(tmp_path)
    yield line
    line.close()


@pytest.mark.parametrize("method", ["POST", "PATCH", "GET"])
@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "was answered with 500 (no): everything waits and is tried again"),
        (507, "was answered with 507 (no): its disk is full; everything waits"),
        (HANG, "timed out: no answer within 0.1 s (upload.timeout_s); it is tried again"),
    ],
)
def test_a_back_end_that_is_ill_is_waited_for(line: Line, method: str, status: int, words: str) -> None:
    line.faulty.fault = lambda asked, headers: status if asked == method else None
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 20_000, 500)
    assert words in (line.base.uploader.last_error or line.base.receipts.last_error)
    assert line.states() == [{"POST": "cut", "PATCH": "uploading", "GET": "uploaded"}[method]]
    line.faulty.fault = lambda asked, headers: None
    line.base.run(20_000, 35_000, 500)
    line.delivered(2)
    assert line.base.uploader.last_error == line.base.receipts.last_error == ""


def test_a_wrong_offset_goes_on_where_the_back_end_stands(line: Line) -> None:
    """It has taken a piece, and the answer to it was 409: asked, it says how far it is."""
    left = [409]
    line.faulty.after = True
    line.faulty.fault = lambda asked, headers: left.pop() if asked == "PATCH" and left else None
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 1_000, 250)  # a big cat's batch waits for no others
    assert "409 (no): it has another offset; it is asked, and the upload goes on there" in line.base.uploader.last_error
    line.base.run(1_000, 20_000, 250)
    line.delivered(2)
    assert line.faulty.asked.count("POST") == 1, "the same upload"
    assert line.faulty.asked.count("HEAD") >= 1


def test_a_back_end_that_never_agrees_on_an_offset_gets_a_new_upload(line: Line) -> None:
    asks = line.faulty.asked
    line.faulty.fault = lambda asked, headers: 409 if asked == "PATCH" and asks.count("POST") == 1 else None
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 60_000, 500)
    line.delivered(2)
    assert line.faulty.asked.count("POST") == 2


def test_a_batch_that_is_too_large_is_cut_until_it_goes_through(line: Line) -> None:
    for number in range(1, BATCH.max_events + 1):
        deliver(line.broker, *sighting(1, number))
    first: list[str] = []

    def too_large(asked: str, headers: dict[str, str]) -> int | None:
        if asked != "POST":
            return None
        first[:] = first or [headers["upload-length"]]
        return 413 if int(headers["upload-length"]) >= int(first[0]) else None

    line.faulty.fault = too_large
    while not line.base.uploader.last_error:
        line.base.step(0)
    assert "413 (no): the batch is too large for it; set batch.max_bytes lower. It was cut in two" in (
        line.base.uploader.last_error
    )
    line.base.run(250, 30_000, 250)
    line.delivered(2 * BATCH.max_events)
    assert len(line.states()) == 2
    assert not list((line.base.store.folder / "outbox").iterdir())


def test_a_batch_that_is_there_already_is_not_cut_when_its_address_went_wrong(line: Line) -> None:
    """It had all bytes, and then knew neither its own address nor, by its words, so large a batch."""
    deliver(line.broker, *sighting(1, 1), *sighting(1, 2))
    sizes: list[int] = []

    def fault(asked: str, headers: dict[str, str]) -> int | None:
        if asked == "POST":
            sizes.append(int(headers["upload-length"]))
            return 413 if len(sizes) > 1 else None
        if asked == "PATCH" and int(headers["upload-offset"]) + int(headers["content-length"]) == sizes[0]:
            return 409
        return 404 if asked == "HEAD" else None

    line.faulty.fault, line.faulty.after = fault, True
    line.base.run(0, 60_000, 500)
    line.delivered(4)
    assert len(line.states()) == 1
    assert len(sizes) == 2


def test_objects_that_are_too_large_alone_wait_and_others_go_on(line: Line) -> None:
    seen: set[str] = set()
    learning = True

    def fault(asked: str, headers: dict[str, str]) -> int | None:
        if asked != "POST":
            return None
        if learning:
            seen.add(headers["upload-metadata"])
        return 413 if headers["upload-metadata"] in seen else None

    line.faulty.fault = fault
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 14_000, 500)
    assert line.states() == ["cut", "cut"], "alert and crop alone cannot be cut again"
    assert "413 (no): the batch is too large for it; set batch.max_bytes lower" in line.base.uploader.last_error
    learning = False
    deliver(line.broker, *sighting(2, 1))
    line.base.run(14_000, 28_000, 500)
    assert sorted(line.states()) == ["cut", "cut", "receipted"]
    line.faulty.fault = lambda asked, headers: None
    line.base.run(28_000, 45_000, 500)
    line.delivered(4)


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_refused_batch_holds_up_no_other(line: Line, status: int) -> None:
    refused: list[str] = []

    def fault(asked: str, headers: dict[str, str]) -> int | None:
        if asked != "POST":
            return None
        name = headers["upload-metadata"]
        refused[:] = refused or [name]
        return status if refused == [name] else None

    line.faulty.fault = fault
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 12_000, 250)
    assert f"answered with {status} (no): " in line.base.uploader.last_error
    deliver(line.broker, *sighting(2, 1))
    line.base.run(12_000, 30_000, 250)
    assert sorted(line.states()) == ["cut", "receipted"]
    line.faulty.fault = lambda asked, headers: None
    line.base.run(30_000, 45_000, 250)
    line.delivered(4)


def test_a_receipt_signed_by_another_lets_nothing_go(line: Line) -> None:
    line.server.stop()
    line.server.signing_key = bytes(SigningKey.generate())
    line.server.start()
    deliver(line.broker, *sighting(1, 1))
    line.base.run(0, 20_000, 500)
    assert line.states() == ["uploaded"]
    words = line.base.receipts.last_error
    assert "the signature for trap 1 is not the back end's; nothing is let go" in words
    assert "Is keys/backend.pub this back end's key?" in words
    line.server.stop()
    line.server.signing_key = Server(line.server.folder).signing_key
    line.server.start()
    line.base.run(20_000, 35_000, 500)
    line.delivered(2)
    assert line.base.receipts.last_error == ""


@pytest.mark.parametrize("fault", [500, 409, 413, "hangs", "wrong signature"])
def test_a_back_end_that_fails_for_a_minute_loses_nothing(tmp_path: Path, fault: int | str) -> None:
    """From the picture to the trap's deletion, the auditor over all."""
    night = Night(tmp_path / "night")
    outlet = night.station._outlet.direct

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def faulty(*args: Any) -> Any:
            if not night.in_fault:
                return call(*args)
            if isinstance(fault, int):
                raise refusal_by("an upload", fault, "no")
            raise OutletError("back end: timed out")

        return faulty

    def sign(key: SigningKey) -> Callable[[Callable[[int], Any], int], Any]:
        def step(own: Callable[[int], Any], now: int) -> Any:
            assert outlet.store is not None
            outlet.store._key, right = key if night.in_fault else outlet.store._key, outlet.store._key
            try:
                return own(now)
            finally:
                outlet.store._key = right

        return step

    if fault == "wrong signature":
        night.wrap("forward", sign(SigningKey.generate()))
    else:
        for name in ("create", "send"):
            setattr(outlet, name, around(getattr(outlet, name)))
    during = night.run()
    assert not during.finished
