"""`trapship init` and `provision`: an operator's folder, and units that are each what they are, once."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from cryptography import x509
from tests.ship.desk_parts import LEFT, NORTH, PASSPHRASE, Say, desk_of

from trapbase import cli as trapbase_cli
from trapbase.config import Settings as BaseSettings
from trapbase.config import check_traps
from trapbase.keyring import read_hop_keys, read_link_keys
from trapbase.unit_keys import read_unit_key
from trapcam import cli as trapcam_cli
from trapcam.config import TrapSettings
from trapcam.fromsettings import open_keys, open_sign_key
from trapcam.service.pin import Door, read_operators
from trapkit.operator import identity
from trapkit.sealing import open_box, public_of, read_key
from trapkit.settings import load_settings
from trapmcu.battery import KINDS
from trapmcu.settings import complete
from trapship.desk.derive import derive, new_salt
from trapship.desk.folder import SECRETS, Desk
from trapship.desk.provisioning import BATTERIES
from trapwire.linkkeys import parse_key
from trapwire.objects import CROP

ELSEWHERE = ("trap", 9, *LEFT[2:], "--station", "S002")


def take(kind: str, source: Path, into: Path, *more: str) -> int:
    main = {"trap": trapcam_cli.main, "base": trapbase_cli.main}[kind]
    return main(["identity", str(source), "--into", str(into), *more])


def redirect(into: Path, name: str, old: str) -> Path:
    """The settings as the unit has them, with its absolute paths below the test's own folder."""
    for file in (into / name, into / "unit.toml"):
        file.write_text(file.read_text().replace(old, str(into)))
    return into / name


def test_init_makes_a_folder_whose_secrets_lie_sealed_and_says_what_to_keep(say: Say, tmp_path: Path) -> None:
    (tmp_path / "phrase").write_text("a passphrase of some words\n")
    folder = tmp_path / "operator"
    code, said, _ = say("init", folder, "--name", "Amur", "--passphrase-file", tmp_path / "phrase")
    assert code == 0
    assert all(f"{folder / name}: new, sealed under the passphrase" in said for name in SECRETS)
    page = (folder / "KEEP.md").read_text()
    assert "This folder is Amur" in page
    assert all(f"`{name}`" in page for name in SECRETS)
    box = (folder / "keys/base.pub").read_text().strip()
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    assert b"AGE-SECRET-KEY" not in everything
    assert len(bytes.fromhex(box)) == 32
    assert re.fullmatch(r"age1[a-z0-9]+\n", (folder / "keys/recipients.txt").read_text())
    code, _, complaint = say("init", folder, "--passphrase-file", tmp_path / "phrase")
    assert (code, "is an operator's folder already" in complaint) == (2, True)


def test_a_short_passphrase_and_a_wrong_one_are_refused(say: Say, tmp_path: Path, operator: Path) -> None:
    (tmp_path / "short").write_text("short\n")
    code, _, complaint = say("init", tmp_path / "new", "--passphrase-file", tmp_path / "short")
    assert (code, "a new one needs 12" in complaint) == (2, True)
    (tmp_path / "wrong").write_text("another passphrase\n")
    words = ("provision", "base", operator, "--number", 1, *NORTH, "--passphrase-file", tmp_path / "wrong")
    code, _, complaint = say(*words)
    assert (code, "does not open: another passphrase" in complaint) == (2, True)


def test_init_that_was_cut_off_goes_on(operator: Path) -> None:
    before = {name: desk_of(operator).vault.get(name) for name in SECRETS}
    (operator / "units.json").unlink()
    (operator / "operator.pub").unlink()
    from trapship.desk.folder import create
    from trapship.vault import Vault

    create(Vault(operator, PASSPHRASE), "Amur")
    assert {name: desk_of(operator).vault.get(name) for name in SECRETS} == before
    assert read_key(operator / "operator.pub", "key") == public_of(before["sign/operator.key"])


