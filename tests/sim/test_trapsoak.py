"""The trap's soak: short seasons are clean, every kind of planted fault in the trap is found."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trapcam.capture
import trapcam.note_store
import trapcam.outbox
from trapcam.note_store import NoteStore
from trapcam.outbox import Outbox
from trapcam.receipts import Proved
from trapcam.record import Outcome
from trapcam.seal import SealedObject, Sealer
from trapsim.cli import main
from trapsim.crash import fused
from trapsim.trapsoak.books import Books
from trapsim.trapsoak.marks import CAT, Mark, draw, in_crop, read
from trapsim.trapsoak.plan import draw as plan
from trapsim.trapsoak.planted import MIDDLE, PlantedCamera
from trapsim.trapsoak.run import is_killed, planned, run_season, seasons
from trapsim.trapsoak.season import Run
from trapwire.objects import Envelope
from trapwire.receipt import decode_receipt

SEASONS = 12  # within which a control must be found
BURSTS = 30


def play(folder: Path, number: int, bursts: int = BURSTS) -> Books:
    with fused() as fuse:
        return Run(plan(1, number, bursts), folder / str(number), fuse).run()


def first_violations(folder: Path, kind: str) -> list[str]:
    """Those of the first season that has any of this kind."""
    for number in (n for n in range(1, SEASONS) if not is_killed(n)):
        found = [text for text in play(folder, number).violations if text.startswith(kind)]
        if found:
            return found
    return []


@pytest.mark.parametrize("number", [1, 2])
def test_a_season_with_faults_loses_and_doubles_nothing(tmp_path: Path, number: int) -> None:
    books = play(tmp_path, number)
    assert books.violations == []
    assert books.counts["bursts"] == BURSTS
    assert books.counts["sightings"] == books.counts["kept"] > 3
    assert books.counts["objects opened"] + books.counts["full frames left out"] >= 4 * books.counts["kept"]
    assert books.counts["withheld"] > 0


def test_a_season_of_real_kills_loses_and_doubles_nothing() -> None:
    done = run_season((1, 5, 40))  # a quiet machine takes ten within one life
    assert done["violations"] == []
    assert done["counts"]["bursts"] == 40
    assert done["counts"]["real kills"] > 2


def test_a_season_with_the_real_detector_loses_and_doubles_nothing() -> None:
    done = run_season((1, 20, 6))
    assert done["violations"] == []
    assert done["counts"]["bursts judged by the real detector"] == 6


def test_the_seasons_have_as_many_bursts_as_were_asked_for() -> None:
    jobs = list(seasons(1, 1000))
    assert sum(len(planned(job).bursts) for job in jobs) == 1000
    assert any(planned(job).real for job in list(seasons(1, 3000)))


# Controls: a trap that does it wrong is found out.


def test_a_full_frame_written_after_its_commit_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[SealedObject] = []
    write = Outbox._write_full
    commit = Outbox._commit

    def commit_first(box: Outbox, outcome: Any, left_out: Any) -> int | None:
        late.clear()
        number = commit(box, outcome, left_out)
        for sealed in late:
            write(box, sealed)
        return number

    monkeypatch.setattr(Outbox, "_write_full", lambda box, sealed: late.append(sealed))
    monkeypatch.setattr(Outbox, "_commit", commit_first)
    assert first_violations(tmp_path, "lost")


def test_people_that_are_kept_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decide = trapcam.capture.decide

    def blind(frames: Any, *rest: Any) -> Any:
        return decide([[one for one in seen if one.category not in ("person", "vehicle")] for seen in frames], *rest)

    monkeypatch.setattr(trapcam.capture, "decide", blind)
    assert first_violations(tmp_path, "human on the card")


def test_a_burst_taken_twice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trap forgets where it stood: after a start it begins under another name."""
    start = PlantedCamera.start

    def renamed(camera: PlantedCamera) -> None:
        start(camera)
        camera.source += "'"

    monkeypatch.setattr(PlantedCamera, "start", renamed)
    assert first_violations(tmp_path, "doubled")


def test_a_forged_receipt_that_is_believed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def believed(envelope: Envelope, *rest: object) -> Proved:
        receipt = decode_receipt(envelope.body)
        return Proved(objects=receipt.objects, strangers=0, signature=receipt.signature)

    monkeypatch.setattr(trapcam.outbox, "check_receipt", believed)
    assert first_violations(tmp_path, "lost")


def test_what_lies_in_the_clear_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sealer, "seal_file", lambda sealer, data: data)
    assert first_violations(tmp_path, "in the clear")


