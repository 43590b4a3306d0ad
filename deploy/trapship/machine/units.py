"""systemd's part: which units are in force, and what of Debian's gives way to them."""

from trapship.machine.host import Host
from trapship.machine.plan import Role
from trapship.machine.record import Record


def enable(host: Host, role: Role, record: Record, units: tuple[str, ...], *, renewed: bool) -> None:
    """Units start with the machine from now on, and now where the machine runs and is set up. renewed: the program or a
    unit is another one than before."""
    for unit in role.not_ours:
        if _is(host, "is-enabled", unit) or _is(host, "is-active", unit):
            host.changed(unit, "switched off: its place is taken by ours")
            if unit not in record.stopped:
                record.stopped.append(unit)
            host.do("systemctl", "disable", *_now(host), unit)
    for unit in units:
        if not _is(host, "is-enabled", unit):
            host.changed(unit, "starts with the machine")
            _systemctl(host, "enable", unit)
    if not host.booted:
        host.say("systemd does not run here: the units start when this machine next starts")
        return
    for unit in units:
        if unit in role.restarted:
            continue
        if not _is(host, "is-active", unit) and not unit.startswith(("pugmark-identity", "pugmark-access-point")):
            host.do("systemctl", "start", unit)
            host.changed(unit, "started")
    for unit in role.restarted:
        active = _is(host, "is-active", unit)
        if active and not renewed:
            continue
        # Where it is not set up its condition does not hold, and systemd starts nothing.
        host.do("systemctl", "--no-block", "restart", unit)
        if active:
            host.changed(unit, "started anew")


def disable(host: Host, units: tuple[str, ...]) -> None:
    """They end now, and start no more."""
    for unit in reversed(units):
        if _is(host, "is-enabled", unit) or _is(host, "is-active", unit):
            host.changed(unit, "stopped, starts no more")
            _systemctl(host, "disable", *_now(host), unit)


def known(host: Host, unit: str) -> bool:
    """Whether this machine has such a unit."""
    return host.ask("systemctl", "cat", unit)[0] == 0


def _now(host: Host) -> tuple[str, ...]:
    return ("--now",) if host.booted else ()


def _is(host: Host, what: str, unit: str) -> bool:
    elsewhere = () if host.here else (f"--root={host.root}",)
    if elsewhere and what == "is-active":
        return False
    return host.ask("systemctl", *elsewhere, what, "--quiet", unit)[0] == 0


def _systemctl(host: Host, *arguments: str) -> None:
    if host.here:
        host.do("systemctl", *arguments)
    elif not host.dry:
        host.ask("systemctl", f"--root={host.root}", *arguments)
