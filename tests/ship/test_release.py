"""The operator's side: what is built, signed, published, renewed, taken back; keys replaced; a loss rehearsed."""

import json
import shutil
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.ship.release_bench import CHEAP, PHRASE, START, Bench, current, pack, wheel
from tuf.api.metadata import Metadata, Root

from trapkit.errors import SetupError
from trapkit.update.compat import own_declarations
from trapkit.update.offer import Refused
from trapship.release import keys, parts
from trapship.release.build import build, read_build
from trapship.release.copies import copy_troubles, idle_keys
from trapship.release.publish import publish
from trapship.release.rehearse import rehearse
from trapship.release.roles import EXPIRES, ROLES, ROOT, SNAPSHOT, TARGETS, TIMESTAMP
from trapship.release.rotate import countersign, renew_root, rotate
from trapship.release.sign import sign_rollback
from trapship.release.status import lines, status
from trapship.vault import Vault

MODELS = Path(__file__).parents[2] / "models"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_the_first_root_wants_two_of_three_and_stands_five_years(tmp_path: Path) -> None:
    vault = Vault(tmp_path, PHRASE, cost=CHEAP)
    said = keys.make(vault, now=START)
    names = ["root-1", "root-2", "root-3", "snapshot", "targets", "timestamp"]
    assert vault.names() == [f"tuf/{name}.key" for name in names]
    assert len(said) == 7
    root = Metadata.from_bytes((tmp_path / "tuf/root.json").read_bytes()).signed
    assert isinstance(root, Root)
    assert (root.roles[ROOT].threshold, len(root.roles[ROOT].keyids)) == (2, 3)
    assert root.expires - START == timedelta(days=5 * 365)
    assert "kept" in keys.make(vault, now=START)[0]
    (tmp_path / "tuf/root.json").unlink()
    with pytest.raises(SetupError, match=r"root\.json: is missing"):
        keys.make(vault, now=START)


@pytest.mark.parametrize(("threshold", "roots"), [(0, 3), (4, 3), (2, 10), (1, 0)])
def test_a_threshold_is_one_of_the_keys(tmp_path: Path, threshold: int, roots: int) -> None:
    with pytest.raises(SetupError, match="root keys: allowed are"):
        keys.make(Vault(tmp_path, PHRASE, cost=CHEAP), threshold, roots, now=START)


def test_what_is_signed_stands_as_long_as_was_decided(bench: Bench) -> None:
    bench.release("2026.12.1")
    until = bench.repository.read().expires()
    days = {role: round((until[role] - bench.now) / timedelta(days=1)) for role in ROLES}
    assert days == {TIMESTAMP: 90, SNAPSHOT: 180, TARGETS: 365, ROOT: 5 * 365}


