"""A small fleet's releases: real keys, a real repository, parts of a few bytes; and a unit with a clock of its own.

Keys are made once a process (scrypt at its cheapest); each test gets a copy of the folders.
"""

import atexit
import hashlib
import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from trapkit.operator.packs import make_pack
from trapkit.update.client import Unit, take
from trapkit.update.compat import own_declarations
from trapkit.update.offer import Offered
from trapkit.update.sources import FolderSource, Source
from trapkit.update.timefloor import Moment
from trapship.release import keys
from trapship.release.build import build, read_build
from trapship.release.parts import pack_zip
from trapship.release.publish import publish
from trapship.release.repository import Repository
from trapship.release.sign import sign_build, sign_rollback
from trapship.vault import Cost, Vault

PHRASE = b"five quick words for tests"
CHEAP = Cost(n_log2=4, r=1)
START = datetime(2026, 12, 1, 8, 0, tzinfo=UTC)
DECLARED = """[application.gives]
protocol = [3]
serial_line = [{line}]
decoding = ["grid-3"]
pack = [1]
region = [1]
[application.needs]
serial_line = [{line}]
"""


def wheel(folder: Path, text: str, line: int = 1) -> Path:
    """A wheel of pugmark with nothing in it but what a release reads."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pugmark-0.1.0-py3-none-any.whl"
    path.write_bytes(
        pack_zip(
            {
                "trapcam/__init__.py": text.encode(),
                "trapkit/update/declared.toml": DECLARED.format(line=line).encode(),
                "pugmark-0.1.0.dist-info/METADATA": b"Metadata-Version: 2.4\nName: pugmark\nVersion: 0.1.0\n",
            }
        )
    )
    return path


def pack(folder: Path, text: str) -> Path:
    """A settings pack that says nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "pack.toml"
    path.write_bytes(make_pack(f'name = "{text[:9]}"\nversion = "2026.12.1"\n# {text}\n', bytes(32), "pack"))
    return path


def bundle(folder: Path) -> Path:
    """A bundle of `trapship bundle` with one file a board."""
    files = {f"{board}/trapmcu/main.mpy": b"M\x06" + board.encode() for board in ("pico", "xiao-s3")}
    starts = {"start/boot.py": b"# boot\n", "start/main.py": b"# main\n"}
    for name, data in (files | starts).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in (files | starts).items()}
    told = {
        "format": 1, "mpy": 6, "version": "0123456789ab", "lora": "here",
        "declares": own_declarations()["supervisor"].as_json(),
        "start": {name: sums[f"start/{name}"] for name in ("boot.py", "main.py")},
        "files": {b: {"trapmcu/main.mpy": sums[f"{b}/trapmcu/main.mpy"]} for b in ("pico", "xiao-s3")},
    }  # fmt: skip
    (folder / "bundle.json").write_text(json.dumps(told))
    return folder


def _until_the_end() -> Path:
    folder = Path(mkdtemp(prefix="pugmark-release-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _made(whose: str) -> Path:
    folder = _until_the_end()
    keys.make(Vault(folder / "operator", PHRASE, cost=CHEAP), now=START)
    return folder


class Bench:
    """An operator's folder and repository under `folder`; time is `now`, and moves only when it is told to."""

    def __init__(self, folder: Path, whose: str = "ours") -> None:
        self.folder = folder
        shutil.copytree(_made(whose) / "operator", folder / "operator", dirs_exist_ok=True)
        self.now = START
        self.vault = Vault(folder / "operator", PHRASE)
        self.repository = Repository(folder / "repo")
        self.root = (folder / "operator/tuf/root.json").read_bytes()
        self.repository.begin(self.root)

    @classmethod
    def first(cls, folder: Path) -> "Bench":
        """One that has published 2026.12.1."""
        shutil.copytree(_first(), folder, dirs_exist_ok=True)
        bench = cls(folder)
        bench.later(hours=1)
        return bench

    @property
    def signers(self) -> keys.Signers:
        return keys.signers([self.vault])

    @property
    def source(self) -> FolderSource:
        return FolderSource(self.repository.folder)

    def sign(self, release: str, text: str = "", *, line: int = 1, **sources: list[Path]) -> list[str]:
        """Build and sign a release: an application unless other parts are named."""
        folder = self.folder / "build" / release
        sources = sources or {"application": [wheel(folder / "in", text or release, line)]}
        build(folder / "out", release, sources, self.now)
        return sign_build(self.repository, read_build(folder / "out"), self.signers, self.now)

    def publish(self) -> list[str]:
        return publish(self.repository, self.signers, self.now)

    def release(self, release: str, text: str = "", *, line: int = 1, **sources: list[Path]) -> list[str]:
        """Build, sign, publish; an hour later each time."""
        self.later(hours=1)
        self.sign(release, text, line=line, **sources)
        return self.publish()

    def rollback(self, to: str) -> list[str]:
        sign_rollback(self.repository, to, self.signers, self.now)
        return self.publish()

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def copy(self, name: str) -> "Repository":
        """The repository as it is now, for an attacker to keep."""
        shutil.copytree(self.repository.folder, self.folder / name)
        return Repository(self.folder / name)

    def unit(self, name: str = "unit", running: str = "") -> "Trap":
        return Trap(self, self.folder / name, running)


@cache
def _first() -> Path:
    folder = _until_the_end()
    Bench(folder).release("2026.12.1")
    return folder


class Trap:
    """A unit's clock and client; it runs what it took last."""

    def __init__(self, bench: Bench, state: Path, running: str) -> None:
        self.bench, self.state, self.running = bench, state, running
        self.authenticated = True
        self.own_ms: int | None = None  # a clock of its own, instead of the bench's
        self.ticks_ms = 0

    def read(self) -> Moment:
        ms = int(self.bench.now.timestamp() * 1000) if self.own_ms is None else self.own_ms
        return Moment(ms, self.authenticated)

    def monotonic_ms(self) -> int:
        return self.ticks_ms

    def take(self, source: Source | Path | None = None) -> Offered | None:
        """Ask; what is offered is not installed yet."""
        if isinstance(source, Path):
            source = FolderSource(source)
        return take(source or self.bench.source, self.state, self, unit=self.unit)

    @property
    def unit(self) -> Unit:
        return Unit(root=self.bench.root, running=self.running)

    def update(self, source: Source | Path | None = None) -> str:
        """Ask and install; what runs then."""
        offered = self.take(source)
        if offered:
            self.running = offered.release.release
        return self.running


class Altered:
    """A source that gives other bytes for some names: what a man in the middle does."""

    def __init__(self, source: Source, change: dict[str, bytes | None]) -> None:
        self._source, self._change = source, change
        self.asked: list[tuple[str, int]] = []

    def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
        self.asked.append((name, start))
        for part, data in self._change.items():
            if part in name:
                if data is None:
                    raise FileNotFoundError(name)
                yield data[start:]
                return
        yield from self._source.fetch(name, max_bytes, start)


def current(repository: Repository) -> dict[str, object]:
    """What a repository says shall run."""
    targets = repository.read().targets
    assert targets is not None
    name = targets.signed.targets["releases/current.json"].get_prefixed_paths()[0]
    told: dict[str, object] = json.loads((repository.targets / name).read_bytes())
    return told
