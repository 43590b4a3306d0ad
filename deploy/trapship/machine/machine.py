"""Is this a machine that can become one of ours? Pure: what files and commands say comes in as text."""

import re

OLDEST = {"debian": 12, "raspbian": 12}
LARGEST_BYTES = 1 << 20  # of a file that is read here


def os_trouble(os_release: str) -> str:
    """Why this system is none that we know (os-release(5)); empty: it is."""
    said = dict(re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', os_release, re.MULTILINE))
    name, version = said.get("ID", ""), said.get("VERSION_ID", "")
    known = f"this is {said.get('PRETTY_NAME') or name or 'a system without a name'}; "
    if name not in OLDEST:
        return known + "Debian 12 or 13, or Raspberry Pi OS made from them, is what this was written for"
    if not version.isdigit():
        return "" if "sid" in said.get("VERSION_CODENAME", "sid") else known + "it does not say which Debian it is"
    return "" if int(version) >= OLDEST[name] else known + f"{OLDEST[name]} is the oldest that has what is needed"


def mounted(mounts: str, path: str) -> str | None:
    """The type of file system that is mounted at `path` (/proc/mounts); None where none is."""
    kinds = [fields[2] for line in mounts.splitlines() if len(fields := line.split()) >= 4 and fields[1] == path]
    return kinds[-1] if kinds else None


def root_trouble(mounts: str) -> str:
    """Why what is installed would be gone with the power; empty: it stays."""
    if mounted(mounts, "/media/root-ro") is not None and mounted(mounts, "/") == "overlay":
        return (
            "the root is read-only (overlayroot): what is written now is gone with the power. "
            "`overlayroot-chroot` opens a shell in which it stays; or start once with overlayroot=disabled"
        )
    return ""
