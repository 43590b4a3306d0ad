"""One provisioning, from the register's entry to files: numbered, built, remembered, written, in this order.

The register is on the disk before anything leaves the desk: what a power cut takes is a card that was not written, and
the same command again makes it under the next number.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trapkit.files import make_folder, write_atomically
from trapkit.operator.identity import Given
from trapkit.operator.packs import MCU, flat, read_pack
from trapkit.sealing import read_key
from trapship.desk import basefiles, trapfiles
from trapship.desk.folder import OPERATOR_PUB, Desk
from trapship.desk.output import check_target, utc_words, write_tree
from trapship.desk.regioning import read_own
from trapship.desk.register import BASE, TRAP, Base, Repeater, Trap
from trapship.desk.texts import mcu_json

PACK = "pack.toml"
ADDED = ("backend.pub", "pack.pub")  # below keys/, by the operator's own hand
TUF_ROOT = "tuf/root.json"
MODEM = "modem.json"
MCU_JSON = "mcu.json"
PINS = "operators.toml"


@dataclass(kw_only=True)
class Written:
    """What a provisioning left: lines for the operator, and the settings that a microcontroller shall have."""

    lines: list[str] = field(default_factory=list)
    mcu: Path | None = None


class Issue:
    """Writes units' files. `out`: the card's boot partition or a stick; `papers`: what goes elsewhere (mcu.json)."""

    def __init__(self, desk: Desk, out: Path | None, papers: Path, utc_s: float) -> None:
        self._desk = desk
        self._out = out
        self._papers = papers
        self._utc = utc_words(utc_s)
        path = desk.folder / PACK
        self._pack = path.read_bytes() if path.exists() else b""
        self._extra = {
            name: (desk.folder / "keys" / name).read_bytes() for name in ADDED if (desk.folder / "keys" / name).exists()
        }
        for name in self._extra:
            read_key(desk.folder / "keys" / name, "a public key")
        self._mcu = _of_mcu(desk, self._pack)
        self._region_file, self._region = read_own(desk)

    def trap(self, trap: Trap, operators: bytes) -> Written:
        """A trap's card, and its supervisor's settings.  Raises: SetupError, OSError."""
        written = Written()
        region = (self._region_file, self._region)
        files = trapfiles.card(self._desk, trap, operators, self._pack, self._extra, self._root(), region)
        settings = trapfiles.supervisor(self._desk, trap, self._mcu | self._channels("supervisor"))
        self._leave(TRAP, trap, files, written)
        self._microcontroller(MCU_JSON, settings, written)
        return written

    def base(self, base: Base) -> Written:
        """A base's machine, and its modem's settings.  Raises: SetupError, OSError."""
        written = Written()
        region = (self._region_file, self._region)
        files = basefiles.machine(self._desk, base, self._pack, self._extra, self._root(), region)
        self._leave(BASE, base, files, written)
        modem = {"role": "modem", "plan": base.plan, "sf": base.sf, **self._channels("modem")}
        self._microcontroller(MODEM, modem, written)
        return written

    def repeater(self, repeater: Repeater) -> Written:
        """A repeater's settings: it has no card.  Raises: SetupError, OSError."""
        written = Written()
        traps = [trap for trap in self._desk.register.traps.values() if trap.repeater == repeater.number]
        hops = {str(trap.number): trapfiles.hop_key(self._desk, trap) for trap in traps}
        settings = {"role": "repeater", "plan": repeater.plan, "sf": repeater.sf, "hops": hops}
        settings |= self._channels("repeater")
        repeater.made_utc = self._utc
        self._desk.save()
        self._microcontroller(MCU_JSON, settings, written)
        return written

    def _channels(self, role: str) -> dict[str, Any]:
        """The region's channels: on every unit the same, or they do not hear each other."""
        return self._region.channels(role) if self._region else {}

    def _leave(self, kind: str, unit: Trap | Base, files: dict[str, Given], written: Written) -> None:
        if self._out is not None:
            check_target(self._out, kind, unit.number)
        # PINs that nobody typed again stay: a card that is only renewed goes on with its rangers.
        remove = [name for name in unit.files if name not in files and name != PINS]
        unit.files, unit.made_utc = sorted(files), self._utc
        self._desk.save()
        if self._out is None:
            return
        folder = write_tree(self._out, kind, unit.number, unit.issue, self._utc, files, remove, self._desk.seed)
        written.lines.append(f"{folder}: {len(files)} files for {kind} {unit.number}, issue {unit.issue}, signed")

    def _microcontroller(self, name: str, settings: dict[str, Any], written: Written) -> None:
        make_folder(self._papers, 0o700)
        written.mcu = self._papers / name
        write_atomically(written.mcu, mcu_json(settings), mode=0o600)

    def _root(self) -> bytes:
        """The releases' first trusted root, where this operator signs releases."""
        path = self._desk.folder / TUF_ROOT
        return path.read_bytes() if path.exists() else b""


def _of_mcu(desk: Desk, pack: bytes) -> dict[str, Any]:
    """What the pack says of supervisors.  Raises: SetupError where it is not by whoever signs packs."""
    if not pack:
        return {}
    own = desk.folder / "keys" / "pack.pub"
    key = read_key(own if own.exists() else desk.folder / OPERATOR_PUB, "the key that settings packs are signed with")
    return flat(read_pack(pack, key, str(desk.folder / PACK)).tables.get(MCU, {}))
