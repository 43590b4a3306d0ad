"""`trapship keys` makes what a trap signs with: the secret for it alone, the public half for the base."""

from pathlib import Path

import pytest

from trapkit.sealing import public_of, read_key, sign, signature_is_valid
from trapship.cli import main


def test_a_pair_a_trap_is_made_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(tmp_path), "--trap", "7"]) == 0
    secret, public = tmp_path / "units" / "7.sign", tmp_path / "units" / "7.sign.pub"
    assert secret.stat().st_mode & 0o777 == 0o600
    seed = read_key(secret, "it")
    assert read_key(public, "it") == public_of(seed)
    assert signature_is_valid(public_of(seed), b"line", sign(seed, b"line"))
    assert "onto trap 7 as keys.sign" in capsys.readouterr().out
    public.unlink()
    assert main(["keys", str(tmp_path), "--trap", "7"]) == 0
    assert read_key(public, "it") == public_of(seed)


def test_a_public_half_alone_or_another_traps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", str(tmp_path), "--trap", "7", "--trap", "8"]) == 0
    units = tmp_path / "units"
    (units / "7.sign.pub").write_text((units / "8.sign.pub").read_text())
    assert main(["keys", str(tmp_path), "--trap", "7"]) == 2
    assert "does not belong to" in capsys.readouterr().err
    (units / "8.sign").unlink()
    assert main(["keys", str(tmp_path), "--trap", "8"]) == 2
    assert "8.sign is not" in capsys.readouterr().err
    assert main(["keys", str(tmp_path), "--trap", "0"]) == 2
