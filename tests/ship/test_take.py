"""The unit's side of a release: dead clocks, broken copies, full cards, garbage, a base's mirror."""

import json
import resource
import shutil
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ship.release_bench import Altered, Bench, Trap, pack

from trapkit.update import fetching
from trapkit.update.client import take_first
from trapkit.update.compat import Declared, misfit, own_declarations, read_declared
from trapkit.update.mirror import mirror
from trapkit.update.offer import Refused
from trapkit.update.reasons import MAX_CODE, TAKING, words
from trapkit.update.released import read_current, read_release
from trapkit.update.sources import FolderSource
from trapkit.update.timefloor import BUILT_MS, MOST_AHEAD_MS, Moment, TimeFloor
from trapkit.update.trouble import WAITING, Waits, trouble

DAY_MS = 86_400_000


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench.first(tmp_path)


def code(trap: Trap, source: object = None) -> str:
    """The code that asking ends with."""
    with pytest.raises(Refused) as raised:
        trap.take(source)  # type: ignore[arg-type]
    assert isinstance(raised.value, Waits) == (raised.value.code in WAITING)
    return raised.value.code


# --- dead clocks -----------------------------------------------------------------------------------------------------


def test_without_a_proved_time_updates_wait_and_nothing_else_happens(bench: Bench) -> None:
    trap = bench.unit()
    trap.authenticated = False
    source = Altered(bench.source, {})
    assert code(trap, source) == "time-unknown"
    assert source.asked == []
    trap.authenticated = True
    assert trap.update() == "2026.12.1"


def test_a_unit_that_woke_in_1970_neither_bricks_nor_takes_what_is_over(bench: Bench) -> None:
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    old = bench.copy("old")
    bench.later(days=100)
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"
    trap.own_ms = 0
    for authenticated in (False, True):  # the second: even if somebody says and proves that it is 1970
        trap.authenticated = authenticated
        assert trap.running == "2026.12.2"
        assert code(trap, old.folder) == ("time-unknown" if not authenticated else "rollback")
    trap.own_ms = None
    bench.release("2026.12.3")
    assert trap.update() == "2026.12.3"


def test_the_floor_is_the_latest_of_build_kept_and_heard(tmp_path: Path) -> None:
    floor = TimeFloor(tmp_path / "floor")
    assert floor.ms() == BUILT_MS
    assert TimeFloor(tmp_path / "floor", BUILT_MS + 5).ms() == BUILT_MS + 5
    floor.heard(BUILT_MS + 10 * DAY_MS)
    floor.heard(BUILT_MS + 9 * DAY_MS)
    assert floor.ms() == TimeFloor(tmp_path / "floor").ms() == BUILT_MS + 10 * DAY_MS
    assert floor.now_ms(Moment(0, True)) == BUILT_MS + 10 * DAY_MS
    assert floor.now_ms(Moment(0, False)) is None
    assert floor.now_ms(Moment(BUILT_MS + 11 * DAY_MS, True)) == BUILT_MS + 11 * DAY_MS


def test_the_floor_is_not_written_every_minute(tmp_path: Path) -> None:
    floor = TimeFloor(tmp_path / "floor")
    floor.heard(BUILT_MS + DAY_MS)
    before = (tmp_path / "floor").read_bytes()
    floor.heard(BUILT_MS + DAY_MS + 60_000)
    assert (tmp_path / "floor").read_bytes() == before
    assert floor.ms() == BUILT_MS + DAY_MS + 60_000


@pytest.mark.parametrize("text", [b"", b"x", b"-5", b"9" * 19, b"9" * 500, b"\xff", b"1e9"])
def test_a_damaged_floor_is_none(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "floor").write_bytes(text)
    assert TimeFloor(tmp_path / "floor").ms() == BUILT_MS


def test_a_word_from_the_far_future_is_not_believed(bench: Bench) -> None:
    """Else one wrong base would end every release's time for ever."""
    trap = bench.unit()
    trap.own_ms = BUILT_MS + MOST_AHEAD_MS + 1
    assert code(trap) == "time-unknown"
    trap.own_ms = None
    assert trap.update() == "2026.12.1"


