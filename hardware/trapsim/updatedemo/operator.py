"""The demo's operator: keys, a repository, and two releases of this very application, of which one does not start.

Everything is what a real operator has: role keys under a passphrase, a build, a signature, a publication (`trapship`).
"""

from datetime import UTC, datetime
from pathlib import Path

import trapcam
import trapkit
import trapwire
from trapcam.config import TrapSettings, model_path
from trapkit.files import write_atomically
from trapkit.sealing import make_sign_key, public_of
from trapship.release import keys
from trapship.release.build import build, read_build
from trapship.release.parts import pack_zip
from trapship.release.publish import publish
from trapship.release.repository import Repository
from trapship.release.sign import sign_build
from trapship.vault import Cost, Vault

PHRASE = b"a demo's words, of no worth"
QUICK = Cost(n_log2=4, r=1)  # nobody is kept out of a demo
GOOD, BAD = "2026.12.1", "2026.12.2"
SAYS = {GOOD: "0.2.0", BAD: "0.3.0"}  # of the applications
PACKAGES = (trapwire, trapkit, trapcam)
BROKEN = 'raise SystemExit("trapcam: the import of a module that nobody packed failed: this release does not start")\n'


class Operator:
    """Under `folder`: `operator/` (sealed keys), `releases/` (the repository), `keys/permit.key` and `.pub`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.repository = Repository(folder / "releases")
        self.root = folder / "operator" / "tuf" / "root.json"

    def begin(self, keys_folder: Path) -> None:
        """Make all keys, and an empty repository.  Raises: SetupError where this machine's clock was never set."""
        vault = Vault(self._folder / "operator", PHRASE, cost=QUICK)
        keys.make(vault)
        self.repository.begin(self.root.read_bytes())
        seed = make_sign_key()
        write_atomically(keys_folder / "permit.key", f"{seed.hex()}\n".encode(), mode=0o600)
        write_atomically(keys_folder / "permit.pub", f"{public_of(seed).hex()}\n".encode())

    def publish(self, release: str) -> list[str]:
        """Build, sign and publish one of the two; the lines that `trapship` says."""
        now, out = datetime.now(UTC), self._folder / "operator" / "build" / release
        sources = {"application": [wheel(self._folder / "operator" / release, release)]}
        if release == GOOD:
            sources["model"] = [model_path(TrapSettings()).with_suffix(".toml")]
        signers = keys.signers([Vault(self._folder / "operator", PHRASE)])
        said = build(out, release, sources, now)
        said += sign_build(self.repository, read_build(out), signers, now)
        return said + publish(self.repository, signers, now)


def wheel(folder: Path, release: str) -> Path:
    """This application's own files as a wheel; of the bad release with a beginning that fails."""
    files: dict[str, bytes] = {}
    for package in PACKAGES:
        top = Path(package.__path__[0])
        for path in sorted(top.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files[f"{top.name}/{path.relative_to(top).as_posix()}"] = path.read_bytes()
    if release == BAD:
        files["trapcam/__main__.py"] = BROKEN.encode()
    name = f"pugmark-{SAYS[release]}"
    about = f"Metadata-Version: 2.4\nName: pugmark\nVersion: {SAYS[release]}\n"
    files[f"{name}.dist-info/METADATA"] = about.encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-py3-none-any.whl"
    path.write_bytes(pack_zip(files))
    return path
