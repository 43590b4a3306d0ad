"""The program's virtual environment: a folder a version, and a link to the one in force.

A version is made whole and tried before the link goes over to it, so a failed update leaves what ran before in
force. The one before stays, for whoever wants to go back by hand; older ones go.
"""

import os
import shutil
from pathlib import Path

from trapship.machine import files
from trapship.machine.errors import InstallError
from trapship.machine.host import Host
from trapship.machine.plan import LINKS, OPT, Role
from trapship.machine.source import Source

CURRENT = f"{OPT}/current"
WHOLE = ".whole"
ROOM_MB = {"base": 500, "trap": 1000}  # free, to make a version beside another: one has 100 MB, a trap's 340


def install_program(host: Host, role: Role, source: Source) -> bool:
    """Whether another version is in force now.  Raises: InstallError."""
    if not host.here:
        # Its paths would be those of this machine, and its binaries perhaps of another kind of computer.
        host.say(f"{OPT}: the program is left to the same command on the machine itself")
        return False
    folder = f"{OPT}/{source.name}"
    before = _in_force(host)
    if not files.below(host.root, f"{folder}/{WHOLE}").exists():
        _room(role)
        host.changed(
            folder, "virtual environment, made from " + (f"{source.wheels}" if source.wheels else "this clone")
        )
        _make(host, role, source, folder)
    for path, to in ((CURRENT, source.name), *((f"{LINKS}/{name}", f"{CURRENT}/bin/{name}") for name in role.commands)):
        change = files.link(host.root, path, to, dry=host.dry)
        if change.what:
            host.changed(change.path, change.what)
    _forget_old(host, source.name)
    return before != source.name


def _make(host: Host, role: Role, source: Source, folder: str) -> None:
    target = files.below(host.root, folder)
    if host.dry:
        return
    shutil.rmtree(target, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    host.do("python3", "-m", "venv", *(["--system-site-packages"] if role.site_packages else []), folder)
    extras = f"[{','.join(role.extras)}]"
    pip = [f"{folder}/bin/python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
           "-c", str(source.deploy / "constraints.txt")]  # fmt: skip
    if source.wheels is None:
        host.do(*pip, f"{source.deploy.parent}{extras}")
    else:
        # By the name only beside --no-index: the public index has a stranger's project of ours.
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""}
        host.do(
            *pip, "--no-index", "--find-links", str(source.wheels), f"pugmark{extras}=={source.version}", env=offline
        )
    program, *arguments = role.tried
    host.do(f"{folder}/bin/{program}", *arguments)
    files.write_whole(target / WHOLE, b"", 0o644)


def remove_programs(host: Host, role: Role) -> None:
    """Every version, and the links to them."""
    for name in role.commands:
        change = files.unlink(host.root, f"{LINKS}/{name}", CURRENT, dry=host.dry)
        if change.what:
            host.changed(change.path, change.what)
    if files.below(host.root, OPT).exists():
        host.changed(OPT, "removed")
        if not host.dry:
            shutil.rmtree(files.below(host.root, OPT))


def _in_force(host: Host) -> str | None:
    link = files.below(host.root, CURRENT)
    return str(link.readlink()) if link.is_symlink() else None


def _forget_old(host: Host, current: str) -> None:
    folders = [path for path in files.below(host.root, OPT).glob("*-????????") if path.name != current]
    for path in sorted(folders, key=lambda path: path.stat().st_mtime)[:-1]:
        host.changed(f"{OPT}/{path.name}", "an older version, removed")
        if not host.dry:
            shutil.rmtree(path)


def _room(role: Role) -> None:
    folder = next(p for p in (Path(OPT), *Path(OPT).parents) if p.exists())
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < ROOM_MB[role.name]:
        raise InstallError(f"{folder}: has {free_mb} MB free; a {role.name} needs {ROOM_MB[role.name]} to be installed")
