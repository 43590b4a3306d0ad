"""Small releases with every part, each file of which says whose it is, and how each kind of them is bad."""

import zipfile
from pathlib import Path

from trapkit.update.offer import Offered, Part, Release

GOOD = "good"
# kind -> the code that the unit goes back with (several: a race decides which is seen first)
BAD = {
    "application does not start": ("does-not-start",),
    "camera gives nothing": ("camera-gives-nothing",),
    "model judges badly": ("model-judges-badly",),
    "supervisor hangs": ("supervisor-silent", "supervisor-reverted", "does-not-start"),
    "never heard": ("not-heard",),
    "no wheel": ("unpack-refused",),
}
KINDS = (GOOD, *BAD)
MARK = "whose"  # in each part: the file that says the release
BOARD = "xiao-s3"


def offer(folder: Path, name: str, serial: int, kind: str, parts: tuple[str, ...]) -> Offered:
    """A release as the client would hand it over, its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {part: _part(folder / f"{part}.zip", part, name, kind) for part in parts}
    named = {part: Part(version=name, target=f"{part}/{name}.zip") for part in parts}
    return Offered(release=Release(release=name, built_ms=0, serial=serial, parts=named), files=made)


def _part(path: Path, part: str, name: str, kind: str) -> Path:
    if part == "settings":
        path.write_text(f"{name}\n")
        return path
    files = {MARK: f"{name}\n{kind}\n"}
    if part == "application":
        files = {
            f"trapcam/{MARK}": f"{name}\n{kind}\n",
            "trapcam/__init__.py": f"RELEASE = {name!r}\n",
            "trapcam/more.py": "# " + "x" * 5000 + "\n",
        }
    elif part == "supervisor":
        files = {
            "bundle.json": "{}\n",
            f"{BOARD}/trapmcu/{MARK}": f"{name}\n{kind}\n",
            f"{BOARD}/trapmcu/unit.mpy": name * 200,
            "pico/trapmcu/unit.mpy": "of another board",
        }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, text in files.items():
            archive.writestr(zipfile.ZipInfo(inside), text)
    if kind == "no wheel" and part == "application":
        path.write_bytes(path.read_bytes()[:200])
    return path


def whose(folder: Path) -> tuple[str, str]:
    """(release, kind) that a part's folder says.  Raises: OSError, ValueError."""
    name, kind, _ = (folder / MARK).read_text().split("\n")
    return name, kind
