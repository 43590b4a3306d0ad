"""From a card to what was on it: by file system and database, and where these are smashed by what lies there."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from trapkit.errors import SetupError
from trapship.opencard import agestream, pages
from trapship.opencard.carve import MAX_SEALED_BYTES, MAX_WAL_BYTES, Device, look, near
from trapship.opencard.database import proven, read_outbox
from trapship.opencard.ext import ASIDE, DATABASE, FOLDERS, SEALED, USUAL, Ext
from trapship.opencard.found import DELETED, Outbox, Unit
from trapship.opencard.partitions import file_systems
from trapship.opencard.results import UNKNOWN, Results
from trapship.opencard.secrets import Keys

MAX_LOOKED = 100_000  # entries of a folder that are looked through for outboxes
Say = Callable[[str], None]


@dataclass(kw_only=True)
class _Found:
    """An outbox and where its files lie."""

    outbox: Outbox
    folder: Path | None
    carved: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def unit(self) -> Unit:
        return self.outbox.unit or UNKNOWN

    def body(self, sha256: bytes) -> bytes | None:
        """A file's bytes, as they are: damaged ones too."""
        for kind in FOLDERS if self.folder else ():
            path = self.folder / kind / f"{sha256.hex()}.age"  # type: ignore[operator]
            if path.is_file() and path.stat().st_size <= MAX_SEALED_BYTES:
                return path.read_bytes()
        return None

    def wanted(self) -> dict[bytes, int]:
        """Files that rows name and that are gone or damaged: size by digest."""
        files = {n.sha256: n.size for n in self.outbox.objects.values() if n.body is None and n.state != DELETED}
        files |= self.outbox.samples
        return {digest: size for digest, size in files.items() if not proven(self.body(digest) or b"", digest)}

    def unnamed(self) -> Iterator[tuple[str, bytes]]:
        """Sealed files that lie with it and that no row names, by name: all of them where the rows are gone."""
        known = {named.sha256.hex() for named in self.outbox.objects.values()}
        known |= {digest.hex() for digest in self.outbox.samples}
        for kind in FOLDERS if self.folder else ():
            for path in sorted((self.folder / kind).glob("*.age")):  # type: ignore[operator]
                small = path.is_file() and path.stat().st_size <= MAX_SEALED_BYTES
                if small and SEALED.fullmatch(path.name) and path.stem not in known:
                    yield path.stem, path.read_bytes()


def open_card(source: Path, out: Path, keys: Keys, say: Say, *, now_ms: int) -> dict[str, object]:
    """Write everything that `source` (a folder, an image, a device) holds to `out`; the summary of it.

    now_ms: Unix ms, for what says when it was written.

    Nothing is written to `source`.  Raises: SetupError when there is nothing to look at, or `out` holds something.
    """
    if not source.exists():
        raise SetupError(f"{source}: there is no such folder, image or device")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SetupError(f"--out {out}: holds something already; name a folder that is new or empty")
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    results = Results(out, keys, now_ms=now_ms)
    notes: list[str] = []
    with tempfile.TemporaryDirectory(dir=out, prefix=".reading-") as scratch:
        if source.is_dir():
            found = [_read(folder, Path(scratch), notes) for folder in _outboxes_in(source)]
            if not found:
                raise SetupError(
                    f"{source}: no {DATABASE} lies here; of a card that does not mount name the device itself"
                )
        else:
            found = _from_device(source, keys, Path(scratch), results, notes, say)
        for one in found:
            _write(one, results)
            if one.outbox.unit is not None:
                results.units[one.unit] = str(one.folder) if source.is_dir() else "the card"
            elif one.outbox.objects or one.outbox.samples:
                notes.append("which trap it was cannot be told")
    if not results.counts:
        notes.append("nothing of a trap's was found")
    return results.finish(str(source), notes)


def _outboxes_in(folder: Path) -> list[Path]:
    usual = folder / USUAL.relative_to("/")
    own = [usual] if (usual / DATABASE).is_file() else []
    aside = sorted(path for path in usual.glob(f"{ASIDE}*") if path.is_dir())
    if own or aside:
        return own + aside
    looked = islice(folder.rglob("*"), MAX_LOOKED)
    found = {path.parent if path.name == DATABASE else path for path in looked if _is_outbox(path)}
    return sorted(found)


def _is_outbox(path: Path) -> bool:
    return path.is_file() if path.name == DATABASE else path.name.startswith(ASIDE) and path.is_dir()


def _read(folder: Path, scratch: Path, notes: list[str]) -> _Found:
    own = Path(tempfile.mkdtemp(dir=scratch))
    if (folder / DATABASE).is_file():
        outbox = read_outbox(folder / DATABASE, own)
    else:
        outbox = Outbox(trouble=f"{folder.name}: its database is gone")
    if outbox.trouble:
        notes.append(outbox.trouble)
    return _Found(outbox=outbox, folder=folder)


