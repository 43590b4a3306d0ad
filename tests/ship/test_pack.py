"""The settings pack: signed, only of methods, and each park says what it does otherwise."""

import tomllib
from pathlib import Path

import pytest
from tests.ship.desk_parts import LEFT, NORTH, Say, desk_of

from trapbase import cli as trapbase_cli
from trapbase.config import Settings
from trapcam import cli as trapcam_cli
from trapcam.config import TrapSettings
from trapkit.errors import SetupError
from trapkit.operator.packs import SHARED, is_shared, make_pack, read_pack
from trapkit.settings import load_settings, rows
from trapship.desk.packcheck import packable

PACK = """\
name = "Amur survey"
version = "2026.12.1"
[trapcam.keep]
threshold = 0.6
[trapcam.audit]
share = 0.1
[trapbase.batch]
max_wait_s = 1800
[mcu]
picture_min = 700
"""


@pytest.fixture
def pack(say: Say, operator: Path, tmp_path: Path) -> Path:
    (tmp_path / "source.toml").write_text(PACK)
    words = ("pack", "make", operator, tmp_path / "source.toml", "--passphrase-file", tmp_path / "phrase")
    code, said, _ = say(*words)
    assert (code, "Amur survey 2026.12.1, 4 settings, signed" in said) == (0, True)
    return operator / "pack.toml"


def test_a_pack_says_what_it_says_and_who_signed_it(say: Say, operator: Path, pack: Path) -> None:
    code, said, _ = say("pack", "show", pack)
    assert code == 0
    assert (operator / "operator.pub").read_text().strip() in said
    assert "trapcam: keep.threshold = 0.6\n" in said
    assert say("pack", "check", pack, "--key", operator / "operator.pub")[0] == 0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("0.6", "0.7", "its signature does not hold"),
        ("pugmark-pack 1", "pugmark-identity 1", "its first line has to begin with 'pugmark-pack 1'"),
        ("pugmark-pack 1 ", "pugmark-pack 1 x", "holds no key and signature of ours"),
    ],
)
def test_a_pack_that_was_changed_is_refused(
    say: Say, operator: Path, pack: Path, old: str, new: str, complaint: str
) -> None:
    pack.write_text(pack.read_text().replace(old, new, 1))
    code, _, said = say("pack", "check", pack, "--key", operator / "operator.pub")
    assert (code, complaint in said) == (2, True), said


def test_a_pack_of_somebody_else_is_refused(say: Say, operator: Path, pack: Path) -> None:
    pack.write_bytes(make_pack(PACK, bytes(32), "theirs"))
    code, _, said = say("pack", "check", pack, "--key", operator / "operator.pub")
    assert (code, "is signed by 3b6a27bcceb6a42d" in said) == (2, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('version = "2026.12.1"', "key 'name' is None"),
        ('name = "x"\nversion = "new"', "key 'version' is 'new'; allowed are versions like 2026.12.1"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam]\ntrap = 7', "'trapcam.trap' is not for a pack"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.supervisor]\npower_off = ["rm"]', "supervisor.power_off' is not"),
        ('name = "x"\nversion = "2026.1.1"\n[trapbase.upload]\nurl = "http://x"', "'trapbase.upload.url' is not for"),
        ('name = "x"\nversion = "2026.1.1"\n[mcu]\nplan = "eu868"', "'mcu.plan' is not for a pack"),
        ('name = "x"\nversion = "2026.1.1"\n[other]\nx = 1', "'other' is no program of ours"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\nthreshold = 2', "is 2; allowed is number within 0"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\nthreshold = true', "is True; allowed is a number"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\nthreshold = nan', "is nan; allowed is number within"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\nnothing = 2', "'trapcam.keep.nothing' is none of the"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\ncategories = ["person"]', "allowed is a list of text like"),
        ('name = "x"\nversion = "2026.1.1"\n[trapcam.keep]\ncategories = []', "allowed is 1–16 items"),
        ('name = "x"\nversion = "2026.1.1"\n[mcu]\npicture_min = 1441', "allowed is integer within 0–1440"),
        ("name = ", "is no TOML"),
    ],
)  # fmt: skip
def test_what_is_no_pack_is_named_before_the_passphrase_is_asked(
    say: Say, operator: Path, tmp_path: Path, text: str, complaint: str
) -> None:
    (tmp_path / "source.toml").write_text(text + "\n")
    code, _, said = say("pack", "make", operator, tmp_path / "source.toml")
    assert (code, complaint in said) == (2, True), said
    assert not (operator / "pack.toml").exists()


def test_a_version_means_one_thing(say: Say, operator: Path, pack: Path, tmp_path: Path) -> None:
    words = ("pack", "make", operator, tmp_path / "source.toml", "--passphrase-file", tmp_path / "phrase")
    assert say(*words)[0] == 0
    (tmp_path / "source.toml").write_text(PACK.replace("0.6", "0.5"))
    code, _, said = say(*words)
    assert (code, "is Amur survey 2026.12.1 already, with other settings; take a new version" in said) == (2, True)


