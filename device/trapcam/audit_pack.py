"""What is sealed of an audit sample: a ZIP of its facts and pictures, so that `age -d` and `unzip` open it too (pure).

`facts.json` says what the detector thought; `1.jpg` shows its best frame, `2.jpg` and `3.jpg` the first and the last of
the others: a cat that it overlooked may be in any of them.
"""

import io
import json
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

from trapcam import rungs
from trapcam.audit import Cell
from trapcam.frames import Burst
from trapcam.sighting import Rejected

FACTS = "facts.json"
MAX_PICTURES = 3
PICTURES = tuple(f"{number}.jpg" for number in range(1, MAX_PICTURES + 1))
MAX_FACTS_BYTES = 64 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of a ZIP; the facts say when


def pack(burst: Burst, rejected: Rejected, cell: Cell, facts: dict[str, Any]) -> bytes:
    """The ZIP of one rejected burst; `facts`: what else is to be said of it (values that JSON takes)."""
    chosen = _chosen(len(burst.frames), rejected.frame)
    said = {
        "taken_ms": burst.frames[chosen[0]].taken_ms,
        "frames": len(burst.frames),
        "names": [burst.frames[i].name for i in chosen],
        "reason": rejected.reason,
        "score": rejected.score,
        "bbox": rejected.bbox,
        "stratum": cell.stratum,
        "share": cell.share,
    }
    files = [(FACTS, json.dumps(facts | said).encode())]
    files += [(name, rungs.full(burst.frames[i])) for name, i in zip(PICTURES, chosen, strict=False)]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)
    return out.getvalue()


def _chosen(frames: int, best: int) -> Sequence[int]:
    others = [i for i in range(frames) if i != best]
    return [best, *others[:1], *others[1:][-1:]]


def unpack(data: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """The facts and the pictures.  Raises: ValueError: not one of our ZIPs; anybody can seal to a public key."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if set(names) - {FACTS, *PICTURES} or FACTS not in names or len(names) != len(set(names)):
                raise ValueError("it holds other files than an audit sample")
            if any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in archive.infolist()):
                raise ValueError("it is packed in another way than an audit sample")
            if archive.getinfo(FACTS).file_size > MAX_FACTS_BYTES:
                raise ValueError(f"its facts have more than {MAX_FACTS_BYTES} bytes")
            facts = json.loads(archive.read(FACTS))
            pictures = [archive.read(name) for name in PICTURES if name in names]
    except (zipfile.BadZipFile, EOFError, OSError, struct.error, NotImplementedError, RecursionError) as error:
        raise ValueError(f"it is no audit sample: {error}") from error
    if not isinstance(facts, dict):
        raise ValueError("its facts are none")
    return facts, pictures
