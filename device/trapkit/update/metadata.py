"""python-tuf's client over any source: the one place that knows TUF on a unit or a base.

The order of the roles, thresholds, versions, hashes and dates are python-tuf's own judgement (specification 1.0,
section 5); ours are the source, the bounds, and the time: its own constructor asks the machine's clock, which may be
dead. `memory` keeps what was proved, also of a try that was refused: it keeps the next from less.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tuf.api.exceptions import (
    BadVersionNumberError,
    DownloadError,
    DownloadHTTPError,
    DownloadLengthMismatchError,
    ExpiredMetadataError,
    LengthOrHashMismatchError,
    RepositoryError,
    UnsignedMetadataError,
)
from tuf.api.metadata import TargetFile
from tuf.ngclient import FetcherInterface, Updater, UpdaterConfig

from trapkit.update.sources import Pace, Source, TooSlow
from trapkit.update.trouble import trouble
from trapkit.update.wanted import METADATA, TARGETS, Verified, Wanted

LIMITS = UpdaterConfig(
    max_root_rotations=64,  # of a fleet's life
    max_delegations=0,  # our targets are one role's
    root_max_length=1 << 17,  # ours are 3 kB
    timestamp_max_length=1 << 14,
    snapshot_max_length=1 << 16,
    targets_max_length=1 << 20,
)
MAX_TARGETS = 1_000  # ours lists five releases of six files


class _Fetcher(FetcherInterface):
    """Metadata from a source, counted and timed. `last`: the file that was asked for last."""

    def __init__(self, source: Source, pace: Pace) -> None:
        self._source, self._pace = source, pace
        self.last = ""

    def _fetch(self, url: str) -> Iterator[bytes]:
        return self._source.fetch(url, LIMITS.targets_max_length)

    def download_bytes(self, url: str, max_length: int) -> bytes:
        self.last = url
        self._pace.next_file()
        data = b""
        try:
            for chunk in self._source.fetch(url, max_length):
                self._pace.came(len(chunk))
                data += chunk
                if len(data) > max_length:
                    raise DownloadLengthMismatchError(f"more than {max_length} bytes")
        except FileNotFoundError as error:
            raise DownloadHTTPError(f"{url} is not there", 404) from error
        except OSError as error:
            raise DownloadError(f"{url}: {error}") from error
        return data


def refresh(source: Source, folder: Path, root: bytes, now_ms: int, pace: Pace) -> Verified:
    """What is published, by the trust in `root`; `folder` holds what was proved before, and is brought up to date.

    Raises: Refused (Waits among them) with its code; OSError when `folder` takes nothing.
    """
    fetcher = _Fetcher(source, pace)
    try:
        updater = Updater(str(folder), METADATA, None, TARGETS, fetcher, LIMITS, bootstrap=root)
        updater._trusted_set.reference_time = datetime.fromtimestamp(now_ms // 1000, UTC)
        updater.refresh()
        trusted = updater._trusted_set
        listed = trusted.targets.targets
        if len(listed) > MAX_TARGETS or trusted.targets.delegations is not None:
            raise trouble("garbage", f"{len(listed)} targets, allowed are {MAX_TARGETS} of one role")
        wanted = {name: _wanted(name, target) for name, target in listed.items()}
        versions = {role.type: role.version for role in (trusted[name] for name in trusted._trusted_set)}
    except DownloadHTTPError as error:
        raise trouble("no-source" if fetcher.last.endswith("timestamp.json") else "incomplete", str(error)) from error
    except DownloadLengthMismatchError as error:
        raise trouble("too-large", f"{fetcher.last}: {error}") from error
    except DownloadError as error:
        raise trouble("no-source", str(error)) from error
    except TooSlow as error:
        raise trouble("too-slow", f"{fetcher.last}: {error}") from error
    except UnsignedMetadataError as error:
        raise trouble("not-signed", f"{fetcher.last}: {error}") from error
    except ExpiredMetadataError as error:
        raise trouble("expired", str(error)) from error
    except BadVersionNumberError as error:
        raise trouble("rollback", f"{fetcher.last}: {error}") from error
    except LengthOrHashMismatchError as error:
        raise trouble("mixed", f"{fetcher.last}: {error}") from error
    except (RepositoryError, ValueError) as error:
        raise trouble("garbage", f"{fetcher.last}: {error}") from error
    return Verified(targets=wanted, versions=versions)


def _wanted(name: str, target: TargetFile) -> Wanted:
    digest = target.hashes.get("sha256", "")
    steps = name.split("/")
    good = len(digest) == 64 and set(digest) <= set("0123456789abcdef") and len(name) <= 200
    if not good or any(step in ("", ".", "..") for step in steps):
        raise ValueError(f"target {name!r:.100} has no name or hash that a unit takes")
    path = "/".join([*steps[:-1], f"{digest}.{steps[-1]}"])
    return Wanted(name=name, path=TARGETS + path, length=target.length, sha256=digest)
