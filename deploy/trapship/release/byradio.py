"""The settings of a release once more, signed for the radio (`trapkit.update.radiopack`, decision 027). Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime

from trapkit.update.radiopack import SETTINGS, RadioPack, rest_of, write
from trapkit.update.released import Current, Listed


def radio_pack(
    listed: Listed,
    current: Current,
    sha256: Mapping[str, str],
    pack: bytes,
    sign: Callable[[bytes], bytes],
    until: datetime,
) -> tuple[bytes, str]:
    """The file, and nothing; or no bytes, and in words why none goes by radio.

    sha256: of each part's file (hexadecimal); pack: the settings pack's file; sign: with the targets key; until: when
    its word ends.
    """
    release = listed.release
    told = RadioPack(
        release=release.release,
        serial=current.serial,
        back_from=current.back_from,
        built_ms=release.built_ms,
        until_ms=int(until.timestamp()) * 1000,
        rest=rest_of(sha256),
        version=release.parts[SETTINGS].version,
        pack=pack,
    )
    try:
        return write(told, sign), ""
    except ValueError as error:
        return b"", f"settings: {error}; units without a network get them by stick or phone"
