"""The base's soak: small lives are clean, planted faults of the base are found, a life is replayed by its seed."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import trapbase.media
import trapbase.parts
import trapbase.receipts
from trapbase.custody import restore
from trapbase.custody.recall import Recall
from trapbase.custody.reconcile import Reconcile
from trapbase.custody.restore_store import RestoreStore
from trapbase.receipts import Receipts
from trapbase.store import Store
from trapbase.store_rows import Rows
from trapbase.upload import Uploader
from trapbase.whole_receipts import WholeReceipts
from trapsim.basesoak import cuts, fulldisk, kills, life, realkills, restored
from trapsim.basesoak.page import by_kind, page
from trapsim.basesoak.run import PARTS, Job, jobs, run_job
from trapsim.cli import main
from trapsim.powercut import recorder
from trapsim.powercut.recorder import Op

SEED = 1
needs_strace = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


def play(*wanted: Job) -> list[str]:
    """The violations of lives that will not come to their end: they need not wait long for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(life, "LIMIT_MS", 40_000)
        return found(*wanted)


def found(*wanted: Job) -> list[str]:
    return [text for job in wanted for text in run_job(job)["violations"]]


@pytest.mark.parametrize("part", [name for name in PARTS if name not in ("real kills", "power cuts", "full disk")])
def test_a_small_life_of_each_part_loses_and_doubles_nothing(part: str) -> None:
    for job in jobs(SEED, part, small=True):
        done = run_job(job)
        assert done["violations"] == []
        assert done["counts"]["objects"] > 0
        assert done["counts"]["objects let go by receipts"] > 0


def test_kills_strike_everywhere() -> None:
    places: set[str] = set()
    for number in (1, 2):
        done = run_job(("kills", SEED, number, kills.DEATHS))
        assert done["violations"] == []
        assert done["counts"]["kills"] == kills.DEATHS
        places |= {name.removeprefix("kill in ") for name in done["counts"] if name.startswith("kill in ")}
    assert places >= {"gateway: gateway", "ingest: ingest", "forward: upload"}
    assert places & {"forward: batch", "forward: receipts"}


def test_a_life_is_replayed_by_its_seed() -> None:
    first, again, other = (run_job(("kills", seed, 3, 8))["counts"] for seed in (SEED, SEED, SEED + 1))
    assert first == again != other


def test_real_processes_killed_for_real_lose_and_double_nothing(
    mosquitto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realkills, "LIVES_S", (0.6, 1.2))  # of its CPU's; an idle base takes long to use more
    monkeypatch.setattr(realkills, "IDLE_LIVES", 8)
    done = run_job(("real kills", SEED, 0, 2))
    assert done["violations"] == []
    assert done["counts"]["real kills of trapbase run"] == 2


@pytest.mark.skipif(not fulldisk.can_mount(), reason="no user namespace in which a small disk can be made")
def test_a_real_disk_that_is_full_loses_nothing() -> None:
    done = run_job(("full disk", SEED, 1, 10))
    assert done["violations"] == []
    assert done["counts"]["lives on a full disk that were refused something"] == 2


# Power cuts


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    folder = tmp_path_factory.mktemp("cuts", numbered=True) / "life"
    return folder, cuts.record(folder, SEED, 2)


@needs_strace
def test_a_power_cut_at_any_write_takes_nothing_back(recorded: tuple[Path, list[Op]]) -> None:
    folder, ops = recorded
    found = list(cuts.cut(ops, folder, SEED, 2, 6))
    assert len(found) == 6
    assert [text for _, wrong in found for text in wrong] == []


CUT_FAULTS: dict[str, Callable[[str], bool]] = {
    "the database's log is never synced": lambda path: path.endswith("base/base.sqlite3-wal"),
    "media are never synced": lambda path: "/media/incoming/" in path,
    "the folders of media are never synced": lambda path: path.rsplit("/", 2)[-2] == "media",
    "the base's own name is never synced": lambda path: path.endswith("/life"),
}


@needs_strace
@pytest.mark.parametrize("fault", CUT_FAULTS)
def test_a_sync_that_was_forgotten_is_found(recorded: tuple[Path, list[Op]], fault: str) -> None:
    """The last operation of the life: all that is not synced may be missing."""
    folder, ops = recorded
    without = [op for op in ops if op.kind != "sync" or not CUT_FAULTS[fault](op.path)]
    assert len(without) < len(ops)
    last_told = max(at for at, op in enumerate(without) if op.kind == "said" and b"told" in op.data)
    assert any(wrong for _, wrong in cuts.cut(without[: last_told + 1], folder, SEED, 2, 2, first=last_told))


# Faults in the base that a life must find