def test_units_have_it_and_say_what_they_do_otherwise(
    provision: Say, operator: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    provision("base", 1, *NORTH)
    provision("trap", 7, *LEFT, "--out", tmp_path / "card")
    provision("base", 1, "--out", tmp_path / "stick")
    assert '"picture_min": 700' in (tmp_path / "papers/mcu.json").read_text()
    etc, var = tmp_path / "etc", tmp_path / "var"
    assert trapcam_cli.main(["identity", str(tmp_path / "card"), "--into", str(etc)]) == 0
    assert trapbase_cli.main(["identity", str(tmp_path / "stick"), "--into", str(var)]) == 0
    for file, old in (("trap.toml", "/etc/pugmark"), ("unit.toml", "/etc/pugmark")):
        (etc / file).write_text((etc / file).read_text().replace(old, str(etc)))
    (etc / "trap.toml").write_text((etc / "trap.toml").read_text() + "[keep]\nthreshold = 0.7\n")
    settings = load_settings(TrapSettings, etc / "trap.toml")
    assert (settings.keep.threshold, settings.audit.share) == (0.7, 0.1)
    capsys.readouterr()
    assert trapcam_cli.main(["config", "show", "--config", str(etc / "trap.toml")]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(
        "# Settings pack: Amur survey 2026.12.1; 1 of it overridden here:\n"
        "#   keep.threshold = 0.7 (here); the pack says 0.6\n"
    )
    assert "share = 0.1  # pack Amur survey 2026.12.1\n" in shown
    tomllib.loads(shown)
    for file in ("base.toml", "unit.toml"):
        text = (var / file).read_text()
        for name in ("unit.toml", "pack.toml", "operator.pub"):
            text = text.replace(f'"{name}"', f'"{var / name}"')
        (var / file).write_text(text)
    assert load_settings(Settings, var / "base.toml").batch.max_wait_s == 1800
    assert trapbase_cli.main(["config", "show", "--config", str(var / "base.toml")]) == 0
    assert "# Settings pack: Amur survey 2026.12.1; nothing of it overridden here.\n" in capsys.readouterr().out
    # A release's pack, where it is there, goes before the card's; one that is not the operator's stops the program.
    (var / "pack.toml").write_bytes(make_pack(PACK, bytes(32), "theirs"))
    with pytest.raises(SetupError, match="is signed by 3b6a27bc"):
        load_settings(Settings, var / "base.toml")


def test_a_mistake_is_said_of_the_file_that_has_it(tmp_path: Path) -> None:
    (tmp_path / "unit.toml").write_text("[keep]\nthreshold = 7\n")
    (tmp_path / "trap.toml").write_text(f'unit = "{tmp_path}/unit.toml"\n')
    with pytest.raises(SetupError, match=r"unit\.toml: key 'keep\.threshold' is 7"):
        load_settings(TrapSettings, tmp_path / "trap.toml")
    (tmp_path / "trap.toml").write_text("unit = 7\n")
    with pytest.raises(SetupError, match="key 'unit' is 7; allowed is the path of a file"):
        load_settings(TrapSettings, tmp_path / "trap.toml")
    (tmp_path / "trap.toml").write_text('pack = "x"\n')
    with pytest.raises(SetupError, match="key 'pack' is 'x'; allowed is a list of paths"):
        load_settings(TrapSettings, tmp_path / "trap.toml")
    (tmp_path / "trap.toml").write_text(f'pack = ["{tmp_path}/trap.toml"]\n')
    with pytest.raises(SetupError, match="key 'pack_key' is missing beside 'pack'"):
        load_settings(TrapSettings, tmp_path / "trap.toml")


def test_a_pack_says_how_and_never_where_by_whom_or_under_which_law() -> None:
    """What would be a way into another park's machines, or out of its country's rules, is never a pack's to say."""
    known = {
        "trapcam": [row[0] for row in rows(TrapSettings)],
        "trapbase": [row[0] for row in rows(Settings)],
    }
    for program, keys in known.items():
        shared = [key for key in keys if is_shared(program, key)]
        assert set(packable()[program]) == set(shared)
        for word in ("path", "port", "host", "url", "key", "folder", "command", "trap", "address", "certificates"):
            assert not [key for key in shared if word in key.replace("keep_days", "").split(".")[-1].split("_")], word
        for name in SHARED[program]:
            assert any(key == name or key.startswith(f"{name}.") for key in keys), f"{name}: is no setting any more"
    assert set(packable()["mcu"]) == set(SHARED["mcu"])


def test_reading_a_pack_never_fails_otherwise(operator: Path) -> None:
    seed = desk_of(operator).seed
    good = make_pack(PACK, seed, "source")
    for at in range(0, len(good), 7):
        for broken in (good[:at], good[:at] + b"\xff" + good[at + 1 :]):
            with pytest.raises(SetupError):
                read_pack(broken, read_pack(good, None, "good").key, "broken")
