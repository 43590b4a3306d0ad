"""An operator's folder with a base and a trap, made once for all tests of a module: each works on a copy."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from trapship.cli import main
from trapship.desk.folder import Desk, create, open_desk
from trapship.desk.provisioning import BaseWish, TrapWish, place_base, place_trap
from trapship.desk.register import encode
from trapship.desk.trapfiles import certificates
from trapship.vault import Cost, Vault

PASSPHRASE = b"five words of the tests"
CHEAP = Cost(n_log2=4)
Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Runs a command: exit code, stdout, stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return run


@pytest.fixture(scope="session")
def fresh_operator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("operators") / "operator"
    create(Vault(folder, PASSPHRASE, cost=CHEAP), "Amur")
    return folder


@pytest.fixture
def operator(fresh_operator: Path, tmp_path: Path) -> Path:
    """A copy of an operator's folder without units; the passphrase is in `tmp_path/phrase`."""
    (tmp_path / "phrase").write_bytes(PASSPHRASE + b"\n")
    for name in ("stick", "card", "papers"):
        (tmp_path / name).mkdir()
    return Path(shutil.copytree(fresh_operator, tmp_path / "operator"))


@pytest.fixture(scope="session")
def stocked_register(fresh_operator: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The register with base 1, north, and traps 7 and 8 of its station S001."""
    folder = Path(shutil.copytree(fresh_operator, tmp_path_factory.mktemp("stocked") / "operator"))
    desk = desk_of(folder)
    place_base(desk.register, BaseWish(number=1, name="north", country="RU", region="ru864", hosts=("10.0.0.5",)))
    for number, side in ((7, "left"), (8, "right")):
        wish = TrapWish(number=number, station="S001", side=side, place=(43.1, 131.4), network=True)
        trap, _ = place_trap(desk.register, wish)
        certificates(desk, trap)
    return encode(desk.register)


@pytest.fixture
def stocked(operator: Path, stocked_register: bytes) -> Path:
    """A copy of an operator's folder with these units."""
    (operator / "units.json").write_bytes(stocked_register)
    return operator


@pytest.fixture
def provision(say: Say, operator: Path, tmp_path: Path) -> Say:
    """`trapship provision` on it: kind, number, further words."""

    def run(kind: str, number: int, *words: object) -> tuple[int, str, str]:
        phrase = ("--passphrase-file", tmp_path / "phrase", "--papers", tmp_path / "papers")
        return say("provision", kind, operator, "--number", number, *phrase, *words)

    return run


NORTH = ("--name", "north", "--country", "RU", "--region", "ru864", "--zone", "Asia/Vladivostok", "--host", "10.0.0.5")
LEFT = ("--station", "S001", "--side", "left", "--place", "43.1", "131.4")


def desk_of(operator: Path) -> Desk:
    return open_desk(Vault(operator, PASSPHRASE))
