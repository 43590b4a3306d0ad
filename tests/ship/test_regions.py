"""The region pack: what it may say, whom it is for, where it stands among the layers, its way to a unit."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.ship.desk_parts import LEFT, Say, desk_of

from trapcam.config import TrapSettings
from trapkit.errors import SetupError
from trapkit.operator.regions import MAX_AREAS, MAX_BYTES, read_region
from trapkit.settings import layers_of, load_settings, show

PACK = """\
format = 1
version = "2026.12"
[area.RU]
plan = "ru864"
within = [41.5, 127.5, 49.0, 141.0]
language = "ru"
[area.KR]
plan = "kr920"
within = [33, 124, 39, 132]
"""
NORTH = ("--name", "north", "--country", "RU", "--host", "10.0.0.5")


def test_each_country_takes_its_own_table_below_what_was_provisioned(tmp_path: Path) -> None:
    (tmp_path / "region.toml").write_text(PACK)
    path, names = tmp_path / "trap.toml", [str(tmp_path / "gone.toml"), str(tmp_path / "region.toml")]
    in_force = {}
    for area, more in (("RU", ""), ("KR", ""), ("RU", '[service]\nlanguage = "mn"'), ("MN", "")):
        path.write_text(f'trap = 7\nregions = {names}\narea = "{area}"\n{more}\n')
        in_force[area, bool(more)] = load_settings(TrapSettings, path).service
    assert in_force["RU", False].region == (41.5, 127.5, 49.0, 141.0)
    assert in_force["RU", False].language == "ru"
    assert in_force["KR", False].region == (33, 124, 39, 132)
    assert in_force["KR", False].language == "en", "it says none, so the default stands"
    assert (in_force["RU", True].region[0], in_force["RU", True].language) == (41.5, "mn")
    assert in_force["MN", False].region == TrapSettings().service.region, "no table, so nothing is said"


def test_where_a_value_comes_from_is_told(tmp_path: Path) -> None:
    (tmp_path / "region.toml").write_text(PACK)
    path = tmp_path / "trap.toml"
    path.write_text(f'trap = 7\nregions = ["{tmp_path}/region.toml"]\narea = "RU"\n')
    said = show(load_settings(TrapSettings, path), layers_of(TrapSettings, path))
    assert 'language = "ru"  # region RU 2026.12' in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\x00", "is no region pack"),
        ("format = 2", "key 'format' is 2; allowed is 1"),
        ("format = 1", "key 'version' is None"),
        ('format = 1\nversion = "x"', "key 'version' is 'x'"),
        ('format = 1\nversion = "2026.12"', r"has no tables \[area.XX\]"),
        ('format = 1\nversion = "2026.12"\narea = 3', r"has no tables \[area.XX\]"),
        (PACK.replace("[area.RU]", "[area.Russia]"), r"\[area.Russia\]: allowed is"),
        (PACK.replace("ru864", "mars"), "key 'area.RU.plan' is 'mars'; allowed are "),
        (PACK.replace('"ru864"', "3"), "key 'area.RU.plan' is 3; allowed are "),
        (PACK.replace('"ru"', '"Russian"'), "key 'area.RU.language' is 'Russian'"),
        (PACK.replace("49.0", "40.0"), r"key 'area.RU.within' is \[41.5, 127.5, 40.0, 141.0\]"),
        (PACK.replace("49.0", "nan"), "key 'area.RU.within' is "),
        (PACK.replace("49.0", "true"), "key 'area.RU.within' is "),
        (PACK.replace("language", "spoken"), "key 'area.RU.spoken' is unknown; allowed are plan, within, language"),
        (PACK + "x = 1", "key 'area.KR.x' is unknown"),
        ("\n" * (MAX_BYTES + 1), f"has over {MAX_BYTES} bytes"),
        (
            'format = 1\nversion = "2026.12"\n'
            + "".join(f"[area.{chr(65 + n // 26)}{chr(65 + n % 26)}]\n" for n in range(MAX_AREAS + 1)),
            "has no tables",
        ),
    ],
)
def test_what_is_no_pack_is_named(text: str, words: str) -> None:
    with pytest.raises(SetupError, match=f"^region.toml: .*{words}"):
        read_region(text.encode(), "region.toml")


def test_a_language_that_the_page_does_not_have_is_refused_in_the_packs_name(tmp_path: Path) -> None:
    (tmp_path / "region.toml").write_text(PACK.replace('"ru"', '"fi"'))
    path = tmp_path / "trap.toml"
    path.write_text(f'trap = 7\nregions = ["{tmp_path}/region.toml"]\narea = "RU"\n')
    with pytest.raises(SetupError, match=r"^region pack RU 2026.12: key 'service.language' is 'fi'"):
        load_settings(TrapSettings, path)


def test_provisioning_goes_by_it(provision: Say, operator: Path, tmp_path: Path) -> None:
    (operator / "region.toml").write_text(PACK)
    code, _, complaint = provision("base", 1, *NORTH, "--region", "eu868")
    assert (code, "--region eu868: region pack 2026.12 says ru864 for RU" in complaint) == (2, True)
    assert provision("base", 1, *NORTH)[0] == 0
    base = desk_of(operator).register.bases["1"]
    assert (base.plan, base.language) == ("ru864", "ru"), "nobody had to say them"
    code, _, complaint = provision("trap", 7, "--station", "S001", "--side", "left", "--place", "131.4", "43.1")
    assert (code, "--place 131.4 43.1: outside RU" in complaint) == (2, True)
    assert desk_of(operator).register.traps == {}
    assert provision("trap", 7, *LEFT, "--out", tmp_path / "card")[0] == 0
    files = tmp_path / "card/pugmark/files"
    assert (files / "region.toml").read_text() == PACK
    unit: dict[str, Any] = tomllib.loads((files / "unit.toml").read_text())
    assert unit["area"] == "RU"
    assert unit["regions"][0].endswith("/update/current/region/region.toml"), "a release's goes before the card's"
    assert unit["regions"][1].endswith("/region.toml")


def test_a_damaged_pack_stops_provisioning_before_anything_is_written(
    provision: Say, operator: Path, tmp_path: Path
) -> None:
    (operator / "region.toml").write_text("format = 9\n")
    code, _, complaint = provision("base", 1, *NORTH, "--region", "ru864", "--out", tmp_path / "stick")
    assert (code, "region.toml: key 'format' is 9; allowed is 1" in complaint) == (2, True)
    assert list((tmp_path / "stick").iterdir()) == []
    assert desk_of(operator).register.bases == {}
