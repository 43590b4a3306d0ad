"""The loss of each secret of an operator's folder, rehearsed on a copy: what goes on, what stops, what mends it.

These secrets do not change after `init`: a copy of that day is good for ever (of the releases' keys it is not:
`release.copies`). `backup` is where yours lies; with it the
rehearsal proves that it is whole and opens, which nobody finds out on the day.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.operator.packs import make_pack
from trapship.desk.folder import BOX, CA_KEY, MASTER, PERMIT, REVIEW, SECRETS, SEED, open_desk
from trapship.desk.issue import Issue
from trapship.release.rehearse import Rehearsed
from trapship.vault import Vault

GOES_ON = "units and bases go on as they are: none of them needs this folder to work"
# Where there is no copy either.
WITHOUT_A_COPY = {
    MASTER: "no unit can be provisioned any more: a new operator's folder, and a visit to each unit",
    SEED: "units believe no new identity, list or pack: a new operator's folder, and a visit to each unit",
    CA_KEY: "no new certificate and no new list of revoked ones: a new operator's folder, and a visit to each unit",
    BOX: "it lies on each base as keys/base.key: take it from there",
    REVIEW: "full frames are opened by the back end alone; new ones by a new review key, in a new operator's folder",
    PERMIT: "it lies on each base as keys/permit.key: take it from there",
}
TRIAL_PACK = 'name = "rehearsal"\nversion = "2026.12.1"\n'


def rehearse_desk(vault: Vault, backup: Path | None, utc_s: float) -> Iterator[Rehearsed]:
    """Each secret in turn; nothing of the operator's own is written to. backup: a copy of the folder, the folder itself
    where it is left out; utc_s: now.  Raises: SetupError when the folder does not open today; OSError."""
    open_desk(vault)
    for secret in SECRETS:
        with tempfile.TemporaryDirectory(prefix="pugmark-rehearsal-") as name:
            yield _loss(vault, secret, backup, Path(name), utc_s)


def _loss(vault: Vault, secret: str, backup: Path | None, folder: Path, utc_s: float) -> Rehearsed:
    copy = vault.elsewhere(folder / "operator")
    shutil.copytree(vault.folder, copy.folder)
    copy.remove(secret)
    works, does_not = _tried(copy, folder / "lost", utc_s)
    safe = backup or vault.folder
    try:
        shutil.copyfile(safe / secret, copy.folder / secret)
        _, wrong = _tried(copy, folder / "mended", utc_s)
    except OSError as error:
        wrong = [f"{safe / secret}: cannot be read: {error.strerror}"]
    where = f"{safe / secret}" if backup else f"the copy that KEEP.md asks for (--backup proves yours): {secret}"
    done = [f"put back {where}; all of it works again"] if not wrong else [*wrong, f"copy {vault.folder} again"]
    done.append(f"where there is no copy: {WITHOUT_A_COPY[secret]}")
    return Rehearsed(
        lost=(secret,), works=(GOES_ON, *works), does_not=tuple(does_not), done=tuple(done), is_mended=not wrong
    )


def _tried(copy: Vault, folder: Path, utc_s: float) -> tuple[list[str], list[str]]:
    """What an operator does, each with a folder of its own: what worked, and what did not and why."""

    def issue(kind: str) -> Callable[[], object]:
        def provision() -> object:
            desk = open_desk(copy)
            out = folder / kind
            (out / "stick").mkdir(parents=True)
            made = Issue(desk, out / "stick", out / "papers", utc_s)
            if kind == "trap":
                return made.trap(next(iter(desk.register.traps.values())), b"")
            return made.base(next(iter(desk.register.bases.values())))

        return provision

    trials: dict[str, Callable[[], object]] = {
        "shutting out a stolen unit": lambda: open_desk(copy).revoked(),
        "signing a settings pack": lambda: make_pack(TRIAL_PACK, open_desk(copy).seed, "rehearsal"),
        "opening crops and frames on this desk": lambda: copy.get(BOX),
        "opening full frames on this desk": lambda: copy.get(REVIEW),
    }
    register = open_desk(copy).register if copy.has(SEED) else None
    if register and register.traps:
        trials["provisioning a trap again"] = issue("trap")
    if register and register.bases:
        trials["provisioning a base again"] = issue("base")
    works, does_not = [], []
    for what, attempt in trials.items():
        try:
            attempt()
            works.append(what)
        except SetupError as error:
            does_not.append(f"{what}: {error}")
    return works, does_not
