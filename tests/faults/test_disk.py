"""Full disks: the kernel refuses for real. Nothing is lost, the words say where to make room, and then it goes on."""

import io
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pyrage
import pytest

from tests.base.backend_server import Server, make_batch
from tests.base.parts import NOW, TRAPS, Base, alert, deliver, envelope, sighting
from tests.faults.night import Night, full_disk, write_pictures
from tests.support import free_port
from trapbase.cli import main
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.outlet import OutletError
from trapbase.store import Store
from trapbase.store_rows import INLINE_BYTES
from trapbase.tus import TusOutlet
from trapcam.app import TrapApp
from trapcam.camera.replay import open_replay
from trapcam.capture import Capture, Policy
from trapcam.outbox import open_outbox
from trapcam.seal import Sealer
from trapcam.trigger import IntervalTrigger
from trapcam.uplink import Uplink
from trapkit.errors import StorageError
from trapkit.files import lock_folder
from trapship.broker import write_broker
from trapship.certificates import make_fleet
from trapsim.backend_direct import DirectOutlet
from trapsim.channel import run_channel
from trapsim.memorybus import MemoryBroker
from trapsim.station import BACKEND_KEY, BASE_KEY, FirstPixel
from trapsim.world import LinuxPort, Wire
from trapwire.objects import ALERT, CROP

ROOM = "make room there; it goes on by itself"


@pytest.mark.parametrize("program", ["trapcam1", "supervisor1", "ingest", "forward", "backend", "all"])
def test_a_disk_that_is_full_for_a_minute_loses_nothing(tmp_path: Path, program: str) -> None:
    night = Night(tmp_path / "night")
    names = ["trapcam1", "supervisor1", "gateway", "ingest", "forward"] if program == "all" else [program]
    if program == "backend":
        fill_backend(night)
    else:
        for name in names:
            night.during_fault(name, full_disk)
    during = night.run()
    assert not during.finished, "it did refuse"


def test_a_supervisor_whose_flash_is_full_from_the_start_sends_when_there_is_room(tmp_path: Path) -> None:
    """Its frame counter cannot be reserved: it sends nothing, rather than a value that may be used twice."""
    night = Night(tmp_path / "night", (0, 61_000))
    night.during_fault("supervisor1", full_disk)
    during = night.run()
    assert (during.sightings, during.alerts_stored) == (2, 0)


def fill_backend(night: Night) -> None:
    """The back end writes when it is asked, by the forwarding part."""
    outlet = night.station._outlet.direct

    def around(call: Callable[..., Any]) -> Callable[..., Any]:
        def refused(*args: Any) -> Any:
            with full_disk() if night.in_fault else nullcontext():
                return call(*args)

        return refused

    for name in ("create", "send"):
        setattr(outlet, name, around(getattr(outlet, name)))


# Each writer's own words.


