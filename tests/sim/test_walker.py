"""Somebody walks past the demo's traps: judged by the shipped detector, noticed by the real firmware, kept nowhere."""

import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from tests.support import free_port

from trapcam.app import TrapApp
from trapcam.cmd_run import build_app, open_box, open_camera, open_clock
from trapcam.config import TrapSettings, model_path
from trapcam.detect import Detector
from trapcam.fromsettings import open_keys, open_sign_key
from trapcam.outbox import DATABASE
from trapcam.service.server import Visit
from trapcam.service.start import open_visit
from trapcam.service.trap import _is_sharp
from trapcam.uplink import Uplink
from trapkit.settings import load_settings
from trapmcu.settings import complete
from trapmcu.supervisor import Supervisor
from trapsim import board as boards
from trapsim.board import SimBoard
from trapsim.picam import Module
from trapsim.site import PIN, Plan, Site, build_site, clear_folder
from trapsim.stagedcamera import Stage
from trapsim.walker.camera import VisitedCamera, VisitedStage
from trapsim.walker.hand import HELD_MS, Hand
from trapsim.walker.scene import Wood
from trapsim.walker.visit import Visited
from trapsim.walker.walk import AGAIN_MS, EDGES_AT, EVERY_MS, FIRST_MS, PASS_MS, PASSES, Walk, Walking
from trapwire.serialline import SerialDecoder, encode_message
from trapwire.unitstates import ARMED, SERVICE

STEP_MS = 100
WOODS = pytest.mark.parametrize(("night", "mirrored"), [(False, False), (True, True)], ids=["by day", "under the lamp"])


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(model_path(TrapSettings()))


# --- what is seen ---------------------------------------------------------------------------------------------------


@WOODS
def test_the_shipped_detector_takes_the_walker_for_a_person_and_the_empty_wood_for_nobody(
    detector: Detector, night: bool, mirrored: bool
) -> None:
    wood, thresholds = Wood(night=night, mirrored=mirrored), detector.description.thresholds

    def seen(walking: Walking | None) -> list[tuple[str, bool]]:
        image = wood.picture(walking)
        found = detector.detect(image)
        return [(one.category, _is_sharp(image, one)) for one in found if one.confidence >= thresholds[one.category]]

    assert seen(None) == []
    for across in (0.2, 0.5, 0.8):
        for to_right in (True, False):
            assert ("person", True) in seen(Walking(across, to_right)), (across, to_right)


def test_the_pis_module_looks_at_the_wood_only_while_somebody_is_there(tmp_path: Path) -> None:
    Image.new("RGB", (64, 36), "red").save(tmp_path / "a.png")
    module = Module([], monotonic_s=lambda: 0.0, sleep=lambda seconds: None)
    stage = Stage(module, [tmp_path / "a.png"], 0)
    before = [scene.copy() for scene in module.scenes]
    visited = VisitedStage(stage, Wood(night=False, mirrored=False, size=(64, 36)))
    visited.show(True, None)
    (empty,) = module.scenes
    visited.show(True, Walking(0.5, True))
    (walked,) = module.scenes
    assert (empty != walked).any()
    visited.show(False, None)
    assert [bool((a == b).all()) for a, b in zip(module.scenes, before, strict=True)] == [True] * len(before)


# --- when somebody walks --------------------------------------------------------------------------------------------


def test_the_magnet_is_held_until_the_unit_says_service_and_again_when_the_test_is_over() -> None:
    walk = Walk()
    walk.see(0, walking=False, in_service=False)
    assert (walk.here, walk.holds) == (False, 0)
    for at_ms, holds in ((1000, 1), (1000 + AGAIN_MS - 1, 1), (1000 + AGAIN_MS, 2)):
        walk.see(at_ms, walking=True, in_service=False)
        assert (walk.here, walk.holds) == (True, holds), "a magnet that had no effect is held again"
    for at_ms in (7000, 60_000):
        walk.see(at_ms, walking=True, in_service=True)
    assert walk.holds == 2
    walk.see(60_050, walking=False, in_service=True)
    assert (walk.here, walk.holds) == (True, 3)
    walk.see(60_100, walking=False, in_service=False)
    assert (walk.here, walk.holds) == (False, 3)


