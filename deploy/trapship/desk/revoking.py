"""A unit is shut out: the register, the list, and what is left for people to do, in words."""

from trapkit.errors import SetupError
from trapkit.operator.revoked import MOST, Gone
from trapship.desk.derive import new_salt
from trapship.desk.register import BASE, REPEATER, TRAP, Register, Unit

KINDS = (TRAP, BASE, REPEATER)


def revoke(register: Register, kind: str, number: int, utc: str) -> list[str]:
    """Take the unit out of the register and put it on the list; lines of what is left to do.  Raises: SetupError.

    Again for the same unit: nothing changes, and the lines are said again.
    """
    if kind not in KINDS:
        raise SetupError(f"{kind!r} is no kind of unit; allowed are {', '.join(KINDS)}, as in: trap 7")
    if register.is_gone(kind, number):
        return [f"{kind} {number} is on the list already, number {register.serial}"]
    units: dict[str, dict[str, Unit]] = {
        TRAP: dict(register.traps),
        BASE: dict(register.bases),
        REPEATER: dict(register.repeaters),
    }
    unit = units[kind].get(str(number))
    if unit is None:
        known = ", ".join(units[kind]) or "none"
        raise SetupError(f"{kind} {number} was never provisioned here; there are {kind}s: {known}")
    if len(register.gone) >= MOST:
        raise SetupError(f"the list has {MOST} units already; make a new operator's folder for those that are left")
    said = {TRAP: _trap, BASE: _base, REPEATER: _repeater}[kind](register, number)
    partner = register.partner(register.traps[str(number)]) if kind == TRAP else 0
    register.gone.append(Gone(kind=kind, number=number, since=utc, partner=partner))
    for serial in unit.serials.values():
        register.spent.append(serial)
    register.serial += 1
    if kind == TRAP:
        del register.traps[str(number)]
    elif kind == BASE:
        del register.bases[str(number)]
    else:
        del register.repeaters[str(number)]
    return [f"{kind} {number} is shut out: list {register.serial}", *said]


def _trap(register: Register, number: int) -> list[str]:
    trap = register.traps[str(number)]
    said = [f"base {trap.base} has to hear of it, then it refuses the trap by radio and over the bus"]
    station = register.stations[trap.station]
    partner = register.partner(trap)
    if partner:
        station.pair = new_salt()
        said.append(
            f"trap {partner}, its partner, is told by radio to heed its calls no more; at the next visit give it the "
            f"station's new key: trapship provision trap … --number {partner}, and flash it"
        )
    if trap.repeater:
        said.append(f"repeater {trap.repeater} still passes its frames on, unread: provision it again without it")
    said.append("what is on its card opens no picture; its PINs are known to a thief who tries: give people new ones")
    return said


def _base(register: Register, number: int) -> list[str]:
    traps = ", ".join(str(trap.number) for trap in register.of_base(number)) or "none"
    for trap in register.of_base(number):
        trap.link, trap.link_next = new_salt(), None
    return [
        "it had keys/base.key, which opens every crop sealed so far: crops that somebody gets hold of are open to him",
        f"it had the radio keys of its traps ({traps}): each gets a new one, a new home by --base, and is flashed",
        "its broker's certificate is on the list, which traps with a network read where their card has it",
    ]


def _repeater(register: Register, number: int) -> list[str]:
    traps = [trap for trap in register.traps.values() if trap.repeater == number]
    for trap in traps:
        trap.repeater, trap.hop = 0, None
    named = ", ".join(str(trap.number) for trap in traps) or "none"
    return [
        f"traps that went by it: {named}; it read nothing of them",
        "another repeater gets new hop keys: trapship provision repeater, then these traps and their base again",
    ]
