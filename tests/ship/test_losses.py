"""The loss of each secret of an operator's folder, rehearsed."""

import shutil
from pathlib import Path

import pytest
from tests.ship.desk_parts import PASSPHRASE

from trapkit.errors import SetupError
from trapship.desk.folder import BOX, CA_KEY, MASTER, PERMIT, REVIEW, SECRETS, SEED
from trapship.desk.losses import WITHOUT_A_COPY, rehearse_desk
from trapship.vault import Cost, Vault

NOW_S = 1_796_000_000.0
# What stops without which secret; the seed opens the desk itself.
STOPS = {
    MASTER: {"provisioning a trap again", "provisioning a base again"},
    CA_KEY: {"provisioning a trap again", "provisioning a base again", "shutting out a stolen unit"},
    BOX: {"provisioning a base again", "opening crops and frames on this desk"},
    REVIEW: {"opening full frames on this desk"},
    PERMIT: {"provisioning a base again"},
    SEED: {"shutting out a stolen unit", "signing a settings pack"},
}


def test_each_loss_stops_what_it_stops_and_a_copy_mends_it(stocked: Path) -> None:
    before = {path: path.read_bytes() for path in stocked.rglob("*") if path.is_file()}
    said = list(rehearse_desk(Vault(stocked, PASSPHRASE), None, NOW_S))
    assert [each.lost for each in said] == [(secret,) for secret in SECRETS]
    for each in said:
        stopped = {line.split(": ")[0] for line in each.does_not}
        assert stopped == STOPS[each.lost[0]], each.lost
        assert each.is_mended
        assert each.done[-1].endswith(WITHOUT_A_COPY[each.lost[0]])
        assert "goes on" in each.works[0] or "go on" in each.works[0]
    assert before == {path: path.read_bytes() for path in stocked.rglob("*") if path.is_file()}


def test_a_backup_that_is_not_whole_is_found_before_it_is_needed(stocked: Path, tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    shutil.copytree(stocked, safe)
    assert all(each.is_mended for each in rehearse_desk(Vault(stocked, PASSPHRASE), safe, NOW_S))
    (safe / REVIEW).unlink()
    (safe / BOX).write_bytes(b"\0" * 50)
    said = {each.lost[0]: each for each in rehearse_desk(Vault(stocked, PASSPHRASE), safe, NOW_S)}
    assert {secret for secret, each in said.items() if not each.is_mended} == {REVIEW, BOX}
    assert f"{safe / REVIEW}: cannot be read" in said[REVIEW].done[0]
    assert any("is no sealed secret" in line for line in said[BOX].done)


def test_a_backup_under_another_passphrase_is_told_whose_it_was_opened_with(stocked: Path, tmp_path: Path) -> None:
    safe = tmp_path / "safe"
    shutil.copytree(stocked, safe)
    (safe / BOX).unlink()
    other = Vault(tmp_path / "other", b"five words of somebody else", cost=Cost(n_log2=4, r=1))
    other.put(BOX, b"7" * 32)
    (safe / BOX).write_bytes((tmp_path / "other" / BOX).read_bytes())
    (said,) = [each for each in rehearse_desk(Vault(stocked, PASSPHRASE), safe, NOW_S) if each.lost == (BOX,)]
    assert any(f"{safe} was opened with the passphrase of {stocked}" in line for line in said.done)


def test_a_folder_that_does_not_open_today_is_not_rehearsed(stocked: Path) -> None:
    with pytest.raises(SetupError, match="does not open"):
        next(rehearse_desk(Vault(stocked, b"not these words"), None, NOW_S))