def test_somebody_walks_to_and_fro_and_the_pir_sees_it_a_few_times() -> None:
    walk = Walk()
    seen: list[Walking] = []
    for now_ms in range(0, 120_000, STEP_MS):
        walk.see(now_ms, walking=True, in_service=True)
        seen += [at for at in (walk.at(now_ms),) if at is not None]
        assert now_ms >= FIRST_MS or not seen
    assert walk.edges == PASSES * len(EDGES_AT)
    assert [at.to_right for at in seen[:: PASS_MS // STEP_MS]] == [True, False] * (PASSES // 2) + [True] * (PASSES % 2)
    assert FIRST_MS + PASSES * EVERY_MS < 120_000, "all of it in one test"
    walk.see(121_000, walking=False, in_service=True)
    walk.see(122_000, walking=True, in_service=True)
    assert walk.at(122_000 + FIRST_MS) is not None, "a second test is walked through too"
    walk.see(122_000 + FIRST_MS + PASS_MS, walking=True, in_service=True)
    assert walk.edges == (PASSES + 1) * len(EDGES_AT)


# --- the whole: page, trap, line, firmware, board -------------------------------------------------------------------


class UnitInMemory(SimBoard):
    """The demo's board with its serial line in memory, at a test's own time; also the Pi's end of that line."""

    is_open = True
    last_error = ""

    def __init__(self, folder: Path, tty: str, pir_ms: int) -> None:
        (folder / "flash").mkdir()
        super().__init__(tty, str(folder / "flash"), free_port(), 9, 1, 1, pir_ms, lambda: True)
        self._to_mcu = self._to_pi = b""
        self._decoder = SerialDecoder()

    def uart_read(self) -> bytes:
        data, self._to_mcu = self._to_mcu, b""
        return data

    def uart_write(self, data: bytes) -> None:
        self._to_pi += data

    def read(self) -> list[tuple[int, bytes]]:
        data, self._to_pi = self._to_pi, b""
        return self._decoder.feed(data)

    def send(self, kind: int, payload: bytes) -> bool:
        self._to_mcu += encode_message(kind, payload)
        return True


@dataclass
class Place:
    """A trap of the demo, its unit, and a phone at its page. `ms` moves when `run` says so."""

    app: TrapApp
    unit: UnitInMemory
    supervisor: Supervisor
    visit: Visit
    walk: Walk
    address: str
    data: Path
    ms: list[int]  # of every clock

    def step(self) -> None:
        self.app.step(NOW + self.ms[0])
        self.supervisor.step(self.unit.now_ms())

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 1000 / STEP_MS)):
            self.ms[0] += STEP_MS
            self.step()

    def ask(self, request: Callable[[], httpx.Response]) -> str:
        """What the page answers, while the trap's loop goes on and no time passes."""
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(request)
            while not wait([answer], 0.001).done:
                self.step()
            assert answer.result().status_code == 200, answer.result().text
            return answer.result().text

    def kept(self) -> dict[str, Any]:
        """All that lies on the trap's card: files by name, and rows by table."""
        found: dict[str, Any] = {str(path.relative_to(self.data)): None for path in sorted(self.data.rglob("*"))}
        with sqlite3.connect(f"file:{self.data / DATABASE}?mode=ro", uri=True) as db:
            for (table,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                found["table " + table] = db.execute(f"SELECT * FROM {table}").fetchall()
        return found


NOW = 1_800_000_000_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """As `trapsim demo --service` writes it."""
    folder = tmp_path_factory.mktemp("demo") / "state"
    clear_folder(folder)
    pictures = tmp_path_factory.mktemp("pictures")
    for name in "abcdef":
        Image.new("RGB", (64, 36), "grey").save(pictures / f"{name}.png")
    return build_site(
        Plan(
            folder=folder, pictures=dict.fromkeys((1, 2), pictures), loss=0, speed=1, seed=1, sf=9,
            page_host="127.0.0.1", page_port=free_port(), pir_every_s=3, service=True,
        )
    )  # fmt: skip


@pytest.fixture(params=[1, 2], ids=["left, by day", "right, under the lamp"])
def place(
    request: pytest.FixtureRequest, site: Site, detector: Detector, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Place]:
    number, ms = request.param, [1_000]
    monkeypatch.setattr(boards, "monotonic_us", lambda: ms[0] * 1000)
    master, slave = os.openpty()
    unit = UnitInMemory(site.trap(number), os.ttyname(slave), pir_ms=3_000)
    settings = load_settings(TrapSettings, site.trap(number) / "trapcam.toml")
    assert settings.service.simulated
    supervisor = Supervisor(unit, complete(json.loads((site.trap(number) / "mcu.json").read_bytes())))
    sealer, receipt_key = open_keys(settings)
    outbox, clock = open_box(settings), open_clock(settings)
    uplink, walk = Uplink(unit, outbox, receipt_key), Walk()
    wood = Wood(night=number == 2, mirrored=number == 2)
    camera = VisitedCamera(open_camera(settings), wood, lambda: walk.at(ms[0]), lambda: NOW + ms[0])
    outbox.declare_source(camera.source, camera.total)
    visit = open_visit(
        settings, outbox, sealer, open_sign_key(settings), clock, uplink, camera, detector,
        monotonic_ms=lambda: ms[0], report=lambda text: None,
    )  # fmt: skip
    visited = Visited(visit, walk, Hand(str(site.trap(number))), lambda here, walking: None, lambda: ms[0])
    app = build_app(settings, camera, detector, sealer, outbox, uplink, None, clock, visit=visited)
    yield Place(
        app, unit, supervisor, visit, walk, f"http://127.0.0.1:{settings.service.port}", Path(settings.data), ms
    )
    visited.close()
    outbox.close()
    unit.close()
    os.close(master)
    os.close(slave)


def test_the_demos_traps_share_a_key_and_hear_each_other(site: Site) -> None:
    """Without one each said for ever that it does not hear its partner."""
    keys = {json.loads((site.trap(number) / "mcu.json").read_bytes())["station_key"] for number in (1, 2)}
    (key,) = keys
    assert len(bytes.fromhex(key)) == 16


def test_a_walk_test_begun_on_the_demos_page_is_passed_and_nothing_of_it_is_written(place: Place) -> None:
    place.run(5)  # a picture is taken, others wait
    with httpx.Client(base_url=place.address, follow_redirects=True, trust_env=False) as phone:
        place.ask(lambda: phone.post("/", data={"pin": PIN}))
        page = place.ask(lambda: phone.get("/walk"))
        assert "somebody walks past by himself" in page
        before = place.kept()
        assert len(before["table progress"]) == 1

        def press(do: str, page: str) -> str:
            token = page.split('name="form" value="')[1].split('"')[0]
            return place.ask(lambda: phone.post("/walk", data={"form": token, "do": do}))

        page = press("begin", page)
        assert "Passed" not in page
        assert place.supervisor.state == ARMED
        place.run(FIRST_MS / 1000)
        assert place.supervisor.state == SERVICE, "the magnet was held"
        assert "noticed you, times: 0" in place.ask(lambda: phone.get("/walk")), "no animal comes meanwhile"
        place.run(PASS_MS / 2000)
        page = place.ask(lambda: phone.get("/walk"))
        assert "Passed: you may end the test." in page
        page = press("end", page)
        assert "NOT passed." not in page
        assert "Test again" in page
        place.run(0.5)
        assert place.supervisor.state == ARMED, "the magnet was held again"
    assert place.kept() == before
    place.run(3.2)
    assert place.kept() != before, "animals come again, and are looked at"


def test_the_board_hears_of_a_magnet_once_and_of_each_edge_and_of_no_animal_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_us = [0]
    monkeypatch.setattr(boards, "monotonic_us", lambda: now_us[0])
    hand = Hand(str(tmp_path))
    hand.holds, hand.edges = 3, 7  # of a run before this one
    hand.write()
    master, slave = os.openpty()
    unit = UnitInMemory(tmp_path, os.ttyname(slave), pir_ms=1_000)

    def after(ms: int) -> tuple[int, int]:
        now_us[0] += ms * 1000
        return unit.button(), unit.pir_edges()

    assert after(900) == (0, 0), "what happened before is over"
    assert after(100) == (0, 1)
    hand.here, hand.holds, hand.edges = True, 4, 9
    hand.write()
    assert after(60) == (HELD_MS, 2)
    assert [after(100) for _ in range(30)] == [(0, 0)] * 30
    hand.here = False
    hand.write()
    assert sum(after(100)[1] for _ in range(20)) == 2
    unit.close()
    os.close(master)
    os.close(slave)
