"""The settings of updates: what cannot be is named; a base without a source has no such part."""

import threading
from pathlib import Path

import pytest

from trapbase.config import Settings, check_traps
from trapbase.look.facts import part_names
from trapbase.ops.log import to_stderr
from trapbase.run import PARTS, Runner
from trapbase.update_settings import UpdateSettings, check_updates, stations
from trapbase.updates.look import rules_of
from trapkit.errors import SetupError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"source": "ftp://releases"}, r"key 'updates\.source' is 'ftp://releases': allowed is a folder, https://"),
        ({"source": "https://user@host/x"}, r"key 'updates\.source'"),
        ({"source": "https://host:0/x"}, r"key 'updates\.source'"),
        ({"source": "https://[x/"}, r"key 'updates\.source'"),
        ({"first": "S001, S/2"}, r"key 'updates\.first' is 'S001, S/2': 'S/2' is no station's name"),
        ({"pair_h": 30.0}, r"keys 'updates\.pair_h', 'updates\.healthy_h' are 30, 24"),
    ],
)
def test_what_cannot_be_is_named_with_what_is_allowed(given: dict[str, object], words: str) -> None:
    settings = UpdateSettings(**given)  # type: ignore[arg-type]
    with pytest.raises(SetupError, match=words):
        check_traps(Settings(updates=settings))


def test_good_ones_are_what_the_waves_go_by() -> None:
    settings = UpdateSettings(
        source="/media/stick/releases", first=" S004,S001 ", advance="asked", healthy_h=0.5, pair_h=0
    )
    check_updates(settings)
    assert stations(settings) == ("S004", "S001")
    rules = rules_of(settings)
    assert (rules.first, rules.by_itself, rules.healthy_ms, rules.pair_ms) == (("S004", "S001"), False, 1_800_000, 0)


def test_only_a_base_with_a_source_has_the_part(tmp_path: Path) -> None:
    without, having = Settings(folder=str(tmp_path)), Settings(folder=str(tmp_path), updates=UpdateSettings(source="x"))
    assert ("updates" in part_names(without), "updates" in part_names(having)) == (False, True)
    for settings, expected in ((without, False), (having, True)):
        runner = Runner(settings, list(PARTS), threading.Event(), to_stderr("text"))
        assert ("updates" in runner._names) == expected
