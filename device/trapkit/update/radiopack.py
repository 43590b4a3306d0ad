"""A settings pack as it goes by radio: one object of a few hundred bytes with one signature (pure; decision 027).

TUF's lists have kilobytes, and a LoRa frame has 20 to 250 bytes. So the targets key, which says what a release is, says
it once more for the one part that is small enough, and whoever has the fleet's root can prove it:

    version u8 = 1 | serial u32 | back_from u32 | built u32 | until u32 | rest, 16 bytes | unpacked u16
    | length u8, release | length u8, the pack's version | the pack, deflated | signature, 64 bytes

Times are Unix s. The signature is Ed25519 over `LABEL` and everything before it. *rest* names the other parts of the
release: a unit that has others would say that it runs it, and lack half. It is the file `radio/RELEASE.pack` among the
targets. To a trap it goes behind its base's permission: `length u8 | permission | the pack`.
"""

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from trapkit.sealing import signature_is_valid
from trapkit.update.compat import VERSION as PART_VERSION
from trapkit.update.offer import MAX_SERIAL, RELEASE

LABEL = b"pugmark-radio-pack-1\x00"
FORMAT = 1
MAX_BODY_BYTES = 4_000  # a supervisor takes 4,096 with the envelope's head, in its memory
MAX_BYTES = 3_839  # behind the longest permission that a trap reads
MAX_PACK_BYTES = 32_768  # unpacked; ours have 1 kB
REST_BYTES = 16
SETTINGS = "settings"
_HEAD = struct.Struct(">BIIII16sH")
_SIGNATURE_BYTES = 64
_MOMENT = "%Y-%m-%dT%H:%M:%SZ"
_MOST_S = 0xFFFFFFFF


@dataclass(frozen=True, kw_only=True)
class RadioPack:
    """`release` with its `serial`, and up to which serial a unit may go back to it (`back_from`); `version`: of the
    part; `until_ms`: when its word ends; `rest`: `rest_of` its other parts; `pack`: the settings pack's file."""

    release: str
    serial: int
    back_from: int
    built_ms: int
    until_ms: int
    rest: bytes
    version: str
    pack: bytes


def rest_of(sha256: Mapping[str, str]) -> bytes:
    """What names all parts but the settings, each by the SHA-256 of its file (hexadecimal)."""
    lines = "".join(f"{part} {sha256[part]}\n" for part in sorted(sha256) if part != SETTINGS)
    return hashlib.sha256(lines.encode()).digest()[:REST_BYTES]


def write(told: RadioPack, sign: Callable[[bytes], bytes]) -> bytes:
    """The file's bytes.  sign: a message -> the targets key's signature.  Raises: ValueError where it is too large."""
    times = [min(ms // 1000, _MOST_S) for ms in (told.built_ms, told.until_ms)]
    head = _HEAD.pack(FORMAT, told.serial, told.back_from, *times, told.rest, min(len(told.pack), 0xFFFF))
    texts = b"".join(bytes([len(text)]) + text.encode() for text in (told.release, told.version))
    fields = head + texts + _deflated(told.pack)
    if len(told.pack) > MAX_PACK_BYTES or len(fields) + _SIGNATURE_BYTES > MAX_BYTES:
        raise ValueError(f"{len(fields) + _SIGNATURE_BYTES} bytes; by radio go {MAX_BYTES}")
    return fields + sign(LABEL + fields)


def read(data: bytes) -> RadioPack:
    """What `write` made; who signed it is `is_signed`'s to say, and to be asked first.  Raises: ValueError in words."""
    least = _HEAD.size + _SIGNATURE_BYTES
    if not least < len(data) <= MAX_BYTES:
        raise ValueError(f"a pack by radio of {len(data)} bytes; allowed are {least}–{MAX_BYTES}")
    form, serial, back_from, built_s, until_s, rest, size = _HEAD.unpack(data[: _HEAD.size])
    release, left = _text(data[_HEAD.size : -_SIGNATURE_BYTES])
    version, packed = _text(left)
    if form != FORMAT or not RELEASE.fullmatch(release) or not PART_VERSION.fullmatch(version):
        raise ValueError(f"a pack by radio of format {form} for {release!r:.40}; allowed is format {FORMAT}")
    if not 1 <= serial <= MAX_SERIAL or not 0 <= back_from <= MAX_SERIAL:
        raise ValueError(f"a pack by radio with serial {serial}, back from {back_from}; allowed are 1–{MAX_SERIAL}")
    pack = _inflated(packed)
    if len(pack) != size:
        raise ValueError(f"a pack by radio of {len(pack)} bytes unpacked, where it says {size}")
    return RadioPack(
        release=release, serial=serial, back_from=back_from, built_ms=built_s * 1000, until_ms=until_s * 1000,
        rest=rest, version=version, pack=pack,
    )  # fmt: skip


def is_signed(data: bytes, keys: "tuple[bytes, ...]") -> bool:
    """Whether one of these keys (32 bytes each) has signed it."""
    fields, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
    return any(signature_is_valid(key, LABEL + fields, signature) for key in keys)


def trusted_keys(root: bytes) -> tuple[tuple[bytes, ...], int]:
    """The keys that count for targets by root metadata that was proved before, and until when it stands (Unix ms).

    Root that wants more than one signature for targets gives none: such a pack has one.  Raises: ValueError.
    """
    try:
        signed = json.loads(root)["signed"]
        role = signed["roles"]["targets"]
        keys = [signed["keys"][keyid] for keyid in role["keyids"]]
        until = datetime.strptime(signed["expires"], _MOMENT).replace(tzinfo=UTC)
        found = tuple(bytes.fromhex(key["keyval"]["public"]) for key in keys if key["keytype"] == "ed25519")
        return found if role["threshold"] == 1 else (), int(until.timestamp()) * 1000
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"the fleet's root cannot be read: {error}") from error


def with_permit(permit: bytes, data: bytes) -> bytes:
    """The object's body for one trap; permit: its base's permission, or nothing."""
    return bytes([len(permit)]) + permit + data


def split_permit(body: bytes) -> tuple[bytes, bytes]:
    """The permission and the pack in an object's body.  Raises: ValueError."""
    length = body[0] if body else 0
    if not body or len(body) <= 1 + length or len(body) > MAX_BODY_BYTES:
        raise ValueError(f"a pack's object of {len(body)} bytes; allowed are {2 + length}–{MAX_BODY_BYTES}")
    return body[1 : 1 + length], body[1 + length :]


def _text(data: bytes) -> tuple[str, bytes]:
    length = data[0] if data else 0
    if len(data) < 1 + length:
        raise ValueError("a pack by radio is cut short")
    return data[1 : 1 + length].decode("ascii", "replace"), data[1 + length :]


def _deflated(data: bytes) -> bytes:
    made = zlib.compressobj(9, wbits=-15)
    return made.compress(data) + made.flush()


def _inflated(data: bytes) -> bytes:
    """No more than `MAX_PACK_BYTES`, whatever it would become.  Raises: ValueError."""
    work = zlib.decompressobj(wbits=-15)
    try:
        found = work.decompress(data, MAX_PACK_BYTES)
    except zlib.error as error:
        raise ValueError(f"a pack by radio is no deflated file: {error}") from error
    if not work.eof or work.unused_data:
        raise ValueError(f"a pack by radio is cut short, or has over {MAX_PACK_BYTES} bytes unpacked")
    return found
