"""A burst through detector, choice, rungs, seal: up to three full frames, and never a burst of pictures in memory."""

import gc
import io
import weakref
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from burst_parts import Box, ToldJudge, blurred, burst, scene
from cam_parts import BACKEND, BASE, NOW, REVIEWER, FakeDetection, receipt_for, sealer
from PIL import Image as Pillow
from PIL import ImageOps
from pyrage import decrypt

from trapcam.audit import Sampler
from trapcam.capture import Capture, Policy
from trapcam.frames import Frame, Image
from trapcam.outbox import Outbox
from trapcam.record import Outcome
from trapcam.states import DELETED, HELD
from trapcam.status import read_status
from trapcam.unjudged import Unjudged
from trapkit.sealing import open_box
from trapwire.alert import decode_alert
from trapwire.objects import ALERT, CROP, FRAME, FULL, FULL_2, FULL_3, FULLS

SOURCE = "burst"
BIG = (1296, 2304, 3)  # what the Pi's camera takes
MOST_PICTURES = 2  # of that size, at any moment: 9 MB each of a trap's 512


def cat_at(box: Box, confidence: float = 0.9) -> list[FakeDetection]:
    return [FakeDetection(bbox=box, confidence=confidence)]


def shown(*looks: tuple[tuple[Image, Box], float]) -> tuple[list[Image], list[list[FakeDetection]]]:
    return [picture for (picture, _), _ in looks], [cat_at(box, sure) for (_, box), sure in looks]


def outcome_of(
    looks: tuple[list[Image], list[list[FakeDetection]]], policy: Policy | None = None, position: int = 0
) -> Outcome:
    pictures, sees = looks
    made = Capture(ToldJudge(sees), sealer(), policy or Policy()).outcome(burst(pictures), SOURCE, position)
    assert isinstance(made, Outcome)
    return made


def passing_by() -> tuple[list[Image], list[list[FakeDetection]]]:
    """Blurred and surest; whole and sharp; the same again; turned; cut off by the edge."""
    best = scene(330, 170)
    return shown(
        (scene(600, 170, look=blurred(3)), 0.97), (best, 0.8), (best, 0.8),
        (scene(330, 170, look=ImageOps.mirror), 0.7), (scene(-200, 170), 0.9),
    )  # fmt: skip


def opened(outcome: Outcome, rung: int) -> np.ndarray:
    assert outcome.sighting is not None
    (body,) = [sealed.body for sealed in outcome.sighting.objects if sealed.rung == rung]
    return np.asarray(Pillow.open(io.BytesIO(decrypt(body, [REVIEWER]))).convert("RGB"), np.int16)


def is_picture(found: np.ndarray, picture: Image) -> bool:
    """The same but for what JPEG changes."""
    return bool(np.abs(found - picture).mean() < 6)


def test_alert_crop_and_frame_are_of_the_frame_that_shows_the_cat_best() -> None:
    looks = passing_by()
    made = outcome_of(looks)
    assert made.sighting is not None
    assert made.sighting.event.frame == 1
    assert made.name == "1.png"
    assert made.sighting.taken_ms == NOW + 1_000
    bodies = {sealed.rung: sealed.body for sealed in made.sighting.objects}
    alert = decode_alert(bodies[ALERT])
    box = looks[1][1][0].bbox
    assert alert.box == tuple(round(v * 255) for v in box)
    assert alert.confidence == round(0.97 * 255), "how sure the burst is, in whichever frame"
    frame = Pillow.open(io.BytesIO(open_box(bytes(BASE), bodies[FRAME]) or b"")).convert("RGB")
    wanted = np.asarray(Pillow.fromarray(looks[0][1]).resize(frame.size), np.int16)
    assert np.abs(np.asarray(frame, np.int16) - wanted).mean() < 20
    assert open_box(bytes(BASE), bodies[CROP])


def test_up_to_three_full_frames_the_best_first_and_none_that_shows_the_same() -> None:
    looks = passing_by()
    made = outcome_of(looks)
    assert made.sighting is not None
    assert [sealed.rung for sealed in made.sighting.objects] == [ALERT, CROP, FRAME, *FULLS]
    assert is_picture(opened(made, FULL), looks[0][1])
    assert is_picture(opened(made, FULL_2), looks[0][3]), "the other side adds most"
    assert not is_picture(opened(made, FULL_3), looks[0][2]), "and not the same again"


@pytest.mark.parametrize("count", [1, 2, 3])
def test_as_many_as_the_settings_say(count: int) -> None:
    made = outcome_of(passing_by(), Policy(full_frames=count))
    assert made.sighting is not None
    assert [s.rung for s in made.sighting.objects if s.rung in FULLS] == list(FULLS[:count])


def test_a_burst_of_one_picture_has_one() -> None:
    made = outcome_of(shown((scene(330, 170), 0.9)))
    assert made.sighting is not None
    assert [s.rung for s in made.sighting.objects] == [ALERT, CROP, FRAME, FULL]


