"""Taking a settings pack that came by radio: the judgement of a release that came otherwise, in the same words.

Proved are: the time is known; the key that signs releases, by the fleet's root, has signed it; neither is over; it is
not older than what ran; the unit has every other part of that release. What is handed over is a release with one part.
"""

import hashlib
from pathlib import Path

from trapkit.errors import SetupError
from trapkit.files import make_folder, write_atomically
from trapkit.operator.packs import read_pack
from trapkit.update.client import Unit, judge_order
from trapkit.update.compat import Declared, misfit, own_declarations
from trapkit.update.memory import Known, proved_metadata, read_memory
from trapkit.update.offer import Offered, Part, Release
from trapkit.update.radiopack import SETTINGS, RadioPack, is_signed, read, rest_of, trusted_keys
from trapkit.update.released import Current
from trapkit.update.timefloor import Clock, TimeFloor
from trapkit.update.trouble import trouble

PACK_FORMAT = b"pugmark-pack "


def take_by_radio(data: bytes, state_dir: Path, clock: Clock, *, unit: Unit) -> Offered | None:
    """The release whose settings are in `data` (`radiopack`, without its permission); None when it runs already.

    state_dir, unit: as of `client.take`, whose memory it shares.  Raises: Refused with its code, Waits; OSError.
    """
    memory = read_memory(state_dir)
    before = memory.known.get(unit.running)
    told = _proved(data, state_dir, clock, unit.root, before.built_ms if before else 0)
    if told.release == unit.running:
        return None
    current = Current(release=told.release, serial=told.serial, serial_floor=told.serial, back_from=told.back_from)
    judge_order(current, max(memory.highest, before.serial if before else 0))
    has = dict(before.sha256) if before else {}
    if rest_of(has) != told.rest:
        raise trouble("misfit", f"{told.release} has other parts beside its settings; bring it whole")
    declared = Declared(version=told.version, needs={"pack": (_format(told.pack),)})
    held = {**(before.declared if before else {}), SETTINGS: declared}
    if wrong := misfit({**own_declarations(), **held}):
        raise trouble("misfit", wrong)
    sha256 = hashlib.sha256(told.pack).hexdigest()
    path = state_dir / "parts" / sha256
    make_folder(path.parent)
    write_atomically(path, told.pack)
    memory.highest = max(memory.highest, told.serial)
    memory.known[told.release] = Known(
        serial=told.serial, built_ms=told.built_ms, sha256={**has, SETTINGS: sha256}, declared=held
    )
    memory.save((unit.running, told.release))
    part = Part(version=told.version, target=f"{SETTINGS}/{told.release}/pack.toml")
    release = Release(release=told.release, built_ms=told.built_ms, serial=told.serial, parts={SETTINGS: part})
    return Offered(release=release, files={SETTINGS: path})


def _proved(data: bytes, state_dir: Path, clock: Clock, root: bytes, built_ms: int) -> RadioPack:
    floor = TimeFloor(state_dir / "floor", built_ms)
    moment = clock.read()
    now_ms = floor.now_ms(moment)
    if now_ms is None:
        raise trouble("time-unknown")
    try:
        keys, root_until_ms = trusted_keys(_newest_root(state_dir, root))
        if not is_signed(data, keys):
            raise trouble("not-signed", f"a pack of {len(data)} bytes by radio")
        told = read(data)
        read_pack(told.pack, None, "the pack")  # who signed that is judged where it is used
    except (ValueError, SetupError) as error:
        raise trouble("garbage", str(error)) from error
    if now_ms >= root_until_ms or now_ms >= told.until_ms:
        raise trouble("expired", f"{told.release}: {'root' if now_ms >= root_until_ms else 'the pack'}")
    floor.heard(moment.utc_ms)  # as in `client`: only where the operator's dates do not say otherwise
    return told


def _newest_root(state_dir: Path, given: bytes) -> bytes:
    """The one that was proved last, or the one that the unit was given where none was."""
    proved = proved_metadata(state_dir)
    roots = sorted((proved / "root_history").glob("*.root.json"), key=_number) if proved else []
    return roots[-1].read_bytes() if roots else given


def _number(path: Path) -> int:
    number = path.name.split(".")[0]
    return int(number) if number.isdigit() else 0


def _format(pack: bytes) -> int:
    """Which format of packs it is; 0 where its first line does not say."""
    word = pack.partition(b"\n")[0].removeprefix(PACK_FORMAT).split(b" ")[0]
    return int(word) if word.isdigit() and len(word) < 5 else 0