def test_the_same_input_is_the_same_build(tmp_path: Path) -> None:
    for name in ("one", "two"):
        source = wheel(tmp_path / name / "in", "x")
        build(tmp_path / name / "out", "2026.12.1", {"application": [source], "model": [MODELS / "feline.toml"]}, START)
    files = [sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n / "out").rglob("*")) for n in ("one", "two")]
    assert files[0] == files[1]
    for path in files[0]:
        if (tmp_path / "one" / path).is_file():
            assert (tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_the_real_model_is_a_part_that_the_real_application_reads(tmp_path: Path) -> None:
    made = parts.make_part("model", [MODELS / "feline.toml"])
    assert made.declared.needs["decoding"][0] in own_declarations()["application"].gives["decoding"]
    (tmp_path / "model.zip").write_bytes(made.data)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        assert archive.namelist() == ["feline.tflite", "feline.toml"]


def test_what_the_parts_declare_is_what_the_code_speaks() -> None:
    from trapcam.description import DECODINGS
    from trapwire.frame import KEYED_VERSIONS, VERSION

    own = own_declarations()
    assert own["application"].gives["protocol"] == KEYED_VERSIONS
    assert own["supervisor"].gives["protocol"] == (VERSION,)
    assert own["application"].gives["decoding"] == tuple(DECODINGS)


@pytest.mark.parametrize(
    ("part", "name", "text", "words"),
    [
        ("application", "other-1.whl", "", "allowed is one pugmark-"),
        ("application", "pugmark-1.whl", "no zip", "is no wheel of pugmark"),
        ("model", "feline.toml", "file = 1", "is no model's description"),
        ("model", "feline.toml", "name =", "is no TOML"),
        ("settings", "pack.toml", "[camera]\n", "is no settings pack"),
        ("region", "region.toml", "name = 1\n", "its first line has to begin with 'pugmark-region 1'"),
    ],
)
def test_what_is_no_part_is_named(tmp_path: Path, part: str, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SetupError, match=words):
        parts.make_part(part, [tmp_path / name])


def test_wheels_that_travel_together_are_one_file(tmp_path: Path) -> None:
    other = tmp_path / "in/msgspec-1-cp311-cp311-linux_aarch64.whl"
    own = wheel(tmp_path / "in", "x")
    other.write_bytes(b"x")
    made = parts.make_part("application", [own, other])
    (tmp_path / "a.zip").write_bytes(made.data)
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.namelist() == [other.name, own.name]


def test_a_build_that_was_changed_is_not_signed(bench: Bench, tmp_path: Path) -> None:
    build(tmp_path / "out", "2026.12.1", {"settings": [pack(tmp_path / "in", "x")]}, START)
    (tmp_path / "out/settings/pack.toml").write_text("changed")
    with pytest.raises(SetupError, match=r"pack\.toml: is not the file that release\.json names"):
        read_build(tmp_path / "out")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"release": 1}', '{"release": "x", "parts": {}, "built_utc": "2026-12-01T00:00:00Z"}']
)
def test_what_is_no_build_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "release.json").write_text(text)
    with pytest.raises(SetupError, match=r"release\.json: is no build's list"):
        read_build(tmp_path)


@pytest.mark.parametrize("version", ["2026.12", "2026.13.1", "1.2.3", "2026.12.01a", "../2026.12.1"])
def test_a_release_has_a_number(tmp_path: Path, version: str) -> None:
    with pytest.raises(SetupError, match=r"allowed is YEAR\.MONTH\.NUMBER"):
        build(tmp_path / "out", version, {"settings": [pack(tmp_path / "in", "x")]}, START)


def test_a_release_is_never_changed_and_numbers_rise(bench: Bench) -> None:
    bench.release("2026.12.2")
    with pytest.raises(SetupError, match="a release is never changed"):
        bench.sign("2026.12.2")
    with pytest.raises(SetupError, match=r"is not after 2026\.12\.2"):
        bench.sign("2026.12.1")
    bench.release("2026.12.10")
    assert current(bench.repository) == {"release": "2026.12.10", "serial": 2, "serial_floor": 2, "back_from": 0}


def test_a_signed_release_that_waits_is_not_lost_unsaid(bench: Bench) -> None:
    bench.release("2026.12.1")
    bench.sign("2026.12.2")
    for again in (lambda: bench.sign("2026.12.3"), lambda: bench.rollback("2026.12.1")):
        with pytest.raises(SetupError, match="a signed release waits: publish it first"):
            again()
    bench.publish()
    assert bench.unit().update() == "2026.12.2"


def test_parts_that_are_not_built_stay_those_of_the_release_before(bench: Bench, tmp_path: Path) -> None:
    bench.release("2026.12.1")
    said = bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    assert said
    offered = bench.unit().take()
    assert offered
    assert sorted(offered.files) == ["application", "settings"], "a unit that missed the first gets both"


def test_parts_that_do_not_fit_are_not_signed(bench: Bench) -> None:
    with pytest.raises(SetupError, match=r"application .* needs serial_line 2; the others give 1; bring both"):
        bench.sign("2026.12.1", line=2)


