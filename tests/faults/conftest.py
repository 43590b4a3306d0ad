"""A base as processes, for faults that only processes can meet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.base.running import Site
from tests.support import Broker


@pytest.fixture
def site(tmp_path: Path, broker: Broker) -> Iterator[Site]:
    site = Site(tmp_path, broker)
    yield site
    site.close()
