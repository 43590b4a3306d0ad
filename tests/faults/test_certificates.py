"""Certificates that a broker does not want, or nobody can read: named, and taken again when they are put right."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.base.running import Site, objects
from tests.support import Broker, wait_for
from trapkit import topics
from trapkit.bus import Bus
from trapkit.errors import SetupError
from trapship.certificates import make_fleet, revoke

FILES = ("ca.crt", "ingest.crt", "ingest.key")


@pytest.fixture
def own(tmp_path: Path, fleet: Path) -> Path:
    """Ingest's certificates, in a folder of the test's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name in FILES:
        shutil.copy(fleet / name, folder / name)
    return folder


@pytest.fixture
def buses() -> Iterator[list[Bus]]:
    made: list[Bus] = []
    yield made
    for bus in made:
        bus.stop()


def connect(broker: Broker, folder: Path, buses: list[Bus]) -> Bus:
    bus = Bus("127.0.0.1", broker.port, *(folder / name for name in FILES), "ingest", (topics.every(topics.UP),))
    bus._client.reconnect_delay_set(0.05, 0.1)  # type: ignore[arg-type]  # a test does not wait a second
    buses.append(bus)
    bus.start()
    return bus


def of_another_fleet(folder: Path, tmp_path: Path, *names: str) -> None:
    make_fleet(tmp_path / "others", ("ingest",))
    for name in names:
        shutil.copy(tmp_path / "others" / name, folder / name)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("ingest.crt", "ingest.key"), "does not accept {own}/ingest.crt: it is not of the broker's fleet; put a pair"),
        (("ca.crt",), "shows a certificate that does not fit {own}/ca.crt"),
    ],
)
def test_a_certificate_of_another_authority_is_named_and_a_good_one_taken_at_once(
    broker: Broker, own: Path, tmp_path: Path, buses: list[Bus], wrong: tuple[str, ...], words: str
) -> None:
    of_another_fleet(own, tmp_path, *wrong)
    bus = connect(broker, own, buses)
    wait_for(lambda: words.format(own=own) in bus.last_error)
    assert not bus.publish("x", b"")
    for name in FILES:
        shutil.copy(broker.fleet / name, own / name)
    wait_for(lambda: bus.connected)
    assert bus.last_error == ""


def test_a_revoked_certificate_is_named_until_a_new_one_lies_there(
    mosquitto: str, tmp_path: Path, buses: list[Bus]
) -> None:
    certificates = tmp_path / "certificates"
    make_fleet(certificates, ("ingest",))
    revoke(certificates, "ingest")
    broker = Broker(mosquitto, tmp_path / "broker", certificates)
    try:
        broker.start()
        bus = connect(broker, certificates, buses)
        wait_for(lambda: f"does not accept {certificates}/ingest.crt: it was revoked" in bus.last_error)
        for name in ("ingest.key", "ingest.crt"):
            (certificates / name).rename(tmp_path / name)
        make_fleet(certificates, ("ingest",))
        wait_for(lambda: bus.connected)
    finally:
        broker.stop()


def test_who_comes_with_a_certificate_in_use_is_pointed_out(broker: Broker, own: Path, buses: list[Bus]) -> None:
    first, second = connect(broker, own, buses), connect(broker, own, buses)
    words = f"does another program come with {own}/ingest.crt? One of the two must stop"
    wait_for(lambda: words in first.last_error and words in second.last_error and first.unsteady)
    second.stop()
    wait_for(lambda: first.connected)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """Root may read everything; nobody else may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def unreadable(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize(
    ("name", "spoil", "words"),
    [
        (
            "ca.crt",
            Path.unlink,
            "ca.crt: the fleet's certificate cannot be read: No such file or directory; put a",
        ),
        ("ingest.crt", Path.unlink, "ingest.crt: certificate cannot be read: No such file or directory; put a pair"),
        ("ingest.key", Path.unlink, "ingest.key: its key cannot be read: No such file or directory; put a pair"),
        ("ingest.key", unreadable, "ingest.key: its key cannot be read: Permission denied; give it to this program's"),
        ("ingest.crt", lambda p: p.write_text("x"), "certificate and key cannot be used"),
        ("ca.crt", lambda p: p.write_text("x"), "ca.crt: the fleet's certificate cannot be used"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    fleet: Path, name: str, spoil: Callable[[Path], object], words: str
) -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to an ordinary user
    try:
        folder.chmod(0o755)
        for file in FILES:
            shutil.copy(fleet / file, folder / file)
            (folder / file).chmod(0o644)
        spoil(folder / name)
        with ordinary_user(), pytest.raises(SetupError) as refused:
            Bus("127.0.0.1", 1, *(folder / file for file in FILES), "ingest", ())
        assert words in str(refused.value)
    finally:
        shutil.rmtree(folder)


def test_a_base_says_which_certificate_is_refused_and_goes_on_when_it_is_put_right(
    site: Site, broker: Broker, tmp_path: Path
) -> None:
    own = tmp_path / "own"
    shutil.copytree(broker.fleet, own)
    of_another_fleet(own, tmp_path, "ingest.crt", "ingest.key")
    site.config.write_text(site.config.read_text().replace(str(broker.fleet), str(own)))
    site.base()
    site.modem.waiting = objects(1)

    def said() -> bool:
        site.modem.step()
        return f"ingest: bus: 127.0.0.1:{broker.port} does not accept {own}/ingest.crt" in site.log

    wait_for(said)
    assert len(site.modem.waiting) == 2
    for name in ("ingest.crt", "ingest.key"):
        shutil.copy(broker.fleet / name, own / name)
    wait_for(site.modem.step, 60)
    assert "Traceback" not in site.log