def test_old_releases_go_and_the_last_ones_stay_to_go_back_to(bench: Bench) -> None:
    for number in range(1, 9):
        bench.release(f"2026.12.{number}")
    told = status(bench.repository, {}, bench.now)
    assert [each["release"] for each in told["releases"]] == [f"2026.12.{n}" for n in range(4, 9)]
    assert len(list(bench.repository.targets.rglob("*.whl"))) == 7, "five releases, and two for who is copying now"
    assert len(list(bench.repository.metadata.glob("*.snapshot.json"))) == 3
    with pytest.raises(SetupError, match=r"is not kept .*; kept are 2026\.12\.4, 2026\.12\.5"):
        sign_rollback(bench.repository, "2026.12.1", bench.signers, bench.now)
    bench.rollback("2026.12.4")
    assert current(bench.repository) == {"release": "2026.12.4", "serial": 4, "serial_floor": 4, "back_from": 8}
    with pytest.raises(SetupError, match="is what shall run already"):
        bench.rollback("2026.12.4")
    assert bench.unit().update() == "2026.12.4"


def test_publishing_again_renews_what_is_past_half_of_its_time(bench: Bench) -> None:
    bench.release("2026.12.1")
    unit = bench.unit()
    assert unit.update() == "2026.12.1"
    seen = []
    for _ in range(9):
        bench.later(days=45)
        bench.publish()
        assert unit.take() is None
        seen.append(tuple(bench.repository.read().versions()[role] for role in (TARGETS, SNAPSHOT, TIMESTAMP)))
    assert seen[0] == (1, 1, 2), "only the timestamp"
    assert seen[-1] == (2, 4, 10)


def test_without_the_targets_key_publishing_goes_on_and_says_until_when(bench: Bench) -> None:
    bench.release("2026.12.1")
    bench.later(days=200)
    bench.vault.remove("tuf/targets.key")
    assert any(line.startswith("targets: until 2027-12-01 alone") for line in bench.publish())
    assert bench.unit().update() == "2026.12.1"


def test_a_clock_that_is_behind_signs_nothing(bench: Bench) -> None:
    bench.release("2026.12.1")
    bench.later(days=-3)
    with pytest.raises(SetupError, match="this machine says 2026-11-28: set its clock"):
        bench.publish()
    with pytest.raises(SetupError, match="clock says 1970-01-01"):
        keys.rounded(datetime(1970, 1, 1, tzinfo=UTC))


def test_a_stranger_s_hand_in_the_folder_signs_nothing(bench: Bench) -> None:
    bench.release("2026.12.1")
    path = bench.repository.metadata / "1.targets.json"
    told = json.loads(path.read_bytes())
    told["signed"]["version"] = 2
    path.write_text(json.dumps(told))
    with pytest.raises(SetupError, match="targets is signed by no key that root ever named"):
        bench.publish()
    (bench.repository.metadata / "1.snapshot.json").unlink()
    with pytest.raises(SetupError, match=r"1\.snapshot\.json: is missing"):
        bench.publish()


def test_keys_that_were_replaced_lay_nothing_into_the_folder(bench: Bench) -> None:
    """A thief of the old keys, who gets at the folder too: what he lays there is not signed again with the new ones."""
    bench.release("2026.12.1")
    old = bench.signers
    for role in (TARGETS, SNAPSHOT, TIMESTAMP):
        rotate(bench.repository, role, [bench.vault], bench.signers, bench.now)
        bench.publish()
    bench.repository.read()
    roots = bench.repository.metadata.glob("[234].root.json")
    kept = {path: path.read_bytes() for path in roots}
    for path in kept:
        path.unlink()  # so that the old keys publish once more
    shutil.rmtree(bench.repository.staged)
    for path in bench.repository.metadata.glob("*t*s*.json"):
        path.unlink()
    bench.sign("2027.1.1", "his")
    publish(bench.repository, old, bench.now)
    for path, data in kept.items():
        path.write_bytes(data)
    with pytest.raises(SetupError, match="targets is signed by a key that root has replaced"):
        bench.publish()
    with pytest.raises(SetupError, match="targets is signed by a key that root has replaced"):
        bench.sign("2027.1.2")


