"""The steps of an installation and of a removal, each of which finds out what is left to do."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

from trapship.machine import files, machine, program, units
from trapship.machine.errors import InstallError
from trapship.machine.host import Host
from trapship.machine.plan import (
    DATA,
    DATA_LABEL,
    DATA_UNIT,
    FIREWALL,
    READ_ONLY_FILES,
    READ_ONLY_PACKAGES,
    SYSUSERS,
    USER,
    File,
    Folder,
    Role,
)  # fmt: skip
from trapship.machine.record import Record, write_record
from trapship.machine.source import Source

TRY = "try-restart"  # of Debian's own services, which this machine may not have
QUIET = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l"}


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was asked for beside the role. country: for the Wi-Fi's power and channels, two letters, empty: as it is."""

    read_only: bool = False
    firewall: bool = True
    country: str = ""


def install(host: Host, role: Role, source: Source, wishes: Wishes, record: Record) -> None:
    """Make the machine what the role says.  Raises: InstallError; the same again goes on from there."""
    if record.role not in ("", role.name):
        raise InstallError(
            f"this machine is a {record.role}: `deploy/install --remove` first, to make it a {role.name}"
        )
    record.role, record.version = role.name, source.name
    plan = [*role.files, *(READ_ONLY_FILES if wishes.read_only else ())]
    names = (*role.units, *((DATA_UNIT,) if wishes.read_only else ()))
    if not wishes.firewall:
        names = tuple(name for name in names if name != FIREWALL)
    if wishes.read_only:
        _require_data_partition(host)
    _packages(host, (*role.packages, *(READ_ONLY_PACKAGES if wishes.read_only else ())), role.wished, record)
    changed = _lay(host, plan, source, record)
    if not host.dry:
        write_record(host.root, record)
    if wishes.read_only:
        host.do("systemctl", "daemon-reload")
        host.do("systemctl", "start", DATA_UNIT)
    _user(host)
    for folder in role.folders:
        _folder(host, folder)
    for path, to in role.links:
        _told(host, files.link(host.root, path, to, dry=host.dry))
    if role.name == "trap":
        _board(host, wishes.country)
    renewed = program.install_program(host, role, source)
    for file in changed:
        if not host.booted or not file.then or (TRY in file.then and not units.known(host, file.then[-1])):
            continue
        if why := host.try_to(*file.then):
            host.say(f"{file.target}: counts from the next start on ({why})")
    units.enable(host, role, record, names, renewed=renewed or bool(changed))
    if not host.dry:
        write_record(host.root, record)


def remove(host: Host, role: Role, record: Record) -> None:
    """Take away what was installed. What was measured, keys, settings, the user and Debian's packages stay."""
    units.disable(host, (*role.units, DATA_UNIT))
    for path, ours in sorted(record.files.items()):
        _told(host, files.take_away(host.root, path, ours, dry=host.dry))
    for path, to in role.links:
        if host.root.joinpath(path.lstrip("/")).is_symlink():
            host.say(f"{path}: leads to {to} and stays")
    program.remove_programs(host, role)
    if host.booted:
        host.do("systemctl", "daemon-reload")
    host.say(f"{DATA}: stays, with keys, settings and everything that was kept; so does the user {USER}")
    if record.packages:
        host.say(f"packages that came with it stay: apt-get remove {' '.join(sorted(record.packages))}")
    for unit in record.stopped:
        host.say(f"{unit}: stays switched off; systemctl enable --now {unit}")


def _packages(host: Host, needed: tuple[str, ...], wished: tuple[str, ...], record: Record) -> None:
    if not host.here:
        host.say(f"packages {' '.join((*needed, *wished))}: not looked at, this is another machine's root")
        return
    there = _installed(host)
    missing = [name for name in needed if name not in there]
    for name in wished:
        if name in there:
            continue
        _, policy = host.ask("apt-cache", "policy", name)
        if "Candidate:" in policy and "Candidate: (none)" not in policy:
            missing.append(name)
        else:
            host.say(f"{name}: this system's package lists have none; Raspberry Pi OS has")
    if not missing:
        return
    host.changed(f"packages {' '.join(missing)}", "installed")
    command = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *missing)
    if host.dry:
        return
    try:
        host.do(*command, env=QUIET)
    except InstallError as error:
        # Lists that are old, or not there yet.
        if host.try_to("apt-get", "update", "-q"):
            without = f"{error}\nand without these packages it cannot go on: {' '.join(missing)}"
            raise InstallError(without) from error
        host.do(*command, env=QUIET)
    record.packages = sorted({*record.packages, *missing})


