"""The measurements of LINK.md: the grid of objects and channels, the curves of its picture, the alerts of a crowd."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from trapsim.crowd import Crowd, alert_figures
from trapsim.linkrun import OTHERS, OURS, Case, compare, measure, summary

RUNS = 50
SF = 9
PLANS = ("eu868", "cn470")
SIZES = (1500, 5120, 8192)
CHANNELS = ((0.0, "none"), (0.1, "none"), (0.3, "none"), (0.1, "frames"), (0.3, "frames"), (0.1, "time"), (0.3, "time"))
CURVE_LOSSES = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
CURVE_RUNS = 30
HEAD_ROOM = 1.1  # of the picture, so that the legend covers no curve
CROWDS = (
    Crowd(every_s=1800, hours=3),
    Crowd(every_s=1800, hours=3, loss=0.1),
    Crowd(every_s=600, hours=1),
    Crowd(every_s=600, hours=1, loss=0.1),
    Crowd(every_s=0),
)
CROWD_SEEDS = range(1, 5)


def grid(say: Callable[[str], None], runs: int = RUNS) -> dict[str, Any]:
    """All of it, by seeds 1 to `runs`."""
    cells = []
    for plan in PLANS:
        for size in SIZES:
            say(f"{size} bytes at SF{SF} on {plan}, {len(CHANNELS)} channels, {runs} runs of each protocol…")
            for loss, burst in CHANNELS:
                case = Case(size=size, plan=plan, sf=SF, loss=loss, burst=burst)
                cells.append(compare(case, range(1, runs + 1), tuple(OTHERS)))
    say(f"efficiency against loss, {CURVE_RUNS} runs a point…")
    curves = efficiency_curves(Case(size=max(SIZES), plan=PLANS[0], sf=SF, loss=0, burst="none"), CURVE_RUNS)
    alerts = []
    for crowd in CROWDS:
        say(f"alerts of {crowd.traps} traps, every {crowd.every_s:g} s, loss {crowd.loss:g}…")
        alerts.append(alert_figures(crowd, CROWD_SEEDS))
    return {"runs": runs, "cells": cells, "curves": curves, "alerts": alerts}


def efficiency_curves(case: Case, runs: int) -> dict[str, list[tuple[float, float, float, float]]]:
    """For each protocol the points (loss, median efficiency, 10th and 90th percentile), on the case's channel."""
    found: dict[str, list[tuple[float, float, float, float]]] = {}
    for protocol in (OURS, "selective_repeat", "stop_and_wait"):
        for loss in CURVE_LOSSES:
            at = replace(case, loss=loss)
            figures = summary(at, [measure(at, protocol, seed) for seed in range(1, runs + 1)])
            low, high = figures.get("spread", {}).get("efficiency", [figures["efficiency"]] * 2)
            found.setdefault(protocol, []).append((loss, figures["efficiency"], low, high))
    return found


def efficiency_chart(case: Case, curves: dict[str, list[tuple[float, float, float, float]]]) -> bytes:
    """The curves as a PNG, beside what no protocol can pass: a share `loss` of the airtime brings nothing."""
    from trapcam.evaluate.plots import Axis, Line, chart, percent  # here: it brings Pillow

    names = {OURS: "our link", "selective_repeat": "selective repeat", "stop_and_wait": "stop-and-wait"}
    worst = max(CURVE_LOSSES)
    # Bars for ours alone: those of selective repeat lie on them.
    lines = [Line(name="what arrives", points=[(0.0, 1.0), (worst, 1 - worst)])]
    for protocol, points in curves.items():
        bars = [point for point in points if 0 < point[0] < worst] if protocol == OURS else []
        lines.append(Line(name=names[protocol], points=[point[:2] for point in points], bars=bars))
    where = f"{case.size:,} bytes, SF{case.sf}, {case.plan.upper()}"
    return chart(
        f"Efficiency of the link: {where}",
        Axis(name="frames lost (%)", low=0.0, high=worst, ticks=percent(*(i / 10 for i in range(6)))),
        Axis(name="efficiency: bound / airtime (%)", low=0, high=HEAD_ROOM, ticks=percent(*(i / 5 for i in range(6)))),
        lines,
        legend_top=True,
    )
