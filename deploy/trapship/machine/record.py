"""What an installation put onto this machine, so that the next one and a removal know: /opt/pugmark/installed.json."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from trapship.machine.errors import InstallError
from trapship.machine.files import below, write_whole
from trapship.machine.plan import OPT

RECORD = f"{OPT}/installed.json"
LARGEST_BYTES = 1 << 20  # a record has some 30 lines


@dataclass
class Record:
    """role: empty where nothing is installed; files: path → SHA-256; packages, stopped: what was not so before."""

    role: str = ""
    version: str = ""
    files: dict[str, str] = field(default_factory=dict)
    packages: list[str] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)


def read_record(root: Path) -> Record:
    """Raises: InstallError where it cannot be read; guessing would remove what is not ours."""
    path = below(root, RECORD)
    try:
        data = path.read_bytes()[: LARGEST_BYTES + 1]
    except FileNotFoundError:
        return Record()
    except OSError as error:
        raise InstallError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        if len(data) > LARGEST_BYTES:
            raise ValueError(f"it is longer than {LARGEST_BYTES} bytes")
        said = json.loads(data)
        record = Record(**said)
        lists = (record.packages, record.stopped)
        if not (
            isinstance(record.role, str)
            and isinstance(record.version, str)
            and isinstance(record.files, dict)
            and all(isinstance(one, str) for pair in record.files.items() for one in pair)
            and all(isinstance(some, list) and all(isinstance(one, str) for one in some) for some in lists)
        ):
            raise TypeError("its values are of other kinds")
        return record
    except (ValueError, TypeError) as error:
        raise InstallError(
            f"{path}: is damaged: {error}; move it away: the next installation writes it anew, "
            "and takes files that differ from its own for changed by you"
        ) from error


def write_record(root: Path, record: Record) -> None:
    """Raises: OSError."""
    write_whole(below(root, RECORD), (json.dumps(asdict(record), indent=1, sort_keys=True) + "\n").encode(), 0o644)
