"""Across a border nothing goes before its agreement is named: the way is closed, the base runs on and says so."""

import csv
import json
import threading
from pathlib import Path

import pytest

from tests.base.parts import NOW, deliver, sighting
from trapbase import ingest
from trapbase.borders import AgreementSettings, why_closed
from trapbase.cli import main
from trapbase.config import Settings, check_traps
from trapbase.ingest import Ingest
from trapbase.outlets.queue import OutletQueue
from trapbase.page_state import PageState
from trapbase.store import Store
from trapbase.ways import closed_ways, within_borders
from trapkit.errors import SetupError
from trapkit.settings import convert_settings, load_settings
from trapsim.memorybus import MemoryBroker

CHINA = AgreementSettings(country="CN", name="Land of Big Cats memorandum, 2026-03-01")
OUTLET = 'kind = "webhook"\nurl = "http://127.0.0.1:1/"\nkey_file = "/dev/null"\n'


@pytest.mark.parametrize(
    ("own", "receiver", "agreed", "why"),
    [
        ("", "", False, ""),
        ("", "CN", False, ""),
        ("RU", "RU", False, ""),
        ("RU", "", False, "does not say where its receiver is"),
        ("RU", "", True, "does not say where its receiver is"),
        ("RU", "CN", False, "its receiver is in CN, this base in RU, and no [[agreement]] names CN"),
        ("RU", "CN", True, ""),
        ("RU", "KR", True, "no [[agreement]] names KR"),
    ],
)
def test_a_way_is_open_within_the_country_or_by_a_named_agreement(
    own: str, receiver: str, agreed: bool, why: str
) -> None:
    found = why_closed(own, receiver, (CHINA,) if agreed else ())
    assert bool(found) == bool(why)
    assert why in found


def settings(text: dict[str, object]) -> Settings:
    made = convert_settings(Settings, text, "base.toml")
    check_traps(made)
    return made


def test_each_way_is_closed_by_itself_and_said() -> None:
    ways = [
        {"name": name, "kind": "folder", "path": "/media/x", "country": country}
        for name, country in (("home", "RU"), ("hub", "CN"), ("unsaid", ""))
    ]
    base = {"country": "RU", "upload": {"url": "http://127.0.0.1:1", "country": "CN"}, "outlet": ways}
    left = within_borders(settings(base))
    said = [way.words for way in closed_ways(left)]
    assert (left.upload.url, [outlet.name for outlet in left.outlet]) == ("", ["home"])
    assert [words.partition(" is closed: ")[0] for words in said] == [
        "the way to the back end",
        "outlet hub",
        "outlet unsaid",
    ]
    agreed = base | {"agreement": [{"country": "CN", "name": CHINA.name}]}
    left = within_borders(settings(agreed))
    assert (left.upload.url, [outlet.name for outlet in left.outlet]) == ("http://127.0.0.1:1", ["home", "hub"])
    assert [way.name for way in closed_ways(left)] == ["unsaid"]
    assert closed_ways(settings(base)) == ()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ({"agreement": [{"country": "CN", "name": CHINA.name}]}, "key 'country' is ''; say where this base is"),
        ({"country": "CN", "agreement": [{"country": "CN", "name": CHINA.name}]}, "which is this base's own country"),
        ({"country": "RU", "agreement": [{"country": "CN", "name": "yes"}]}, "agreement[0].name"),
        ({"country": "RU", "agreement": [{"country": "CN", "name": " " * 9}]}, "allowed is its title"),
        ({"country": "RU", "agreement": [{"country": "china", "name": CHINA.name}]}, "agreement[0].country"),
        ({"country": "RU", "agreement": [{"country": "CN", "name": CHINA.name}] * 2}, "of two [[agreement]] is 'CN'"),
        ({"country": "Russia"}, "key 'country' is 'Russia'"),
    ],
)
def test_an_agreement_that_says_nothing_is_named(text: dict[str, object], complaint: str) -> None:
    with pytest.raises(SetupError) as caught:
        settings(text)
    assert complaint in str(caught.value)


def keep_one(folder: Path) -> None:
    """A base that holds one sighting of trap 1."""
    broker, store = MemoryBroker(), Store(folder)
    part = Ingest(broker.connect("ingest", ingest.SUBSCRIPTIONS), store)
    deliver(broker, *sighting(1, 1))
    part.step(NOW)
    store.close()


