"""Health checks on real photographs: what they say of spoilt ones, what they keep to themselves, and hysteresis."""

import json
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image as Pictures

from trapcam.cli import main
from trapcam.cmd_health import view
from trapcam.health.card import Card, read_life
from trapcam.health.look import PACKED_BYTES, THIRDS, WIDTH, Look, look_at, pack, unpack
from trapcam.health.shift import shift_between
from trapcam.health.spoil import SPOILT
from trapcam.health.verdicts import REFERENCES, STATE, Health, Limits, judge_scene
from trapwire.notes import LAMP_FAILED, LOOKS_ELSEWHERE, OBSCURED, SNOWED_IN

SHARED = Path(__file__).resolve().parents[3] / "shared" / "images" / "unclear" / "empty"
PHOTOGRAPHS = ("coffee", "astronaut")


def photograph(name: str) -> Pictures.Image:
    return Pictures.fromarray(getattr(skimage.data, name)()).convert("RGB").resize((480, 360))


def light(picture: Pictures.Image, by: float, seed: int) -> Pictures.Image:
    """The same scene on another day: another light, other noise."""
    noise = np.random.default_rng(seed).normal(0, 4, (*picture.size[::-1], 1))
    return Pictures.fromarray(np.clip(np.asarray(picture) * by + noise, 0, 255).astype(np.uint8))


def days(name: str, count: int, **moved: float) -> list[Look]:
    return [look_at(view(light(photograph(name), 0.8 + 0.1 * (n % 4), n), **moved)) for n in range(count)]


def watched(name: str) -> Health:
    """A trap that has seen its scene for a fortnight and more."""
    health = Health()
    for look in days(name, 16):
        assert health.see(look, 0, is_scene=True) is None
    assert health.reasons == 0
    return health


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_a_scene_in_other_lights_is_no_finding(name: str) -> None:
    health = watched(name)
    for look in days(name, 8):
        verdict = judge_scene(look, health.references, Limits())
        assert not verdict.obscured
        assert verdict.shift is not None
        assert abs(verdict.shift.right) + abs(verdict.shift.down) < 0.02


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("kind", ["fog", "snow", "ice", "dirt"])
def test_a_covered_lens_is_found_after_two_looks_and_forgotten_after_two(name: str, kind: str) -> None:
    health, spoil = watched(name), SPOILT[kind]
    bad = [look_at(spoil(view(photograph(name)), seed)) for seed in range(2)]
    health.see(bad[0], 0, is_scene=True)
    assert health.reasons == 0, "one look is fog at noon"
    health.see(bad[1], 0, is_scene=True)
    assert health.reasons & OBSCURED
    assert bool(health.reasons & SNOWED_IN) == (kind == "snow")
    assert "lens obscured" in health.words()[0]
    good = days(name, 2)
    health.see(good[0], 0, is_scene=True)
    assert health.reasons & OBSCURED
    health.see(good[1], 0, is_scene=True)
    assert health.reasons == 0


def test_a_black_night_is_the_lamp_and_says_nothing_of_the_lens() -> None:
    health = watched("coffee")
    black = look_at(SPOILT["dark"](view(photograph("coffee")), 1))
    for _ in range(2):
        health.see(black, 0, is_scene=False)
    assert health.reasons == LAMP_FAILED
    for _ in range(2):
        health.see(days("coffee", 1)[0], 0, is_scene=False)
    assert health.reasons == 0


def test_a_picture_that_no_lamp_was_to_shine_on_says_nothing_of_the_lamp() -> None:
    health, black = watched("coffee"), look_at(SPOILT["dark"](view(photograph("coffee")), 1))
    for _ in range(3):
        health.see(black, 0, is_scene=False, lit=False)
    assert health.reasons == 0
    for _ in range(2):
        health.see(black, 0, is_scene=False, lit=True)
    assert health.reasons == LAMP_FAILED
    for _ in range(3):
        health.see(days("coffee", 1)[0], 0, is_scene=False, lit=False)
    assert health.reasons == LAMP_FAILED, "by day nobody knows whether it shines again"


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ({"right": 0.12}, {"right": 120, "down": 0, "turned": 0}),
        ({"down": -0.1}, {"right": 0, "down": -100, "turned": 0}),
        ({"right": -0.1, "down": 0.1}, {"right": -100, "down": 100, "turned": 0}),
    ],
    ids=["right", "up", "both"],
)
def test_a_moved_camera_is_an_alarm_on_the_third_day(moved: dict[str, float], said: dict[str, int]) -> None:
    health = watched("astronaut")
    alarms = [health.see(look, 0, is_scene=True) for look in days("astronaut", 5, **moved)]
    assert [alarm is not None for alarm in alarms] == [False, False, True, False, False]
    assert alarms[2] is not None
    assert alarms[2] == {name: pytest.approx(value, abs=25) for name, value in said.items()}
    assert health.reasons & LOOKS_ELSEWHERE


