"""Day and night, and how pictures are taken in each, so that nothing hunts (pure).

How light it is: the mean luminance (0–1) for each second of exposure and unit of gain, so that it does not depend on
what the camera chose: some 100 under trees at noon, 2 when the sun has long set (estimates; no camera was at hand).

By day the camera chooses the exposure, up to the longest that freezes a walking cat; where that is too dark, the time
stays and it chooses the gain alone. By night all is fixed: the lamp's light does not change, and a camera that measured
would take the first half second to find out. White balance is the camera's by day; by night it is fixed, for infrared
has no colours and a camera that looks for them drifts.
"""

from dataclasses import dataclass

from trapcam.camera.device import Controls

DARK = 0.02  # a mean luminance (0–1) under which nothing can be said but that it is dark
NO_GAIN = 1.02


@dataclass(frozen=True, kw_only=True)
class LightPlan:
    """When it is night, and what is fixed then.

    night_below, day_above: light (see above) that night and day begin at, the second well above the first;
    settle_s: how long it must stay so; longest_us: exposure that by day is not exceeded (µs); night_us, night_gain,
    night_colours: by night (µs; gain; of red and blue); always: "day" or "night" where that is not to be decided.
    """

    night_below: float = 2.0  # two stops darker than wanted, at the longest exposure and gain 16
    day_above: float = 5.0
    settle_s: float = 5.0
    longest_us: int = 8_000
    night_us: int = 8_000
    night_gain: float = 8.0
    night_colours: tuple[float, float] = (1.0, 1.0)
    always: str = ""


class Light:
    """Day or night, from one picture after the other. The first picture decides at once, the others with patience."""

    def __init__(self, plan: LightPlan) -> None:
        self._plan = plan
        self.night = plan.always == "night"
        self.capped = False  # by day: the exposure is at its longest, only the gain is the camera's
        self._known = bool(plan.always)
        self._since_s: float | None = None  # since when it looks otherwise
        self._bright_s: float | None = None  # since when the longest exposure has needed no gain

    def controls(self) -> Controls:
        """How the next pictures are to be taken."""
        plan = self._plan
        if self.night:
            return Controls(exposure_us=plan.night_us, gain=plan.night_gain, colour_gains=plan.night_colours)
        if not self._known:  # a first look that neither sun nor moon drives out of bounds
            return Controls(exposure_us=plan.longest_us, gain=2.0)
        return Controls(exposure_us=plan.longest_us if self.capped else 0)

    def see(self, mean: float, exposure_us: int, gain: float, now_s: float) -> None:
        """A picture without the lamp, of a mean luminance (0–1), taken with so much exposure (µs) and gain."""
        light = mean / (max(exposure_us, 1) * 1e-6 * max(gain, 0.1)) if mean > DARK else 0.0
        if self._plan.always:
            self._cap(exposure_us, gain, now_s)
            return
        if not self._known:
            self._known = True
            self.night = light < (self._plan.night_below + self._plan.day_above) / 2
            return
        other = light > self._plan.day_above if self.night else light < self._plan.night_below
        if not other:
            self._since_s = None
        elif self._since_s is None or now_s < self._since_s:
            self._since_s = now_s
        elif now_s - self._since_s >= self._plan.settle_s:
            self.night = not self.night
            self.capped = False
            self._since_s = None
        self._cap(exposure_us, gain, now_s)

    def _cap(self, exposure_us: int, gain: float, now_s: float) -> None:
        """Hold the exposure where the camera would choose a longer one; let go once it has needed no gain for long."""
        if not self.night and not self.capped and exposure_us > self._plan.longest_us:
            self.capped = True
            self._bright_s = None
        elif self.night or not self.capped or gain > NO_GAIN:
            self._bright_s = None
        elif self._bright_s is None or now_s < self._bright_s:
            self._bright_s = now_s
        elif now_s - self._bright_s >= self._plan.settle_s:
            self.capped = False