def test_an_export_says_for_whom_and_by_which_agreement(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep_one(tmp_path / "data")
    config = tmp_path / "base.toml"
    base = (
        f'folder = "{tmp_path}/data"\ncountry = "RU"\n[[outlet]]\nname = "hook"\n{OUTLET}'
        '[[trap]]\nnumber = 1\nstation = "S001"\nlatitude = 43.1\nlongitude = 131.4\n'
    )
    config.write_text(base)

    def export(name: str, *more: str) -> int:
        return main(["export", "--camtrap-dp", str(tmp_path / name), "--config", str(config), *more])

    assert export("own") == 0
    assert "agreement" not in json.loads((tmp_path / "own/datapackage.json").read_text())
    assert export("abroad", "--for", "CN") == 2
    assert "--for CN: nothing is exported: its receiver is in CN, this base in RU" in capsys.readouterr().err
    assert not (tmp_path / "abroad").exists()
    config.write_text(base + f'[[agreement]]\ncountry = "CN"\nname = "{CHINA.name}"\n')
    assert export("abroad", "--for", "CN") == 0
    assert json.loads((tmp_path / "abroad/datapackage.json").read_text())["agreement"] == CHINA.name
    assert main(["outlets", "--config", str(config)]) == 0
    assert (
        "outlet hook (webhook): closed at the border: key 'country' does not say where its" in capsys.readouterr().out
    )


def test_positions_in_an_export_are_as_exact_as_the_settings_let_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep_one(tmp_path / "data")
    config = tmp_path / "base.toml"
    base = (
        f'folder = "{tmp_path}/data"\ncountry = "RU"\n[[agreement]]\ncountry = "CN"\nname = "{CHINA.name}"\n'
        '[[trap]]\nnumber = 1\nstation = "S001"\nlatitude = 43.12345\nlongitude = 131.45678\nuncertainty_m = 30\n'
    )
    config.write_text(base)

    def exported(name: str, *more: str) -> tuple[list[str], dict[str, object], str]:
        assert main(["export", "--camtrap-dp", str(tmp_path / name), "--config", str(config), *more]) == 0
        (row,) = csv.DictReader((tmp_path / name / "deployments.csv").read_text().splitlines())
        package = json.loads((tmp_path / name / "datapackage.json").read_text())
        where = [row["latitude"], row["longitude"], row["coordinateUncertainty"]]
        return where, package, capsys.readouterr().err

    where, package, said = exported("own")
    assert (where, "coordinatePrecision" in package) == (["43.12345", "131.45678", "30"], False)
    assert "1 sightings, exact positions" in said
    where, package, said = exported("abroad", "--for", "CN")
    assert where == ["43.1", "131.5", str(30 + 7873)], "half a diagonal of 0.1 degree"
    assert package["coordinatePrecision"] == 0.1
    assert package["spatial"] == {"type": "MultiPoint", "coordinates": [[131.5, 43.1]]}
    assert "positions rounded to 0.1 degree" in said
    everything = b"".join(path.read_bytes() for path in (tmp_path / "abroad").rglob("*") if path.is_file())
    assert b"43.12345" not in everything
    assert exported("asked", "--for", "CN", "--coordinates", "0.001")[0] == ["43.123", "131.457", str(30 + 79)]
    config.write_text(base + '[export]\ncoordinates = "0.01"\nabroad = "exact"\n')
    assert exported("own-2")[0][:2] == ["43.12", "131.46"]
    assert exported("abroad-2", "--for", "CN")[0][:2] == ["43.12345", "131.45678"]
    for receiver in ("Mongolia", "cn", "C"):
        assert main(["export", "--camtrap-dp", "x", "--config", str(config), "--for", receiver]) == 2
        assert f"--for {receiver!r}: allowed are two capital letters of ISO 3166" in capsys.readouterr().err


def test_status_page_and_figures_say_in_plain_words_what_is_closed_and_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Store(tmp_path / "data").close()
    queue = OutletQueue(tmp_path / "data", "hub")  # it was open once
    queue.close()
    config = tmp_path / "base.toml"
    text = (
        f'folder = "{tmp_path}/data"\ncountry = "RU"\n[upload]\nurl = "http://127.0.0.1:1"\ncountry = "CN"\n'
        f'[[outlet]]\nname = "hub"\ncountry = "KR"\n{OUTLET}[[outlet]]\nname = "home"\ncountry = "RU"\n{OUTLET}'
    )
    config.write_text(text)
    why = {"upload": why_closed("RU", "CN", ()), "hub": why_closed("RU", "KR", ())}
    assert main(["status", "--config", str(config)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert f"the way to the back end is closed: {why['upload']}; outlet hub is closed: {why['hub']}" in said.out
    assert "uplink" in said.out
    assert "closed at the border: everything is kept here" in said.out
    assert "not in the settings any more" not in said.out
    main(["status", "--json", "--config", str(config)])
    told = {way["name"]: way["state"] for way in json.loads(capsys.readouterr().out)["outlets"]}
    assert told == {"upload": "border", "hub": "border", "home": "closed"}

    state = PageState(within_borders(load_settings(Settings, config)), None, threading.Event())
    page = state.render("page.html")
    for name, words in why.items():
        assert f'<li id="outlet-{name}" class="over">' in page
        assert f"closed at the border: {words}".replace("'", "&#39;") in page
    figures = state.metrics()
    assert 'pugmark_outlet_border_closed{outlet="hub"} 1\n' in figures
    assert 'pugmark_outlet_border_closed{outlet="home"} 0\n' in figures
    assert 'pugmark_outlet_breaker{outlet="hub",state="closed"} 0\n' in figures

    config.write_text(text + f'[[agreement]]\ncountry = "KR"\nname = "{CHINA.name}"\n')
    main(["status", "--config", str(config)])
    assert "outlet hub is closed" not in capsys.readouterr().out
    assert main(["config", "show", "--config", str(config)]) == 0
    assert 'url = "http://127.0.0.1:1"' in capsys.readouterr().out, "what is set is shown, though it is closed"
