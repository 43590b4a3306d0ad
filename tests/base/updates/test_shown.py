"""What people see of an update: the page, `trapbase updates`, status, figures; and the file for a phone."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.base.note_parts import UNIT, take, write_keys
from tests.base.parts import BOX, EPOCH, NOW, TRAPS
from tests.base.updates.parts import NEW, OLD, Updating
from trapbase.cli import main
from trapbase.config import Settings
from trapbase.effort import alarms
from trapbase.look.facts import figures_of
from trapbase.look.metrics import metrics_text
from trapbase.page import create_page
from trapbase.places import Places
from trapbase.reader import Reader
from trapbase.updates.kept import STOPPED
from trapbase.updates.look import Look, look
from trapbase.updates.words import headline, notes, status_words, unit_rows
from trapkit.update.states import UpdateState
from trapwire.notes import SHADOW, UPDATE, Note, statement
from trapwire.objects import NOTE, Envelope, ObjectKey

TRAP_1 = '[[trap]]\nnumber = 1\nstation = "S001"\nlatitude = 1\nlongitude = 1\n'
SETTINGS = Settings(trap=tuple(TRAPS.values()))


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Updating]:
    base = Updating(tmp_path / "base")
    base.hear(1, 2, 3)
    yield base
    base.close()


def seen(base: Updating) -> Look:
    return look(base.settings, base.kept.rows, traps(base), Places(listed=TRAPS), base.now_ms)


def traps(base: Updating) -> list[dict[str, object]]:
    reader = Reader(base.folder)
    try:
        return reader.traps()
    finally:
        reader.close()


def get(folder: Path, path: str, **headers: str) -> httpx.Response:
    return get_each(folder, path, headers)[0]


def get_each(
    folder: Path, path: str, *asked: dict[str, str], between: Callable[[], None] = lambda: None
) -> list[httpx.Response]:
    """The answers of one page; `between`: what happens between two of them."""

    async def ask() -> list[httpx.Response]:
        app = create_page(Settings(folder=str(folder), trap=SETTINGS.trap), bytes(BOX), threading.Event())
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 5000))
        found: list[httpx.Response] = []
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as session:
            for headers in asked:
                if found:
                    between()
                found.append(await session.get(path, headers=headers))
        return found

    return asyncio.run(ask())


def begin(base: Updating) -> None:
    for trap in (1, 2, 3):
        base.says(trap, OLD, "running")
    base.kept.hold(NEW, 7, NOW, {"application": "0.2", "model": "feline-3"}, 5_000_000, NOW)
    base.kept.begin(NEW, NOW)
    base.step()


def words(base: Updating) -> dict[int, str]:
    return {row["trap"]: row["words"] for row in unit_rows(seen(base), {})}


def test_a_base_without_updates_says_nothing_of_them(base: Updating) -> None:
    assert seen(base).empty
    text = get(base.folder, "/").text
    assert 'id="updates"' not in text
    assert get(base.folder, "/update.tar").status_code == 404


def test_each_unit_is_said_with_what_it_runs_and_why_it_waits(base: Updating) -> None:
    begin(base)
    assert headline(seen(base)) == f"{NEW}, wave 1 of 2: 0 of 3 units run it"
    assert words(base) == {
        1: f"may take {NEW}", 2: "waits: after trap 1 beside it", 3: "waits: its wave (2) has not begun",
    }  # fmt: skip
    base.says(1, OLD, "waiting", NEW, "no-room")
    base.step()
    assert words(base)[1] == f"may take {NEW}: the card has no room for the release; make room, it is tried again"
    base.says(1, OLD, "trial", NEW)
    base.step()
    assert words(base)[1] == f"tries {NEW}; before it {OLD}"
    base.says(1, NEW, "confirmed")
    base.heard_for(3)
    assert words(base)[1] == "runs it for 3 h, and has to prove itself"
    assert words(base)[2] == "waits: trap 1 beside it has just changed and must prove itself first"
    assert notes(seen(base)) == []


def test_one_that_went_back_is_told_to_a_person_with_why_and_what_to_do(base: Updating) -> None:
    begin(base)
    base.says(1, OLD, "reverted", NEW, "model-judges-badly")
    base.step()
    base.step()
    assert base.rollout()["state"] == STOPPED
    (note,) = notes(seen(base))
    why = "the new model did not find what is in the known picture"
    assert note == (
        f"The update to {NEW} has stopped: trap 1 went back to {OLD}: {why}. The other units keep what they run. Look "
        "at what it says, then publish a better release, or let it go on without that unit: `trapbase updates go`."
    )
    text = get(base.folder, "/").text
    assert f"The update to {NEW} has stopped" in text
    assert f'<li id="update-1" class="bad"><b>S001</b> left <span class="runs">{OLD}</span>' in text
    assert f"went back to {OLD} from {NEW}: {why}" in text


def test_the_figures_count_units_by_what_they_do(base: Updating) -> None:
    begin(base)
    base.says(1, OLD, "reverted", NEW, "not-heard")
    base.step()
    reader = Reader(base.folder)
    settings = Settings(folder=str(base.folder), trap=SETTINGS.trap)
    text = metrics_text(figures_of(settings, reader, Places(listed=TRAPS), base.now_ms))
    reader.close()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if "update" in sample.name or "release" in sample.name
    }
    assert found["pugmark_update_stopped", NEW] == 1
    assert found["pugmark_update_units", NEW, "back"] == 1
    assert found["pugmark_update_units", NEW, "waits"] == 2
    assert found["pugmark_trap_release_info", "2", OLD] == 1


def test_the_command_shows_it_and_takes_the_operators_word(
    base: Updating, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: base.now_ms * 1_000_000)
    config = tmp_path / "base.toml"
    tables = "".join(
        f'[[trap]]\nnumber = {t.number}\nstation = "{t.station}"\nside = "{t.side}"\nlatitude = 1\nlongitude = 1\n'
        for t in TRAPS.values()
    )
    config.write_text(f'folder = "{base.folder}"\n{tables}')

    def say(*words: str) -> tuple[int, str, str]:
        code = main(["updates", *words, "--config", str(config)])
        out = capsys.readouterr()
        return code, out.out, out.err

    assert say("go")[0] == 2, "there is none yet"
    begin(base)
    code, out, _ = say()
    assert code == 0
    assert out.splitlines()[:2] == [
        f"{NEW}, wave 1 of 2: 0 of 3 units run it",
        f"  S001  trap 1      left    {OLD}  may take {NEW}",
    ]
    assert "here: 2026.12.1 (application 0.2, model feline-3; 4883 KiB)" in out
    assert say("stop")[0] == 0
    base.step()
    assert json.loads(say("--json")[1])["rollout"]["state"] == STOPPED
    assert "stopped: by the operator" in say()[1]
    code, _, err = say("stop")
    assert (code, "is stopped already" in err) == (2, True)
    assert "goes on" in say("go")[2]
    base.step()
    assert base.rollout()["state"] == "going"
    assert "wave 2 begins" in say("go")[2]
    base.step()
    assert base.rollout()["wave"] == 2
    assert main(["status", "--config", str(config)]) == 0
    assert f"updates: {NEW}, wave 2 of 2: 0 of 3 units run it; 3 run {OLD}" in capsys.readouterr().out


def test_with_nothing_left_to_begin_it_says_so_and_who_still_waits(
    base: Updating, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time_ns", lambda: base.now_ms * 1_000_000)
    path = _config(tmp_path, base.folder)
    stand = "".join(f'[[trap]]\nnumber = {n}\nstation = "{t.station}"\nside = "{t.side}"\nlatitude = 1\nlongitude = 1\n'
                    for n, t in TRAPS.items())  # fmt: skip
    path.write_text(path.read_text() + stand)
    config = str(path)
    begin(base)
    assert main(["updates", "go", "--config", config]) == 0
    base.step()
    capsys.readouterr()
    assert main(["updates", "go", "--config", config]) == 2
    said = capsys.readouterr().err
    assert f"nothing is left to begin: all 2 waves of {NEW} have begun; still waiting: trap 2: after trap 1" in said
    assert base.rollout()["asked"] == 2, "and nothing was written down"


def test_the_last_word_of_a_unit_stands_where_nothing_is_on_its_way(base: Updating) -> None:
    base.says(1, "", "running")
    base.says(2, OLD, "refused", NEW, "misfit")
    found = seen(base)
    assert headline(found) == "no release is on its way"
    rows = {row["trap"]: (row["running"], row["words"]) for row in unit_rows(found, {})}
    assert rows[1] == ("as installed", "")
    assert rows[2][1] == f"runs {OLD}; refused {NEW}: its parts do not fit those that stay on this unit"
    assert rows[3] == ("not said yet", "")
    assert status_words(found) == f"no release is on its way; 1 run as installed, 1 run {OLD}"


# From a unit's note to the page, and from the mirror to a trap


def update_note(number: int, state: UpdateState, kind: int = UPDATE, **values: int) -> Envelope:
    made = Note(kind, NOW, 1000, values, said=state.encode() if kind == UPDATE else b"")
    made.signature = UNIT.sign(statement(1, EPOCH, number, made.fields())).signature
    return Envelope(ObjectKey(1, EPOCH, number, NOTE), made.encode())


def test_what_a_unit_says_in_a_signed_note_is_on_the_page_and_is_no_alarm(tmp_path: Path) -> None:
    base, keys = tmp_path / "base", write_keys(tmp_path / "keys", 1)
    shadow = {"model": 1, "bursts": 9, "only_old": 1, "only_new": 0, "people_old": 0, "people_new": 0, "verdict": 0}
    take(
        base, keys,
        update_note(1, UpdateState(OLD, "", "running", "", NOW)),
        update_note(2, UpdateState(OLD, NEW, "reverted", "camera-gives-nothing", NOW)),
        update_note(3, UpdateState("", "", "running", "", NOW), SHADOW, **shadow),
    )  # fmt: skip
    text = get(base, "/").text
    assert f"went back to {OLD} from {NEW}: the camera gave no frame under the new release" in text
    reader = Reader(base)
    assert alarms(reader.rows("alarms", 9)) == []
    assert [row["proof"] for row in reader.rows("update_notes", "[1]", 9, 9)] == ["verified"] * 2
    reader.close()
    assert main(["verify", "--config", str(_config(tmp_path, base))]) == 0


def test_how_a_new_model_does_beside_the_old_one_is_on_the_page_and_in_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base, keys = tmp_path / "base", write_keys(tmp_path / "keys", 1)
    counts = {"bursts": 60, "only_old": 2, "only_new": 5, "people_old": 0, "people_new": 0}
    so_far = {"model": 0xAB12, **counts, "verdict": 0}
    other = so_far | {"model": 1, "bursts": 9}
    staged = UpdateState(OLD, NEW, "staged", "", NOW)
    take(
        base, keys,
        update_note(1, staged, SHADOW, **other),
        update_note(2, staged),
        update_note(3, staged, SHADOW, **so_far),
    )  # fmt: skip
    words = "new model beside the old one, 60 bursts: 53 alike; kept by the new one alone 5, by the old one alone 2"
    assert f'<span class="quiet shadow">{words}; it goes on</span>' in get(base, "/").text
    done = so_far | {"bursts": 200, "people_new": 1, "verdict": 1}
    forged = update_note(5, staged, SHADOW, **so_far)
    forged = Envelope(forged.key, forged.body[:-1] + bytes([forged.body[-1] ^ 1]))
    take(
        base,
        keys,
        update_note(4, staged, SHADOW, **done),
        forged,
        update_note(6, UpdateState(OLD, NEW, "trial", "", NOW)),
    )
    config = _config(tmp_path, base)
    config.write_text(config.read_text() + TRAP_1)
    assert main(["updates", "--config", str(config)]) == 0
    assert (
        "new model beside the old one, 200 bursts: 192 alike; kept by the new one alone 5, by the old one alone 2; "
        "withheld for people by the new one alone 1, by the old one alone 0; the new one decides\n"
    ) in capsys.readouterr().out
    assert main(["updates", "--json", "--config", str(config)]) == 0
    (unit,) = json.loads(capsys.readouterr().out)["units"]
    assert unit["judged"] | {"said_ms": 0} == {
        **done, "model": "0000ab12", "alike": 192, "verdict": "the new one decides", "said_ms": 0,
    }  # fmt: skip
    take(base, keys, update_note(7, UpdateState(OLD, "2026.12.9", "staged", "", NOW)))
    assert "beside the old one" not in get(base, "/").text, "of the next release nothing is known yet"


def _config(tmp: Path, base: Path) -> Path:
    path = tmp / "base.toml"
    path.write_text(f'folder = "{base}"\nunit_keys = "{tmp / "keys"}"\n')
    return path
