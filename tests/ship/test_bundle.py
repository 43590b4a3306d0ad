"""`trapship bundle`: with a package index (on loopback), with a folder, and without either."""

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapship.boards import BOARDS
from trapship.bundle import LIST, make_bundle, read_bundle
from trapship.libraries import NEEDED, PACKAGES
from trapship.release.parts import make_part

# Stands for micropython-lib's, which no test may fetch: the names of its files, and what they import of one another.
LORA = {
    "__init__.py": "from .modem import RxPacket\nfrom .sx126x import SX1262\n",
    "modem.py": "class RxPacket(bytearray):\n    pass\n",
    "sync_modem.py": "class SyncModem:\n    pass\n",
    "sx126x.py": "class SX1262:\n    pass\n",
}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    (folder / "lora").mkdir(parents=True)
    for name, text in LORA.items():
        (folder / "lora" / name).write_text(text)
    (folder / "LICENSE").write_text("MIT License, of the library\n")
    return folder


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """A package index as mip reads one (micropython-lib, tools/build.py)."""
    root = tmp_path / "index"
    (root / "file").mkdir(parents=True)
    for asked in PACKAGES:
        name, version = asked.split("@")
        wanted = {"lora": ("__init__.py", "modem.py"), "lora-sync": ("sync_modem.py",), "lora-sx126x": ("sx126x.py",)}
        hashes = []
        for file in wanted[name]:
            short = hashlib.sha256(LORA[file].encode()).hexdigest()[:8]
            hashes.append([f"lora/{file}", short])
            (root / "file" / short[:2]).mkdir(exist_ok=True)
            (root / "file" / short[:2] / short).write_text(LORA[file])
        deps = [] if name == "lora" else [["lora", "latest"]]
        (root / "package" / "py" / name).mkdir(parents=True)
        for called in (version, "latest"):
            page = root / "package" / "py" / name / f"{called}.json"
            page.write_text(json.dumps({"v": 1, "version": version, "hashes": hashes, "deps": deps}))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_bundle_from_an_index_and_one_from_a_folder_are_the_same(tmp_path: Path, library: Path, index: str) -> None:
    said = make_bundle(tmp_path / "one", library=None, index=index)
    make_bundle(tmp_path / "two", library=library, index=None)
    one, two = read_bundle(tmp_path / "one"), read_bundle(tmp_path / "two")
    assert one.version == two.version
    assert one.files == two.files
    assert any("files" in line and "armv6m" in line for line in said)
    assert not (tmp_path / "one" / "lora").exists()
    assert "MIT License" in (tmp_path / "one" / "LICENSE-micropython-lib").read_text()
    assert (tmp_path / "two" / "LICENSE-micropython-lib").read_text() == "MIT License, of the library\n"


def test_each_board_gets_its_firmware_its_libraries_and_no_other_boards_files(tmp_path: Path, library: Path) -> None:
    make_bundle(tmp_path / "bundle", library=library, index=None)
    bundle = read_bundle(tmp_path / "bundle")
    assert make_part("supervisor", [tmp_path / "bundle"]).declared.gives["serial_line"] == (1,)
    for board in BOARDS.values():
        names = bundle.files[board.name]
        assert {"trapmcu/main.mpy", "trapmcu/settings.mpy", "trapwire/frame.mpy", "lora/sx126x.mpy"} <= set(names)
        others = {f"trapmcu/boards/{other.module}.mpy" for other in BOARDS.values() if other != board}
        assert not others & set(names)
        assert "trapwire/receipt.mpy" not in names, "only a base imports that"
        for name in names:
            assert bundle.read(board.name, name)[:2] == b"M\x06"


def test_the_same_source_is_the_same_version_and_another_is_another(tmp_path: Path, library: Path) -> None:
    make_bundle(tmp_path / "bundle", library=library, index=None)
    first = read_bundle(tmp_path / "bundle").version
    make_bundle(tmp_path / "bundle", library=library, index=None)
    assert read_bundle(tmp_path / "bundle").version == first
    (library / "lora" / "sync_modem.py").write_text("class SyncModem:\n    speed = 2\n")
    make_bundle(tmp_path / "bundle", library=library, index=None)
    assert read_bundle(tmp_path / "bundle").version != first


def test_without_internet_it_says_what_to_do_and_leaves_what_was_there(tmp_path: Path, library: Path) -> None:
    make_bundle(tmp_path / "bundle", library=library, index=None)
    with pytest.raises(SetupError, match=r"could not be had: .*where there is internet.* or .* --lib FOLDER"):
        make_bundle(tmp_path / "bundle", library=None, index="http://127.0.0.1:1")
    assert read_bundle(tmp_path / "bundle").version
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "library"]


@pytest.mark.parametrize("name", NEEDED)
def test_a_library_that_lacks_a_file_is_named(tmp_path: Path, library: Path, name: str) -> None:
    (library / "lora" / name).unlink()
    with pytest.raises(SetupError, match=re.escape(f"has no {name}")):
        make_bundle(tmp_path / "bundle", library=library, index=None)
    assert not (tmp_path / "bundle").exists()


def test_source_that_does_not_compile_is_named(tmp_path: Path, library: Path) -> None:
    (library / "lora" / "modem.py").write_text("def (:\n")
    with pytest.raises(SetupError, match=r"modem\.py: does not compile: .*SyntaxError"):
        make_bundle(tmp_path / "bundle", library=library, index=None)


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path, library: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(SetupError, match="is no folder; name a new one"):
        make_bundle(tmp_path / "mine", library=library, index=None)


def test_a_folder_with_other_things_is_left_alone(tmp_path: Path, library: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary").write_text("")
    with pytest.raises(SetupError, match="is no bundle and not empty"):
        make_bundle(tmp_path / "mine", library=library, index=None)


def test_a_bundle_whose_files_were_changed_is_refused(tmp_path: Path, library: Path) -> None:
    folder = tmp_path / "bundle"
    make_bundle(folder, library=library, index=None)
    (folder / "pico" / "trapmcu" / "main.mpy").write_bytes(b"M\x06 something else")
    bundle = read_bundle(folder)
    with pytest.raises(SetupError, match=r"main\.mpy: is not the file that bundle\.json names"):
        bundle.read("pico", "trapmcu/main.mpy")
    shutil.rmtree(folder / "pico")
    with pytest.raises(SetupError, match="cannot be read"):
        bundle.read("pico", "trapmcu/main.mpy")


OUTSIDE = '{"format":1,"version":"1","mpy":6,"start":{},"files":{"pico":{"../x":"0"}}}'


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": 9}', OUTSIDE])
def test_a_list_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / LIST).write_text(text)
    with pytest.raises(SetupError, match=r"bundle\.json: "):
        read_bundle(tmp_path)
    (tmp_path / LIST).unlink()
    with pytest.raises(SetupError, match="make it with internet: trapship bundle"):
        read_bundle(tmp_path)