def test_a_camera_that_sways_is_none() -> None:
    health = watched("astronaut")
    there, here = days("astronaut", 4, right=0.12), days("astronaut", 4)
    for a, b in zip(there, here, strict=True):
        assert health.see(a, 0, is_scene=True) is None
        assert health.see(b, 0, is_scene=True) is None
    assert health.reasons == 0


def test_what_is_kept_outlives_a_start_and_a_visit_forgets_it() -> None:
    health = watched("astronaut")
    for look in days("astronaut", 2, right=0.12):
        assert health.see(look, 0, is_scene=True) is None
    other = Health()
    other.restore(health.kept().get)
    assert other.see(days("astronaut", 1, right=0.12)[0], 0, is_scene=True) is not None
    other.forget()
    assert (other.reasons, other.references) == (0, [])


@pytest.mark.parametrize("kept", [{}, {STATE: b"x"}, {STATE: b"[]"}, {STATE: b'{"shifts": [1]}', REFERENCES: b"abc"}])
def test_what_cannot_be_read_of_a_card_is_forgotten(kept: dict[str, bytes]) -> None:
    health = Health()
    health.restore(kept.get)
    assert (health.reasons, health.references) == (0, [])
    assert unpack(b"") is None


def test_what_is_kept_of_a_scene_does_not_show_it() -> None:
    """The best picture that sums over lines allow: it has next to nothing of the scene in it."""
    image = view(photograph("astronaut"))
    packed = pack(look_at(image))
    assert len(packed) == PACKED_BYTES < 700
    found = unpack(packed)
    assert found is not None
    _, columns, rows = found
    assert columns.shape == (THIRDS, WIDTH)
    guess = np.zeros((96, 128))
    for band, lines in enumerate(np.array_split(np.arange(96), THIRDS)):
        guess[lines] += columns[band]
    for band, lines in enumerate(np.array_split(np.arange(128), THIRDS)):
        guess[:, lines] += rows[band][:, None]
    grey = np.asarray(Pictures.fromarray(image).convert("L").resize((128, 96)), float)
    assert abs(np.corrcoef(guess.ravel(), grey.ravel())[0, 1]) < 0.2


def test_small_and_odd_pictures_have_a_look_too() -> None:
    for shape in ((16, 16, 3), (97, 211, 3), (1296, 2304, 3)):
        look = look_at(np.random.default_rng(1).integers(0, 255, shape, dtype=np.uint8))
        assert 60 < look.mean < 190
    flat = look_at(np.full((48, 64, 3), 128, np.uint8))
    assert (flat.bare, flat.detail) == (1.0, 0.0)
    _, columns, rows = unpack(pack(flat)) or (0, None, None)
    assert columns is not None
    assert rows is not None
    assert shift_between(columns, rows, flat).agreement == 0


def test_a_card_that_slows_down_or_errs_or_says_so_is_worn() -> None:
    card = Card()
    for _ in range(19):
        card.committed(9000)
    assert card.words() == []
    card.committed(9000)
    assert "9000 ms, 3000 are allowed" in card.words()[0]
    for _ in range(200):
        card.committed(20)
    card.read_errors = 3
    assert card.words() == ["card: 3 read errors since the start"]
    assert Card(life_tenths=read_life("0x09 0x02\n")).words() == ["card: 90 % of its life is used, by its own count"]
    assert [read_life(text) for text in ("0x00 0x00", "", "zz", "0x0b 0x01")] == [None, None, None, 10]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="the photographs are not beside the project")
def test_the_committed_figures_hold_on_the_still_camera(tmp_path: Path) -> None:
    assert main(["health", "--images", str(SHARED), "--out", str(tmp_path / "out")]) == 0
    figures = json.loads((tmp_path / "out" / "health.json").read_text())
    assert figures["alarms_moved"] == []
    assert figures["night_pictures_black"] == 0
    assert len(figures["single_looks_obscured"]) <= 3, "the three in thick fog"
    for kind in SPOILT:
        found, of = figures["found"][kind]
        assert found >= 0.9 * of, kind
    assert figures["found"]["4 % right"][0] <= 1
    assert figures["found"]["10 % right"][0] >= 12
    assert (tmp_path / "out" / "health.png").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--strip", "40"], "--strip 40: allowed is 0"), ([], "is no folder")],
)
def test_a_wrong_use_is_named(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["health", "--images", str(tmp_path / "none"), "--out", str(tmp_path / "out"), *arguments]
    assert main(command) == 2
    assert message in capsys.readouterr().err


def test_a_folder_with_too_little_or_garbage_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photograph("coffee").save(tmp_path / "1.png")
    command = ["health", "--images", str(tmp_path), "--out", str(tmp_path / "out")]
    assert main(command) == 2
    assert "1 pictures by day" in capsys.readouterr().err
    (tmp_path / "2.jpg").write_bytes(b"no picture")
    assert main(command) == 2
    assert "2.jpg: cannot be read" in capsys.readouterr().err
