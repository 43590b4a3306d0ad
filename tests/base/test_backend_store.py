"""The back end behind its HTTP: bounded, counted, crash-proof."""

import hashlib
import json
from lzma import LZMAError
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import trapsim.backend_package as backend_package
from tests.base.backend_server import make_batch
from tests.base.parts import NOW, SIGNING, Base, deliver, sighting
from trapbase.receipts import check_receipts
from trapsim.backend_direct import DirectOutlet
from trapsim.backend_error import UploadError
from trapsim.backend_store import MAX_UPLOADS, BackendStore
from trapsim.crash import Died, fused
from trapsim.memorybus import MemoryBroker


def test_uploads_are_bounded(tmp_path: Path) -> None:
    store = BackendStore(tmp_path, bytes(SIGNING))
    first = store.create("0" * 64, 100)
    store.append(first, 0, b"x")
    for _ in range(MAX_UPLOADS):
        store.create("1" * 64, 100)
    assert store.offset(first) is None
    assert list((tmp_path / "uploads").iterdir()) == []
    store.close()


def test_the_same_object_in_two_batches_is_counted(tmp_path: Path) -> None:
    """A base that was set back to an old backup would do this; the demo's auditor counts it."""
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    first, second = sighting(1, 1), sighting(1, 2)
    for folder, envelopes in (("a", [*first]), ("b", [*first, *second])):
        broker = MemoryBroker()
        base = Base(tmp_path / folder, broker, DirectOutlet(store))
        deliver(broker, *envelopes)
        base.run(0, 15_000)
        base.close()
    assert store.stats() | {"objects": 4, "batches": 2, "duplicated": 2} == store.stats()
    store.close()


def test_an_object_with_other_bytes_is_refused(tmp_path: Path) -> None:
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    for folder in ("a", "b"):
        broker = MemoryBroker()
        base = Base(tmp_path / folder, broker, DirectOutlet(store))
        deliver(broker, *sighting(1, 1, NOW + len(folder)))
        base.run(0, 15_000)
        if folder == "b":
            assert [b.state for b in base.store.batches_in(("cut", "uploading", "uploaded"), 9)] != []
            assert "422" in base.uploader.last_error
            assert store.stats() | {"objects": 2, "batches": 1, "duplicated": 0} == store.stats()
        base.close()
    store.close()


def test_it_dies_at_every_durable_point_and_forgets_nothing_it_promised(tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path / "base")
    points = 0
    for point in range(200):
        folder = tmp_path / f"at{point}"
        with fused() as fuse:
            promised, url, died = 0, "", False
            fuse.burn_at = frozenset({point})
            fuse.armed = True
            while promised < len(data):
                try:
                    store = BackendStore(folder, bytes(SIGNING))
                    found = store.offset(url) if url else None
                    assert (found is None and not url) or (found is not None and found[0] >= promised)
                    if not url:
                        url = store.create(name, len(data))
                    while promised < len(data):
                        at = store.offset(url)
                        assert at is not None
                        step = data[at[0] : at[0] + 1500]
                        promised = store.append(url, at[0], step) if step else len(data)
                except Died:
                    died = True
            fuse.armed = False
        store = BackendStore(folder, bytes(SIGNING))
        answer = store.receipts(name)
        assert answer is not None
        assert len(check_receipts(json.dumps(answer).encode(), name, objects, bytes(SIGNING.verify_key))) == 2
        assert store.stats() | {"objects": 4, "batches": 1, "duplicated": 0, "refused": 0} == store.stats()
        store.close()
        points += died
        if not died:
            break
    assert points > 20


def test_a_package_that_breaks_its_reader_is_refused_once_and_not_at_every_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, data, _ = make_batch(tmp_path / "base")
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    url = store.create(name, len(data))
    monkeypatch.setattr(backend_package, "_read", lambda *a: (_ for _ in ()).throw(LZMAError("corrupt")))
    with pytest.raises(UploadError, match="LZMAError"):
        store.append(url, 0, data)
    store._db.execute("UPDATE uploads SET state = 'open'")  # as an older server left it
    store.close()
    store = BackendStore(tmp_path / "backend", bytes(SIGNING))
    assert store.offset(url) is None
    store.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.floats(0, 1), max_size=6), torn=st.binary(max_size=40))
def test_any_pieces_with_any_torn_tail_make_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[float], torn: bytes
) -> None:
    data = hashlib.shake_128(b"x").digest(3000)
    folder = tmp_path_factory.mktemp("pieces")
    store = BackendStore(folder, bytes(SIGNING))
    url = store.create("0" * 64, len(data) + 1)  # never complete: nothing is checked
    for end in sorted({int(c * len(data)) for c in cuts} | {len(data)}):
        at = store.offset(url)
        assert at is not None
        with (folder / "uploads" / url).open("ab") as file:
            file.write(torn)  # what a crash may leave behind the promised bytes
        store.append(url, at[0], data[at[0] : end])
    assert (folder / "uploads" / url).read_bytes()[: len(data)] == data
    with pytest.raises(UploadError):
        store.append(url, 1, b"x")
    store.close()
