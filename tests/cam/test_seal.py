"""Sealing: who can open what, and what the keys' files must look like."""

import hashlib
from pathlib import Path

import pyrage
import pytest
from cam_parts import BASE, REVIEWER, sealer

from trapcam.seal import open_sealer
from trapkit.errors import SetupError
from trapkit.sealing import SEALED_BOX_BYTES, open_box
from trapwire.objects import ALERT, CROP, FRAME, FULL, RECEIPT


@pytest.mark.parametrize("rung", [CROP, FRAME])
def test_small_rungs_open_with_the_bases_key_only(rung: int) -> None:
    sealed = sealer().seal(rung, b"stripes")
    assert len(sealed.body) == len(b"stripes") + SEALED_BOX_BYTES
    assert open_box(bytes(BASE), sealed.body) == b"stripes"
    assert open_box(bytes(32), sealed.body) is None
    assert sealed.sha256 == hashlib.sha256(sealed.body).digest()


def test_full_frames_open_with_each_recipient_s_key_only() -> None:
    sealed = sealer().seal(FULL, b"a whole tiger")
    assert sealed.body.startswith(b"age-encryption.org/v1")
    assert pyrage.decrypt(sealed.body, [REVIEWER]) == b"a whole tiger"
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed.body, [pyrage.x25519.Identity.generate()])


def test_alerts_stay_open_and_other_rungs_are_not_the_trap_s() -> None:
    assert sealer().seal(ALERT, b"facts").body == b"facts"
    with pytest.raises(ValueError, match="rung 8"):
        sealer().seal(RECEIPT, b"")


def test_two_seals_of_one_picture_differ() -> None:
    assert sealer().seal(CROP, b"same").sha256 != sealer().seal(CROP, b"same").sha256


def key_files(folder: Path, base: str, recipients: str) -> tuple[Path, Path]:
    (folder / "base.pub").write_text(base)
    (folder / "recipients.txt").write_text(recipients)
    return folder / "base.pub", folder / "recipients.txt"


def test_keys_from_files(tmp_path: Path) -> None:
    age = [str(pyrage.x25519.Identity.generate().to_public()) for _ in range(2)]
    files = key_files(tmp_path, bytes(BASE.public_key).hex() + "\n", f"# who\n{age[0]}  # back end\n\n{age[1]}\n")
    assert open_box(bytes(BASE), open_sealer(*files).seal(CROP, b"x").body) == b"x"


@pytest.mark.parametrize(
    ("base", "recipients", "message"),
    [
        ("zz", "", r"base.pub: the bases' public key is not hexadecimal"),
        ("00" * 31, "", r"base.pub: the bases' public key has 31 bytes, 32 are needed"),
        ("00" * 32, "", r"recipients.txt: 0 recipients, allowed are 1–8"),
        ("00" * 32, "# nobody\n", r"recipients.txt: 0 recipients"),
        ("00" * 32, "\nage1wrong\n", r"recipients.txt: line 2 is not an age1… public key"),
        ("00" * 32, "AGE-SECRET-KEY-1XYZ", r"recipients.txt: line 1"),
    ],
)
def test_wrong_key_files_are_named(tmp_path: Path, base: str, recipients: str, message: str) -> None:
    with pytest.raises(SetupError, match=message):
        open_sealer(*key_files(tmp_path, base, recipients))


def test_missing_key_files_are_named(tmp_path: Path) -> None:
    base, recipients = key_files(tmp_path, "00" * 32, "")
    with pytest.raises(SetupError, match="nothing: the bases' public key cannot be read"):
        open_sealer(tmp_path / "nothing", recipients)
    with pytest.raises(SetupError, match=r"none\.txt: the recipients of full frames cannot be read"):
        open_sealer(base, tmp_path / "none.txt")
