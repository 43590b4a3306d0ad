"""A day of the trap as a list of draws: which part, doing what, with how much current for how long.

Three kinds of current are kept apart: of the supervisor's board (A on its battery pads at 3.8 V, as it was measured),
of the Pi's 5 V line (A), and straight from the battery (A). `draws` says them as charge and energy out of the battery.
"""

from dataclasses import dataclass

from trapkit.errors import SetupError
from trapsim.power import traffic
from trapsim.power.cells import SECONDS_A_DAY, Pack
from trapsim.power.figures import Figures

PROFILES = ("parked", "armed", "always-on")
ARMED = "armed: camera warm"  # the one load of the Pi that goes on for hours


@dataclass(frozen=True, kw_only=True)
class Habit:
    """What the trap is asked to do. hours: armed, a night; triggers: a day, None for the table's; listens: for its
    partner, all the time that the Pi is off; preamble: of the wake frame, None for the wire's."""

    profile: str
    hours: float = 10.0
    triggers: float | None = None
    listens: bool = True
    preamble: int | None = None
    gated: bool = False

    def __post_init__(self) -> None:
        """Raises: SetupError."""
        if self.profile not in PROFILES:
            raise SetupError(f"profile {self.profile!r}; allowed are {', '.join(PROFILES)}")
        if not 0 <= self.hours <= 24:
            raise SetupError(f"hours {self.hours:g}; allowed are 0 to 24 armed hours a night")
        if self.triggers is not None and not 0 <= self.triggers <= 10000:
            raise SetupError(f"triggers {self.triggers:g}; allowed are 0 to 10,000 a day")

    @property
    def armed_share(self) -> float:
        """Of the day, with the Pi up and the camera warm."""
        return {"parked": 0.0, "armed": self.hours / 24, "always-on": 1.0}[self.profile]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One line of the budget, a day of it: coulombs and joules out of the battery, and `cost_c`, by how much its
    usable capacity shrinks (cells.py)."""

    part: str
    doing: str
    charge_c: float
    energy_j: float
    cost_c: float


@dataclass(frozen=True, kw_only=True)
class Events:
    """A day's triggers, and how many of them fall into armed hours."""

    all: float
    cats: float
    armed: float


def events(figures: Figures, habit: Habit) -> Events:
    """True triggers as the table has them; what else there is, is false."""
    count = habit.triggers
    if count is None:
        count = figures.get("passes.true_triggers") / (1 - figures.get("passes.false_share"))
    share = figures.get("passes.night_share") if habit.profile == "armed" and habit.hours else habit.armed_share
    return Events(all=count, cats=min(figures.get("passes.cats"), count), armed=count * share)


def draws(figures: Figures, pack: Pack, habit: Habit) -> list[Draw]:
    """The whole day, part by part.  Raises: SetupError where the battery cannot carry the Pi at all."""
    return _Day(figures, pack, habit).lines()


def sighting_j(figures: Figures, pack: Pack, habit: Habit) -> float:
    """What one more picture of a cat costs, from the trigger to the base's answer."""
    day = _Day(figures, pack, habit)
    day.event(parked=1 - habit.armed_share if habit.profile != "armed" else 0.0, armed=1.0 if habit.armed_share else 0)
    day.sighting(1.0)
    return sum(line.energy_j for line in day.done)


