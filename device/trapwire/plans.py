"""The radio plans: what a country's rules let out, as one table. Nobody else writes these numbers down.

Each plan is one sub-band, since duty and power belong to a sub-band and trap and base talk on one channel: the base
answers where it was asked, and has the trap's rules (EU868's 10 % at 869.525 MHz is no use to it). Where two sources
differ, the stricter is taken. They are tables of others and not the laws themselves: whoever deploys asks counsel.
"""

from trapwire.errors import WireError

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from typing import Any

WHOLE = 10000  # parts: a duty of so many is no duty rule
WINDOW_MS = 3600000  # the hour in which EN 300 220 counts a duty; the others name none of their own
HALF_BANDWIDTH_KHZ = 63  # of 125 kHz, rounded up: a channel's edges lie in the sub-band, not only its middle


class Plan:
    """The rules of one sub-band.

    `dwell_ms`: longest single transmission, 0 for no rule. `duty`: share of the air in parts of 10,000 in any
    `window_ms`, `WHOLE` for no rule. `low_khz`–`high_khz`: where that holds. `channel_khz`: the channel unless another
    is set. `steps_cdbm`: from which kHz on how many hundredths of a dBm EIRP. `listen_dbm`: from this strength on the
    channel is taken and nobody may begin, None for no such rule. `sf_max`: above it not even an empty frame fits.
    """

    def __init__(
        self,
        name: str,
        band_khz: "tuple[int, int]",
        channel_khz: int,
        steps_cdbm: "tuple[tuple[int, int], ...]",
        dwell_ms: int = 0,
        duty: int = WHOLE,
        listen_dbm: "int | None" = None,
        sf_max: int = 12,
    ) -> None:
        self.name = name
        self.low_khz, self.high_khz = band_khz
        self.channel_khz = channel_khz
        self.steps_cdbm = steps_cdbm
        self.dwell_ms = dwell_ms
        self.duty = duty
        self.window_ms = WINDOW_MS
        self.listen_dbm = listen_dbm
        self.sf_max = sf_max

    def power_cdbm(self, channel_khz: int) -> int:
        """Highest power on a channel of 125 kHz, in hundredths of a dBm EIRP.

        Raises: WireError when it is not wholly within the sub-band: these rules say nothing about it.
        """
        if not self.low_khz + HALF_BANDWIDTH_KHZ <= channel_khz <= self.high_khz - HALF_BANDWIDTH_KHZ:
            raise WireError(
                "%d kHz is no channel of plan %s, which is %d–%d kHz"
                % (channel_khz, self.name, self.low_khz, self.high_khz)
            )
        return max([power for start, power in self.steps_cdbm if channel_khz - HALF_BANDWIDTH_KHZ >= start])


_ALL = (
    # No duty and no dwell in LoRaMac-node; 1 s is the national short-range rule as remembered, kept until counsel
    # has ruled. 19.15 dBm: LoRaMac-node. 470.3 MHz is LoRaWAN's first channel up.
    Plan("cn470", (470000, 510000), 470300, ((0, 1915),), dwell_ms=1000),
    # LoRaMac-node and LoRaWAN 1 %, 16 dBm; Meshtastic's table has 100 %, 20 dBm. Not 864–865 MHz: 0.1 % there.
    Plan("ru864", (868700, 869200), 868900, ((0, 1600),), duty=100),
    # The Things Network: 10 dBm below 922 MHz, 14 above; LoRaMac-node listens for −65 dBm, they for −80.
    Plan("kr920", (920800, 923400), 922100, ((0, 1000), (922000, 1400)), listen_dbm=-80),
    # 16 dBm, 400 ms. LoRaMac-node's table has 1 % too, and listens for −85 dBm in Japan: not every country of this plan
    # asks for either, and the name does not say which country it is.
    Plan("as923", (923000, 923500), 923200, ((0, 1600),), dwell_ms=400, duty=100, listen_dbm=-85, sf_max=10),
    # The sub-band of 1 %; its neighbours have 0.1 % and 10 %. The law's 14 dBm ERP are 16.15 EIRP, LoRaWAN's 16 less.
    Plan("eu868", (868000, 868600), 868100, ((0, 1600),), duty=100),
)
PLANS: "dict[str, Plan]" = {plan.name: plan for plan in _ALL}  # Mongolia has no entry: no rule was found


def plan_named(name: "Any") -> Plan:
    """The plan of that name.  Raises: WireError when there is none: a unit without a plan never transmits."""
    if not isinstance(name, str) or name not in PLANS:
        raise WireError("radio plan %r is unknown, allowed: %s" % (name, ", ".join(sorted(PLANS))))
    return PLANS[name]
