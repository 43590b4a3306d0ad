"""Files against what the rows say of them, and files that no row knows."""

import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from trapbase.media import body_of, path_in
from trapbase.partials import FOLDER as PIECES
from trapbase.partials import NAME as PIECE_NAME
from trapbase.reader import Reader

Row = dict[str, Any]
OLD_S = 86_400  # younger ones may be on their way into a record
MAX_NAMED = 100  # of one folder
NEEDED = "its trap may still have it: collect there, or bring the base back: trapbase restore"
SIGNED = "the back end has signed for it, so nothing is lost: trapbase restore has it if a backup does"


def check_body(row: Row, media: Path) -> str:
    """What is wrong with the bytes of an object, or nothing."""
    advice = SIGNED if row["state"] == "receipted" else NEEDED
    if row["gone_ms"] is not None:
        return "" if row["body"] is None else f"its bytes were given up for room, and are here: {advice}"
    body = body_of(media, row["sha256"], row["body"])
    if body is None and row["body"] is not None:
        return f"its bytes do not match its digest: {advice}"
    if body is None:
        there = path_in(media, row["sha256"]).exists()
        return f"its file is {'damaged' if there else 'missing'}: {advice}"
    where = "its file" if row["body"] is None else "it"
    return "" if len(body) == row["size"] else f"{where} has {len(body)} bytes, {row['size']} are recorded: {advice}"


def zip_problem(path: Path, size: int) -> str:
    """What is wrong with the file of a batch that is still to go."""
    advice = "it is made again when the base starts"
    if not path.is_file() or path.stat().st_size != size:
        return f"its file is missing or of another size: {advice}"
    try:
        with zipfile.ZipFile(path) as archive:
            torn = archive.testzip()
    except (OSError, zipfile.BadZipFile) as error:
        return f"its file cannot be read ({error}): take it away, {advice}"
    return f"its file is damaged at {torn}: take it away, {advice}" if torn else ""


def leftovers(reader: Reader, folder: Path, now_s: float, old_s: int) -> Iterator[str]:
    """Files that belong to no record, and are older than `old_s`: what a crash leaves goes by itself much earlier."""
    media = folder / "media"
    for number in range(256):
        shelf = media / f"{number:02x}"
        if not shelf.is_dir():
            continue
        first, last = bytes((number,)), bytes((number + 1,)) if number < 255 else b"\xff" * 33
        needed = {r["sha256"].hex() for r in reader.rows("files_of", first, last)}
        strange = (path for path in shelf.iterdir() if path.name not in needed and _is_old(path, now_s, old_s))
        for path, _ in zip(strange, range(MAX_NAMED), strict=False):
            yield f"media/{shelf.name}/{path.name}: belongs to no record: it may be deleted"
    needed = {r["batch_id"] for r in reader.rows("open_batch_ids")}
    for place in ("media/incoming", "outbox", PIECES):
        found = sorted((folder / place).iterdir()) if (folder / place).is_dir() else []
        strangers = (
            p
            for p in found
            if not (place == "outbox" and p.suffix == ".zip" and p.stem in needed)
            and not (place == PIECES and PIECE_NAME.fullmatch(p.name))
        )
        for path in [p for p in strangers if _is_old(p, now_s, old_s)][:MAX_NAMED]:
            yield f"{place}/{path.name}: belongs to no record: it may be deleted"


def _is_old(path: Path, now_s: float, old_s: int) -> bool:
    with suppress(OSError):
        return now_s - path.stat().st_mtime > old_s
    return False  # it has gone meanwhile
