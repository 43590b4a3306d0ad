"""A lost key of each kind, rehearsed on a copy: what still works, what to do, and it is done there.

Nothing of the operator's own is written to: folders are copied, a key is taken out of the copy, and a unit that had
what is published before follows what is published after. So an operator has done it once before it happens.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.update.client import Unit, take
from trapkit.update.offer import Refused
from trapkit.update.sources import FolderSource
from trapkit.update.timefloor import Moment
from trapship.release.keys import signers
from trapship.release.publish import publish
from trapship.release.repository import Repository, named
from trapship.release.roles import FIRST_ROOT, FOLDER, ROLES, ROOT, TARGETS, TIMESTAMP
from trapship.release.rotate import rotate
from trapship.release.sign import sign_again
from trapship.vault import Vault

DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """lost: the keys; works, does_not: what was tried without them; done: the steps that mended it, or why none can."""

    lost: tuple[str, ...]
    works: tuple[str, ...]
    does_not: tuple[str, ...]
    done: tuple[str, ...]
    is_mended: bool

    def lines(self) -> list[str]:
        said = [f"lost: {', '.join(self.lost)}"]
        said += [f"  works: {each}" for each in self.works]
        said += [f"  does not: {each}" for each in self.does_not]
        said += [f"  {'done' if self.is_mended else 'to do'}: {each}" for each in self.done]
        return said


class _Trap:
    """A unit of the rehearsal, with a clock that is right."""

    def __init__(self, folder: Path, root: bytes, now: datetime) -> None:
        self.folder, self.root, self.now = folder, root, now
        self.running = ""

    def read(self) -> Moment:
        return Moment(int(self.now.timestamp() * 1000), True)

    def monotonic_ms(self) -> int:
        return 0

    def update(self, repository: Repository) -> str:
        """What runs then.  Raises: Refused."""
        unit = Unit(root=self.root, running=self.running)
        offered = take(FolderSource(repository.folder), self.folder, self, unit=unit)
        self.running = offered.release.release if offered else self.running
        return self.running


def rehearse(repository: Repository, vaults: list[Vault], now: datetime) -> Iterator[Rehearsed]:
    """Each loss in turn: every role's key, one root key, and more of them than the threshold leaves.

    vaults: an operator's folders; all keys have to be there.  Raises: SetupError when the real
    folders could not do what is rehearsed (nothing published, a key missing today); OSError.
    """
    published = repository.read()
    if published.targets is None:
        raise SetupError(f"{repository.folder}: nothing is published yet; there is nothing to rehearse on")
    root = published.root.signed
    at_hand = signers(vaults)
    missing = sorted(named(root, keyid) for role in ROLES for keyid in root.roles[role].keyids if keyid not in at_hand)
    if missing:
        raise SetupError(f"not at hand: {', '.join(missing)}; name every folder that holds one (--operator)")
    roots = sorted(named(root, keyid) for keyid in root.roles[ROOT].keyids)
    for role in ROLES[1:]:
        yield _loss([named(root, keyid) for keyid in root.roles[role].keyids], role, repository, vaults, now)
    if len(roots) > root.roles[ROOT].threshold:
        yield _loss(roots[:1], ROOT, repository, vaults, now)
    yield _loss(roots[: len(roots) - root.roles[ROOT].threshold + 1], "", repository, vaults, now)


def _loss(lost: list[str], role: str, repository: Repository, vaults: list[Vault], now: datetime) -> Rehearsed:
    """role: whose key it is; "" where so many root keys are lost that none can be replaced."""
    with tempfile.TemporaryDirectory(prefix="pugmark-rehearsal-") as name:
        folder = Path(name)
        copy = Repository(folder / "repository")
        shutil.copytree(repository.folder, copy.folder)
        left = []
        for number, vault in enumerate(vaults):
            shutil.copytree(vault.folder / FOLDER, folder / f"operator-{number}" / FOLDER)
            left.append(vault.elsewhere(folder / f"operator-{number}"))
            for each in lost:
                (folder / f"operator-{number}" / each).unlink(missing_ok=True)
        first = (copy.metadata / "1.root.json").read_bytes()
        trap = _Trap(folder / "unit", first, now)
        works, does_not = [], []
        trap.update(copy)
        trials: list[tuple[str, Callable[[], object]]] = [
            ("units run what they run, and take what is published until its date", lambda: trap.update(copy)),
            ("publishing again (a new timestamp)", lambda: publish(copy, signers(left), now)),
            ("signing a release", lambda: sign_again(copy, signers(left), now)),
        ]
        for what, attempt in trials:
            try:
                attempt()
                works.append(what)
            except (SetupError, Refused) as error:
                does_not.append(f"{what}: {error}")
            copy.unstage(TARGETS)
        done = _mend(copy, role, lost, left, now + DAY, trap)
        return Rehearsed(
            lost=tuple(lost), works=tuple(works), does_not=tuple(does_not), done=tuple(done), is_mended=bool(role)
        )


def _mend(copy: Repository, role: str, lost: list[str], left: list[Vault], now: datetime, trap: _Trap) -> list[str]:
    if not role:
        return _mend_nothing(copy, left, now)
    replace = lost[0].removeprefix(f"{FOLDER}/").removesuffix(".key") if role == ROOT else ""
    said = [f"trapship rotate --role {role}" + (f" --replace {replace}" if replace else "")]
    said += rotate(copy, role, left, signers(left), now, replace=replace)
    said += ["trapship publish", *publish(copy, signers(left), now)]
    trap.now = now
    running = trap.update(copy)
    versions = copy.read().versions()
    return [*said, f"a unit that knew only the first {FIRST_ROOT} follows to root {versions[ROOT]} and runs {running}"]


def _mend_nothing(copy: Repository, left: list[Vault], now: datetime) -> list[str]:
    root = copy.read().root.signed
    kept = signers(left)
    said = [
        f"no key can be replaced any more: root wants {root.roles[ROOT].threshold} signatures",
        f"until {root.expires:%Y-%m-%d} releases go on with the other keys, if none of them is lost too",
    ]
    try:
        rotate(copy, TIMESTAMP, left, kept, now)
        publish(copy, signers(left), now)
        said.append("but it could be replaced: this rehearsal is wrong")
    except SetupError:
        said.append("before that day: `trapship tuf-keys` in a new folder, a new repository, and its root.json by hand")
        said.append("onto every unit and base (a stick at each service visit)")
    return said
