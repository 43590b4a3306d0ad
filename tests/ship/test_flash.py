"""`trapship flash` on a real MicroPython: raw REPL, a flash that stays, boot.py; power and cable that go."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.ship.bench import BOARD, PICO, XIAO, Bench, need_bench
from tests.ship.desk_parts import Say
from tests.ship.guide_parts import flash_lines
from tests.ship.test_bundle import LORA

from trapkit.serialport import ByteLine
from trapmcu import boot
from trapmcu.settings import complete
from trapmcu.settingsfile import SettingsFile
from trapmcu.slots import Slots
from trapship import layout
from trapship.bundle import LIST, make_bundle, read_bundle
from trapship.cli import main
from trapship.compiler import compile_file
from trapship.flash import NOTE_470
from trapship.layout import SlotState, decode_slots, encode_list, encode_settings, encode_slots
from trapship.rawrepl import RawRepl

MODEM = {"role": "modem", "plan": "cn470", "sf": 9}
KEY = "0123456789abcdef0123456789abcdef"
Flash = Callable[..., tuple[int, dict[str, Any], str]]


def make_test_bundle(folder: Path, speech: str = "") -> Path:
    """The real firmware, but for what needs a radio: `board/trapmcu` says what stands there instead."""
    library = folder / "library"
    shutil.rmtree(library, ignore_errors=True)
    (library / "lora").mkdir(parents=True)
    for name, text in LORA.items():
        (library / "lora" / name).write_text(text + speech)
    bundle = folder / "bundle"
    make_bundle(bundle, library=library, index=None)
    told = json.loads((bundle / LIST).read_text())
    for source in sorted((BOARD.parent / "trapmcu").rglob("*.py")):
        name = "trapmcu/" + source.relative_to(BOARD.parent / "trapmcu").as_posix()
        for board in told["files"]:
            path = name.removesuffix(".py") + ".mpy"
            target = bundle / board / path
            target.parent.mkdir(exist_ok=True)
            compile_file(source, target, name, "armv6m")
            told["files"][board][path] = hashlib.sha256(target.read_bytes()).hexdigest()
    (bundle / LIST).write_text(json.dumps(told))
    return bundle


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_test_bundle(tmp_path_factory.mktemp("first"))


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_test_bundle(tmp_path_factory.mktemp("second"), "NEWER = True\n")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    need_bench()
    monkeypatch.setattr("trapship.rawrepl.BURST_PAUSE_S", 0)  # a pty loses nothing
    made = Bench(tmp_path)
    yield made
    made.close()


def put(bench: Bench, path: str, data: bytes) -> None:
    place = bench.flash / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


@pytest.fixture
def modem(bench: Bench, bundle: Path) -> Bench:
    """A modem that was flashed before: slot a, and nearly the same in slot b. As the first test finds it in flash."""
    held = read_bundle(bundle)
    for slot in "ab":
        for path in held.files["pico"]:
            put(bench, f"{slot}/{path}", held.read("pico", path))
        put(bench, f"{slot}/files.sha256", encode_list(held.files["pico"]))
    for path, data in held.start.items():
        put(bench, path, data)
    put(bench, "slot", encode_slots(SlotState("a", "a", 0)))
    put(bench, "settings/mcu.json", encode_settings(MODEM, 1))
    put(bench, "state/duty", b"as it was")
    return bench


@pytest.fixture
def flash(bench: Bench, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Flash:
    """Runs the command: exit code, its JSON, what it said."""

    def run(*words: object, settings: dict[str, Any] = MODEM, bundle: Path = bundle) -> tuple[int, dict[str, Any], str]:
        path = tmp_path / "mcu.json"
        path.write_text(json.dumps(settings))
        given = [str(word) for word in words]
        board = [] if "--board" in given else ["--board", "pico"]
        role = settings.get("role", "supervisor")
        code = main(
            ["flash", "--port", bench.port, *board, "--role", role, "--settings", str(path), "--bundle", str(bundle),
             "--wait", "3", "--json", *given]
        )  # fmt: skip
        out, err = capsys.readouterr()
        return code, json.loads(out) if out else {}, err

    return run


def slots(bench: Bench) -> SlotState | None:
    return decode_slots(bench.files().get("slot"))


def in_force(bench: Bench) -> dict[str, Any]:
    """The settings as the firmware reads them."""
    file = SettingsFile(str(bench.flash / "settings"), lambda said: complete(said) and said)
    return file.load(False, 1000)


def test_a_bare_board_becomes_a_modem(bench: Bench, flash: Flash, bundle: Path) -> None:
    bench.start()
    code, told, said = flash()
    assert (code, told.get("error")) == (0, None), said + bench.said()
    assert (told["slot"], told["on_trial"], told["alive"]) == ("a", False, "modem runs from slot a, a/a/0")
    assert told["notes"] == [NOTE_470], "the test's modem is of plan cn470"
    files = read_bundle(bundle).files["pico"]
    assert told["written"] == len(files)
    there = bench.files()
    for path in files:
        assert there[f"a/{path}"] == read_bundle(bundle).read("pico", path)
    assert there["boot.py"] == Path(boot.__file__).read_bytes()
    assert boot.state(str(bench.flash)) == ("a", "a", 0, bytes(4))
    assert in_force(bench) == MODEM
    assert "partial" not in there
    for step in (
        "this unit: Raspberry Pi Pico",
        "what is on it: no firmware",
        "read back on the unit, all",
        "reset",
        "it lives",
    ):
        assert step in said


@pytest.mark.parametrize("line", flash_lines())
def test_each_line_of_the_engineers_guide_that_needs_a_board(
    line: str, bench: Bench, bundle: Path, provision: Say, stocked: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """With what provisioning wrote at the desk, on a bare board; the doctor looks at a modem that was flashed so."""
    monkeypatch.chdir(tmp_path)
    role = re.search(r"--role (\w+) --settings (\S+)", line)
    papers = Path(role[2] if role else "base-1/modem.json")
    kind, number, *more = {"modem.json": ("base", 1), "mcu.json": ("trap", 7), "trap7.json": ("trap", 7)}[papers.name]
    if role and role[1] == "repeater":
        kind, number, more = "repeater", 1, ["--trap", "7"]
    assert provision(kind, number, *more, "--papers", papers.parent)[0] == 0
    if papers.name == "trap7.json":
        assert main(["keys", "KEYS", "--trap", "7"]) == 0
        papers.write_text('{"role": "supervisor", "trap": 7, "plan": "ru864", "sf": 9}')
    # Its files lie there already, from a run that broke off: writing them is what the test above is about.
    held, board = read_bundle(bundle), "xiao-s3" if "xiao-s3" in line else "pico"
    for path in held.files[board]:
        put(bench, f"a/{path}", held.read(board, path))
    bench.claim = dict(XIAO if board == "xiao-s3" else PICO)
    bench.start()
    words = line.replace("/dev/ttyACM0", bench.port).replace("--bundle bundle", f"--bundle {bundle}").split()[1:]
    if not role:
        cable = ("--port", bench.port, "--board", "pico", "--bundle", bundle)
        assert provision(kind, number, *cable, "--papers", papers.parent)[0] == 0
        assert not papers.exists(), "the board has its settings; nobody else needs them"
    capsys.readouterr()
    code, said = main(words), capsys.readouterr()
    assert code == 0, said.err + bench.said()
    assert "slot a" in said.out or not role
    if role:
        assert in_force(bench)["role"] == role[1]


def test_a_second_run_writes_nothing(modem: Bench, flash: Flash) -> None:
    modem.start()
    before = modem.files()
    code, told, said = flash()
    assert (code, told["written"], told["bytes_written"], told["settings"]) == (0, 0, 0, "as they were"), said
    assert modem.files() == before


def test_newer_firmware_goes_into_the_other_slot_on_trial(modem: Bench, flash: Flash, newer: Path) -> None:
    modem.start()
    code, told, said = flash(bundle=newer)
    assert (code, told["slot"], told["on_trial"]) == (0, "b", True), said
    assert told["alive"] == "modem runs from slot b, a/b/100", "one start of its trial is used up"
    assert slots(modem) == SlotState("a", "b", 100)
    assert told["written"] == len(LORA), "the files that fitted already were kept"
    assert modem.files()["state/duty"] == b"as it was"


def spoiled(bundle: Path, folder: Path) -> Path:
    """A bundle whose firmware does not start."""
    shutil.copytree(bundle, folder)
    (folder / "unit.py").write_text("raise RuntimeError('no good')\n")
    told = json.loads((folder / LIST).read_text())
    target = folder / "pico" / "trapmcu" / "unit.mpy"
    compile_file(folder / "unit.py", target, "trapmcu/unit.py", "armv6m")
    told["files"]["pico"]["trapmcu/unit.mpy"] = hashlib.sha256(target.read_bytes()).hexdigest()
    (folder / LIST).write_text(json.dumps(told))
    return folder


def test_firmware_that_does_not_start_gives_way_and_is_said(
    modem: Bench, flash: Flash, bundle: Path, tmp_path: Path
) -> None:
    modem.start()
    code, told, said = flash(bundle=spoiled(bundle, tmp_path / "spoiled"))
    assert code == 1, said
    assert "slot b does not start: the unit went back to slot a by itself" in told["error"]
    assert boot.state(str(modem.flash))[:3] == ("a", "a", 0)


def test_a_bare_board_with_firmware_that_does_not_start_says_its_words(
    modem: Bench, flash: Flash, bundle: Path, tmp_path: Path
) -> None:
    shutil.rmtree(modem.flash / "a")
    shutil.rmtree(modem.flash / "b")
    modem.start()
    code, told, said = flash(bundle=spoiled(bundle, tmp_path / "spoiled"))
    assert code == 1, said
    assert "the firmware did not stay up; it said:" in told["error"]
    assert "Error: no" in told["error"], "the interpreter's own words"


@pytest.mark.parametrize("power_bytes", [0, 40, 90, 400, 3600])
def test_power_that_goes_anywhere_is_said_and_mended_by_a_second_run(
    modem: Bench, flash: Flash, newer: Path, power_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`power_bytes` are written to flash, and then no more: in the list's removal, a file, its renaming, the list."""
    monkeypatch.setattr("trapship.rawrepl.CALL_TRIES", 1)
    monkeypatch.setattr("trapship.rawrepl.ANSWER_S", 5.0)
    modem.start(power_bytes=power_bytes)
    code, told, said = flash(bundle=newer)
    assert (code, modem.on) == (1, False), said
    assert "it still runs slot a, as before" in told["error"]
    assert "run the same command again" in told["error"]
    assert boot.state(str(modem.flash))[:3] == ("a", "a", 0)
    modem.start(power_bytes=None)
    code, told, said = flash(bundle=newer)
    assert (code, told["alive"]) == (0, "modem runs from slot b, a/b/100"), said
    assert modem.files()["state/duty"] == b"as it was"


