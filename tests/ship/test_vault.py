"""The operator's secrets at rest."""

import json
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapship import vault as vaults
from trapship.vault import Cost, Vault, read_passphrase

PHRASE = b"five quick words for tests"
CHEAP = Cost(n_log2=4, r=1)


def make(folder: Path, phrase: bytes = PHRASE) -> Vault:
    return Vault(folder, phrase, cost=CHEAP)


def test_a_secret_comes_back_and_is_nowhere_in_clear(tmp_path: Path) -> None:
    make(tmp_path).put("tuf/root-1.key", b"a very secret key")
    make(tmp_path).put("base.key", b"")
    assert make(tmp_path).get("tuf/root-1.key") == b"a very secret key"
    assert make(tmp_path).get("base.key") == b""
    assert make(tmp_path).names() == ["base.key", "tuf/root-1.key"]
    assert b"very secret" not in (tmp_path / "tuf/root-1.key").read_bytes()
    assert (tmp_path / "tuf/root-1.key").stat().st_mode & 0o077 == 0
    assert (tmp_path / "tuf").stat().st_mode & 0o077 == 0


def test_another_passphrase_opens_nothing_and_adds_nothing(tmp_path: Path) -> None:
    make(tmp_path).put("a.key", b"secret")
    other = make(tmp_path, b"not these words")
    with pytest.raises(SetupError, match=r"a\.key: does not open"):
        other.get("a.key")
    with pytest.raises(SetupError, match=r"a\.key: does not open"):
        other.put("b.key", b"would be under a second passphrase")
    assert other.names() == ["a.key"]


def test_a_file_that_was_renamed_or_changed_does_not_open(tmp_path: Path) -> None:
    vault = make(tmp_path)
    vault.put("tuf/snapshot.key", b"snapshot")
    sealed = (tmp_path / "tuf/snapshot.key").read_bytes()
    (tmp_path / "tuf/root-1.key").write_bytes(sealed)
    with pytest.raises(SetupError, match="renamed"):
        make(tmp_path).get("tuf/root-1.key")
    for position in range(0, len(sealed), 3):
        changed = bytearray(sealed)
        changed[position] ^= 1
        (tmp_path / "tuf/snapshot.key").write_bytes(changed)
        with pytest.raises(SetupError, match=r"snapshot\.key"):
            make(tmp_path).get("tuf/snapshot.key")


def test_what_is_there_is_not_overwritten_unsaid(tmp_path: Path) -> None:
    vault = make(tmp_path)
    vault.put("a.key", b"first")
    with pytest.raises(SetupError, match="is there already"):
        vault.put("a.key", b"second")
    assert vault.get("a.key") == b"first"
    vault.put("a.key", b"second", replace=True)
    assert make(tmp_path).get("a.key") == b"second"
    vault.remove("a.key")
    assert vault.names() == []
    with pytest.raises(SetupError, match="no such secret"):
        vault.remove("a.key")


def test_scrypt_is_asked_once_for_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    real = vaults.Scrypt

    def counted(**arguments: object) -> object:
        asked.append(1)
        return real(**arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(vaults, "Scrypt", counted)
    vault = make(tmp_path)
    for number in range(5):
        vault.put(f"link/{number}.key", b"x")
    again = make(tmp_path)
    assert [again.get(name) for name in again.names()] == [b"x"] * 5
    assert len(asked) == 2


@pytest.mark.parametrize("name", ["", "../a", "/a", "a/../b", "A.key", "a//b", "a/b/c/d/e", ".hidden", "a" * 65])
def test_a_name_stays_within_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(SetupError, match="no secret's name"):
        make(tmp_path).put(name, b"x")
    with pytest.raises(SetupError, match="no secret's name"):
        make(tmp_path).get(name)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"no json",
        b'{"pugmark-vault": 2}',
        b'{"pugmark-vault": 1}',
        b"[]",
        json.dumps({"pugmark-vault": 1, "n_log2": 22, "r": 8, "p": 1, "salt": "00" * 16, "nonce": "00" * 12}).encode(),
        json.dumps({"pugmark-vault": 1, "n_log2": 4.5, "r": 8, "p": 1, "salt": "00" * 16, "nonce": "00" * 12}).encode(),
        json.dumps({"pugmark-vault": 1, "n_log2": 4, "r": 8, "p": 1, "salt": "00", "nonce": "00" * 12}).encode(),
        b'{"pugmark-vault": 1' + b" " * 600,
    ],
)
def test_a_stranger_s_file_is_named_and_takes_no_memory(tmp_path: Path, head: bytes) -> None:
    (tmp_path / "a.key").write_bytes(head + b"\n" + bytes(40))
    with pytest.raises(SetupError, match=r"a\.key"):
        make(tmp_path).get("a.key")


def test_what_is_too_long_is_no_secret(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="allowed are 65536"):
        make(tmp_path).put("a.key", bytes(65537))


def test_the_default_cost_is_what_the_page_says() -> None:
    assert Cost() == Cost(n_log2=17, r=8, p=1)


def test_a_passphrase_comes_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "phrase"
    file.write_bytes(b"five words are enough here\r\nsecond line\n")
    assert read_passphrase(file, new=True) == b"five words are enough here"
    file.write_bytes(b"short\n")
    assert read_passphrase(file) == b"short"
    with pytest.raises(SetupError, match="a new one needs 12"):
        read_passphrase(file, new=True)
    file.write_bytes(b"\n")
    with pytest.raises(SetupError, match="has 0 bytes"):
        read_passphrase(file)
    with pytest.raises(SetupError, match="cannot be read"):
        read_passphrase(tmp_path / "none")


def test_without_a_terminal_a_file_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(SetupError, match="--passphrase-file"):
        read_passphrase(None)
