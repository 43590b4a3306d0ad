"""The roles that sign, how long each one's word stands, and what to do with its key (values only).

TUF's four (specification 1.0, section 2.1): root says whose keys count; targets says which files are releases; snapshot
says which files belong together; timestamp says what is newest, and that somebody still says so.
"""

from dataclasses import dataclass
from datetime import timedelta

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = "root", "targets", "snapshot", "timestamp"
ROLES = (ROOT, TARGETS, SNAPSHOT, TIMESTAMP)
EXPIRES = {
    TIMESTAMP: timedelta(days=90),
    SNAPSHOT: timedelta(days=180),
    TARGETS: timedelta(days=365),
    ROOT: timedelta(days=5 * 365),
}
# What publishing signs anew although nothing changed: a unit two days' walk away shall find months left on it.
RENEW_WITHIN = {role: expires / 2 for role, expires in EXPIRES.items()}
FOLDER = "tuf"  # of the operator's folder
FIRST_ROOT = "root.json"  # public: what every unit and base is given
DEFAULT_ROOTS = 3
DEFAULT_THRESHOLD = 2
MAX_ROOTS = 9


@dataclass(frozen=True, kw_only=True)
class Keep:
    """A key in plain words. what: it does; where: it belongs; lost: what that means and what to do."""

    what: str
    where: str
    lost: str


KEEP = {
    ROOT: Keep(
        what="says which keys count; any {threshold} of the {roots} together can replace every other key",
        where="each with another person, on a stick in a safe, never on a machine with internet (`trapship move-key`)",
        lost="one: nothing changes; make another with the rest (`trapship rotate --role root`). So many that "
        "{threshold} are no longer left: every unit must be visited and given a new root.json; releases go on as "
        "long as the other keys and the root's date hold",
    ),
    TARGETS: Keep(
        what="says which files are a release: with the snapshot and timestamp keys too, or a hand in the folder that "
        "you publish from, it puts a program onto every unit; alone it does not",
        where="with whoever builds releases, on the machine where they are signed, encrypted",
        lost="no new release until root names another (`trapship rotate --role targets`); units go on as they are",
    ),
    SNAPSHOT: Keep(
        what="says which files belong together; alone it can put nothing onto a unit",
        where="on the machine that publishes",
        lost="no new release until root names another (`trapship rotate --role snapshot`); `publish` renews the "
        "timestamp alone for as long as half of snapshot's 180 days are left, then nothing",
    ),
    TIMESTAMP: Keep(
        what="says what is newest, every 90 days at the latest; alone it can put nothing onto a unit",
        where="on the machine that publishes",
        lost="units take no updates after 90 days, until root names another (`trapship rotate --role timestamp`)",
    ),
}