def test_an_acknowledgement_before_the_commit_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """ "It will be written soon": every other group is acknowledged and not stored."""
    begin_add, commit, groups = Store.begin_add, Store.commit, iter(range(10_000))

    def begin(self: Store, rows: Rows, *rest: Any, **more: Any) -> Any:
        return begin_add(self, rows, *rest, **more) if next(groups) % 2 else rows.arrivals

    monkeypatch.setattr(Store, "begin_add", begin)
    monkeypatch.setattr(Store, "commit", lambda self: commit(self) if self._db.in_transaction else None)
    assert any(text.startswith("lost: ") for text in play(("kills", SEED, 1, 0)))


def test_media_that_are_not_written_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trapbase.media.MediaFolder, "put", lambda self, bodies: None)
    assert any(text.startswith("lost: ") for text in play(("kills", SEED, 1, 0)))


def test_a_receipt_that_is_not_verified_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Taken unseen, it lets the base forget a batch that nobody signed for."""

    def trusting(data: bytes, batch_id: str, objects: Any, key: bytes) -> Any:
        receipts = json.loads(data)["receipts"]
        return [(r["trap"], r["epoch"], b"") for r in receipts]

    monkeypatch.setattr(trapbase.receipts, "check_receipts", trusting)
    assert play(("back end", SEED, 1, 100))


def test_a_batch_that_is_not_sent_again_when_the_back_end_lost_it_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Uploader, "lost", lambda self, batch, now_ms: None)
    assert any(text.startswith("lost: ") for text in play(("back end", SEED, 3, 100)))


def test_a_receipt_that_is_never_sent_whole_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One forged object, and its trap would keep all that the receipt names."""
    monkeypatch.setattr(WholeReceipts, "want", lambda self, key: False)
    assert any(text.startswith("lost: ") for text in play(("hostile bus", SEED, 0, 300)))


COMEBACK_FAULTS: dict[str, tuple[Any, str, Any, int, str]] = {
    "the frame counter does not leap": (restore, "_next_counter", lambda backup, *_: backup, 3, "is not new"),
    "the back end is not asked": (Reconcile, "pending", lambda self: False, 3, "lost: "),
    "traps are not asked": (Recall, "step", lambda *_: None, 5, "never got it by radio"),
    "a clock that is set ends the asking": (RestoreStore, "shift", lambda *_: None, 5, "never got it by radio"),
}


@pytest.mark.parametrize("fault", COMEBACK_FAULTS)
def test_a_base_that_comes_back_wrongly_is_found(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, name, planted, number, words = COMEBACK_FAULTS[fault]
    monkeypatch.setattr(where, name, planted)
    monkeypatch.setattr(restored, "RECALL_MS", 10 * 3_600_000)
    assert any(words in text for text in play(("restored", SEED, number, PARTS["restored"].small)))


def test_a_counter_that_is_not_reserved_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trapbase.parts, "write_counter", lambda path, end: None)
    assert any("is not new" in text for number in (3, 6, 7) for text in play(("kills", SEED, number, 12)))


def test_a_part_that_ends_with_a_traceback_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Receipts, now_ms: int, utc_ms: int) -> bool:
        raise ValueError("nobody thought of that")

    monkeypatch.setattr(Receipts, "_fetch", full)
    assert any(text.startswith("wrong: forward: ValueError") for text in play(("twins", SEED, 2, 1)))


# Command and page


def test_the_command_shows_what_ran_and_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = str(tmp_path / "kept")
    assert main(["soak", "--base", "--only", "twins", "--life", "2", "--kept", kept, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert by_kind(figures) == {"lost": 0, "doubled": 0, "unclean": 0, "wrong": 0}
    assert figures["parts"]["twins"]["a cloned card"] == 1
    assert main(["soak", "--base", "--kept", kept, "--kept-only"]) == 0
    shown = capsys.readouterr().out
    assert "were not played**" in shown
    assert "| a cloned card | 1 |" in shown


def test_what_is_wrong_is_on_the_page() -> None:
    figures = {
        "command": "",
        "commit": "",
        "seed": 1,
        "asked": {"kills": 1},
        "played": 1,
        "parts": {},
        "skipped": {"outages": "x"},
    }
    text = page(figures | {"violations": {"kills 3": ["lost: one", "unclean: two"]}})
    assert "lost 1, doubled 0, unclean 1, wrong 0" in text
    assert "- kills 3: lost: one" in text
    assert "Left out: x." in text


@pytest.mark.parametrize("wrong", [["--only", "nothing"], ["--life", "3"], ["--small", "--write"], ["--kept-only"]])
def test_a_wrong_use_is_named(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soak", "--base", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err
