"""A link key a trap: `FOLDER/link/N.key`, 16 random bytes as 32 hexadecimal digits, for the base and for trap N alone.

`N.next` takes its place: the base holds both until it hears N under the next one, and makes that `N.key` then. No key
is made from another, so that whoever has one trap's has no other's.

`FOLDER/listen/N.up` is what another base needs to pass on what trap N says: it opens that, and can say nothing. Who has
it finds neither the link key nor what the home base says.

`N.hop` is for trap N that goes by a repeater, for this repeater and the base; `A-B.pair` for the two traps of a station
that wake each other, and nobody else.
"""

import secrets
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import fsync_folder, write_atomically
from trapwire.errors import WireError
from trapwire.linkkeys import KEY_BYTES, UP, direction_key, parse_key

LINK = "link"
LISTEN = "listen"
MAX_TRAP = 65535


def make_link_keys(folder: Path, traps: list[int], renew: list[int]) -> list[str]:
    """Write the keys that are missing, and a next one for each trap in `renew`; a line for each file.

    Raises: SetupError when a number is no trap's, or a trap that gets a next key has none or has one waiting.
    """
    link = folder / LINK
    for trap in [*traps, *renew]:
        _check(trap)
    for trap in renew:
        if not (link / f"{trap}.key").exists():
            raise SetupError(f"--renew {trap}: there is no {link / f'{trap}.key'} yet; say --trap {trap}")
        if (link / f"{trap}.next").exists():
            raise SetupError(
                f"--renew {trap}: {link / f'{trap}.next'} waits to be heard already: put it on trap {trap}, or take "
                "the file away if no trap has it"
            )
    paths = [link / f"{trap}.key" for trap in traps] + [link / f"{trap}.next" for trap in renew]
    return [_make(path, "link_key of that trap's mcu.json, and onto no other machine") for path in paths]


def make_listen_keys(folder: Path, traps: list[int]) -> list[str]:
    """Write what another base listens to these traps with; a line for each file. One of an older link key is replaced.

    Raises: SetupError when a trap has no link key here, or it cannot be read.
    """
    said = []
    for trap in traps:
        _check(trap)
        path, own = folder / LINK / f"{trap}.key", folder / LISTEN / f"{trap}.up"
        try:
            up = direction_key(parse_key(path.read_text()), UP, trap).hex() + "\n"
        except FileNotFoundError as error:
            raise SetupError(f"--listen {trap}: there is no {path} yet; say --trap {trap}") from error
        except (OSError, UnicodeDecodeError, WireError) as error:
            raise SetupError(f"--listen {trap}: {path} cannot be used: {error}") from error
        before = own.read_text() if own.exists() else ""
        if before == up:
            said.append(f"{own}: kept")
            continue
        own.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(own, up.encode(), mode=0o600)
        what = "new" if not before else "replaced, the link key is another"
        said.append(f"{own}: {what}; it goes into gateway.keys of the other base, which then passes on what it says")
    return said


def make_hop_keys(folder: Path, traps: list[int]) -> list[str]:
    """Write the hop keys that are missing; a line for each file.  Raises: SetupError."""
    for trap in traps:
        _check(trap)
    goes = "hop_key of that trap's mcu.json and hops of its repeater's; the gateway reads it when it starts"
    return [_make(folder / LINK / f"{trap}.hop", goes) for trap in traps]


def make_station_keys(folder: Path, pairs: list[tuple[int, int]]) -> list[str]:
    """Write the keys of stations' pairs that are missing; a line for each file.  Raises: SetupError."""
    for a, b in pairs:
        _check(a)
        _check(b)
        if a == b:
            raise SetupError(f"--pair {a} {b}: a trap is no partner of its own; name two")
    goes = "station_key of both traps' mcu.json, and onto no other machine"
    return [_make(folder / LINK / f"{min(pair)}-{max(pair)}.pair", goes) for pair in pairs]


def _check(trap: int) -> None:
    if not 0 < trap <= MAX_TRAP:
        raise SetupError(f"trap {trap} is no trap's number; allowed is 1–{MAX_TRAP}")


def _make(path: Path, goes: str) -> str:
    if path.exists():
        return f"{path}: kept"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(path, f"{secrets.token_bytes(KEY_BYTES).hex()}\n".encode(), mode=0o600)
    return f"{path}: new; it goes into {goes}"


def remove_link_keys(folder: Path, name: str) -> list[str]:
    """Take trap `name`'s keys out of `folder`: its base refuses it. The files that were there."""
    if not name.isdecimal():
        return []  # a program's name: it has none
    own = [folder / LINK / f"{name}.{ending}" for ending in ("key", "next", "hop")]
    pairs = [path for path in (folder / LINK).glob("*-*.pair") if name in path.stem.split("-")]
    found = [path for path in [*own, *pairs, folder / LISTEN / f"{name}.up"] if path.exists()]
    for path in found:
        path.unlink()
    if found:
        fsync_folder(folder / LINK)
    return [str(path) for path in found]
