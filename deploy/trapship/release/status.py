"""One screen: what shall run, what is kept, whose word stands until when, and which keys are at hand."""

from datetime import datetime, timedelta
from typing import Any

from trapship.release.keys import Signers
from trapship.release.publish import missing_signatures
from trapship.release.repository import Repository, named
from trapship.release.roles import ROLES
from trapship.release.sign import releases

SOON = timedelta(days=14)  # a walk to the last trap and back


def status(repository: Repository, signers: Signers, now: datetime) -> dict[str, Any]:
    """What a program reads; `lines` makes the screen of it. `signers`: keys at hand, which may be none.

    Raises: SetupError when the repository is not whole.
    """
    published = repository.read()
    listed = releases(repository, published.targets)
    root, waits = published.root, repository.staged_root()
    staged = repository.staged_targets()
    roles = {}
    for role in ROLES:
        until = published.expires().get(role)
        roles[role] = {
            "version": published.versions()[role],
            "expires_utc": f"{until:%Y-%m-%dT%H:%M:%SZ}" if until else None,
            "days_left": (until - now).days if until else None,
            "threshold": root.signed.roles[role].threshold,
            "keys": [
                {"name": named(root.signed, keyid), "id": keyid, "at_hand": keyid in signers}
                for keyid in root.signed.roles[role].keyids
            ],
        }
    current = listed.current
    notes = [_due(role, until, now) for role, until in published.expires().items() if until - now < SOON]
    if waits is not None:
        missing = missing_signatures(root, waits)
        notes.append(f"root {waits.signed.version} waits for " + (missing or "`trapship publish`"))
    if staged is not None and staged.signed.version > published.versions()["targets"]:
        notes.append("signed targets wait for `trapship publish`")
    return {
        "repository": str(repository.folder),
        "current": current.as_json() if current else None,
        "releases": [
            {
                "release": each.release.release,
                "serial": each.release.serial,
                "parts": {part: entry.version for part, entry in sorted(each.release.parts.items())},
            }
            for each in listed.listed
        ],
        "roles": roles,
        "notes": notes,
        "expired": [role for role, until in published.expires().items() if until <= now],
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The screen."""
    current = told["current"]
    said = [f"{told['repository']}: {current['release']} shall run" if current else f"{told['repository']}: no release"]
    if current and current["back_from"]:
        said[0] += f", also where a release up to serial {current['back_from']} is installed"
    for each in told["releases"]:
        parts = ", ".join(f"{part} {version}" for part, version in each["parts"].items())
        said.append(f"  {each['release']:<11} serial {each['serial']:<4} {parts}")
    said.append(f"{'role':<10} {'version':>7}  {'until':<10} {'days':>5}  keys (* at hand)")
    for role, each in told["roles"].items():
        names = " ".join(_key(key) for key in each["keys"])
        needed = f" ({each['threshold']} of {len(each['keys'])})" if len(each["keys"]) > 1 else ""
        until = each["expires_utc"][:10] if each["expires_utc"] else "–"
        days = each["days_left"] if each["days_left"] is not None else "–"
        said.append(f"{role:<10} {each['version']:>7}  {until:<10} {days:>5}  {names}{needed}")
    return said + [f"! {note}" for note in told["notes"]]


def _key(key: dict[str, Any]) -> str:
    name = key["name"].removeprefix("tuf/").removesuffix(".key")
    return f"{name}{'*' if key['at_hand'] else ''} {key['id'][:8]}"


def _due(role: str, until: datetime, now: datetime) -> str:
    then = "renew it with `trapship rotate --renew`" if role == "root" else "say `trapship publish`"
    if until <= now:
        return f"{role} is over since {until:%Y-%m-%d}: units take no updates; {then}"
    return f"{role} stands until {until:%Y-%m-%d}; {then}"