def test_a_cable_pulled_in_the_middle_is_said_and_mended(
    modem: Bench, flash: Flash, newer: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ByteLine.write
    writes = []

    def pulled(line: ByteLine, data: bytes) -> None:
        writes.append(data)
        if len(writes) == 70:
            modem.close_master()
        real(line, data)

    monkeypatch.setattr(ByteLine, "write", pulled)
    modem.start()
    code, told, said = flash(bundle=newer)
    assert code == 1, said
    assert "went away" in told["error"]
    assert "it still runs slot a, as before; plug it in and run the same command again" in told["error"]
    monkeypatch.setattr(ByteLine, "write", real)
    modem.replug().start()
    assert flash(bundle=newer)[1]["alive"] == "modem runs from slot b, a/b/100"


@pytest.mark.parametrize(
    ("claim", "words"),
    [
        (XIAO, "this unit says that it is 'Seeed XIAO ESP32S3 with ESP32-S3-FN8', and --board pico is a "
               "Raspberry Pi Pico; say --board xiao-s3, or plug in the other one"),
        ({**PICO, "machine": "Raspberry Pi Pico2 with RP2350"}, "and --board pico is a Raspberry Pi Pico; plug in"),
        ({**PICO, "machine": "Raspberry Pi Pico W with RP2040"}, "and --board pico is a Raspberry Pi Pico; plug in"),
        ({**PICO, "version": [1, 24, 1]}, "this unit's MicroPython is 1.24.1; allowed is 1.25.0 or newer"),
        ({**PICO, "mpy": 5}, "reads .mpy version 5, and the bundle is version 6"),
    ],
)  # fmt: skip
def test_a_unit_that_will_not_do_is_refused_before_anything_is_written(
    modem: Bench, flash: Flash, newer: Path, claim: dict[str, Any], words: str
) -> None:
    before = modem.files()
    modem.start(**claim)
    code, told, _ = flash(bundle=newer)
    assert code == 2
    assert words in told["error"]
    assert modem.files() == before


def test_settings_that_the_firmware_refuses_are_said_in_its_words(modem: Bench, flash: Flash, newer: Path) -> None:
    modem.start()
    code, told, _ = flash(settings={**MODEM, "sf": 13}, bundle=newer)
    assert code == 2
    assert "the firmware refuses these settings: sf is 13; allowed is a whole number within 7–12" in told["error"]
    assert "it still runs slot a, as before" in told["error"]
    assert (slots(modem), in_force(modem)) == (SlotState("a", "a", 0), MODEM)


def test_a_unit_that_lives_becomes_no_other_by_mistake(modem: Bench, flash: Flash) -> None:
    modem.start()
    trap = {"role": "supervisor", "trap": 7, "plan": "cn470", "link_key": KEY}
    code, told, _ = flash(settings=trap)
    assert code == 2
    assert "this unit lives already: it is a modem now; with these settings it would be another unit" in told["error"]
    assert in_force(modem) == MODEM
    code, told, said = flash("--other-unit", "--erase-state", settings=trap)
    assert code == 0, said
    assert told["settings"] == "written"
    assert "it has no frame counter: if this link_key ever was on another board" in said
    assert KEY not in said
    assert in_force(modem) == trap
    assert "state/duty" not in modem.files()


def test_new_settings_of_the_same_unit_are_on_trial(modem: Bench, flash: Flash) -> None:
    modem.start()
    code, told, said = flash(settings={**MODEM, "sf": 10})
    assert code == 0, said
    assert "on trial" in told["settings"]
    assert in_force(modem) == {**MODEM, "sf": 10}
    (modem.flash / "settings" / "mcu.json").write_bytes(b"damaged")
    assert in_force(modem) == MODEM, "the ones before are there"


def test_a_full_flash_is_said_and_nothing_is_lost(modem: Bench, flash: Flash, newer: Path) -> None:
    full = sum(map(len, modem.files().values()))
    modem.start(flash_bytes=full + 20000)
    code, told, _ = flash(bundle=newer)
    assert code == 1
    assert "its flash is full:" in told["error"]
    assert "it still runs slot a, as before" in told["error"]
    assert "--erase-state" in told["error"]
    modem.start(flash_bytes=0)
    assert flash(bundle=newer)[0] == 0


def test_a_board_that_never_answers_is_said(modem: Bench, flash: Flash) -> None:
    code, told, said = flash()  # no power
    assert code == 1
    assert "press the board's RESET button" in said
    assert "no answer; is it a data cable, is MicroPython on the board" in told["error"]


def test_garbage_that_is_no_repl_is_said(modem: Bench, flash: Flash) -> None:
    with modem.babbling(b"\xc0\x22\x00\xc0" * 3):
        code, told, _ = flash()
    assert code == 1
    assert "what answers is no MicroPython at its prompt" in told["error"]


def test_a_live_unit_is_interrupted_and_started_again(modem: Bench, flash: Flash, newer: Path) -> None:
    modem.start()
    line = ByteLine(modem.port)
    assert b"pugmark: modem runs from slot a" in RawRepl(line).listen(lambda heard: b"a/a/0" in heard, 20)
    line.close()
    assert flash(bundle=newer)[1]["alive"] == "modem runs from slot b, a/b/100"


@pytest.mark.parametrize(
    "told", [None, b"", b"ab", encode_slots(SlotState("a", "b", 100)), encode_slots(SlotState("b", "b", 0))]
)
def test_the_formats_are_the_firmwares(tmp_path: Path, told: bytes | None) -> None:
    if told is not None:
        (tmp_path / "slot").write_bytes(told)
    state = decode_slots(told) or SlotState("a", "a", 0)
    since = b"\xff" * 4 if state.on_trial else bytes(4)  # of a slot taken back it tells the firmware that it was
    assert boot.state(str(tmp_path)) == (state.good, state.now, state.left, since)
    boot.put_state(str(tmp_path), "b", "a", 149)
    assert decode_slots((tmp_path / "slot").read_bytes()) == SlotState("b", "a", 149)
    assert (boot.TRIAL, boot.LIST) == (layout.TRIAL, "/" + layout.LIST)


def test_a_slot_of_the_cable_is_tried_by_its_starts_whatever_the_clock_says(tmp_path: Path) -> None:
    (tmp_path / "slot").write_bytes(encode_slots(SlotState("a", "b", layout.TRIAL)))
    assert [boot.choose(str(tmp_path), False) for _ in range(3)] == ["b", "b", "b"]
    tried = Slots(str(tmp_path), "b")
    assert tried.on_trial()
    assert not tried.expired(0)
    assert not tried.expired(2_000_000_000)
    assert boot.choose(str(tmp_path), False) == "a"
    assert Slots(str(tmp_path), "a").reverted(), "the log says so, once"
    assert not Slots(str(tmp_path), "a").reverted()


def test_settings_on_trial_go_back_by_the_firmwares_own_rules(tmp_path: Path) -> None:
    (tmp_path / "mcu-before.json").write_bytes(encode_settings(MODEM, 1))
    (tmp_path / "trial").write_bytes(layout.encode_trial(2))
    (tmp_path / "mcu.json").write_bytes(encode_settings({**MODEM, "sf": 10}, 2))
    spreading = []
    for _ in range(4):
        file = SettingsFile(str(tmp_path), lambda said: complete(said) and said)
        spreading.append(file.load(False, 5000)["sf"])
    assert spreading == [10, 10, 10, 9]