def test_a_trap_keeps_the_sighting_in_hand_and_says_where(tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    lines: list[str] = []
    with closing(open_outbox(tmp_path / "data", 7, NOW)) as box:
        camera = open_replay(str(tmp_path / "pictures"), loop=False, max_megapixels=1, uncertainty_ms=None)
        box.declare_source(camera.source, camera.total)
        sealer = Sealer(bytes(BASE_KEY.public_key), [pyrage.x25519.Identity.generate().to_public()])
        uplink = Uplink(LinuxPort(Wire()), box, bytes(BACKEND_KEY.verify_key))
        capture = Capture(FirstPixel(), sealer, Policy(crop_bytes=400, frame_bytes=2000, frame_pixels=160))
        app = TrapApp(camera, capture, box, uplink, interval=IntervalTrigger(1000), report=lines.append)
        with full_disk():
            for now in range(NOW, NOW + 20_000, 500):
                app.step(now)
        assert len(lines) == 1, "said once"
        assert lines[0].startswith("not saved, asking again every 5 s: ")
        assert f"{tmp_path}/data/full: File too large: {ROOM}" in lines[0]
        assert box.position(camera.source) == 0
        for now in range(NOW + 20_000, NOW + 40_000, 500):
            app.step(now)
        assert (box.position(camera.source), box.held_counts()[1]) == (4, 2)


@pytest.mark.parametrize(("rung", "where"), [(ALERT, "base.sqlite3"), (CROP, "media")])
def test_ingest_holds_the_group_and_says_where(tmp_path: Path, rung: int, where: str) -> None:
    broker = MemoryBroker()
    store = Store(tmp_path / "base")
    ingest = Ingest(broker.connect("ingest", SUBSCRIPTIONS), store)
    deliver(broker, envelope(1, 1, rung, alert() if rung == ALERT else bytes(INLINE_BYTES + 1)))
    with full_disk():
        assert not ingest.step(0, NOW)
        assert not ingest.step(6000, NOW)
    assert str(tmp_path / "base" / where) in ingest.last_error
    assert ROOM in ingest.last_error
    assert ingest.step(12_000, NOW)
    assert ingest.last_error == ""
    assert len(store.all_objects(TRAPS, 9)) == 1
    store.close()


def test_forward_cuts_no_batch_and_says_where(tmp_path: Path) -> None:
    broker = MemoryBroker()
    base = Base(tmp_path / "base", broker, DirectOutlet(None))
    deliver(broker, *sighting(1, 1, species=6))  # none that goes at once
    base.step(0)
    with full_disk():
        base.run(10_500, 20_000)
    assert str(tmp_path / "base" / "outbox") in base.forward.storage_error
    assert ROOM in base.forward.storage_error
    base.run(26_000, 30_000)
    assert base.forward.storage_error == ""
    assert len(base.store.batches_in(("cut",), 9)) == 1
    base.close()


@pytest.mark.parametrize(
    ("name", "path"), [("certificate", "fleet/gateway.key"), ("broker", "broker/acl"), ("new", "new/outbox.sqlite")]
)
def test_a_writer_of_single_files_names_the_file(tmp_path: Path, name: str, path: str) -> None:
    make_fleet(tmp_path / "fleet", ())
    write: Callable[[], object] = {
        "certificate": lambda: make_fleet(tmp_path / "fleet", ("gateway",)),
        "broker": lambda: write_broker(tmp_path / "broker", tmp_path / "fleet", 1883),
        "new": lambda: open_outbox(tmp_path / "new", 7, NOW).close(),
    }[name]
    with full_disk(), pytest.raises((OSError, StorageError)) as refused:
        write()
    assert str(tmp_path / path) in str(refused.value)
    write()
    assert (tmp_path / path).stat().st_size > 0
    assert not list((tmp_path / path).parent.glob(".*.tmp"))


def test_an_export_says_what_to_do_with_its_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = MemoryBroker()
    base = Base(tmp_path / "base", broker, DirectOutlet(None))  # it runs on: an export is made beside it
    deliver(broker, *sighting(1, 1))
    base.step(0)
    settings = tmp_path / "base.toml"
    place = 'station = "S"\nlatitude = 1\nlongitude = 1\n'
    settings.write_text(f'folder = "{tmp_path}/base"\n[[trap]]\nnumber = 1\n{place}')
    said = io.StringIO()
    monkeypatch.setattr("sys.stderr", said)  # pytest's own is a file, and the disk is full
    with full_disk():
        assert main(["export", "--config", str(settings), "--camtrap-dp", str(tmp_path / "out")]) == 1
    assert f"--camtrap-dp {tmp_path / 'out'}: File too large" in said.getvalue()
    assert "remove the folder and export again" in said.getvalue()
    base.close()


def test_a_full_disk_keeps_no_program_from_its_lock(tmp_path: Path) -> None:
    with full_disk():
        lock_folder(tmp_path, "trapcam").close()


def test_the_air_does_not_stop_for_its_figures(tmp_path: Path) -> None:
    left = [True] * 3
    with full_disk():
        values = {"sf": 9, "loss": 0.0, "speed": 1.0, "seed": 1, "stats": tmp_path / "figures"}
        assert run_channel(port=free_port(), running=lambda: bool(left and left.pop()), **values) == 0  # type: ignore[arg-type]
    assert not (tmp_path / "figures").exists()


def test_a_back_end_with_a_full_disk_answers_507_and_goes_on(tmp_path: Path) -> None:
    name, data, _ = make_batch(tmp_path / "base")
    server = Server(tmp_path / "backend")
    server.start()
    outlet = TusOutlet(server.url, 5)
    try:
        url = outlet.create(name, len(data))
        with full_disk():
            for ask in (lambda: outlet.create(name, len(data)), lambda: outlet.send(url, 0, data)):
                with pytest.raises(OutletError, match=r"507.*its disk is full; everything waits") as refused:
                    ask()
                assert not refused.value.refused, "it is not this batch's fault"
        assert outlet.offset(url) == 0
        assert outlet.send(url, 0, data) == len(data)
        assert outlet.receipts(name) is not None
    finally:
        outlet.close()
        server.stop()
