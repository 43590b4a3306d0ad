"""What tests of several folders share: the fleet's certificates and a real Mosquitto."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import Broker
from trapship.certificates import PROGRAMS, make_fleet

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "bin"


@pytest.fixture(scope="session")
def mosquitto() -> str:
    """Path of the broker: PUGMARK_MOSQUITTO, the PATH, or what `make` fetched into .cache."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:{CACHE}"
    found = os.environ.get("PUGMARK_MOSQUITTO") or shutil.which("mosquitto", path=places)
    if not found:
        pytest.fail("no mosquitto: run `make test`, which fetches it, or set PUGMARK_MOSQUITTO")
    return found


@pytest.fixture(scope="session")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of all programs, and of trap 7."""
    folder = tmp_path_factory.mktemp("fleet")
    make_fleet(folder, (*PROGRAMS, "7"))
    return folder


@pytest.fixture
def broker(mosquitto: str, fleet: Path, tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(mosquitto, tmp_path / "broker", fleet)
    broker.start()
    yield broker
    broker.stop()