def _from_device(source: Path, keys: Keys, scratch: Path, results: Results, notes: list[str], say: Say) -> list[_Found]:
    try:
        device = Device(source)
    except OSError as error:
        raise SetupError(f"{source}: cannot be read: {error.strerror}; as root, perhaps") from error
    with closing(device):
        with source.open("rb") as file:
            there = file_systems(file)
        found: list[_Found] = []
        for system in there:
            try:
                ext = Ext(source, system.offset)
            except SetupError as error:
                notes.append(str(error))
                break
            for place in ext.outboxes():
                say(f"{source}: an outbox in {place}")
                copy = Path(tempfile.mkdtemp(dir=scratch))
                ext.fetch(place, copy)
                found.append(_read(copy, scratch, notes))
        wanted = sum(len(one.wanted()) for one in found)
        why = (
            "no outbox by its file system" if not found
            else "its power was cut, and its journal has news" if any(system.cut for system in there)
            else f"{wanted} files are gone or damaged" if wanted
            else "its database is damaged" if any(one.outbox.trouble for one in found)
            else ""
        )  # fmt: skip
        if why:
            notes.append(f"the bare device was searched: {why}")
            say(f"{source}: {why}: searching all of it")
            _carve(device, keys, found, results, say)
    return found


def _carve(device: Device, keys: Keys, found: list[_Found], results: Results, say: Say) -> None:
    sealed, loose = [], Outbox()
    other: pages.Page = lambda number: None  # noqa: E731
    for kind, at in look(device, lambda base: say(f"{base >> 20} of {device.size >> 20} MiB searched")):
        if kind == "age":
            sealed.append(at)
        elif kind == "wal":
            loose.add_rows(_logged(device.read(at, MAX_WAL_BYTES)), proven)
        else:
            page = device.read(at, pages.PAGE_BYTES)
            if page.startswith(pages.DATABASE_MAGIC):
                other = near(device, at)
            loose.add_rows(pages.rows(page, other), proven)
    if not found and (loose.objects or loose.samples or sealed):
        found.append(_Found(outbox=Outbox(unit=loose.unit), folder=None))
    if len(found) == 1:  # of several outboxes nobody could say whose a loose row is
        _merge(found[0].outbox, loose)
    wanted = {digest: (one, size) for one in found for digest, size in one.wanted().items()}
    known = {n.sha256 for one in found for n in one.outbox.objects.values()} | set(loose.samples)
    known |= {bytes.fromhex(name) for one in found for name, _ in one.unnamed()}
    for at in sealed:
        data = device.read(at, MAX_SEALED_BYTES)
        match = _by_digest(data, {digest: size for digest, (_, size) in wanted.items()})
        if match is not None:
            wanted[match][0].carved[match] = data[: wanted[match][1]]
            continue
        opened = agestream.read(data, keys.ages)
        if opened is None:
            continue
        if opened.whole and hashlib.sha256(data[: opened.size]).digest() in known:
            continue  # the file system gave it, or a receipt let it go
        if opened.plain:
            results.add_stray(found[0].unit if len(found) == 1 else UNKNOWN, at, opened.plain, whole=opened.whole)


def _merge(outbox: Outbox, loose: Outbox) -> None:
    """What lay loose fills what the database lacks; it never overrules a row that is there."""
    outbox.unit = outbox.unit or loose.unit
    for key, named in loose.objects.items():
        old = outbox.objects.get(key)
        if old is None or (old.sha256 == named.sha256 and old.body is None and named.body and old.state != DELETED):
            outbox.objects[key] = named
    for digest, size in loose.samples.items():
        if outbox.trouble or not outbox.objects:
            outbox.samples.setdefault(digest, size)
    outbox.events = loose.events | outbox.events
    outbox.notes = loose.notes | outbox.notes


def _logged(data: bytes) -> Iterator[pages.Row]:
    logged = dict(pages.wal_pages(data))
    for page in logged.values():
        yield from pages.rows(page, logged.get)


def _by_digest(data: bytes, wanted: dict[bytes, int]) -> bytes | None:
    """Which of the wanted files begins at the beginning of `data`."""
    running, at = hashlib.sha256(), 0
    for size in sorted(set(wanted.values())):
        if size > len(data):
            break
        running.update(data[at:size])
        at = size
        digest = running.digest()
        if wanted.get(digest) == size:
            return digest
    return None


def _write(one: _Found, results: Results) -> None:
    results.tell(one.unit, one.outbox.events, one.outbox.notes)
    for named in sorted(one.outbox.objects.values()):
        if named.state == DELETED:
            results.add_received(one.unit, named)
        else:
            body = named.body if named.body is not None else one.carved.get(named.sha256) or one.body(named.sha256)
            results.add_object(one.unit, named, body)
    for digest in sorted(one.outbox.samples):
        results.add_sample(one.unit, digest, one.carved.get(digest) or one.body(digest))
    for name, data in one.unnamed():
        results.add_unnamed(one.unit, name, data)
