"""The link keys in their folder: read, replaced, taken away, and what was heard under them remembered."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from tests.wire.keys import trap_key
from trapbase.keyring import LOOK_EVERY_MS, REMEMBER_EVERY_MS, Keyring, read_link_keys
from trapbase.parts import _refused
from trapbase.radio_counter import counter_by_clock
from trapkit.errors import SetupError
from trapship.linkkeys import make_link_keys, remove_link_keys
from trapwire.baselink import BaseLink
from trapwire.errors import CAUSES, DAMAGED, STRANGER
from trapwire.frame import HEARTBEAT, Counter
from trapwire.linkkeys import NEVER, LinkKey, key_name
from trapwire.payloads import Heartbeat

BEAT = Heartbeat({}).encode()


class Base:
    """A keyring and a link over a folder of keys; `restart` is a new process on the same files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0
        make_link_keys(folder, [1, 2], [])
        self.restart()

    def restart(self) -> None:
        self.ring = Keyring(self.folder / "link", self.folder / "radio-heard", [1, 2, 3])
        self.link = BaseLink(self.ring.keys, 197, Counter(0, lambda end: None))

    def wait(self, ms: int = LOOK_EVERY_MS) -> None:
        self.now += ms
        self.ring.step(self.now)

    def key(self, name: str) -> bytes:
        return bytes.fromhex((self.folder / "link" / name).read_text())

    def hears(self, key: bytes, counter: int, trap: int = 1) -> bool:
        frame = trap_key(trap, key).seal(HEARTBEAT, False, counter, BEAT)
        return [e[0] for e in self.link.on_frame(frame, -90, 20, self.now)] == ["heartbeat"]


@pytest.fixture
def base(tmp_path: Path) -> Base:
    return Base(tmp_path)


def heard(base: Base) -> list[list[int]]:
    return [[key.heard for key in keys] for keys in base.ring.keys.values()]


def test_each_trap_has_its_key_and_one_without_is_refused(base: Base) -> None:
    assert [len(keys) for keys in base.ring.keys.values()] == [1, 1, 0]
    assert base.hears(base.key("1.key"), 0)
    assert not base.hears(base.key("1.key"), 0, trap=2)
    assert not base.hears(base.key("1.key"), 0, trap=3)
    assert base.ring.trouble == ""


def test_a_key_that_is_taken_away_shuts_its_trap_out_without_a_restart(base: Base) -> None:
    key = base.key("1.key")
    assert base.hears(key, 0)
    assert remove_link_keys(base.folder, "1") == [str(base.folder / "link" / "1.key")]
    base.wait()
    assert not base.hears(key, 1)
    assert base.hears(base.key("2.key"), 1, trap=2)


def test_a_trap_that_comes_later_needs_no_restart(base: Base) -> None:
    make_link_keys(base.folder, [3], [])
    base.wait()
    assert base.hears(base.key("3.key"), 0, trap=3)


def test_a_next_key_takes_over_when_it_is_first_heard(base: Base) -> None:
    old = base.key("1.key")
    assert base.hears(old, 5)
    make_link_keys(base.folder, [], [1])
    base.wait()
    new = base.key("1.next")
    assert base.hears(old, 6), "it is not on the trap yet"
    base.wait()
    base.restart()
    assert base.hears(new, 0)
    assert not base.hears(old, 7)
    base.wait()
    assert base.key("1.key") == new
    assert not (base.folder / "link" / "1.next").exists()
    base.restart()
    assert not base.hears(old, 8)
    assert not base.hears(new, 0), "played again"
    assert base.hears(new, 1)


def test_a_next_key_that_was_heard_before_a_power_cut_is_still_the_one(base: Base) -> None:
    """Cut between remembering and renaming: what was heard decides."""
    old = base.key("1.key")
    make_link_keys(base.folder, [], [1])
    base.wait()
    assert base.hears(base.key("1.next"), 0)
    base.ring.remember()
    base.restart()
    assert not base.hears(old, 100)
    base.wait()
    assert [path.name for path in sorted((base.folder / "link").iterdir())] == ["1.key", "2.key"]


def test_a_folder_that_cannot_be_written_is_said_and_the_old_key_is_gone_all_the_same(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = base.key("1.key")
    make_link_keys(base.folder, [], [1])
    base.wait()
    assert base.hears(base.key("1.next"), 0)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.EROFS, "Read-only file system", str(base.folder / "link" / "1.next"))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        base.wait()
    assert base.ring.trouble.endswith("1.next: Read-only file system: mount it writable again, or replace the card")
    assert not base.hears(old, 100)
    base.wait()
    assert (base.ring.trouble, (base.folder / "link" / "1.next").exists()) == ("", False)