def test_a_base_that_says_next_year_delays_updates_only_for_as_long_as_it_says_so(bench: Bench) -> None:
    """The operator's dates are the second word that moves the floor: what would be over by then moves nothing."""
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    kept = (trap.state / "floor").read_text()
    for days in (91, 365, 20 * 365):
        trap.own_ms = _ms(bench, days)
        assert code(trap) == "expired", "a date is judged by what is said now"
        assert (trap.state / "floor").read_text() == kept
    trap.own_ms = None
    assert trap.update() == "2026.12.1"
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"


def test_a_wrong_word_within_the_dates_ends_with_the_next_publication_at_the_latest(bench: Bench) -> None:
    trap = bench.unit()
    trap.own_ms = _ms(bench, 89)
    assert trap.update() == "2026.12.1"
    assert (trap.state / "floor").read_text() == f"{trap.own_ms}\n"
    trap.own_ms = None
    assert trap.update() == "2026.12.1", "it still stands at the floor"
    for _ in range(3):
        bench.later(days=1)
        bench.publish()
        trap.take()
    bench.release("2026.12.2")
    assert trap.update() == "2026.12.2"


def _ms(bench: Bench, days: int) -> int:
    return int((bench.now + timedelta(days=days)).timestamp() * 1000)


# --- copies that break off -------------------------------------------------------------------------------------------


class Broken(Altered):
    """Breaks off a file that is named after so many bytes, the first time."""

    def __init__(self, bench: Bench, name: str, after: int, error: OSError | None) -> None:
        super().__init__(bench.source, {})
        self._name, self._after, self._error = name, after, error
        self.given = 0

    def fetch(self, name: str, max_bytes: int, start: int = 0) -> Iterator[bytes]:
        left = self._after if self._name in name else 1 << 40
        for chunk in super().fetch(name, max_bytes, start):
            part = chunk[:left]
            left -= len(part)
            if self._name in name:
                self.given += len(part)
            yield part
            if not left:
                self._after = 1 << 40
                if self._error:
                    raise self._error
                return


@pytest.mark.parametrize("error", [None, OSError(5, "Input/output error"), TimeoutError("phone went away")])
def test_an_interrupted_copy_goes_on_where_it_ended(bench: Bench, error: OSError | None) -> None:
    bench.release("2026.12.2", Random(2).randbytes(300_000).hex())
    trap = bench.unit()
    source = Broken(bench, ".whl", 200_000, error)
    assert code(trap, source) == "incomplete"
    assert trap.update(source) == "2026.12.2"
    length = max(p.stat().st_size for p in bench.repository.targets.rglob("*.whl"))
    assert source.given == length, "no byte came twice"
    assert [start for name, start in source.asked if ".whl" in name] == [0, 200_000]


@pytest.mark.parametrize(
    "name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "current.json", "2026.12.1.json"]
)
def test_a_list_that_breaks_off_waits(bench: Bench, name: str) -> None:
    trap = bench.unit()
    assert code(trap, Broken(bench, name, 40, OSError(5, "gone"))) in ("no-source", "incomplete")
    assert trap.update() == "2026.12.1"


