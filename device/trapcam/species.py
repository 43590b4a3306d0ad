"""The likely species of a kept animal: what the net's species output means, over looks and over a burst (pure).

It orders the queue (a tiger before a domestic cat) and tells the ranger what to expect; it never discards anything.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from trapwire.alert import SPECIES

NAMED_FROM = 0.5  # a species is named when it has at least this share; below, the alert says "feline"
CODES = {name: code for code, name in SPECIES.items()}

Likely = tuple[tuple[str, float], ...]
"""Species and their shares of 1; () where the model does not tell."""


@dataclass(frozen=True, kw_only=True)
class SpeciesOutput:
    """Output `species` of a model: logits of `names`, and last of "none of them"; said of the category `of`.

    `share`: how much its log-odds that it is any of them weigh in that category's confidence (0–1).
    """

    of: str
    names: tuple[str, ...]
    share: float

    def read(self, logits: npt.NDArray[np.float32]) -> tuple[float, Likely]:
        """Log-odds that it is any of `names`, and which; logits: (len(names) + 1,)."""
        top = float(logits[:-1].max())
        exp = np.exp(logits[:-1] - top)
        shares = exp / exp.sum()
        odds = top + math.log(float(exp.sum())) - float(logits[-1])
        return odds, tuple(zip(self.names, map(float, shares), strict=True))


def mean(looks: Sequence[Likely]) -> Likely:
    """The geometric mean of several looks at one animal, as shares again; looks that do not tell are left out."""
    told = [dict(look) for look in looks if look]
    if not told:
        return ()
    names = [name for name in told[0] if all(name in look for look in told)]
    raw = {name: math.exp(sum(math.log(max(look[name], 1e-6)) for look in told) / len(told)) for name in names}
    whole = sum(raw.values())
    return tuple((name, value / whole) for name, value in raw.items()) if names else ()


def code(category: str, looks: Iterable[Likely]) -> int:
    """The code of `trapwire.alert.SPECIES` for an animal of that category, from what each frame says of it."""
    shares: Mapping[str, float] = dict(mean(list(looks)))
    name = max(shares, key=lambda n: shares[n], default="")
    if name in CODES and shares[name] >= NAMED_FROM:
        return CODES[name]
    # Whatever else the keep-list wants: an alert must not call a crane a cat.
    return CODES["feline" if category == "feline" else "other animal"]
