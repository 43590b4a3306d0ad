"""The reference back end's side of a stick (BACKEND.md, "By stick"): batches in, signed receipts out."""

import hashlib
import json
import re
from collections import Counter
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import lock_folder, refusal, write_and_read_back
from trapkit.sealing import read_key
from trapsim.backend_error import UploadError
from trapsim.backend_store import MAX_BATCH_BYTES, BackendStore

BATCH_NAME = re.compile(r"([0-9a-f]{64})\.zip")
MAX_DIGEST_BYTES = 200


def take_stick(store: BackendStore, stick: Path) -> dict[str, int]:
    """Take every batch of a stick that is whole, and write its receipts there: how many were `taken`, `signed` for, and
    were `damaged` or refused. Those that are here already are only signed for again.  Raises: OSError."""
    counts: Counter[str] = Counter()
    batches, receipts = stick / "batches", stick / "receipts"
    for path in sorted(batches.iterdir()) if batches.is_dir() else []:
        match = BATCH_NAME.fullmatch(path.name)
        if match is None or path.is_symlink() or not path.is_file():
            continue
        if store.receipts(match[1]) is None and not _take(store, match[1], path):
            counts["damaged"] += 1
            continue
        counts["taken"] += 1
        receipts.mkdir(exist_ok=True)
        answer = json.dumps(store.receipts(match[1])).encode()
        write_and_read_back(receipts / f"{match[1]}.json", answer)
        counts["signed"] += 1
    return {name: counts[name] for name in ("taken", "signed", "damaged")}


def run_stick(folder: Path, stick: Path, key_path: Path) -> int:
    """`trapsim backend --stick`: what was taken, as JSON; exit code 1 when some was damaged.  Raises: SetupError."""
    key = read_key(key_path, "signing key")
    if not stick.is_dir():
        raise SetupError(f"--stick {stick}: there is no such folder; plug the stick in")
    with lock_folder(folder, "trapsim backend"):
        store = BackendStore(folder, key)
        try:
            counts = take_stick(store, stick)
        except OSError as error:
            raise OSError(f"--stick {refusal(stick, error)}") from error
        finally:
            store.close()
    print(json.dumps(counts))
    return 1 if counts["damaged"] else 0


def _take(store: BackendStore, batch_id: str, path: Path) -> bool:
    """Whether a batch is whole by its digest file, and became one by the same checks as an upload."""
    if path.stat().st_size > MAX_BATCH_BYTES:
        return False
    data = path.read_bytes()
    digest = path.with_name(f"{path.name}.sha256")
    if not digest.is_file() or digest.stat().st_size > MAX_DIGEST_BYTES:
        return False
    if digest.read_text(errors="replace").split()[:1] != [hashlib.sha256(data).hexdigest()]:
        return False
    try:
        store.append(store.create(batch_id, len(data)), 0, data)
    except UploadError:
        return False
    return True