def test_frames_without_the_animal_are_no_full_frames() -> None:
    pictures, _ = passing_by()
    made = outcome_of((pictures, [cat_at(scene(600, 170)[1]), [], [FakeDetection(category="other_animal")], [], []]))
    assert made.sighting is not None
    assert [s.rung for s in made.sighting.objects if s.rung in FULLS] == [FULL]


def test_three_full_frames_lie_in_files_until_a_receipt_names_them(outbox: Outbox, tmp_path: Path) -> None:
    outbox.declare_source(SOURCE, None)
    number = outbox.commit(outcome_of(passing_by()))
    assert number == 1
    assert [rung for _, _, rung in outbox.in_state(HELD)] == [FRAME, *FULLS]
    assert len(list((tmp_path / "data" / "full").iterdir())) == 3
    assert outbox.held_counts() == (6, 3)
    assert read_status(tmp_path / "data", outbox.trap)["full_frames_held"] == 3
    assert not any(outbox.want(1, rung) for rung in FULLS), "none goes by radio"
    named = [(1, rung, outbox._digest(1, rung) or b"") for rung in FULLS[1:]]
    receipt = receipt_for(outbox.trap, outbox.epoch, named)
    outbox.apply_receipt(receipt, bytes(BACKEND.verify_key), NOW)
    assert [rung for _, _, rung in outbox.in_state(DELETED)] == [FULL_2, FULL_3]
    assert len(list((tmp_path / "data" / "full").iterdir())) == 1
    assert outbox.held_counts() == (4, 1)


class Shelf:
    """Pictures that are unpacked when they are asked for, and counted for as long as anybody holds them."""

    def __init__(self, shape: tuple[int, int, int] = BIG) -> None:
        self.alive = self.most = self.unpacked = 0
        self._shape = shape

    def picture(self, seed: int) -> Callable[[], Image]:
        def unpack() -> Image:
            rng = np.random.default_rng(seed)
            pixels = np.kron(rng.integers(0, 256, (81, 144, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
            assert pixels.shape == self._shape
            self.alive += 1
            self.unpacked += 1
            self.most = max(self.most, self.alive)
            weakref.finalize(pixels, self._gone)
            return pixels

        return unpack

    def _gone(self) -> None:
        self.alive -= 1


@pytest.fixture(autouse=True)
def no_collector() -> object:
    """What only the collector frees would still be memory on the trap."""
    gc.disable()
    yield None
    gc.enable()


def six(shelf: Shelf, sees: Sequence[Sequence[FakeDetection]], sampler: Sampler | None = None) -> Outcome:
    capture = Capture(ToldJudge(sees), sealer(), Policy(), sampler)
    made = capture.outcome(burst([shelf.picture(seed) for seed in range(6)]), SOURCE, 0)
    assert isinstance(made, Outcome)
    return made


def test_a_kept_burst_never_holds_more_than_two_pictures() -> None:
    shelf = Shelf()
    made = six(shelf, [cat_at((0.1, 0.2, 0.5, 0.4), 0.8 + 0.02 * n) for n in range(6)])
    assert made.sighting is not None
    assert [s.rung for s in made.sighting.objects][-3:] == list(FULLS)
    assert shelf.most <= MOST_PICTURES
    assert shelf.alive == 0
    assert shelf.unpacked == 6 + 6 + 3, "for motion, for the detector, and for what is made of three"


def test_a_rejected_burst_and_its_audit_sample_never_hold_more_than_two() -> None:
    shelf = Shelf()
    made = six(shelf, [[]], Sampler(key=bytes(32), epoch=1, share=1.0))
    assert made.audited is not None
    assert made.audited.sample is not None
    archive = zipfile.ZipFile(io.BytesIO(decrypt(made.audited.sample.body, [REVIEWER])))
    assert len([name for name in archive.namelist() if name.endswith(".jpg")]) == 3
    assert shelf.most <= MOST_PICTURES
    assert shelf.alive == 0


def test_an_unjudged_burst_never_holds_more_than_two() -> None:
    shelf = Shelf()
    taken = burst([shelf.picture(seed) for seed in range(6)])
    assert Unjudged(sealer(), lambda: 0, 10**9).outcome(taken, SOURCE, 0).sighting is not None
    assert shelf.most <= MOST_PICTURES
    assert shelf.alive == 0


def test_the_shelf_counts_what_is_held() -> None:
    """The control: whoever holds three is found out."""
    shelf = Shelf()
    held = [shelf.picture(seed)() for seed in range(3)]
    assert shelf.most == 3 > MOST_PICTURES
    held.clear()
    assert shelf.alive == 0


def test_a_camera_that_gives_a_small_luminance_is_not_asked_to_unpack_for_motion() -> None:
    shelf = Shelf()
    pictures = [shelf.picture(seed) for seed in range(4)]
    taken = burst(pictures)
    frames = tuple(
        Frame(pixels=f.pixels, taken_ms=f.taken_ms, uncertainty_ms=None, name=f.name, grey=f.image[::8, ::8, 1])
        for f in taken.frames
    )
    before = shelf.unpacked
    judge = ToldJudge([[]])
    Capture(judge, sealer(), Policy()).outcome(type(taken)(frames=frames, trigger=taken.trigger), SOURCE, 0)
    assert shelf.unpacked - before == judge.looked == 4