def test_a_sighting_that_is_dropped_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card refuses, and the trap goes on as if it had not."""
    commit = Outbox.commit

    def careless(box: Outbox, outcome: Any) -> int | None:
        if isinstance(outcome, Outcome) and outcome.position % 7 == 3:
            outcome = Outcome(
                source=outcome.source, position=outcome.position, trigger=outcome.trigger, name=outcome.name,
                frames=outcome.frames, outcome="rejected", reason="nothing seen",
            )  # fmt: skip
        return commit(box, outcome)

    monkeypatch.setattr(Outbox, "commit", careless)
    assert first_violations(tmp_path, "lost")


# Days, lids, and a card nearly full.


def play_days(folder: Path) -> Books:
    """Days of a few bursts, one opened lid, a card nearly full for a while; words are lost on the line."""
    drawn = plan(1, 6, 18)
    nights = tuple((ms, "a day passes") for ms in (9_000, 18_000, 27_000))
    season = replace(
        drawn, moments=tuple(sorted([*nights, (2_000, "lid opened")])), deaths=(), networked=False, module=False,
        spells=(("card nearly full", 0, 15_000),), bursts=tuple(replace(burst, fault="") for burst in drawn.bursts),
    )  # fmt: skip
    with fused() as fuse:
        return Run(season, folder / "days", fuse).run()


def test_every_day_is_told_once_and_a_full_frame_left_out_is_counted(tmp_path: Path) -> None:
    books = play_days(tmp_path)
    assert books.violations == []
    assert books.counts["days told"] > 0
    assert books.counts["alarms"] == 1
    assert books.counts["scenes opened"] > 0
    assert books.counts["full frames left out"] > 0


def test_a_day_that_is_told_twice_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say = NoteStore._say

    def twice(*args: Any) -> None:
        say(*args)
        say(*args)

    monkeypatch.setattr(NoteStore, "_say", staticmethod(twice))
    assert [text for text in play_days(tmp_path).violations if text.startswith("doubled: day ")]


def test_a_day_that_is_not_told_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trapcam.note_store, "MAX_DAYS", 0)
    assert [text for text in play_days(tmp_path).violations if text.startswith("lost: day ")]


def test_an_alarm_that_is_not_kept_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NoteStore, "add_alarm", lambda notes, *rest: 1)
    assert [text for text in play_days(tmp_path).violations if text.startswith("lost: the alarm ")]


def test_a_full_frame_that_is_left_out_without_need_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Outbox, "_fitting", lambda box, fulls: 0)
    with fused() as fuse:
        books = Run(replace(plan(1, 1, 8), spells=(), deaths=(), moments=()), tmp_path / "1", fuse).run()
    assert [text for text in books.violations if "and there was room" in text]


# The marks, and the command.


@pytest.mark.parametrize("scale", [1, 2, 5])
def test_a_mark_outlives_another_size(scale: int) -> None:
    image = np.full((240 * scale, 320 * scale, 3), 110, np.uint8)
    mark = Mark(burst=41234, frame=3, shown=CAT, season=7)
    draw(image, mark, MIDDLE)
    assert read(image, MIDDLE) == mark
    assert read(image[::scale, ::scale], MIDDLE) == mark
    assert read(np.zeros_like(image), MIDDLE) is None
    x, y, w, h = in_crop((0.3, 0.3, 0.4, 0.4), 0.15)
    assert (x, y) == pytest.approx((0.15 / 1.3, 0.15 / 1.3))
    assert (w, h) == pytest.approx((1 / 1.3, 1 / 1.3))


def test_the_command_prints_its_counts_and_refuses_half_a_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["soak", "--bursts", "8", "--workers", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["counts"]["bursts"], figures["violations"], figures["others"]) == (8, {}, 0)
    assert main(["soak", "--bursts", "8", "--season", "1", "--write"]) == 2
    assert "with --season the page would hold one of them" in capsys.readouterr().err
    assert main(["soak", "--season", "1"]) == 2
    assert "--season: is of the trap's soak; say --bursts too" in capsys.readouterr().err


def test_a_soak_that_was_stopped_goes_on_where_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept"
    command = ["soak", "--bursts", "4", "--workers", "1", "--json", "--kept", str(kept)]
    assert main(command) == 0
    first = json.loads(capsys.readouterr().out)
    kept.write_text(kept.read_text() + '{"job": [1, 2')  # a line that was cut
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == first["counts"]  # the seconds too: nothing was played again
    assert main([*command, "--seed", "2"]) == 0
    other = json.loads(capsys.readouterr().out)
    assert other["counts"]["seconds"] != first["counts"]["seconds"]
    assert main([*command, "--seed", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == other["counts"]
    kept.write_text("what is this?\n")
    assert main(command) == 2
    assert f"{kept}: is no file of kept seasons" in capsys.readouterr().err
