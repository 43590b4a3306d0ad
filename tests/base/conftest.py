"""What tests of several topics share: a base that forwards, a back end over HTTP, a package's files."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.backend_server import Server
from tests.base.forwarding import World
from tests.base.package_parts import night, package
from tests.base.running import Site
from tests.support import Broker


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("backend"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return package(*night())


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    site = Site(tmp_path, broker)
    yield site
    site.close()


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every picture lies in a file, as the large ones do."""
    monkeypatch.setattr("trapbase.store_rows.INLINE_BYTES", 0)