def test_a_key_that_is_not_at_hand_is_said(bench: Bench) -> None:
    bench.vault.remove("tuf/targets.key")
    with pytest.raises(SetupError, match="targets: 0 of its keys are in these folders, 1 needed"):
        bench.sign("2026.12.1")
    with pytest.raises(SetupError, match="nothing is signed yet"):
        bench.publish()


def test_nothing_is_known_before_the_timestamp_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power goes at each write of a publication: units see the release before, or the new one; never half."""
    bench.release("2026.12.1")
    bench.later(hours=1)
    bench.sign("2026.12.2")
    real = type(bench.repository).write
    for cut in range(3):
        left = [cut]

        def write(self: object, role: str, metadata: object, left: list[int] = left) -> Path:
            if not left[0]:
                raise OSError("the power went")
            left[0] -= 1
            return real(self, role, metadata)  # type: ignore[arg-type]

        monkeypatch.setattr(type(bench.repository), "write", write)
        with pytest.raises(OSError, match="power"):
            bench.publish()
        monkeypatch.setattr(type(bench.repository), "write", real)
        assert bench.unit(f"unit-{cut}").update() == "2026.12.1"
    bench.publish()
    assert bench.unit().update() == "2026.12.2"


def test_a_rotation_that_was_cut_in_the_middle_is_published_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the new root and its timestamp a unit refuses, and takes it when it is there."""
    bench.release("2026.12.1")
    rotate(bench.repository, TIMESTAMP, [bench.vault], bench.signers, bench.now)
    real = type(bench.repository).write

    def write(self: object, role: str, metadata: object) -> Path:
        if role == TIMESTAMP:
            raise OSError("the power went")
        return real(self, role, metadata)  # type: ignore[arg-type]

    monkeypatch.setattr(type(bench.repository), "write", write)
    with pytest.raises(OSError, match="power"):
        bench.publish()
    monkeypatch.setattr(type(bench.repository), "write", real)
    unit = bench.unit()
    with pytest.raises(Refused, match="not-signed"):
        unit.take()
    bench.publish()
    assert unit.update() == "2026.12.1"
    assert not list(bench.repository.staged.iterdir())


@pytest.mark.parametrize("role", [TARGETS, SNAPSHOT, TIMESTAMP])
def test_a_role_s_key_is_replaced_and_units_follow(bench: Bench, role: str) -> None:
    bench.release("2026.12.1")
    old, new = bench.unit("old"), bench.unit("new")
    assert old.update() == "2026.12.1"
    bench.vault.remove(f"tuf/{role}.key")
    said = rotate(bench.repository, role, [bench.vault], bench.signers, bench.now)
    assert f"tuf/{role}-2.key: new" in said[0]
    assert "is complete: trapship publish" in said[-1]
    bench.publish()
    assert old.take() is None
    bench.release("2026.12.2")
    assert (old.update(), new.update()) == ("2026.12.2", "2026.12.2")
    rotate(bench.repository, role, [bench.vault], bench.signers, bench.now)
    assert bench.vault.has(f"tuf/{role}-3.key")


def test_root_s_keys_are_replaced_one_after_the_other_and_units_follow(bench: Bench) -> None:
    bench.release("2026.12.1")
    unit = bench.unit()
    for number in (1, 2, 3):
        bench.vault.remove(f"tuf/root-{number}.key")
        rotate(bench.repository, ROOT, [bench.vault], bench.signers, bench.now, replace=f"root-{number}")
        bench.publish()
    assert [name for name in bench.vault.names() if "root" in name] == [f"tuf/root-{n}.key" for n in (4, 5, 6)]
    assert unit.update() == "2026.12.1", "from the first root, by all that came after"
    with pytest.raises(SetupError, match="names no one root key; they are tuf/root-4"):
        rotate(bench.repository, ROOT, [bench.vault], bench.signers, bench.now, replace="root-1")