def test_what_was_heard_is_remembered_once_a_minute_and_at_the_end(base: Base) -> None:
    key = base.key("1.key")
    base.wait()
    path = base.folder / "radio-heard"
    assert base.hears(key, 40)
    base.wait()
    assert not path.exists(), "a write for each frame would wear the card out"
    base.wait(REMEMBER_EVERY_MS)
    assert path.read_text() == f"1 {key_name(key)} 40\n"
    written = path.stat().st_mtime_ns
    base.wait(2 * REMEMBER_EVERY_MS)
    assert path.stat().st_mtime_ns == written, "nothing new"
    assert base.hears(key, 41)
    base.ring.close()
    base.restart()
    assert heard(base) == [[41], [NEVER], []]
    assert not base.hears(key, 41)


def test_a_full_disk_costs_memory_and_nothing_else(base: Base, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    key = base.key("1.key")
    assert base.hears(key, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        base.wait()
        assert base.ring.trouble == (
            f"link keys: {base.folder}/radio-heard: No space left on device: make room there; it goes on by itself"
        )
        assert base.hears(key, 2)
        base.ring.close()
    base.wait(REMEMBER_EVERY_MS)
    assert base.ring.trouble == ""
    assert (base.folder / "radio-heard").read_text().endswith(" 2\n")


@pytest.mark.parametrize("text", ["", "1 2\n", "x y z\n1 aa -5\n", "\x00\xff" * 9])
def test_a_damaged_memory_is_none(base: Base, text: str) -> None:
    (base.folder / "radio-heard").write_bytes(text.encode("latin-1"))
    base.restart()
    assert base.hears(base.key("1.key"), 0)


def test_a_key_that_is_none_is_named_with_its_file_and_never_shown(base: Base) -> None:
    path = base.folder / "link" / "1.key"
    good = path.read_text()
    for text in ("deadbeef", "g" * 32, ""):
        path.write_text(text)
        with pytest.raises(SetupError, match="allowed are 32 hexadecimal digits") as refused:
            base.restart()
        assert str(path) in str(refused.value)
        assert not text or text not in str(refused.value)
    path.write_bytes(b"\xff" * 32)
    with pytest.raises(SetupError, match="is no text"):
        read_link_keys(path.parent, 1)
    path.write_text(good)
    base.restart()
    path.write_text("half a ke")
    base.wait()
    assert "the link key has 9 characters" in base.ring.trouble
    assert base.hears(bytes.fromhex(good), 0), "what was read stays in force"
    path.write_text(good)
    base.wait()
    assert base.ring.trouble == ""


def test_a_copy_in_both_places_is_one_key(base: Base) -> None:
    link = base.folder / "link"
    (link / "1.next").write_bytes((link / "1.key").read_bytes())
    base.wait()
    assert [len(keys) for keys in base.ring.keys.values()] == [1, 1, 0]
    base.wait()
    assert not (link / "1.next").exists()


def test_without_a_folder_every_trap_is_refused(tmp_path: Path) -> None:
    ring = Keyring(tmp_path / "nowhere", tmp_path / "radio-heard", [1])
    ring.step(0)
    assert (ring.keys, ring.trouble) == ({1: []}, "")


def test_the_counter_by_the_clock_is_above_every_one_used_and_never_a_guess() -> None:
    in_2026 = counter_by_clock(1_795_000_000)
    assert in_2026 == 1_795_000_000 - 1_577_836_800
    assert counter_by_clock(1_795_000_000 + 86_400) - in_2026 == 86_400
    for unset in (0, 946_684_800, 1_700_000_000, 1 << 40):
        assert counter_by_clock(unset) == 0


def test_every_refusal_of_a_trap_of_ours_has_its_words() -> None:
    said = {cause: _refused(7, cause, Path("/keys/link")) for cause in CAUSES}
    assert [cause for cause, words in said.items() if not words] == [STRANGER, DAMAGED]
    assert all(words.startswith("trap 7 ") for words in said.values() if words)


def test_the_ring_keeps_what_it_gave_to_the_link(base: Base) -> None:
    """After the folder was read again the link's own keys, with what they heard, are still those in it."""
    before: LinkKey = base.ring.keys[1][0]
    make_link_keys(base.folder, [3], [])
    base.wait()
    assert base.ring.keys[1][0] is before
