"""A build becomes targets: its files are laid into the repository, and the targets role signs that they are a release.

Nothing is published by it: `publish` does that, with keys that can put nothing onto a unit by themselves.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from tuf.api.metadata import Metadata, Root, TargetFile, Targets

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.update.compat import misfit, own_declarations
from trapkit.update.offer import Part, Release
from trapkit.update.radiopack import SETTINGS
from trapkit.update.released import (
    CURRENT,
    Current,
    Listed,
    radio_target,
    read_current,
    read_release,
    release_target,
    write_release,
)
from trapship.release.build import Built
from trapship.release.byradio import radio_pack
from trapship.release.keys import Signers
from trapship.release.parts import read
from trapship.release.repository import Published, Repository, signed_by
from trapship.release.roles import EXPIRES, TARGETS

KEEP_RELEASES = 5  # that stay, to go back to; each 5 to 20 MB


@dataclass(frozen=True, kw_only=True)
class Releases:
    """What a targets role lists: the one to run, and all that are there, oldest first."""

    current: Current | None
    listed: tuple[Listed, ...]

    def named(self, release: str) -> Listed | None:
        return next((each for each in self.listed if each.release.release == release), None)

    def highest(self) -> int:
        """The highest serial that any unit may have."""
        said = [self.current.serial, self.current.back_from] if self.current else [0]
        return max(*said, *(each.release.serial for each in self.listed), 0)


def releases(repository: Repository, targets: Metadata[Targets] | None) -> Releases:
    """What is listed, each list proved by its hash.  Raises: SetupError naming the file."""
    if targets is None:
        return Releases(current=None, listed=())
    current, listed = None, []
    for name, target in targets.signed.targets.items():
        if not name.startswith("releases/"):
            continue
        path = repository.targets / target.get_prefixed_paths()[0]
        data = read(path)
        if hashlib.sha256(data).hexdigest() != target.hashes["sha256"]:
            raise SetupError(f"{path}: is not the file that was signed; copy the repository again")
        try:
            if name == CURRENT:
                current = read_current(data)
            else:
                listed.append(read_release(data))
        except ValueError as error:
            raise SetupError(f"{path}: {error}") from error
    return Releases(current=current, listed=tuple(sorted(listed, key=lambda each: each.release.serial)))


def sign_build(
    repository: Repository, built: Built, signers: Signers, now: datetime, keep: int = KEEP_RELEASES
) -> list[str]:
    """Lay a build's files down and stage targets that name it as the one to run; a line for each thing done.

    Parts that the build leaves out are those of the release before: a unit that missed it gets them too.
    Raises: SetupError when the release is there already or not later than the last, when its parts do not fit, or when
    the targets key is not among `signers`; OSError.
    """
    published = repository.read()
    _check_free(repository, published)
    before = releases(repository, published.targets)
    _check_order(built.release, before)
    serial = before.highest() + 1
    last = before.named(before.current.release) if before.current else None
    parts = dict(last.release.parts) if last else {}
    declared = {**(last.declared if last else {}), **built.declared}
    said, files = [], dict(_kept(published, before, keep))
    for part, path in built.files.items():
        data = read(path)
        name = _lay(repository, files, f"{part}/{built.release}/{path.name}", data)
        parts[part] = Part(version=built.declared[part].version, target=name)
        said.append(f"{part} {built.declared[part].version}: {name}")
    held = own_declarations() | declared
    if wrong := misfit(held):
        raise SetupError(f"{built.release}: {wrong}; bring both in one release")
    said += [
        f"{part} {parts[part].version}: as in {last.release.release}"
        for part in parts
        if part not in built.files and last
    ]
    release = Release(
        release=built.release,
        built_ms=int(built.built.timestamp() * 1000),
        serial=serial,
        parts=parts,
        needs={"protocol": held["supervisor"].gives.get("protocol", ())},
    )
    listed = Listed(release=release, declared=declared)
    _lay(repository, files, release_target(built.release), write_release(listed))
    current = Current(release=built.release, serial=serial, serial_floor=serial, back_from=0)
    said += _stage(repository, published, files, current, listed, signers, now)
    return [*said, f"{built.release}: signed as serial {serial}; `trapship publish` makes it known"]


def sign_rollback(repository: Repository, to: str, signers: Signers, now: datetime) -> list[str]:
    """Stage targets that name an older release as the one to run, for every unit that had a later one.

    Raises: SetupError when it is not kept here, or is the current one.
    """
    published = repository.read()
    _check_free(repository, published)
    before = releases(repository, published.targets)
    there = before.named(to)
    if before.current is None or there is None:
        kept = ", ".join(each.release.release for each in before.listed) or "none"
        raise SetupError(f"--to {to}: is not kept in {repository.folder}; kept are {kept}")
    if before.current.release == to:
        raise SetupError(f"--to {to}: is what shall run already")
    serial = there.release.serial
    current = Current(release=to, serial=serial, serial_floor=serial, back_from=before.highest())
    assert published.targets is not None
    files = dict(published.targets.signed.targets)
    said = _stage(repository, published, files, current, there, signers, now)
    return [*said, f"{to}: shall run again, also where a release up to serial {current.back_from} is installed"]


def sign_again(repository: Repository, signers: Signers, now: datetime) -> list[str]:
    """Stage the same targets with a new date and today's key; each release that is vouched for anew is a line."""
    published = repository.read()
    if published.targets is None:
        raise SetupError(f"{repository.folder}: nothing is published yet")
    before = releases(repository, published.targets)
    files = published.targets.signed.targets
    listed = before.named(before.current.release) if before.current else None
    said = _stage(repository, published, dict(files), before.current, listed, signers, now)
    return said + [
        f"{each.release.release}: vouched for anew, SHA-256 of its list "
        f"{files[release_target(each.release.release)].hashes['sha256']}"
        for each in before.listed
    ]