def test_a_trap_and_its_base_know_each_other_after_both_were_taken_over(
    provision: Say, operator: Path, tmp_path: Path
) -> None:
    (tmp_path / "pins").write_text("482913\n")
    assert provision("base", 1, *NORTH)[0] == 0
    more = ("--network", "--battery", "lithium-primary", "--language", "ru", "--operator", "Anna")
    code, said, _ = provision("trap", 7, *LEFT, *more, "--pin-file", tmp_path / "pins", "--out", tmp_path / "card")
    assert code == 0
    assert "base 1 (north) knows of it after: trapship provision base" in said
    assert provision("base", 1, "--out", tmp_path / "stick")[0] == 0
    assert take("trap", tmp_path / "card", tmp_path / "etc") == 0
    assert take("base", tmp_path / "stick", tmp_path / "var", "--keep") == 0

    trap = load_settings(TrapSettings, redirect(tmp_path / "etc", "trap.toml", "/etc/pugmark"))
    assert (trap.service.side, trap.service.zone) == ("left", "Asia/Vladivostok")
    assert (trap.trap, trap.service.language, trap.network.host, trap.camera.kind) == (7, "ru", "10.0.0.5", "pi")
    assert trap.update.permit_key == f"{tmp_path}/etc/keys/permit.pub"
    assert trap.update.base_url == "https://10.0.0.5:8090"
    sealer, _ = open_keys(trap)
    operators = read_operators(Path(trap.service.operators).read_bytes(), "operators")
    assert Door(operators, 0, 0).opens("Anna", "482913", 0)
    certificate = x509.load_pem_x509_certificate((tmp_path / "etc/certificates/7.crt").read_bytes())
    authority = x509.load_pem_x509_certificate((tmp_path / "var/fleet/ca.crt").read_bytes())
    certificate.verify_directly_issued_by(authority)

    var = tmp_path / "var"
    (var / "base.toml").write_text((var / "base.toml").read_text().replace("unit.toml", str(var / "unit.toml")))
    base = load_settings(BaseSettings, var / "base.toml")
    check_traps(base)
    assert [(t.number, t.station, t.side) for t in base.trap] == [(7, "S001", "left")]
    assert base.zone == "Asia/Vladivostok"
    unit = complete(json.loads((tmp_path / "papers/mcu.json").read_text()))
    assert read_link_keys(var / base.gateway.keys, 7) == [parse_key(unit["link_key"])]
    assert read_unit_key(var / base.unit_keys, 7) == public_of(open_sign_key(trap))
    sealed = sealer.seal(CROP, b"a crop").body
    assert open_box(read_key(var / base.box_key, "key"), sealed) == b"a crop"
    assert "certfile /var/lib/pugmark/fleet/server.crt\n" in (var / "broker/mosquitto.conf").read_text()
    assert (var / "fleet/server.key").stat().st_mode & 0o777 == 0o600


def test_a_card_holds_no_other_units_key_and_nothing_that_opens_pictures(
    provision: Say, operator: Path, tmp_path: Path
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 8, "--station", "S001", "--side", "right", "--place", 43.1, 131.4)
    provision("trap", 7, *LEFT, "--network", "--out", tmp_path / "card")
    desk = desk_of(operator)
    card = b"".join(path.read_bytes() for path in (tmp_path / "card").rglob("*") if path.is_file())
    assert desk.vault.get("keys/base.key") not in card
    assert desk.vault.get("keys/review.key") not in card
    assert link_key(desk, 7).encode() not in card, "the radio's key is the supervisor's alone"
    assert link_key(desk, 8).encode() not in card


def link_key(desk: Desk, number: int) -> str:
    return desk.derive("link", f"trap {number}", desk.register.traps[str(number)].link, 16).hex()


def test_the_same_number_again_renews_and_never_doubles(provision: Say, operator: Path, tmp_path: Path) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--network", "--out", tmp_path / "card")
    first = json.loads((tmp_path / "papers/mcu.json").read_text())
    old = (tmp_path / "card/pugmark/files/certificates/7.crt").read_bytes()
    code, said, _ = provision("trap", 7, "--battery", "liion", "--out", tmp_path / "card")
    assert (code, "issue 2" in said) == (0, True)
    assert list(desk_of(operator).register.traps) == ["7"]
    again = json.loads((tmp_path / "papers/mcu.json").read_text())
    assert again == first | {"battery": "liion"}, "a new card changes nothing of the radio"
    assert (tmp_path / "card/pugmark/files/certificates/7.crt").read_bytes() != old
    provision("base", 1, "--out", tmp_path / "stick")
    take("base", tmp_path / "stick", tmp_path / "var")
    crl = x509.load_pem_x509_crl((tmp_path / "var/fleet/ca.crl").read_bytes())
    assert crl.get_revoked_certificate_by_serial_number(x509.load_pem_x509_certificate(old).serial_number) is not None


