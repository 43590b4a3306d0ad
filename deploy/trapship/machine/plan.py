"""What a base and a trap are made of: packages, files, folders, units. Pure, and all of it in this one file."""

from dataclasses import dataclass

OPT = "/opt/pugmark"
DATA = "/var/lib/pugmark"
LINKS = "/usr/local/bin"
UNITS = "/etc/systemd/system"
USER = "pugmark"
FIREWALL = "pugmark-firewall.service"
REVOKED = "pugmark-broker-revoked.path"
SYSUSERS = "/etc/sysusers.d/pugmark.conf"
TIMESYNCD = ("systemctl", "try-restart", "systemd-timesyncd")
RELOAD = ("systemctl", "daemon-reload")
# A board that is plugged in already is looked at again.
REPLUG = ("sh", "-c", "udevadm control --reload && udevadm trigger --subsystem-match=tty")


@dataclass(frozen=True)
class File:
    """One file of ours: `source` below deploy/ (or ../models), `target` on the machine, its mode.

    then: what makes a running machine heed a change of it; where that fails it counts from the next start on.
    """

    source: str
    target: str
    mode: int = 0o644
    then: tuple[str, ...] = ()


@dataclass(frozen=True)
class Folder:
    """A folder that stays when the rest is removed: what a person or program put there is in it."""

    path: str
    mode: int
    owner: str = USER


@dataclass(frozen=True, kw_only=True)
class Role:
    """What a machine becomes.

    packages: Debian's, without which it cannot be; wished: those that only Raspberry Pi OS has; extras: of the
    distribution `pugmark`; tried: a program's arguments that must work before a new version is in force; settings: the
    file without which the units do not start; links: from where to where, made where nothing lies yet.
    """

    name: str
    packages: tuple[str, ...]
    wished: tuple[str, ...]
    extras: tuple[str, ...]
    site_packages: bool
    commands: tuple[str, ...]
    tried: tuple[str, ...]
    folders: tuple[Folder, ...]
    links: tuple[tuple[str, str], ...]
    files: tuple[File, ...]
    units: tuple[str, ...]
    restarted: tuple[str, ...]
    not_ours: tuple[str, ...]
    settings: str


def _unit(name: str, source: str = "") -> File:
    return File(f"systemd/{source or name}", f"{UNITS}/{name}", then=RELOAD)


def _firewall(source: str) -> File:
    return File(source, "/etc/nftables.d/pugmark.nft", then=("systemctl", "try-restart", FIREWALL))


def _journal(source: str) -> File:
    return File(source, "/etc/systemd/journald.conf.d/pugmark.conf", then=("systemctl", "restart", "systemd-journald"))


def _users(source: str) -> File:
    return File(source, SYSUSERS)


COMMON = (
    File("machines/watchdog.conf", "/etc/systemd/system.conf.d/pugmark.conf", then=("systemctl", "daemon-reexec")),
    File(
        "machines/sysctl.conf",
        "/etc/sysctl.d/90-pugmark.conf",
        then=("sysctl", "-q", "-p", "/etc/sysctl.d/90-pugmark.conf"),
    ),
)

BASE = Role(
    name="base",
    packages=("python3-venv", "mosquitto", "nftables", "chrony"),
    wished=(),
    extras=("base",),
    site_packages=False,
    commands=("trapbase", "trapship"),
    tried=("trapbase", "--help"),
    folders=(Folder(DATA, 0o700),),
    links=(),
    files=(
        *COMMON,
        _users("machines/sysusers-base.conf"),
        _journal("machines/journald-base.conf"),
        File(
            "machines/chrony-base.conf", "/etc/chrony/conf.d/pugmark.conf", then=("systemctl", "try-restart", "chrony")
        ),
        File("machines/udev-base.rules", "/etc/udev/rules.d/70-pugmark-modem.rules", then=REPLUG),
        _firewall("machines/firewall-base.nft"),
        _unit(FIREWALL),
        _unit("pugmark-identity.service", "pugmark-identity-base.service"),
        _unit("pugmark-broker.service"),
        _unit(REVOKED),
        _unit("pugmark-broker-revoked.service"),
        _unit("pugmark-base.service"),
    ),
    units=(FIREWALL, "pugmark-identity.service", REVOKED, "pugmark-broker.service", "pugmark-base.service"),
    restarted=("pugmark-broker.service", "pugmark-base.service"),
    # Debian starts a broker of its own with the package, without certificates.
    not_ours=("mosquitto.service",),
    settings=f"{DATA}/base.toml",
)

TRAP = Role(
    name="trap",
    packages=("python3-venv", "nftables", "network-manager", "dnsmasq-base", "polkitd"),
    wished=("python3-picamera2",),
    extras=("trap", "video", "pi"),
    site_packages=True,
    commands=("trapcam",),
    tried=("trapcam", "--help"),
    folders=(Folder(DATA, 0o750), Folder(f"{DATA}/etc", 0o750), Folder(f"{DATA}/trapcam", 0o700)),
    # So that a read-only root holds nothing that is this unit's alone.
    links=(("/etc/pugmark", f"{DATA}/etc"),),
    files=(
        *COMMON,
        _users("machines/sysusers-trap.conf"),
        _journal("machines/journald-trap.conf"),
        File("machines/timesyncd-trap.conf", "/etc/systemd/timesyncd.conf.d/pugmark.conf", then=TIMESYNCD),
        _firewall("machines/firewall-trap.nft"),
        File("machines/polkit-trap.rules", "/etc/polkit-1/rules.d/50-pugmark.rules"),
        File(
            "machines/networkmanager-trap.conf",
            "/etc/NetworkManager/conf.d/pugmark.conf",
            then=("nmcli", "general", "reload"),
        ),
        File("machines/dnsmasq-trap.conf", "/etc/NetworkManager/dnsmasq-shared.d/pugmark.conf"),
        File("machines/access-point", "/usr/local/lib/pugmark/access-point", 0o755),
        File("../models/feline.toml", "/usr/share/pugmark/models/feline.toml"),
        File("../models/feline.tflite", "/usr/share/pugmark/models/feline.tflite"),
        _unit(FIREWALL),
        _unit("pugmark-identity.service", "pugmark-identity-trap.service"),
        _unit("pugmark-access-point.service"),
        _unit("pugmark-trap.service"),
    ),
    units=(FIREWALL, "pugmark-identity.service", "pugmark-access-point.service", "pugmark-trap.service"),
    restarted=("pugmark-trap.service",),
    not_ours=(),
    settings="/etc/pugmark/trap.toml",
)

ROLES = {role.name: role for role in (BASE, TRAP)}

# With `--read-only`: a trap whose root is never written to.
READ_ONLY_PACKAGES = ("overlayroot",)
DATA_UNIT = "var-lib-pugmark.mount"
READ_ONLY_FILES = (
    _unit(DATA_UNIT),
    File("machines/overlayroot.conf", "/etc/overlayroot.local.conf"),
)
DATA_LABEL = "/dev/disk/by-label/pugmark-data"