def _installed(host: Host) -> set[str]:
    code, said = host.ask("dpkg-query", "-W", "-f", "${db:Status-Abbrev} ${Package}\n")
    if code:
        raise InstallError("dpkg-query says nothing of this machine's packages: is this Debian?")
    return {line.split()[1] for line in said.splitlines() if line.startswith("ii ")}


def _lay(host: Host, plan: list[File], source: Source, record: Record) -> list[File]:
    """The files that are others than before."""
    changed = []
    for file in plan:
        data = (source.deploy / file.source).read_bytes()
        change = files.lay(host.root, file.target, data, file.mode, record.files.get(file.target), dry=host.dry)
        record.files[file.target] = files.digest(data)
        if _told(host, change):
            changed.append(file)
    for path in files.plan_of(record.files, {file.target for file in plan}):
        _told(host, files.take_away(host.root, path, record.files.pop(path), dry=host.dry))
    return changed


def _user(host: Host) -> None:
    if _owner(host.root) is not None:
        return
    host.changed(f"user {USER}", "new")
    if host.here:
        host.do("systemd-sysusers", SYSUSERS)
    elif not host.dry:
        host.ask("systemd-sysusers", f"--root={host.root}")


def _owner(root: Path) -> tuple[int, int] | None:
    """The user's numbers on that machine."""
    if root == Path("/"):
        try:
            entry = pwd.getpwnam(USER)
        except KeyError:
            return None
        return entry.pw_uid, entry.pw_gid
    try:
        lines = (root / "etc/passwd").read_text().splitlines()
    except OSError:
        return None
    found = [line.split(":") for line in lines if line.startswith(f"{USER}:")]
    return (int(found[0][2]), int(found[0][3])) if found else None


def _folder(host: Host, folder: Folder) -> None:
    """A folder with its mode and owner. The user may own what is above it, so no link is followed."""
    target = files.below(host.root, folder.path)
    if not target.exists() and not target.is_symlink():
        host.changed(folder.path, f"new, mode {folder.mode:o}, of {folder.owner}")
        if host.dry:
            return
        target.mkdir(parents=True)
    if host.dry:
        return
    try:
        handle = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise InstallError(f"{folder.path}: is no folder of its own ({error.strerror}); move it away") from error
    try:
        said = os.fstat(handle)
        if stat.S_IMODE(said.st_mode) != folder.mode:
            os.fchmod(handle, folder.mode)
        owner = _owner(host.root)
        if owner is not None and os.geteuid() == 0 and (said.st_uid, said.st_gid) != owner:
            os.fchown(handle, *owner)
    finally:
        os.close(handle)


def _board(host: Host, country: str) -> None:
    """What Raspberry Pi OS calls by its own tool: the serial line for the supervisor alone, and the Wi-Fi's country."""
    if not host.here or host.ask("raspi-config", "nonint", "get_serial_hw")[0] == 127:
        return
    for what, wanted, words in (
        ("serial_hw", "0", "the serial line is on"),
        ("serial_cons", "1", "no console on the serial line: it is the supervisor's"),
    ):
        if host.ask("raspi-config", "nonint", f"get_{what}")[1].strip() != wanted:
            host.changed("raspi-config", words)
            host.do("raspi-config", "nonint", f"do_{what}", wanted)
    if country and host.ask("raspi-config", "nonint", "get_wifi_country")[1].strip() != country:
        host.changed("raspi-config", f"the Wi-Fi keeps to the rules of {country}")
        host.do("raspi-config", "nonint", "do_wifi_country", country)


def _require_data_partition(host: Host) -> None:
    if not host.here:
        raise InstallError("--read-only: only on the machine itself; its card's partitions are looked at")
    if machine.mounted(Path("/proc/mounts").read_text(), DATA) is None and not Path(DATA_LABEL).exists():
        raise InstallError(
            f"--read-only: no partition has the label pugmark-data ({DATA_LABEL}), and none is mounted at {DATA}: "
            "with a read-only root everything would be gone with the power (deploy/machines/README.md: how to make one)"
        )


def _told(host: Host, change: files.Change) -> bool:
    if change.what:
        host.changed(change.path, change.what)
    return bool(change.what)