def test_what_a_bad_source_began_a_good_one_ends(bench: Bench) -> None:
    length = next(bench.repository.targets.rglob("*.whl")).stat().st_size
    trap = bench.unit()
    assert code(trap, Altered(bench.source, {".whl": bytes(length // 2)})) == "incomplete"
    assert trap.update() == "2026.12.1", "the half was wrong: it is fetched from its beginning"


def test_a_stick_that_was_pulled_out_half_way_is_copied_again_and_goes_on(bench: Bench, tmp_path: Path) -> None:
    """`cp -r` in the order that it likes: whatever is missing, the unit waits, and takes it when it is there."""
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    stick, trap = tmp_path / "stick", bench.unit()
    files = sorted(p for p in bench.repository.folder.rglob("*") if p.is_file() and "staged" not in p.parts)
    Random(4).shuffle(files)
    for path in files:
        place = stick / path.relative_to(bench.repository.folder)
        place.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        place.write_bytes(data[: len(data) // 2])
        if trap.running != "2026.12.2":
            with pytest.raises(Refused):
                trap.update(stick)
        place.write_bytes(data)
    assert trap.update(stick) == "2026.12.2"


def test_what_ends_a_try_ends_no_other(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    bench.release("2026.12.2")
    for name in ("memory._keep", "client.fetch_file", "memory.Memory.save"):

        def cut(*_: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(f"trapkit.update.{name}", cut)
            with pytest.raises(KeyboardInterrupt):
                trap.take()
    for path in trap.state.glob("metadata-*/*.json"):
        path.write_bytes(b"")  # a card that lost what was not synced
    (trap.state / "memory.json").write_bytes(b"\0" * 50)
    shutil.copytree(bench.repository.metadata, trap.state / "metadata.new")
    assert trap.update() == "2026.12.2"


def test_a_look_that_finds_nothing_new_writes_nothing_to_the_card(bench: Bench) -> None:
    trap = bench.unit()
    offered = trap.take()

    def written() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in trap.state.rglob("*")}

    before = written()
    assert trap.take() == offered, "not installed yet: it waits for its permission, say"
    trap.update()
    assert trap.take() is None
    assert written() == before


def test_a_whole_file_that_the_card_gives_back_wrongly_is_fetched_again(bench: Bench) -> None:
    trap = bench.unit()
    assert trap.take()
    for path in (trap.state / "parts").iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    offered = trap.take()
    assert offered
    assert offered.files["application"].read_bytes() == next(bench.repository.targets.rglob("*.whl")).read_bytes()


# --- full cards ------------------------------------------------------------------------------------------------------


def test_a_card_without_room_is_asked_before_anything_is_fetched(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = bench.unit()
    monkeypatch.setattr(fetching, "ROOM_BYTES", 1 << 60)
    source = Altered(bench.source, {})
    assert code(trap, source) == "no-room"
    assert not any(".whl" in name for name, _ in source.asked)
    monkeypatch.undo()
    assert trap.update() == "2026.12.1"


def test_a_card_that_fills_up_on_the_way_waits_and_goes_on(bench: Bench) -> None:
    """The kernel's own refusal, by a limit on this process's files."""
    bench.release("2026.12.2", Random(3).randbytes(400_000).hex())
    trap = bench.unit()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for most in (0, 100, 3_000, 100_000):
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
            assert code(trap) == "no-room", most
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert trap.update() == "2026.12.2"


# --- garbage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data", [b"", b"null", b"[]", b"{}", b"[" * 10_000, b"\xff\xfe", b'{"signed": {}, "signatures": 1}']
)
@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json", "2.root.json"])
def test_garbage_metadata_is_garbage(bench: Bench, name: str, data: bytes) -> None:
    trap = bench.unit()
    assert code(trap, Altered(bench.source, {name: data})) in ("garbage", "mixed", "too-large")
    assert trap.update() == "2026.12.1"


@given(
    data=st.binary(max_size=400),
    name=st.sampled_from(["timestamp", "snapshot", "targets", "current", "2026.12", ".whl"]),
)
@settings(max_examples=12, deadline=None)
def test_nothing_that_comes_ends_a_unit_s_program(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str
) -> None:
    folder = tmp_path_factory.mktemp("unit")
    bench = _shared(tmp_path_factory)
    trap = Trap(bench, folder, "")
    assert code(trap, Altered(bench.source, {name: data}))
    assert trap.update() == "2026.12.1"


SHARED: dict[str, Bench] = {}


def _shared(factory: pytest.TempPathFactory) -> Bench:
    if "bench" not in SHARED:
        SHARED["bench"] = Bench.first(factory.mktemp("shared"))
    return SHARED["bench"]


NAMES = ["release", "serial", "parts", "needs", "built_utc", "application", "target", "version", "gives"]
TOLD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=8,
)


@given(st.binary(max_size=200) | TOLD.map(lambda told: json.dumps(told).encode()))
@settings(max_examples=60, deadline=None)
def test_a_list_is_read_or_refused_in_words(data: bytes) -> None:
    for reads in (read_current, read_release):
        with pytest.raises(ValueError, match=r"^.{5,400}$"):  # none of these is whole
            reads(data)


def test_a_source_that_is_none_is_said(tmp_path: Path, bench: Bench) -> None:
    trap = bench.unit()
    assert code(trap, tmp_path / "nothing") == "no-source"
    with pytest.raises(Waits, match="none is named"):
        take_first({}, trap.state, trap, unit=trap.unit)


@pytest.mark.parametrize("name", ["../repo/metadata/timestamp.json", "/etc/hostname", "", "metadata"])
def test_a_folder_gives_nothing_from_outside_and_no_folders(bench: Bench, name: str) -> None:
    with pytest.raises(FileNotFoundError):
        list(bench.source.fetch(name, 100))


# --- whether it fits -------------------------------------------------------------------------------------------------


def test_a_need_is_met_by_another_part_only() -> None:
    app = Declared(version="1", gives={"line": (1, 2)}, needs={"line": (2, 3)})
    assert misfit({"application": app}) == "application 1 needs line 2 or 3; no other part gives it"
    assert misfit({"application": app, "supervisor": Declared(version="2", gives={"line": (3,)})}) == ""
    said = misfit({"application": app, "supervisor": Declared(version="2", gives={"line": (1,)})})
    assert said == "application 1 needs line 2 or 3; the others give 1"
    assert misfit(own_declarations()) == ""


def test_a_model_for_a_newer_application_waits_for_it(bench: Bench, tmp_path: Path) -> None:
    """What stays on the unit is judged with what comes: by what the release in force declared."""
    trap = bench.unit()
    assert trap.update() == "2026.12.1"
    with pytest.raises(ValueError, match=r"gives\.x: allowed is a list"):
        read_declared({"version": "1", "gives": {"x": 1}})
    memory = json.loads((trap.state / "memory.json").read_text())
    memory["known"]["2026.12.1"]["parts"]["application"]["gives"]["pack"] = [7]
    (trap.state / "memory.json").write_text(json.dumps(memory))
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    assert trap.update() == "2026.12.2", "the release's own application reads it"


# --- the base's mirror -----------------------------------------------------------------------------------------------


def test_a_mirror_serves_units_as_the_repository_does(bench: Bench, tmp_path: Path) -> None:
    base = bench.unit("base")
    place = tmp_path / "mirror"
    mirrored = mirror(bench.source, place, base.state, base, root=bench.root)
    assert mirrored.current.release == "2026.12.1"
    assert bench.unit("first").update(place) == "2026.12.1"
    bench.later(days=1)
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    trap = bench.unit("second")
    assert trap.update(place) == "2026.12.1"
    source = Altered(bench.source, {})
    mirrored = mirror(source, place, base.state, base, root=bench.root)
    assert not any(".whl" in name for name, _ in source.asked), "what is there is not fetched again"
    assert trap.update(place) == "2026.12.2"
    assert {path.name for path in (place / "metadata").iterdir()} == {
        "1.root.json", "1.snapshot.json", "1.targets.json", "2.snapshot.json", "2.targets.json", "timestamp.json",
    }  # fmt: skip
    files = {path.relative_to(place).as_posix() for path in (place / "targets").rglob("*") if path.is_file()}
    assert files == {each.path for each in mirrored.files}


def test_a_mirror_that_is_cut_short_keeps_serving_what_it_had(bench: Bench, tmp_path: Path) -> None:
    base, place = bench.unit("base"), tmp_path / "mirror"
    mirror(bench.source, place, base.state, base, root=bench.root)
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    with pytest.raises(Waits, match="incomplete"):
        mirror(Altered(bench.source, {"pack.toml": None}), place, base.state, base, root=bench.root)
    assert bench.unit("a").update(place) == "2026.12.1"
    assert code(bench.unit("liar"), Altered(FolderSource(place), {".whl": None})) == "incomplete"
    mirror(bench.source, place, base.state, base, root=bench.root)
    assert bench.unit("b").update(place) == "2026.12.2"


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_code_travels_and_has_words() -> None:
    for each in TAKING:
        assert len(each) <= MAX_CODE
        assert words(each) in trouble(each, "about").words
        assert isinstance(trouble(each), Waits) == (each in WAITING)