def _check_free(repository: Repository, published: Published) -> None:
    """Two releases signed one after the other without a publication would have one number: the first would be lost."""
    staged = repository.staged_targets()
    if staged is not None and staged.signed.version > published.versions()[TARGETS]:
        path = repository.staged / "targets.json"
        raise SetupError(f"{path}: a signed release waits: publish it first, or take the file away to drop it")


def _check_order(release: str, before: Releases) -> None:
    if before.named(release):
        raise SetupError(f"{release}: is there already; a release is never changed: give it the next number")
    later = [each.release.release for each in before.listed if number_of(each.release.release) > number_of(release)]
    if later:
        raise SetupError(f"{release}: is not after {later[-1]}; give it a later number")


def number_of(release: str) -> tuple[int, ...]:
    """For comparing: 2026.12.1 comes after 2026.9.30."""
    return tuple(map(int, release.split(".")))


def _kept(published: Published, before: Releases, keep: int) -> Iterable[tuple[str, TargetFile]]:
    """The files of the last releases and of the current one; what goes leaves the list now, and the folder later."""
    if published.targets is None:
        return
    files = published.targets.signed.targets
    last = before.current.release if before.current else ""
    stay = list(before.listed[max(0, len(before.listed) - keep + 1) :])
    stay += [each for each in before.listed if each.release.release == last and each not in stay]
    for each in stay:
        for name in (release_target(each.release.release), *(part.target for part in each.release.parts.values())):
            yield name, files[name]


def _lay(repository: Repository, files: dict[str, TargetFile], name: str, data: bytes) -> str:
    """A file into the repository under its hash; its target's name, an older one where the same bytes are there."""
    target = TargetFile.from_data(name, data, ["sha256"])
    same = [n for n, t in files.items() if t.hashes == target.hashes and n.split("/")[0] == name.split("/")[0]]
    if same:
        return same[0]
    place = repository.targets / target.get_prefixed_paths()[0]
    make_folder(place.parent)
    write_atomically(place, data)
    files[name] = target
    return name


def _stage(
    repository: Repository,
    published: Published,
    files: dict[str, TargetFile],
    current: Current | None,
    listed: Listed | None,
    signers: Signers,
    now: datetime,
) -> list[str]:
    """Targets that name these files and what shall run; lines for whoever signs."""
    root, said = repository.staged_root() or published.root, ""
    files = {name: target for name, target in files.items() if not name.startswith("radio/")}
    if current is not None and listed is not None and SETTINGS in listed.release.parts:
        packed, said = _for_the_radio(repository, files, listed, current, root, signers, now)
        if packed:
            _lay(repository, files, radio_target(current.release), packed)
    if current is not None:
        data = (json.dumps(current.as_json(), indent=1) + "\n").encode()
        target = TargetFile.from_data(CURRENT, data, ["sha256"])
        place = repository.targets / target.get_prefixed_paths()[0]
        make_folder(place.parent)
        write_atomically(place, data)
        files = {**files, CURRENT: target}
    version = published.versions()[TARGETS] + 1
    targets = Metadata(Targets(version=version, expires=now + EXPIRES[TARGETS], targets=files))
    repository.stage(TARGETS, signed_by(targets, root, TARGETS, signers))
    return [said] if said else []


def _for_the_radio(
    repository: Repository,
    files: dict[str, TargetFile],
    listed: Listed,
    current: Current,
    root: Metadata[Root],
    signers: Signers,
    now: datetime,
) -> tuple[bytes, str]:
    """What `radio_pack` makes; nothing without the targets key, which is missed soon enough."""
    role, parts = root.signed.roles[TARGETS], listed.release.parts
    signer = next((signers[keyid] for keyid in role.keyids if keyid in signers), None)
    if signer is None or role.threshold != 1:
        return b"", f"settings: none by radio, where one signature goes: root wants {role.threshold} of targets"
    pack = read(repository.targets / files[parts[SETTINGS].target].get_prefixed_paths()[0])
    sha256 = {part: files[each.target].hashes["sha256"] for part, each in parts.items()}
    sign = signer.sign
    return radio_pack(
        listed, current, sha256, pack, lambda message: bytes.fromhex(sign(message).signature), now + EXPIRES[TARGETS]
    )
