"""Feline recall as figures for a program and as words for a person (pure)."""

from collections.abc import Iterable
from typing import Any

from trapcam.recall import Recall


def figures(one: Recall) -> dict[str, Any]:
    """For a program: every figure by its name."""
    return {
        "level": one.level,
        "kept": one.kept,
        "recall_at_least": one.at_least,
        "recall_likely": one.likely,
        "missed_at_most": one.at_most_missed,
        "missed_likely": one.likely_missed,
        "not_measured": one.not_measured,
        "strata": [
            {
                "stratum": g.group.stratum,
                "probability": g.group.probability,
                "bursts": g.group.bursts,
                "samples": g.group.samples,
                "feline": g.group.felines,
                "none": g.group.none,
                "doubtful": g.group.doubtful,
                "missed_likely": g.likely,
                "missed_at_most": g.at_most,
            }
            for g in one.groups
        ],
    }


def words(name: str, one: Recall) -> str:
    """For a person: the recall of what `name` says, then a line for each stratum."""
    missed = f"missed at most {one.at_most_missed}"
    if one.likely_missed is not None:
        missed += f", likely {one.likely_missed:.1f}"
    if one.at_least is None:
        text = f"{name}: {'no recall: felines kept are not given by place' if one.kept is None else 'no felines'}"
    else:
        likely = "" if one.likely is None else f", likely {one.likely:.1%}"
        text = f"{name}: recall at least {one.at_least:.1%} ({one.level:.0%} sure){likely}; {one.kept} kept"
    lines = [f"{text}; {missed}"]
    for bounded in one.groups:
        group = bounded.group
        lines.append(
            f"  {group.stratum}, {group.probability:.4g} sampled: {group.bursts} bursts, {group.samples} samples: "
            f"{group.felines} feline, {group.none} none, {group.doubtful} unclear or not looked at; "
            f"missed at most {bounded.at_most}"
        )
    lines += _not_measured(one.not_measured.items())
    return "\n".join(lines)


def _not_measured(found: Iterable[tuple[str, int]]) -> Iterable[str]:
    for stratum, bursts in sorted(found):
        why = "may show people, never kept" if stratum == "people" else "not sampled by the settings"
        yield f"  not measured, the bound does not speak for them: {bursts} bursts ({stratum}: {why})"
