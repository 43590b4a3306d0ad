"""Files: the old one or the new one, and one program on one folder."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trapkit.errors import SetupError
from trapkit.files import give_to_owner, lock_folder, write_atomically


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"one", mode=0o600)
    assert path.stat().st_mode & 0o777 == 0o600
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["open", "fsync", "replace"])
def test_a_refusal_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "key"
    write_atomically(path, b"old")

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(OSError, match="No space left"):
            write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


class Died(BaseException):
    """The power went."""


def test_a_crash_at_every_call_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    seen = set()
    for point in range(6):
        write_atomically(path, b"old")
        calls = 0

        def dying(call: Callable[..., Any], at: int = point) -> Callable[..., Any]:
            def one(*args: Any, **kwargs: Any) -> Any:
                nonlocal calls
                if calls == at:
                    raise Died
                calls += 1
                result = call(*args, **kwargs)
                if calls == at:
                    raise Died
                calls += 1
                return result

            return one

        with monkeypatch.context() as patch:
            for name in ("fsync", "replace"):
                patch.setattr(os, name, dying(getattr(os, name)))
            with pytest.raises(Died):
                write_atomically(path, b"new")
        seen.add(path.read_bytes())
        assert path.read_bytes() in (b"old", b"new")
    assert seen == {b"old", b"new"}


def test_one_copy_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with lock_folder(folder, "trapcam"):
        with pytest.raises(SetupError, match=rf"another trapcam \(process {os.getpid()}\) is running on this data"):
            lock_folder(folder, "trapcam")
        lock_folder(folder, "trapbase").close()  # another program has a lock of its own
    lock_folder(folder, "trapcam").close()


def test_the_lock_ends_with_its_process_however_it_ends(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from trapkit.files import lock_folder\n"
        "lock = lock_folder(pathlib.Path(sys.argv[1]), 'trapcam'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(SetupError, match=f"process {holder.pid}"):
            lock_folder(tmp_path, "trapcam")
        holder.kill()
    lock_folder(tmp_path, "trapcam").close()


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    lock_folder(tmp_path / "new", "x").close()
    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700
    (tmp_path / "old").mkdir(mode=0o755)
    before = (tmp_path / "old").stat().st_mode
    lock_folder(tmp_path / "old", "x").close()
    assert (tmp_path / "old").stat().st_mode == before, "one that is there may be shared on purpose"


def test_what_root_writes_is_the_folders_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[tuple[Path, int, int]] = []
    monkeypatch.setattr("os.chown", lambda path, user, group, **more: given.append((path, user, group)))
    owner = tmp_path.stat()
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    give_to_owner(tmp_path / "revoked")
    assert given == [], "who is not root owns what he writes"
    monkeypatch.setattr("os.geteuid", lambda: 0)
    give_to_owner(tmp_path / "revoked")
    assert given == [(tmp_path / "revoked", owner.st_uid, owner.st_gid)]
