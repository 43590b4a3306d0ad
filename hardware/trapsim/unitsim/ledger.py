"""The books of a story: no sighting lost, none twice, and the Pi never powered without a reason."""

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapsim.unitsim.carrier import Unit
    from trapsim.unitsim.simbase import SimBase

AT_BASE = 2
SERVICE_REACH_MS = 32 * 60000  # half an hour, and the Pi's leave


class Ledger:
    """Of these units and their base, now."""

    def __init__(self, units: "list[Unit]", base: "SimBase") -> None:
        self._units = units
        self._base = base

    def made(self) -> int:
        """Objects that a Pi committed."""
        return sum(len(unit.pi.outbox) for unit in self._units)

    def lost(self) -> "list[tuple[int, int, int, int]]":
        """Objects that their Pi was told are at the base, and are not; or are there with other bytes."""
        return [key for key, state, same in self._all() if (state == AT_BASE and not same) or same is False]

    def missing(self) -> "list[tuple[int, int, int, int]]":
        """Objects that are not at the base yet."""
        return [key for key, _, same in self._all() if not same]

    def doubled(self) -> int:
        """Sightings that are in the base's rows more than once, by what is in them and not by their key."""
        seen: "dict[tuple[int, int, bytes], int]" = {}
        for key in self._base.rows:
            what = (key[0], key[3], self._base.rows[key][28:])
            seen[what] = seen.get(what, 0) + 1
        return sum(n - 1 for n in seen.values()) + self._base.clashes

    def _all(self) -> "list[tuple[tuple[int, int, int, int], int, bool | None]]":
        found = []
        for unit in self._units:
            for (number, rung), row in unit.pi.outbox.items():
                key = (unit.trap, unit.pi.epoch, number, rung)
                held = self._base.rows.get(key)
                found.append((key, row.state, None if held is None else held == row.envelope))
        return found

    def unexplained(
        self, unit: "Unit", reach_ms: int, spans: "list[tuple[int, int]] | None" = None
    ) -> "list[tuple[int, int]]":
        """The Pi's times with power that no reason covers, in ms.

        A reason: any unit's PIR edge, for `reach_ms` (a partner calls); somebody's press, for `SERVICE_REACH_MS`; and
        the story's own spans, (from, to), as armed hours.
        """
        covers = [(at, at + reach_ms) for one in self._units for at in one.pir_seen]
        covers += [(at, at + SERVICE_REACH_MS) for at in unit.pressed_at]
        covers += spans or []
        covers.sort()
        powered = list(unit.pi.powered)
        if unit.pi.on_since is not None:
            powered.append((unit.pi.on_since, unit.world.now))
        found = []
        for on, off in powered:
            at = on
            for first, last in covers:
                if first <= at < last:
                    at = last
                if at >= off:
                    break
            if at < off:
                found.append((max(at, on), off))
        return found