class _Day:
    def __init__(self, figures: Figures, pack: Pack, habit: Habit) -> None:
        self._figures, self._pack, self._habit = figures, pack, habit
        self.done: list[Draw] = []

    def lines(self) -> list[Draw]:
        figures, habit = self._figures, self._habit
        armed_s = habit.armed_share * SECONDS_A_DAY
        happened = events(figures, habit)
        self.asleep(SECONDS_A_DAY - armed_s, armed_s)
        self.event(parked=happened.all - happened.armed, armed=happened.armed)
        self.sighting(happened.cats)
        starts = 1.0 if 0 < habit.armed_share < 1 else 0.0  # one more start and end of the Pi, each night
        self.armed(armed_s, starts)
        self.heartbeats()
        return self.done

    def asleep(self, off_s: float, armed_s: float) -> None:
        """What never ends; the supervisor's board itself sleeps only while the Pi is off."""
        get, pack = self._figures.get, self._pack
        pad_v = pack.rest_v if pack.is_direct else get("awake.pad")
        board = get("sleep.xiao") if pad_v >= get("sleep.pad_low") else get("sleep.xiao_low")
        self._pad("supervisor", "asleep", board, off_s)
        for part in ("clock", "expander", "monitor", "pir", "load_switch"):
            self._pad(part.replace("_", " "), "all day", get(f"sleep.{part}"), SECONDS_A_DAY)
        self._battery("monitor", "its input on the battery", pack.rest_v / get("sleep.monitor_bus"), SECONDS_A_DAY)
        self._battery("5 V converter", "off", get(f"{pack.supply}.off"), off_s)
        if not pack.is_direct:
            self._battery("supervisor's converter", "idle", get("awake.feed_idle"), SECONDS_A_DAY)
        listens = self._habit.listens
        hearing = traffic.listening(self._figures, self._habit.preamble, gated=self._habit.gated)
        self._pad("radio", "asleep", get("sleep.radio"), SECONDS_A_DAY)
        self._pad("radio", "listening for the partner", hearing.average_a if listens else 0.0, off_s)
        # With the Pi up the supervisor is awake and looks by itself, as often.
        self._pad("radio", "looks for the partner, awake", hearing.average_a if listens else 0.0, armed_s)

    def event(self, *, parked: float, armed: float) -> None:
        """Triggers of a day that start the Pi, and those that find it up."""
        get = self._figures.get
        seen_s = get("pi.shoot_s") + get("pi.look_s")
        rest_s = get("pi.hand_over_s") + get("pi.shutdown_s")
        up_s = get("pi.boot_s") + get("pi.camera_s") + seen_s + rest_s
        self._wakes("supervisor", "woken by triggers", parked, up_s)
        self._pi("Pi", "boots for triggers", get("pi.boot"), parked * (get("pi.boot_s") + get("pi.camera_s")))
        self._pi("Pi", "pictures and looks", get("pi.busy"), parked * seen_s)
        self._pi("Pi", "pictures and looks, armed", get("pi.busy") - get("pi.armed"), armed * seen_s)
        self._pi("Pi", "hands over, shuts down", get("pi.idle"), parked * rest_s)
        dark = get("passes.night_share")
        self._pi("infrared lamp", "on at night", get("pi.lamp"), (parked * dark + armed) * get("pi.shoot_s"))

    def armed(self, armed_s: float, starts: float) -> None:
        """The Pi with a warm camera, and the supervisor beside it."""
        get = self._figures.get
        self._pi("Pi", ARMED, get("pi.armed"), armed_s)
        self._pi("Pi", "boots for the night", get("pi.boot"), starts * get("pi.boot_s"))
        self._pi("Pi", "shuts down after the night", get("pi.idle"), starts * get("pi.shutdown_s"))
        self._pad("supervisor", "awake beside the Pi", get("awake.mcu"), armed_s)

    def sighting(self, count: float) -> None:
        """Alert and crop to the base."""
        air_s = count * traffic.sighting_air_s(self._figures)
        self._pad("radio", "sends sightings", self._figures.get("radio.transmit"), air_s)
        self._pad("supervisor", "awake to send", self._figures.get("awake.mcu"), air_s)

    def heartbeats(self) -> None:
        """One an hour, each a wake where the Pi is off."""
        get = self._figures.get
        count = get("radio.heartbeats")
        air_s, answer_s = traffic.heartbeat_air_s(self._figures), get("radio.answer_s")
        self._pad("radio", "sends heartbeats", get("radio.transmit"), count * air_s)
        self._pad("radio", "hears the answers", get("radio.receive"), count * answer_s)
        self._wakes("supervisor", "woken for heartbeats", count * (1 - self._habit.armed_share), air_s + answer_s)

    def _wakes(self, part: str, doing: str, count: float, seconds: float) -> None:
        get = self._figures.get
        wake_a = get("awake.wake_charge") / get("awake.wake_s")
        self._pad(part, doing + ": MicroPython starts", wake_a, count * get("awake.wake_s"))
        self._pad(part, doing, get("awake.mcu"), count * (get("awake.start_s") + seconds))

    def _pad(self, part: str, doing: str, amp: float, seconds: float) -> None:
        if not self._pack.is_direct:
            amp *= self._figures.get("awake.pad") / (self._pack.rest_v * self._figures.get("awake.feed_efficiency"))
        self._battery(part, doing, amp, seconds)

    def _pi(self, part: str, doing: str, amp: float, seconds: float) -> None:
        if not seconds:
            return
        brief = doing != ARMED
        ohm = self._pack.brief_ohm if brief else self._pack.ohm
        point = self._pack.under_load(self._pack.five_volts(amp), ohm)
        if point is None:
            raise SetupError(f"{self._pack.name} at {self._pack.temp_c:g} C cannot give the Pi {amp * 1000:.0f} mA")
        volt, battery_a = point
        self._add(part, doing, battery_a, seconds, volt, brief=brief)

    def _battery(self, part: str, doing: str, amp: float, seconds: float) -> None:
        if amp and seconds:
            self._add(part, doing, amp, seconds, self._pack.rest_v - amp * self._pack.ohm)

    def _add(self, part: str, doing: str, amp: float, seconds: float, volt: float, *, brief: bool = False) -> None:
        charge_c = amp * seconds
        cost_c = self._pack.cost_c(amp, seconds, brief=brief)
        self.done.append(Draw(part=part, doing=doing, charge_c=charge_c, energy_j=charge_c * volt, cost_c=cost_c))
