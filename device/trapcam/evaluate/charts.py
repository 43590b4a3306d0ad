"""The two charts of `trapcam evaluate`: ROC and precision over recall."""

from collections.abc import Sequence

from trapcam.evaluate.by_group import Row, Scored, groups, score_of
from trapcam.evaluate.plots import Axis, Line, Point, chart, percent
from trapcam.evaluate.statistics import FALSE_KEEPS, RECALLS, Floats, curves

LEAST = 0.002  # false keeps from which the ROC shows: two in a thousand
HALF = 0.5  # where an axis begins when nothing lies below: what matters is in the other half
CURVES = ("all pictures", "camera trap", "night", "tiger, leopard, snow leopard")
KINDS = ("all", "place", "light", "cats")
SHORT = {"tiger, leopard, snow leopard": "big cats"}  # a legend on a phone has no room for them
MAX_POINTS = 1500


def roc_png(scored: Sequence[Scored], rows: Sequence[Row], threshold: float) -> bytes:
    """Recall over false keeps, which are on a scale of decades: what matters to a trap happens below 5 %."""
    lines = []
    for row, felines, others in _told(scored, rows):
        found = curves(felines, others)
        from_here = int((found.false_keeps <= LEAST).sum()) - 1  # what lies left of the chart is left out
        bars = []
        if row.name == CURVES[0]:
            for share, name in zip(FALSE_KEEPS, RECALLS, strict=True):
                figure = row.figures[name]
                if figure is not None and figure[1] is not None:
                    bars.append((share, figure[0], *figure[1]))
        lines.append(
            Line(
                name=_name(row),
                points=_thinned(found.false_keeps[from_here:], found.recall[from_here:]),
                bars=bars,
                threshold=(float((others >= threshold).mean()), float((felines >= threshold).mean())),
            )
        )
    ticks = percent(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
    across = Axis(name="others kept (%), log scale", low=LEAST, high=1.0, ticks=ticks, log=True)
    heights = [y for line in lines for _, y in _marked(line)] + [bar[2] for line in lines for bar in line.bars]
    up = _share("felines found (%)", min(heights, default=0.0) >= HALF)
    return chart("Felines found, others kept (n of each)", across, up, lines)


def precision_png(scored: Sequence[Scored], rows: Sequence[Row], threshold: float) -> bytes:
    """Precision over recall. It holds for this mix of felines and others; in the field felines are rarer."""
    lines = []
    for row, felines, others in _told(scored, rows):
        found = curves(felines, others)
        passed, false = int((felines >= threshold).sum()), int((others >= threshold).sum())
        at = (passed / len(felines), passed / (passed + false)) if passed + false else None
        to_here = int((found.recall < 1).sum()) + 1  # laxer thresholds than the first that finds all gain nothing
        points = _thinned(found.recall[:to_here], found.precision[:to_here])
        lines.append(Line(name=_name(row), points=points, threshold=at))
    everything = [point for line in lines for point in _marked(line)]
    across = _share("felines found (%)", all(y >= 0.99 for x, y in everything if x < HALF))
    up = _share("of what is kept, felines (%)", min((y for _, y in everything), default=0.0) >= HALF)
    return chart("Precision, in these pictures' mix", across, up, lines, legend_left=True)


def _marked(line: Line) -> list[Point]:
    """All of a line, with its point at the threshold."""
    return [*line.points, line.threshold] if line.threshold else list(line.points)


def _share(name: str, half: bool) -> Axis:
    """0 to 100 %, or its upper half."""
    if half:
        return Axis(name=name, low=HALF, high=1.0, ticks=percent(0.5, 0.6, 0.7, 0.8, 0.9, 1))
    return Axis(name=name, low=0.0, high=1.0, ticks=percent(0, 0.2, 0.4, 0.6, 0.8, 1))


def _name(row: Row) -> str:
    return f"{SHORT.get(row.name, row.name)} (n = {row.felines} / {row.others})"


def _told(scored: Sequence[Scored], rows: Sequence[Row]) -> list[tuple[Row, Floats, Floats]]:
    """The rows that are drawn, with the scores of their felines and others."""
    score = score_of(scored, "feline")
    by_name = {row.name: row for row in rows if row.kind in KINDS}
    members = {
        name: (felines, others)
        for kind, name, felines, others in groups([one.picture for one in scored])
        if kind in KINDS and len(felines) and len(others)
    }
    return [(by_name[name], score[members[name][0]], score[members[name][1]]) for name in CURVES if name in members]


def _thinned(x: Floats, y: Floats) -> list[tuple[float, float]]:
    """At most MAX_POINTS of a curve, its ends among them."""
    step = max(1, len(x) // MAX_POINTS)
    chosen = sorted({*range(0, len(x), step), len(x) - 1})
    return [(float(x[i]), float(y[i])) for i in chosen]
