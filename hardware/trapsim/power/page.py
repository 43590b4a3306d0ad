"""hardware/POWER.md: the goals with their figures, the matrix, the levers, the assumptions."""

from typing import Any

from trapsim.linkpage import table
from trapsim.power.figures import Curve, Figure, Figures
from trapsim.power.loads import PROFILES
from trapsim.power.tables import HOURS, LISTENING_UA, NIGHTS, TEMPS_C, window_ms

Row = list[str]
YEAR = 365


def page(figures: Figures, found: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    lines = [
        "# The power budget, computed",
        "`trapsim power --write`, from [power.toml](power.toml); the same on every machine. **Nothing here",
        "was measured by us**, and no cell, board or camera was on a bench or in a chamber. Of the table's "
        f"{sum(found['marks'].values())} numbers",
        f"{found['marks']['measured']} were measured by somebody named there, {found['marks']['datasheet']} are a "
        f"maker's, {found['marks']['estimate']} are estimates. What the batteries",
        "do in the cold is mostly from memory of the makers' graphs: days are good to a factor of 1.5 or so, and the",
        "order of the batteries to more than that.",
        "",
        "## What was wanted",
        *table(["what", "wanted", "computed", ""], goals(found)),
        "",
        *notes(figures, found),
        "",
        "![Days of life against temperature](power.png)",
        "",
        "## Days of life",
        f"Whole days at one temperature. *parked*: the Pi is off, the PIR armed. *armed*: {HOURS:g} hours a night",
        "with a warm camera, the rest parked; a day is one night. *always-on*: all day. The supervisor listens for its",
        "partner throughout.",
        f"*shelf*: longer than is claimed for the cells. {found['parked']['triggers_per_day']} triggers a day,",
        "three of four false.",
        "",
        *table(["battery", "profile", *map(_degrees, TEMPS_C), "Pi's first peak at these"], _matrix(found)),
        "",
        "The last column is what the Pi's first peak (1 A at 5 V) does to the supervisor: *ok*; *stale*: cells that",
        "have slept for months reset it at the first start, woken ones do not; **out**: brown-out, always.",
        "",
        "## Cats that are pictured",
        *_cats(found),
        "",
        "## Listening for the partner",
        *_listening(figures, found),
        "",
        f"## Sun for {NIGHTS} armed nights",
        *_sun(figures, found),
        "",
        "## What a bush in the wind costs",
        "Days by charge on six lithium D cells at −20 °C, with so many triggers a day, all but 0.26 of them no cat:",
        "",
        *table(
            ["triggers a day", "parked", "armed"],
            [[f"{row['triggers']:g}", f"{row['parked']:,.0f}", f"{row['armed']:.1f}"] for row in found["bush"]],
        ),
        "",
        "## Where a day goes",
        "Six lithium D cells at −20 °C; share of the capacity that a day takes.",
        "",
        *_days(found),
        "",
        "## Which numbers matter",
        "Six lithium D cells at −20 °C, days by charge with one number 30 % smaller and larger; the five widest.",
        "Shares stay at most 1. –: does not run with it.",
        "",
        *_sensitivity(figures, found),
        "",
        *HOW,
    ]
    return "\n".join(lines) + "\n"


HOW = [
    "## How",
    "- A battery is a voltage at rest behind a resistance, both against temperature; a coulomb at I costs",
    "  1 + I / half_a of those of a small current. Self-discharge is that of +20 °C at every temperature: too much in",
    "  the cold. Loads are taken one at a time: lamp and Pi together sag more than either.",
    "- One battery voltage for the whole life: no end-of-life sag but the share `usable`.",
    "- Traffic: a heartbeat an hour; an alert and a crop of 1,500 bytes at SF9 for each cat, without loss, at +22 dBm.",
    "- Cats: 0.26 images of cats a trap-day are taken as 0.26 passes.",
    "- `energy_per_sighting_j` is what one more cat costs, from the trigger to the base's answer;",
    "  `energy_per_pictured_cat_j` divides the whole day by the cats pictured in it.",
]


def goals(found: dict[str, Any]) -> list[Row]:
    """Rows of what the supervisor's issue wants."""
    parked, armed, sun = found["parked"], found["armed"], found["sizes"][0]
    supervisor = parked["supervisor_ua"]
    sized = all(kind["smallest"] for kind in found["sizes"])
    best = "; ".join(
        f"{kind['smallest']['panel_w']} W and {kind['smallest']['battery_wh']} Wh of {kind['battery']}"
        for kind in found["sizes"]
        if kind["smallest"]
    )
    return [
        [
            "six lithium D cells, −20 °C, parked",
            "≥ 365 days",
            f"{parked['days_of_life']:,.0f} days ({parked['limited_by']}), "
            f"**{_share(parked['passes_pictured'])} of the passing cats pictured**",
            _met(parked["days_of_life"] >= YEAR),
        ],
        [
            f"the same, armed {HOURS:g} h a night",
            "≥ 10 nights",
            f"{armed['days_of_life']:.1f} nights, {_share(armed['passes_pictured'])} pictured",
            _met(armed["days_of_life"] >= 10),
        ],
        [
            f"solar and battery for {NIGHTS} armed nights, 43° N, December and January",
            "sized",
            f"{best} ({sun['load_wh_a_day']} Wh a night)",
            _met(sized),
        ],
        [
            "supervisor while it listens for its partner",
            f"≤ {LISTENING_UA} µA",
            f"{supervisor:.0f} µA with today's wake frame",
            _met(supervisor <= LISTENING_UA),
        ],
    ]


def notes(figures: Figures, found: dict[str, Any]) -> list[str]:
    """What the rows do not say, and what would move a missed one."""
    start = found["parked"]["pi_start"]
    lines = [
        f"- *Parked*: the first picture comes {found['parked']['first_picture_s']} s after the cat has come into the "
        "PIR's zone; most have gone by.",
        f"- *The first start after months at −20 °C* leaves {start['volt_after_months']} V (woken cells: "
        f"{start['volt']} V)",
        f"  of the {start['volt_least']} V that the supervisor needs. It wants a load of some seconds first that wakes",
        "  the cells, or a capacitor at its 3.3 V. With a trigger a day cells stay awake.",
        "- *Bobbin cells alone* (LS 33600) cannot start a Pi in the cold; with hybrid layer capacitors they can, and",
        "  still cannot carry an armed one at −30 °C.",
    ]
    lever = found["first_that_listens"]
    if found["parked"]["supervisor_ua"] > LISTENING_UA:
        lines += [
            f"- *Listening is missed.* Without it the average is {found['deaf_ua']} µA: what costs is the radio.",
            "  Two levers together keep it:",
            "  the RF switch driven by the radio itself (DIO2) and not by a pin that is held on (55 µA), and a",
            f"  preamble of {lever['preamble_symbols']} symbols in place of 320 (wake frame "
            f"{lever['wake_frame_s']:.2f} s in place of 0.38 s): {lever['supervisor_gated_ua']} µA."
            if lever
            else "  preamble; but none below 4,000 symbols keeps it.",
        ]
    return lines


def _degrees(temp_c: int) -> str:
    return f"{temp_c} °C".replace("-", "−")


def _share(value: float) -> str:
    return f"{value * 100:.0f} %"


def _met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def _matrix(found: dict[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for battery in dict.fromkeys(cell["battery"] for cell in found["matrix"]):
        for profile in PROFILES:
            cells = [c for c in found["matrix"] if (c["battery"], c["profile"]) == (battery, profile)]
            first = profile == PROFILES[0]
            name = f"`{battery}`: {cells[0]['battery_text']}" if first else ""
            rows.append([name, profile, *map(_life, cells), ", ".join(map(_start, cells)) if first else ""])
    return rows


def _life(cell: dict[str, Any]) -> str:
    days = cell["days_of_life"]
    if cell["limited_by"] == "brown-out":
        return "**0**"
    if not days:
        return "0: too weak"
    if cell["limited_by"] == "shelf life":
        return f"shelf, {days:,.0f}"
    return f"{days:,.0f}" if days >= 30 else f"{days:.1f}"


def _start(cell: dict[str, Any]) -> str:
    return {"ok": "ok", "stale": "stale", "brown-out": "**out**"}[cell["pi_start"]["verdict"]]


def _cats(found: dict[str, Any]) -> list[str]:
    boots = [
        [f"{row['boot_s']:g}", f"{row['first_picture_s']:.1f}", f"{_share(row['pictured'])}", f"{_share(row['any'])}"]
        for row in found["boots"]
    ]
    stations = [
        [
            f"{row['apart_m']:g}",
            *(f"{_share(getattr(row[state], name))}" for state in ("parked", "armed") for name in ("pictured", "both")),
        ]
        for row in found["stations"]
    ]
    return [
        "Assumed: a cat is in view for 4 s, log-normal with σ 0.5 (a third stays above 5 s, one in twelve above 8 s);",
        "the PIR sees 80 % of big animals; its zone reaches 20 % of that time further out than the view; a warm camera",
        "sees 95 %; each PIR misses for itself. One picture with any of the cat in it counts. The boot of a parked Pi",
        "decides (face to face, woken by each other):",
        "",
        *table(["boot (s)", "first picture (s)", "one camera", "the station"], boots),
        "",
        "Two cameras that wake each other, face to face (0 m) or apart along the trail, with a boot of 5 s:",
        "",
        *table(
            ["apart (m)", "parked: one camera", "parked: both flanks", "armed: one camera", "armed: both flanks"],
            stations,
        ),
        "",
        "Apart, the second camera on the cat's way has that way as a head start: 10 m do as much as a boot of 2 s.",
    ]


def _listening(figures: Figures, found: dict[str, Any]) -> list[str]:
    rows = [
        [
            f"{row['preamble_symbols']}",
            f"{row['wake_frame_s']:.2f}",
            f"{row['supervisor_ua']:.0f}",
            f"{row['supervisor_gated_ua']:.0f}",
        ]
        for row in found["listening"]
    ]
    return [
        "The MCU cannot look by itself as `wake.py` reckons (3.5 ms at 5 mA, 70 µA): each look would wake",
        "MicroPython, 0.6 s at 66 mA. The radio's own receive duty cycle does it: a window of",
        f"{figures.get('radio.window_symbols'):g} symbols ({window_ms(figures):.1f} ms at 5.3 mA) and its oscillator's "
        "start, once in a preamble. Average of the whole",
        f"supervisor, asleep, its heartbeats included, {LISTENING_UA} µA wanted:",
        "",
        *table(["preamble (symbols)", "wake frame (s)", "RF switch held on: µA", "RF switch by DIO2: µA"], rows),
        "",
        "A longer wake frame wakes the partner later by as much, which a boot of 5 s hardly feels. Up to 1 s fits",
        "CN470; AS923's 400 ms allow no more than today's. With today's, one lever after the other added:",
        "",
        *table(["lever", "µA"], [[row["words"], f"{row['supervisor_ua']:.0f}"] for row in found["levers"]]),
    ]


def _sun(figures: Figures, found: dict[str, Any]) -> list[str]:
    first = found["sizes"][0]
    kinds = found["sizes"]
    rows = [
        [
            f"{options[0]['panel_w']}",
            *(f"{option['income_wh']:g} / {option['battery_wh']:,}" for option in options),
        ]
        for options in zip(*(kind["options"] for kind in kinds), strict=True)
    ]
    dark = figures.get("solar.dark_days")
    return [
        f"An armed night takes {first['load_wh_a_day']} Wh; a watt of panel, upright and facing south, brings "
        f"{first['yield_wh_per_w']} Wh a day:",
        "5.9 kWh/m² under a clear January sky, × 0.9 for December, × 0.80 sky, × 0.35 trees and hills, × 0.85 without",
        f"snow, × 0.85 charger. Bridged are {dark:g} days in a row without yield, and what the panel lacks over all "
        f"{NIGHTS}; a quarter",
        "in reserve. Nominal Wh at −20 °C. LiFePO4 may not be charged below 0 °C: 6 Wh a day heat it.",
        "",
        *table(["panel (W)", *(f"`{kind['battery']}`: Wh a day / battery Wh" for kind in kinds)], rows),
        "",
        f"Without sun it would take {found['without_sun']['options'][0]['battery_wh']:,} Wh of lithium D cells, "
        f"{found['without_sun']['options'][0]['battery_wh'] / 47:.0f} of them. The share of trees decides:",
        "an open slope needs half of the panel, a spruce wood three to four times as much.",
    ]


def _days(found: dict[str, Any]) -> list[str]:
    parts: list[list[Row]] = []
    for name in ("parked", "armed"):
        rows = [row for row in found[name]["breakdown"] if row["share"] >= 0.001][:10]
        parts.append(
            [
                [
                    f"{row['part']}: {row['doing']}",
                    f"{row['mah']:,.3f}" if row["mah"] < 100 else f"{row['mah']:,.0f}",
                    f"{row['share'] * 100:.1f} %",
                ]
                for row in rows
            ]
        )
    head = ["parked", "mAh", "share", "armed", "mAh", "share"]
    count = max(map(len, parts))
    filled = [part + [["", "", ""]] * (count - len(part)) for part in parts]
    sums = [
        f"{found[name]['energy_per_day_j']:,.0f} J a day, {found[name]['energy_per_sighting_j']:.0f} J one more cat, "
        f"{found[name]['energy_per_pictured_cat_j']:,.0f} J a pictured cat ({name})"
        for name in ("parked", "armed")
    ]
    return [*table(head, [a + b for a, b in zip(*filled, strict=True)]), "", f"{'; '.join(sums)}."]


def _sensitivity(figures: Figures, found: dict[str, Any]) -> list[str]:
    rows = []
    for profile, lines in found["sensitivity"].items():
        for line in lines:
            entry = figures.entries[line["name"]]
            days = [_number(line[key]) for key in ("days_less_30", "days", "days_more_30")]
            rows.append([profile, f"`{line['name']}`", _value(entry), entry.mark, *days])
    return table(["profile", "number", "value", "mark", "−30 %", "days", "+30 %"], rows)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}" if value >= 30 else f"{value:.1f}"


def _value(entry: Figure) -> str:
    value: float | Curve = entry.value
    return "curve" if isinstance(value, tuple) else f"{value:g} {entry.unit}"