def test_root_keys_sign_where_they_are(bench: Bench, tmp_path: Path) -> None:
    bench.release("2026.12.1")
    safe = Vault(tmp_path / "safe", b"another passphrase", cost=CHEAP)
    for name in ("tuf/root-2.key", "tuf/root-3.key"):
        safe.put(name, bench.vault.get(name))
        bench.vault.remove(name)
    said = rotate(bench.repository, TIMESTAMP, [bench.vault], bench.signers, bench.now)
    assert "waits for 1 of the keys before and 1 of its own keys: trapship countersign" in said[-1]
    with pytest.raises(SetupError, match="root 2: waits for 1 of the keys before"):
        bench.publish()
    assert bench.unit("before").update() == "2026.12.1", "nothing changes until it is complete"
    with pytest.raises(SetupError, match="a root waits already"):
        rotate(bench.repository, SNAPSHOT, [bench.vault], bench.signers, bench.now)
    with pytest.raises(SetupError, match="have signed already"):
        countersign(bench.repository, bench.signers)
    assert "is complete" in countersign(bench.repository, keys.signers([safe]))[-1]
    assert any(line.startswith("root 2") for line in bench.publish())
    assert bench.unit().update() == "2026.12.1"
    with pytest.raises(SetupError, match="no root waits there"):
        countersign(bench.repository, bench.signers)


def test_root_s_date_is_renewed(bench: Bench) -> None:
    bench.release("2026.12.1")
    unit = bench.unit()
    bench.later(days=5 * 365 - 10)
    assert any(note.startswith("root stands until") for note in status(bench.repository, {}, bench.now)["notes"])
    renew_root(bench.repository, bench.signers, bench.now)
    bench.publish()
    bench.later(days=30)
    bench.publish()
    assert unit.update() == "2026.12.1"
    assert bench.repository.read().expires()[ROOT] > bench.now + EXPIRES[ROOT] - timedelta(days=31)


def test_status_is_one_screen(bench: Bench, tmp_path: Path) -> None:
    bench.release("2026.12.1")
    bench.release("2026.12.2", settings=[pack(tmp_path / "in", "x")])
    said = lines(status(bench.repository, bench.signers, bench.now))
    assert len(said) <= 12
    assert max(map(len, said)) <= 160
    assert said[0].endswith("2026.12.2 shall run")
    assert any("root-1* " in line and "(2 of 3)" in line for line in said)
    bench.sign("2026.12.3")
    told = status(bench.repository, {}, bench.now + timedelta(days=80))
    assert told["roles"]["timestamp"]["days_left"] == 10
    assert any("say `trapship publish`" in note for note in told["notes"])
    assert "signed targets wait for `trapship publish`" in told["notes"]
    assert not told["roles"]["root"]["keys"][0]["at_hand"]
    assert status(bench.repository, {}, bench.now + timedelta(days=91))["expired"] == [TIMESTAMP]


def test_a_repository_is_one_fleet_s(bench: Bench, tmp_path: Path) -> None:
    other = Bench(tmp_path / "other", "theirs")
    with pytest.raises(SetupError, match="is another fleet's"):
        bench.repository.begin(other.root)


def test_the_loss_of_each_kind_of_key_is_rehearsed_and_nothing_of_ours_changes(bench: Bench) -> None:
    bench.release("2026.12.1")
    before = {path: path.read_bytes() for path in bench.folder.rglob("*") if path.is_file()}
    said = list(rehearse(bench.repository, [bench.vault], bench.now))
    assert [each.lost for each in said] == [
        ("tuf/targets.key",), ("tuf/snapshot.key",), ("tuf/timestamp.key",), ("tuf/root-1.key",),
        ("tuf/root-1.key", "tuf/root-2.key"),
    ]  # fmt: skip
    assert [each.is_mended for each in said] == [True, True, True, True, False]
    text = ["\n".join(each.lines()) for each in said]
    assert "does not: signing a release" in text[0]
    assert "works: publishing again" in text[0]
    assert "works: publishing again" in text[1], "the timestamp alone"
    assert "does not: publishing again" in text[2]
    assert all("a unit that knew only the first root.json follows to root 2 and runs 2026.12.1" in t for t in text[:4])
    assert "onto every unit and base" in text[4]
    assert all("works: units run what they run" in t for t in text)
    assert before == {path: path.read_bytes() for path in bench.folder.rglob("*") if path.is_file()}


