"""How well felines are told from others: shares, recall at so many false keeps, ROC area, each with an interval (pure).

Every figure is a function of weights, one a picture: all 1 for the figure itself; for its 95 % interval, how often a
picture was drawn when whole sequences were drawn again (bootstrap by sequence: pictures of one burst are no
independent witnesses). Ties are broken against the detector: of equal scores the others come first.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.int64]

FALSE_KEEPS = (0.01, 0.02, 0.05)
COVERED = 0.95
CHUNK = 50  # draws at a time: 7,000 pictures take 2.8 MB
RECALLS = tuple(f"recall_at_{share * 100:g}pct_false_keeps" for share in FALSE_KEEPS)
FIGURES = (
    "recall_at_threshold", "false_keeps_at_threshold", *RECALLS, "roc_area", "felines_kept", "others_kept",
    "felines_withheld",
)  # fmt: skip


class Draws:
    """Sequences drawn again, `count` times, with replacement; the same ones for every group."""

    def __init__(self, sequences: list[str], *, count: int, seed: int) -> None:
        """sequences: of each picture, the name of its sequence."""
        names, self.member = np.unique(np.array(sequences), return_inverse=True)
        self.total, self.count, self.seed = len(names), count, seed

    def weights(self) -> Iterator[Floats]:
        """(up to CHUNK, pictures): how often each picture was drawn."""
        random = np.random.default_rng(self.seed)
        for start in range(0, self.count, CHUNK):
            rows = min(CHUNK, self.count - start)
            drawn = random.integers(0, self.total, (rows, self.total))
            times = np.stack([np.bincount(row, minlength=self.total) for row in drawn])
            yield times[:, self.member].astype(np.float64)


class Group:
    """Some felines and the others that they are told from; `figures` are in the order of FIGURES, NaN where there is
    nothing to tell by."""

    def __init__(
        self, felines: Indices, others: Indices, score: Floats, threshold: float, kept: Bools, withheld: Bools
    ) -> None:
        """felines, others: places in the arrays; score: of each picture its best feline detection (0–1); kept,
        withheld: what the trap does with it."""
        self.felines = felines[np.argsort(-score[felines], kind="stable")]
        self.others = others[np.argsort(-score[others], kind="stable")]
        self._f, self._o = score[self.felines], score[self.others]
        self._threshold = threshold
        self._kept_f, self._kept_o = kept[self.felines], kept[self.others]
        self._withheld_f = withheld[self.felines]
        # Of each feline: how many others score as much or more, and how many more.
        self._as_much = np.searchsorted(-self._o, -self._f, "right")
        self._more = np.searchsorted(-self._o, -self._f, "left")

    def figures(self, weights: Floats) -> Floats:
        """(draws, len(FIGURES)) of weights (draws, pictures)."""
        felines, others = weights[:, self.felines], weights[:, self.others]
        f_sum, o_sum = _cumulated(felines), _cumulated(others)
        f_all, o_all = f_sum[:, -1], o_sum[:, -1]
        with np.errstate(invalid="ignore", divide="ignore"):
            columns = [
                f_sum[:, int((self._f >= self._threshold).sum())] / f_all,
                o_sum[:, int((self._o >= self._threshold).sum())] / o_all,
                *(self._recall_at(share, f_sum, o_sum) for share in FALSE_KEEPS),
                self._area(felines, f_all, o_sum),
                felines @ self._kept_f / f_all,
                others @ self._kept_o / o_all,
                felines @ self._withheld_f / f_all,
            ]
        return np.stack(columns, axis=1)

    def point(self) -> Floats:
        """The figures themselves."""
        size = int(max(self.felines.max(initial=-1), self.others.max(initial=-1))) + 1
        return np.asarray(self.figures(np.ones((1, size)))[0])

    def _recall_at(self, share: float, f_sum: Floats, o_sum: Floats) -> Floats:
        """Recall at the lowest threshold that at most `share` of the others reach; too few others cannot tell."""
        if len(self._o) * share < 1 or not len(self._f):
            return np.full(len(f_sum), np.nan)
        allowed = share * o_sum[:, -1:] + 1e-9
        first_out = np.argmax(o_sum[:, 1:] > allowed, axis=1)
        found = np.searchsorted(-self._f, -self._o[first_out], "left")
        recall = f_sum[np.arange(len(f_sum)), found] / f_sum[:, -1]
        return np.where(o_sum[:, -1] > 0, recall, np.nan)

    def _area(self, felines: Floats, f_all: Floats, o_sum: Floats) -> Floats:
        """The chance that a feline scores above another; a tie is half a chance."""
        lower = o_sum[:, -1:] - (o_sum[:, self._as_much] + o_sum[:, self._more]) / 2
        return np.asarray((felines * lower).sum(axis=1) / (f_all * o_sum[:, -1]))


def _cumulated(weights: Floats) -> Floats:
    """Sums of the first 0, 1, … columns."""
    return np.concatenate([np.zeros((len(weights), 1)), np.cumsum(weights, axis=1)], axis=1)


def interval(point: float, drawn: Floats, sequences: int, *, share: bool = True) -> tuple[float, float] | None:
    """Where 95 % of the draws lie, and the point itself; None with fewer than two sequences or nothing drawn.

    Where all sequences say the same (none or all found), draws do not differ: then the Clopper–Pearson bound for so
    many sequences stands in (`share`: the figure is one).
    """
    drawn = drawn[np.isfinite(drawn)]
    if sequences < 2 or not len(drawn) or not math.isfinite(point):
        return None
    tail = (1 - COVERED) / 2
    low, high = (float(value) for value in np.quantile(drawn, (tail, 1 - tail)))
    if share and point in (0.0, 1.0):
        bound = tail ** (1 / sequences)
        low, high = (min(low, bound), high) if point else (low, max(high, 1 - bound))
    return min(low, point), max(high, point)


@dataclass(frozen=True, kw_only=True)
class Curves:
    """One step a threshold, from strict to lax: false keeps, recall and precision (each 0–1)."""

    false_keeps: Floats
    recall: Floats
    precision: Floats


def curves(felines: Floats, others: Floats) -> Curves:
    """ROC and precision-recall of scores; both must not be empty."""
    limits = np.unique(np.concatenate([felines, others]))[::-1]
    found = np.searchsorted(np.sort(-felines), -limits, "right")
    false = np.searchsorted(np.sort(-others), -limits, "right")
    return Curves(
        false_keeps=np.concatenate([[0.0], false / len(others)]),
        recall=np.concatenate([[0.0], found / len(felines)]),
        precision=np.concatenate([[1.0], found / (found + false)]),
    )
