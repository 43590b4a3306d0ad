"""Which of the passing cats are photographed: a race between the cat and the start of the camera.

A cat is in view for T seconds; T is log-normal around 4 s. The PIR's zone reaches further out, so the race begins
`pir_lead` of T earlier. The PIR sees a cat or does not, each camera for itself; what a camera's own PIR misses, the
partner's wake frame may still bring, if there is time. One picture with any of the cat in it counts, also of its tail.
Face to face (0 m) both cameras have the same T at the same time. Apart, the cat comes from either side, and the second
camera has the way between them as a head start.
"""

import math
from dataclasses import dataclass

from trapsim.power.figures import Figures


@dataclass(frozen=True, kw_only=True)
class Passes:
    """Shares of passing cats. pictured: by one certain camera of the pair; alone: without a partner; any: by at least
    one; both: by both, and so both flanks. latency_s: from the PIR's edge to the first picture."""

    pictured: float
    alone: float
    any: float
    both: float
    latency_s: float


def parked_latency_s(figures: Figures) -> float:
    """From a cat in the PIR's zone to the first picture of a Pi that was off."""
    names = ("passes.pir_s", "awake.wake_s", "awake.start_s", "pi.boot_s", "pi.camera_s")
    return sum(figures.get(name) for name in names)


def stays(figures: Figures, seconds: float) -> float:
    """Share of cats that are still in view `seconds` after they came into the PIR's zone."""
    if seconds <= 0:
        return 1.0
    median = figures.get("passes.view_s") * (1 + figures.get("passes.pir_lead"))
    z = (math.log(seconds) - math.log(median)) / figures.get("passes.view_spread")
    return 0.5 * math.erfc(z / math.sqrt(2))


def parked(figures: Figures, apart_m: float = 0.0) -> Passes:
    """Both Pis are off."""
    return _race(figures, figures.get("passes.pir_sees"), parked_latency_s(figures), apart_m)


def armed(figures: Figures, apart_m: float = 0.0) -> Passes:
    """Both cameras are warm, with frames from before the edge: whatever is seen at all is pictured."""
    return _race(figures, figures.get("passes.warm_sees"), 0.0, apart_m)


def _race(figures: Figures, sees: float, latency_s: float, apart_m: float) -> Passes:
    """The first camera on the cat's way, and the second: which of their PIRs see it, and what each then gets."""
    head_s, call_s = apart_m / figures.get("passes.speed"), figures.get("passes.pair_s")
    own = stays(figures, latency_s)  # each by its own PIR
    warned = stays(figures, latency_s + call_s - head_s)  # the second, called by the first
    late = stays(figures, latency_s + call_s + head_s)  # the first, called by the second
    two, one = sees * sees, sees * (1 - sees)  # both PIRs see it; one certain PIR alone
    first = (two + one) * own + one * late
    second = two * max(own, warned) + one * warned + one * own
    # The same cat at the same pace: where both cameras need it to stay, the harder need decides.
    both = two * own + one * min(own, warned) + one * min(late, own)
    return Passes(
        pictured=(first + second) / 2,
        alone=sees * own,
        any=first + second - both,
        both=both,
        latency_s=latency_s,
    )


def mix(first: Passes, second: Passes, share: float) -> Passes:
    """`share` of the cats under the first, the others under the second."""

    def of(name: str) -> float:
        return share * float(getattr(first, name)) + (1 - share) * float(getattr(second, name))

    names = ("pictured", "alone", "any", "both", "latency_s")
    return Passes(**{name: of(name) for name in names})
