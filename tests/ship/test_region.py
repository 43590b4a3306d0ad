"""The plan of a region: signed, only what a unit may do there, and in force on units that are provisioned with it."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.ship.desk_parts import LEFT, Say

from trapbase.config import Settings, check_traps
from trapcam.config import TrapSettings
from trapkit.errors import SetupError
from trapkit.operator.regions import LANGUAGES, less, make_region, read_region
from trapkit.settings import layers_of, load_settings, show
from trapkit.update.released import MAX_PART_BYTES
from trapmcu.settings import complete
from trapship.desk.register import LANGUAGES as AT_THE_DESK
from trapship.release import parts

HEAD = 'name = "Primorye"\nversion = "2026.12.1"\n'
REGION = f"""\
{HEAD}country = "RU"
zone = "Asia/Vladivostok"
language = "ru"
[radio]
plan = "ru864"
sf = 10
freq_khz = 869000
wake_khz = 868800
[places]
south = 42.2
north = 48.5
west = 130.3
east = 139.0
[[agreement]]
country = "CN"
name = "Land of Big Cats memorandum, 2026-03-01"
"""
BASE = ("--name", "north", "--host", "10.0.0.5")


@pytest.fixture
def region(say: Say, operator: Path, tmp_path: Path) -> Path:
    (tmp_path / "source.toml").write_text(REGION)
    code, said, _ = say("region", "make", operator, tmp_path / "source.toml", "--passphrase-file", tmp_path / "phrase")
    assert (code, "Primorye 2026.12.1, signed" in said) == (0, True)
    return operator / "region.toml"


def test_a_region_plan_says_what_it_says_and_who_signed_it(say: Say, operator: Path, region: Path) -> None:
    code, said, _ = say("region", "show", region)
    assert code == 0
    assert (operator / "operator.pub").read_text().strip() in said
    for line in ("radio: freq_khz = 869000", "country: RU", "places: south 42.2, west 130.3, north 48.5, east 139",
                 "agreement with CN: Land of Big Cats memorandum, 2026-03-01"):  # fmt: skip
        assert f"{line}\n" in said
    assert say("region", "check", region, "--key", operator / "operator.pub")[0] == 0
    region.write_text(region.read_text().replace("869000", "869100"))
    code, _, said = say("region", "check", region, "--key", operator / "operator.pub")
    assert (code, "its signature does not hold" in said) == (2, True)


def test_other_rules_take_another_version(say: Say, operator: Path, region: Path, tmp_path: Path) -> None:
    (tmp_path / "source.toml").write_text(REGION.replace("sf = 10", "sf = 9"))
    words = ("region", "make", operator, tmp_path / "source.toml", "--passphrase-file", tmp_path / "phrase")
    code, _, said = say(*words)
    assert (code, "is Primorye 2026.12.1 already, and says otherwise; take a new version" in said) == (2, True)
    (tmp_path / "source.toml").write_text(REGION.replace("Vladivostok", "Nowhere"))
    code, _, said = say(*words)
    assert (code, "Asia/Nowhere" in said) == (2, True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('version = "2026.1.1"', "key 'name' is None"),
        ('name = "x"\nversion = "1"', "key 'version' is '1'; allowed is a version like 2026.12.1"),
        (HEAD + "power = 30", "key 'power' is none of a region's"),
        (HEAD + "[radio]\nplan = 'ru864'\ndbm = 30", "key 'radio.dbm' is none of a region's"),
        (HEAD + "[radio]\nplan = 'mn433'", "radio plan 'mn433' is unknown"),
        (HEAD + "[radio]\nsf = 9", "radio plan None is unknown"),
        (HEAD + "[radio]\nplan = 'as923'\nsf = 11", "plan as923 allows nothing useful at SF11"),
        (HEAD + "[radio]\nplan = 'ru864'\nsf = 3", "key 'radio.sf' is 3; allowed is 7–12"),
        (HEAD + "[radio]\nplan = 'ru864'\nfreq_khz = 868100", "868100 kHz is no channel of plan ru864"),
        (HEAD + "[radio]\nplan = 'ru864'\nfreq_khz = 868900.5", "allowed is a whole number"),
        (HEAD + "[radio]\nplan = 'ru864'\nwake_khz = 868900", "key 'radio.wake_khz' stands alone"),
        (HEAD + "radio = 3", "key 'radio' is 3; allowed is a table"),
        (HEAD + "[places]\nsouth = 43", "allowed are south, west, north and east"),
        (HEAD + "[places]\nsouth = 43\nnorth = 42\nwest = 1\neast = 2", "south below north"),
        (HEAD + "language = 'de'", "key 'language' is 'de'; allowed is one of en, ru, zh, mn, ko"),
        (HEAD + "country = 'Russia'", "key 'country' is 'Russia'"),
        (HEAD + "[[agreement]]\ncountry = 'CN'\nname = 'a long title'", "allowed is one a country other than ''"),
        (HEAD + "country = 'RU'\n[[agreement]]\ncountry = 'RU'\nname = 'a long title'", "other than 'RU'"),
        (HEAD + "country = 'RU'\n[[agreement]]\ncountry = 'CN'\nname = 'short'", "allowed is 8–200 letters"),
        (HEAD + "agreement = [1]", "[[agreement]]: allowed are at most 50 tables"),
        ("name = ", "is no TOML"),
    ],
)  # fmt: skip
def test_what_no_unit_may_do_is_refused_at_the_desk(text: str, complaint: str) -> None:
    with pytest.raises(SetupError) as caught:
        make_region(text, bytes(32), "source.toml")
    assert complaint in str(caught.value)
    assert str(caught.value).startswith("source.toml: ")


def mcu(path: Path) -> dict[str, Any]:
    found = json.loads(path.read_text())
    complete(found)  # the firmware takes it
    return found  # type: ignore[no-any-return]


def test_a_base_its_modem_and_its_traps_have_it_without_being_told(
    provision: Say, region: Path, operator: Path, tmp_path: Path
) -> None:
    papers = tmp_path / "papers"
    assert provision("base", 1, *BASE, "--out", tmp_path / "stick")[0] == 0
    modem = mcu(papers / "modem.json")
    assert {key: modem[key] for key in ("plan", "sf", "freq_khz")} == {"plan": "ru864", "sf": 10, "freq_khz": 869000}
    assert provision("trap", 7, *LEFT, "--out", tmp_path / "card")[0] == 0
    trap = mcu(papers / "mcu.json")
    radio = {"plan": "ru864", "sf": 10, "freq_khz": 869000, "wake_khz": 868800}
    assert {key: trap[key] for key in radio} == radio
    assert provision("repeater", 1, "--trap", 7)[0] == 0
    assert mcu(papers / "mcu.json")["freq_khz"] == 869000


def test_what_is_another_countrys_is_refused_beside_it(provision: Say, region: Path, tmp_path: Path) -> None:
    for words, complaint in (
        (("--country", "CN"), "--country CN: the region plan Primorye 2026.12.1 says RU"),
        (("--region", "cn470"), "--region cn470: the region plan Primorye 2026.12.1 says ru864"),
        (("--sf", "9"), "--sf 9: the region plan Primorye 2026.12.1 says 10"),
    ):
        code, _, said = provision("base", 1, *BASE, *words, "--out", tmp_path / "stick")
        assert (code, complaint in said) == (2, True), said
    assert provision("base", 1, *BASE, "--zone", "Asia/Yakutsk", "--out", tmp_path / "stick")[0] == 0


def units(stick: Path, kind: str) -> Path:
    (found,) = [path.parent for path in stick.rglob("unit.toml")]
    return found


def test_both_programs_take_it_as_a_layer_and_a_newer_one_changes_it(
    provision: Say, region: Path, operator: Path, tmp_path: Path
) -> None:
    assert provision("base", 1, *BASE, "--out", tmp_path / "stick")[0] == 0
    base = units(tmp_path / "stick", "base")
    unit = tomllib.loads((base / "unit.toml").read_text())
    assert not {"country", "zone", "page"} & set(unit), "said by the plan, and not again"
    (base / "here.toml").write_text(settled(base, LOCAL))
    settings = load_settings(Settings, base / "here.toml")
    check_traps(settings)
    assert (settings.country, settings.zone, settings.page.language) == ("RU", "Asia/Vladivostok", "ru")
    assert (settings.gateway.plan, settings.gateway.sf, settings.cards.north) == ("ru864", 10, 48.5)
    assert [a.country for a in settings.agreement] == ["CN"]
    said = show(settings, layers_of(Settings, base / "here.toml"))
    assert 'country = "RU"  # region Primorye 2026.12.1' in said

    assert provision("trap", 7, *LEFT, "--out", tmp_path / "card")[0] == 0
    card = units(tmp_path / "card", "trap")
    (card / "here.toml").write_text(settled(card, LOCAL))
    trap = load_settings(TrapSettings, card / "here.toml")
    assert (trap.service.language, trap.service.region) == ("ru", (42.2, 130.3, 48.5, 139.0))
    assert trap.service.zone == "Asia/Vladivostok"
    released = tmp_path / "released.toml"
    seed_signed = newer(region, operator)
    released.write_bytes(seed_signed)
    (card / "here.toml").write_text(settled(card, LOCAL, released))
    trap = load_settings(TrapSettings, card / "here.toml")
    assert (trap.service.language, trap.service.region) == ("ko", (42.2, 130.3, 48.5, 139.0))
    released.write_bytes(make_region(REGION, bytes(32), "theirs"))
    with pytest.raises(SetupError, match=r"released\.toml: is signed by 3b6a27bcceb6a42d"):
        load_settings(TrapSettings, card / "here.toml")
    (card / "here.toml").write_text(settled(card, LOCAL + '[service]\nlanguage = "mn"\n'))
    assert load_settings(TrapSettings, card / "here.toml").service.language == "mn", "what stands here goes before it"


LOCAL = 'unit = "{folder}/settled.toml"\n'


def settled(folder: Path, local: str, released: Path = Path("none")) -> str:
    """The unit's files where they lie in this test."""
    unit = tomllib.loads((folder / "unit.toml").read_text())
    text = (folder / "unit.toml").read_text()
    listed = json.dumps(unit["region"])
    text = text.replace(listed, json.dumps([str(released), str(folder / "region.toml")]))
    text = text.replace(f'"{unit["region_key"]}"', f'"{folder / "operator.pub"}"')
    (folder / "settled.toml").write_text(text)
    return local.format(folder=folder)


def newer(region: Path, operator: Path) -> bytes:
    from tests.ship.desk_parts import desk_of

    text = REGION.replace("2026.12.1", "2026.12.2").replace('"ru"', '"ko"')
    return make_region(text, desk_of(operator).seed, "newer")


def test_a_release_carries_it_as_it_was_signed(region: Path, tmp_path: Path) -> None:
    made = parts.make_part("region", [region])
    assert made.declared.version.startswith("2026.12.1+")
    assert made.declared.needs == {"region": (1,)}
    assert len(made.data) < MAX_PART_BYTES["region"]


def test_what_a_layer_says_too_is_left_out() -> None:
    assert less({"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 4}}, {"b": {"c": 2, "d": 9}, "e": {"f": 4}, "a": 2}) == {
        "a": 1, "b": {"d": 3},
    }  # fmt: skip
    assert read_region(make_region(HEAD, bytes(32), "x"), None, "x").layer("trapbase") == {}
    assert set(LANGUAGES) == set(AT_THE_DESK)