def test_a_new_radio_key_waits_at_the_base_beside_the_old_one_and_a_second_would_shut_the_trap_out(
    provision: Say, operator: Path, tmp_path: Path
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT)
    old = json.loads((tmp_path / "papers/mcu.json").read_text())["link_key"]
    assert provision("trap", 7, "--new-radio-key")[0] == 0
    new = json.loads((tmp_path / "papers/mcu.json").read_text())["link_key"]
    provision("base", 1, "--out", tmp_path / "stick")
    assert read_link_keys(tmp_path / "stick/pugmark/files/keys/link", 7) == [parse_key(old), parse_key(new)]
    code, _, complaint = provision("trap", 7, "--new-radio-key")
    assert (code, "may not have been heard yet; say --heard" in complaint) == (2, True)
    assert provision("trap", 7, "--heard", "--new-radio-key")[0] == 0
    trap = desk_of(operator).register.traps["7"]
    assert desk_of(operator).derive("link", "trap 7", trap.link, 16).hex() == new
    assert provision("trap", 7, "--never-flashed")[0] == 0
    assert json.loads((tmp_path / "papers/mcu.json").read_text())["link_key"] == new


def test_a_repeater_and_its_traps_share_a_hop_key_that_the_base_has_too(
    provision: Say, tmp_path: Path, operator: Path
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT)
    code, said, _ = provision("repeater", 1, "--trap", 7)
    assert (code, "trap 7 goes by it now: provision it again and flash it, then its base" in said) == (0, True)
    hops = complete(json.loads((tmp_path / "papers/mcu.json").read_text()))["hops"]
    provision("trap", 7)
    assert json.loads((tmp_path / "papers/mcu.json").read_text())["hop_key"] == hops["7"]
    provision("base", 1, "--out", tmp_path / "stick")
    assert list(read_hop_keys(tmp_path / "stick/pugmark/files/keys/link", [7])) == [7]
    assert "--trap 9: is not provisioned" in provision("repeater", 1, "--trap", 9)[2]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("trap", 9, "--station", "S001", "--side", "left"), "S001: is full: trap 7 (left) and trap 8 (right)"),
        (("trap", 7, "--station", "S002"), "--number 7: is taken: trap 7 belongs to station S001; say --move"),
        ((*ELSEWHERE, "--region", "mars"), "--region 'mars': there is no such radio plan"),
        ((*ELSEWHERE, "--region", "eu868"), "its base north has ru864, SF9; both ends"),
        ((*ELSEWHERE, "--language", "de"), "--language 'de': there is no such language here"),
        ((*ELSEWHERE, "--battery", "coal"), "--battery 'coal': allowed are lithium-primary"),
        ((*ELSEWHERE, "--base", 4), "--base 4: is not provisioned; there are: 1 (north)"),
        (("trap", 9, "--station", "S009"), "--place: where station S009 stands is not known"),
        (("trap", 9, "--side", "left"), "--station: a new unit needs it"),
        (("trap", 9, "--station", "S002", "--place", "91", "3"), "--place 91 3: is no place"),
        (("trap", 0, *LEFT), "--number 0: is no trap's number; allowed is 1–65535"),
        (("base", 2, "--name", "north", "--region", "ru864"), "--name north: is base 1's; give this one another"),
        (("base", 2, "--name", "south"), "--region: a new unit needs it: a radio plan"),
        (("base", 2, *NORTH[2:], "--name", "s", "--zone", "Mars/Olympus"), "--zone 'Mars/Olympus': there is no"),
        (("base", 2, "--name", "south", "--region", "as923", "--sf", "12"), "--sf 12: "),
        (("base", 2, "--name", "south", "--region", "eu868"), "--country: a new unit needs it: where it stands"),
        (("base", 2, "--name", "south", "--region", "eu868", "--country", "Korea"), "--country 'Korea': allowed are"),
        (("repeater", 1), "--trap: 0 traps go by repeater 1; allowed are 1–"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_and_nothing_was_changed(
    provision: Say, stocked: Path, words: tuple[object, ...], complaint: str
) -> None:
    before = (stocked / "units.json").read_bytes()
    code, _, said = provision(str(words[0]), int(str(words[1])), *words[2:])
    assert (code, complaint in said) == (2, True), said
    assert (stocked / "units.json").read_bytes() == before


def test_a_card_of_another_unit_is_not_written_over(provision: Say, operator: Path, tmp_path: Path) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--out", tmp_path / "card")
    before = (operator / "units.json").read_bytes()
    code, _, said = provision("trap", 8, "--station", "S001", "--side", "right", "--out", tmp_path / "card")
    assert (code, "pugmark is for trap 7; take it away" in said) == (2, True)
    assert (operator / "units.json").read_bytes() == before
    code, _, said = provision("trap", 8, "--station", "S001", "--side", "right", "--out", tmp_path / "nowhere")
    assert (code, "there is no such folder; mount the card or stick first" in said) == (2, True)


def test_a_unit_takes_no_other_units_card_no_older_one_and_no_other_operators(
    provision: Say, operator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provision("base", 1, *NORTH)
    (tmp_path / "old").mkdir()
    provision("trap", 7, *LEFT, "--out", tmp_path / "old")
    provision("trap", 7, "--out", tmp_path / "card")
    etc = tmp_path / "etc"
    assert take("trap", tmp_path / "card", etc) == 0
    assert not (tmp_path / "card/pugmark/files").exists(), "the secrets are gone from the card"
    assert (tmp_path / "card/pugmark/TAKEN.txt").read_text().startswith("trap 7, issue 2: taken over")
    before = {path: path.read_bytes() for path in etc.rglob("*") if path.is_file()}
    assert take("trap", tmp_path / "old", etc) == 2
    assert "is issue 1 of trap 7, and issue 2 is in force" in capsys.readouterr().err
    assert take("base", tmp_path / "old", tmp_path / "var") == 2
    assert "is for trap 7, and this machine is a base" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    provision("trap", 8, "--station", "S001", "--side", "right", "--out", tmp_path / "other")
    assert take("trap", tmp_path / "other", etc) == 2
    assert "is for trap 8, and this is trap 7; if it shall become the other: --other-unit" in capsys.readouterr().err
    (etc / "operator.pub").write_text("05" * 32)
    assert take("trap", tmp_path / "other", etc, "--other-unit") == 2
    assert "allowed is 0505050505050505…, the operator's key here" in capsys.readouterr().err
    (etc / "operator.pub").write_bytes(before[etc / "operator.pub"])
    assert {path: path.read_bytes() for path in etc.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", ["unit.toml", "keys/trap.sign", "access-point.conf"])
def test_a_card_that_was_changed_or_broke_off_is_refused_whole(
    provision: Say, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--out", tmp_path / "card")
    path = tmp_path / "card/pugmark/files" / name
    path.write_bytes(path.read_bytes()[:-1] + b"X")
    assert take("trap", tmp_path / "card", tmp_path / "etc") == 2
    assert f"{path}: is not what was signed; copy the whole folder again" in capsys.readouterr().err
    path.unlink()
    assert take("trap", tmp_path / "card", tmp_path / "etc") == 2
    assert f"{path}: is missing" in capsys.readouterr().err
    assert not (tmp_path / "etc").exists()


def test_a_take_over_that_was_cut_off_at_any_file_is_mended_by_the_same_again(
    provision: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trapkit.operator import takeover

    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--out", tmp_path / "card")
    assert take("trap", tmp_path / "card", tmp_path / "whole", "--keep") == 0
    whole = {p.relative_to(tmp_path / "whole"): p.read_bytes() for p in (tmp_path / "whole").rglob("*") if p.is_file()}
    real = takeover.write_atomically
    for cut in range(len(whole)):
        into, left = tmp_path / f"cut{cut}", [cut]

        def write(path: Path, data: bytes, *, mode: int = 0o644, left: list[int] = left) -> None:
            if left[0] == 0:
                raise OSError(5, "the power went", str(path))
            left[0] -= 1
            real(path, data, mode=mode)

        monkeypatch.setattr(takeover, "write_atomically", write)
        assert take("trap", tmp_path / "card", into, "--keep") == 1
        assert not (into / "identity").exists()
        monkeypatch.setattr(takeover, "write_atomically", real)
        assert take("trap", tmp_path / "card", into, "--keep") == 0
        assert {p.relative_to(into): p.read_bytes() for p in into.rglob("*") if p.is_file()} == whole


def test_a_renewal_without_pins_leaves_those_that_the_unit_has(provision: Say, tmp_path: Path) -> None:
    (tmp_path / "pins").write_text("482913\n")
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--operator", "Anna", "--pin-file", tmp_path / "pins", "--out", tmp_path / "card")
    take("trap", tmp_path / "card", tmp_path / "etc")
    pins = (tmp_path / "etc/operators.toml").read_bytes()
    code, said, _ = provision("trap", 7, "--language", "ko", "--out", tmp_path / "card")
    assert (code, "no --operator: PINs stay as they are on its card" in said) == (0, True)
    take("trap", tmp_path / "card", tmp_path / "etc")
    assert (tmp_path / "etc/operators.toml").read_bytes() == pins
    (tmp_path / "pins").write_text("482913\n1234\n")
    for words, complaint in (
        (("--operator", "Anna"), "has 2 PINs for 1 --operator; one each"),
        (("--operator", "Anna", "--operator", "Boris"), "a PIN has 6–12 digits and nothing else"),
        (("--operator", 'A"'), "is no operator's name"),
    ):
        code, _, wrong = provision("trap", 7, *words, "--pin-file", tmp_path / "pins")
        assert (code, complaint in wrong) == (2, True), wrong


def test_what_a_person_changed_stays_and_what_was_provisioned_is_said(
    provision: Say, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--out", tmp_path / "card")
    etc = tmp_path / "etc"
    take("trap", tmp_path / "card", etc)
    (etc / "trap.toml").write_text((etc / "trap.toml").read_text() + "[keep]\nthreshold = 0.7\n")
    provision("trap", 7, "--language", "mn", "--out", tmp_path / "card")
    take("trap", tmp_path / "card", etc)
    assert "threshold = 0.7" in (etc / "trap.toml").read_text()
    redirect(etc, "trap.toml", "/etc/pugmark")
    capsys.readouterr()
    assert trapcam_cli.main(["config", "show", "--config", str(etc / "trap.toml")]) == 0
    shown = capsys.readouterr().out
    assert 'language = "mn"  # provisioned' in shown
    assert "threshold = 0.7  # here" in shown
    assert tomllib.loads(shown)["trap"] == 7


def test_a_manifest_of_a_stranger_reaches_no_file_outside_its_folder(tmp_path: Path) -> None:
    seed = bytes(32)
    for name in ("../etc/passwd", "/etc/passwd", "keys/../../x", "a\nb", ".ssh/x", "identity", "keys/.x"):
        entry = {"sha256": "0" * 64}
        text = json.dumps({"kind": "trap", "number": 7, "issue": 1, "made_utc": "", "files": {name: entry}})
        from trapkit.operator.signedtext import write_signed

        card = tmp_path / "card/pugmark"
        card.mkdir(parents=True, exist_ok=True)
        (card / "identity").write_bytes(write_signed("identity", seed, text))
        assert take("trap", tmp_path / "card", tmp_path / "etc") == 2
    assert not (tmp_path / "etc").exists()
    assert identity.MAX_FILES >= 3 * 1000


def test_keys_are_derived_by_rfc_5869_and_no_two_are_alike() -> None:
    """The vector is RFC 5869's test case 1 with our info in place of its own, by an independent HKDF."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    master, salt = bytes(range(32)), "0b" * 16
    theirs = HKDF(hashes.SHA256(), 48, bytes.fromhex(salt), b"pugmark 1 tls trap 7").derive(master)
    assert derive(master, "tls", "trap 7", salt, 48) == theirs
    units = [("link", "trap 7"), ("hop", "trap 7"), ("link", "trap 8"), ("sign", "trap 7")]
    assert len({derive(master, *unit, salt, 16) for unit in units}) == 4
    assert new_salt() != new_salt()


def test_the_desk_knows_the_batteries_that_the_firmware_knows() -> None:
    assert set(BATTERIES) == set(KINDS)
