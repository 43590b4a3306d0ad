"""Positions made coarser before they leave a base: rounded to a grid, never moved at random. Pure.

(Chapman 2020, "Current Best Practices for Generalizing Sensitive Species Occurrence Data".)
"""

from collections.abc import Mapping

EXACT = "exact"
GRIDS = ("0.001", "0.01", "0.1")  # degrees
METRES_A_DEGREE = 111_320


def rounded(latitude: float, longitude: float, uncertainty_m: int, rule: str) -> tuple[float, float, int]:
    """A position and its uncertainty (m) as `rule` allows: "exact", or one of `GRIDS`."""
    if rule == EXACT:
        return latitude, longitude, uncertainty_m
    digits = len(rule.partition(".")[2])
    # The corner of a cell of the grid is the farthest: half a diagonal, at the equator, where a cell is widest.
    added = round(float(rule) * METRES_A_DEGREE * 0.7072)
    return round(latitude, digits), round(longitude, digits), uncertainty_m + added


def rounded_row(row: Mapping[str, object], rule: str) -> dict[str, object]:
    """A row of deployments or samples, its columns `latitude`, `longitude`, `coordinateUncertainty` made coarser."""
    latitude, longitude, uncertainty_m = (row[name] for name in COLUMNS)
    assert isinstance(latitude, float | int)
    assert isinstance(longitude, float | int)
    assert isinstance(uncertainty_m, int)
    return dict(row) | dict(zip(COLUMNS, rounded(latitude, longitude, uncertainty_m, rule), strict=True))


COLUMNS = ("latitude", "longitude", "coordinateUncertainty")
