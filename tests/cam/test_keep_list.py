"""The keep-list is settings: another model and another list make a trap for cranes, and nothing else changes."""

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures
from tiny_model import write_tiny_model

from trapcam import cmd_run, fromsettings
from trapcam.cli import main
from trapcam.config import TrapSettings
from trapcam.detect import Detector
from trapcam.outbox import DATABASE, open_outbox
from trapcam.sighting import Event, Rejected, decide
from trapkit.settings import load_settings
from trapwire.alert import SPECIES, decode_alert

Output = pytest.CaptureFixture[str]
CRANES = ("crane", "other_animal", "person", "vehicle")
THRESHOLDS = (0.6, 0.6, 0.5, 0.5)
RED, GREEN, BLUE, GREY = (230, 20, 20), (20, 230, 20), (20, 20, 230), (128, 128, 128)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "crane.tflite", CRANES, THRESHOLDS)


def settings(tmp_path: Path, keys: str, model: Path, pictures: Path, keep: str) -> str:
    path = tmp_path / "trapcam.toml"
    path.write_text(
        f'{keys}detector.model = "{model}"\ncamera.replay.folder = "{pictures}"\n{keep}'
        'trigger.source = "interval"\ntrigger.interval_s = 0.01\n'
    )
    return str(path)


def paint(path: Path, colour: tuple[int, int, int]) -> None:
    Pictures.new("RGB", (160, 120), colour).save(path)


def test_the_tiny_model_sees_colours(model: Path) -> None:
    detector = Detector(model)
    for colour, category in ((RED, "crane"), (GREEN, "other_animal"), (BLUE, "person")):
        picture = np.full((120, 160, 3), colour, np.uint8)
        best = detector.detect(picture)[0]
        assert best.category == category
        assert best.confidence > 0.9
    assert all(one.confidence < 0.4 for one in detector.detect(np.full((9, 9, 3), GREY, np.uint8)))
    event = decide([detector.detect(np.full((9, 9, 3), RED, np.uint8))], detector.description.thresholds, ("crane",))
    assert isinstance(event, Event)
    people = decide([detector.detect(np.full((9, 9, 3), BLUE, np.uint8))], detector.description.thresholds, ("crane",))
    assert isinstance(people, Rejected)
    assert people.private


def test_a_trap_for_cranes(tmp_path: Path, keys: str, model: Path, pictures: Path, capsys: Output) -> None:
    """`trapcam run` as it is, with a .tflite and one line of settings: cranes are kept, people are not recorded."""
    for number, colour in enumerate((RED, GREEN, BLUE, GREY, RED)):
        paint(pictures / f"{number}.png", colour)
    config = settings(tmp_path, keys, model, pictures, 'keep.categories = ["crane"]\n')
    assert main(["config", "check", "--config", config]) == 0
    run_to_the_end(tmp_path, config, 5)
    capsys.readouterr()
    assert main(["status", "--json", "--config", config]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["sightings"], status["frames_withheld"]) == (2, 1)
    assert status["rejected"] == {"other_animal": 1, "below threshold": 1}
    db = sqlite3.connect(tmp_path / "data" / DATABASE)
    events = db.execute("SELECT category, species, model FROM events").fetchall()
    (alert,) = db.execute("SELECT body FROM objects WHERE rung = 0 AND number = 1").fetchone()
    names = [name for (name,) in db.execute("SELECT name FROM bursts WHERE outcome = 'kept'")]
    db.close()
    assert names == ["0.png", "4.png"]
    assert events == [("crane", 8, "tiny 1")] * 2
    # No code says crane; none of the cats' would be true.
    assert SPECIES[decode_alert(alert).species] == "other animal"


def run_to_the_end(tmp_path: Path, config: str, pictures: int) -> None:
    """The loop of `trapcam run` until every picture has an outcome."""
    loaded = load_settings(TrapSettings, Path(config))
    camera, (sealer, receipt_key) = cmd_run.open_camera(loaded), fromsettings.open_keys(loaded)
    outbox = open_outbox(tmp_path / "data", loaded.trap, 0)
    outbox.declare_source(camera.source, camera.total)
    line = cmd_run.SerialPort(loaded.supervisor.port)
    uplink = cmd_run.Uplink(line, outbox, receipt_key, fromsettings.timing(loaded))
    judge = Detector(Path(loaded.detector.model))
    app = cmd_run.build_app(loaded, camera, judge, sealer, outbox, uplink, None)
    now = 1_800_000_000_000
    while outbox.position(camera.source) < pictures:
        now += 20
        app.step(now)
    outbox.close()


@pytest.mark.parametrize(
    ("keep", "says"),
    [
        (
            "",
            "key 'keep.categories' is ['feline']: the model {} has no class 'feline' to keep; allowed are: crane",
        ),
        ('keep.categories = ["crane", "stork"]\n', "has no class 'stork' to keep; allowed are: crane, other_animal"),
        ('keep.categories = ["person"]\n', "keep.categories"),
        ('keep.categories = ["crane", "vehicle"]\n', "keep.categories"),
        ("keep.categories = []\n", "keep.categories"),
    ],
)
@pytest.mark.parametrize("command", [["run"], ["config", "check"]])
def test_a_keep_list_that_the_model_does_not_know_is_refused(
    tmp_path: Path, keys: str, model: Path, pictures: Path, capsys: Output, keep: str, says: str, command: list[str]
) -> None:
    paint(pictures / "0.png", RED)
    config = settings(tmp_path, keys, model, pictures, keep)
    assert main([*command, "--config", config]) == 2
    error = capsys.readouterr().err
    assert says.format(model) in error
    assert not (tmp_path / "data" / DATABASE).exists()


def test_a_cat_is_still_a_cat(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "cat.tflite", ("feline", "crane", "person", "vehicle"), THRESHOLDS)
    detector = Detector(model)
    for colour, species in ((RED, 0), (GREEN, 8)):
        seen = detector.detect(np.full((9, 9, 3), colour, np.uint8))
        event = decide([seen], detector.description.thresholds, ("feline", "crane"))
        assert isinstance(event, Event)
        assert event.species == species
