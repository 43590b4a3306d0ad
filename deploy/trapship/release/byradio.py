"""The settings of a release once more, signed for the radio (`trapkit.update.radiopack`, decision 027)."""

from collections.abc import Mapping
from datetime import datetime

from tuf.api.metadata import Metadata, Root, TargetFile

from trapkit.update.radiopack import SETTINGS, RadioPack, rest_of, write
from trapkit.update.released import Current, Listed
from trapship.release.keys import Signers
from trapship.release.parts import read
from trapship.release.repository import Repository
from trapship.release.roles import TARGETS


def radio_pack(
    repository: Repository,
    files: Mapping[str, TargetFile],
    listed: Listed,
    current: Current,
    root: Metadata[Root],
    signers: Signers,
    until: datetime,
) -> tuple[bytes, str]:
    """The file, and nothing; or no bytes, and in words why none goes by radio ("" where the release has no settings).

    files: the release's targets; until: when its word ends.  Raises: SetupError when a file cannot be read.
    """
    release, role = listed.release, root.signed.roles[TARGETS]
    if SETTINGS not in release.parts:
        return b"", ""
    signer = next((signers[keyid] for keyid in role.keyids if keyid in signers), None)
    if signer is None or role.threshold != 1:
        return (
            b"",
            f"settings: not for the radio, where one signature goes; root wants {role.threshold} of targets",
        )
    told = RadioPack(
        release=release.release,
        serial=current.serial,
        back_from=current.back_from,
        built_ms=release.built_ms,
        until_ms=int(until.timestamp()) * 1000,
        rest=rest_of({part: files[each.target].hashes["sha256"] for part, each in release.parts.items()}),
        version=release.parts[SETTINGS].version,
        pack=read(repository.targets / files[release.parts[SETTINGS].target].get_prefixed_paths()[0]),
    )
    try:
        return write(told, lambda message: bytes.fromhex(signer.sign(message).signature)), ""
    except ValueError as error:
        return b"", f"settings: {error}; units without a network get them by stick or phone"