def test_without_the_snapshot_key_the_timestamp_is_renewed_while_half_of_its_time_is_left(bench: Bench) -> None:
    bench.release("2026.12.1")
    bench.vault.remove("tuf/snapshot.key")
    bench.later(hours=89 * 24)
    assert [line.split(" ")[0] for line in bench.publish()] == ["timestamp", "2026.12.1:"]
    bench.later(hours=2 * 24)
    with pytest.raises(SetupError, match="snapshot: 0 of its keys"):
        bench.publish()


def test_what_a_copy_lacks_and_has_too_many_of_is_said(bench: Bench, tmp_path: Path) -> None:
    bench.release("2026.12.1")
    ours, safe = bench.vault.folder, tmp_path / "safe"
    (ours / "units.json").write_text("{}")
    early = shutil.copytree(ours, tmp_path / "early")
    for number in (2, 3):
        bench.vault.remove(f"tuf/root-{number}.key")
    shutil.copytree(ours, safe)
    assert copy_troubles(bench.repository, bench.vault, safe) == []
    assert idle_keys(bench.repository, [bench.vault]) == []
    (together,) = copy_troubles(bench.repository, bench.vault, early)
    assert together.startswith(f"{early}: has tuf/root-1.key, tuf/root-2.key, tuf/root-3.key: together they replace")
    (ours / "units.json").write_text('{"traps": {}}')
    with_roots = [bench.vault, Vault(early, PHRASE)]
    said = rotate(bench.repository, TARGETS, with_roots, keys.signers(with_roots), bench.now)
    assert f"no copy of {ours} has that key yet: copy the folder again, today" in said
    lacking = copy_troubles(bench.repository, bench.vault, safe)
    assert lacking[0] == f"{safe / 'tuf/targets-2.key'}: is not there, or is an older key; copy {ours} again"
    assert "units.json: is older than this desk's" in lacking[1]
    assert idle_keys(bench.repository, [bench.vault]) == [], "until it is published the one before still signs"
    bench.publish()
    (line,) = idle_keys(bench.repository, [bench.vault])
    assert line == f"{ours / 'tuf/targets.key'}: was replaced and signs nothing any more; it may be destroyed"
    (safe / "tuf/snapshot.key").write_bytes(b"\0" * 50)
    (safe / "units.json").unlink()
    damaged = copy_troubles(bench.repository, bench.vault, safe)
    assert any("tuf/snapshot.key: is not there" in line for line in damaged)
    assert any("units.json: cannot be read" in line for line in damaged)


def test_a_loss_is_not_rehearsed_where_a_key_is_lost_already(bench: Bench) -> None:
    with pytest.raises(SetupError, match="nothing to rehearse on"):
        list(rehearse(bench.repository, [bench.vault], bench.now))
    bench.release("2026.12.1")
    bench.vault.remove("tuf/root-3.key")
    with pytest.raises(SetupError, match=r"not at hand: tuf/root-3\.key"):
        list(rehearse(bench.repository, [bench.vault], bench.now))


def test_a_unit_that_missed_five_years_of_roots_follows(bench: Bench) -> None:
    bench.release("2026.12.1")
    unit = bench.unit()
    for _ in range(3):
        bench.later(days=5 * 365 - 1)
        renew_root(bench.repository, bench.signers, bench.now)
        bench.publish()
    assert unit.update() == "2026.12.1", "roots in between may be over; the last one counts"
    bench.later(days=5 * 365 + 1)
    with pytest.raises(Refused, match="expired"):
        bench.unit("late").take()
