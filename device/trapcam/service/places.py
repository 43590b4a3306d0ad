"""Is a position one where a trap may stand? Within the operator's region, and on land (pure but for one small file).

`land.png`: north-east Asia in cells of 0.05°, from NOAA's GLOBE elevations (public domain) by way of the package
global-land-mask (MIT): a cell is land where any of it is. Outside it nothing is known, and nothing is said.
"""

from functools import cache
from importlib.resources import files

from PIL import Image as Pictures

from trapcam.service.positions import Position, PositionError

NORTH, WEST, CELL = 65.0, 65.0, 0.05  # of land.png's corner, and its cells, in degrees


def check_place(position: Position, region: tuple[float, float, float, float]) -> None:
    """`region`: south, west, north, east.  Raises: PositionError, which says it back: often a digit is wrong."""
    south, west, north, east = region
    if not (south <= position.latitude <= north and west <= position.longitude <= east):
        raise PositionError(
            "{position} is outside the region of this trap. Look at the digits again.", position=position.text()
        )
    if not is_land(position):
        raise PositionError("{position} lies in the sea. Look at the digits again.", position=position.text())


def is_land(position: Position) -> bool:
    """Whether a cell or one of its neighbours is land; true where nothing is known."""
    land = _land()
    row, column = int((NORTH - position.latitude) / CELL), int((position.longitude - WEST) / CELL)
    if not (0 <= row < land.height and 0 <= column < land.width):
        return True
    around = land.crop((column - 1, row - 1, column + 2, row + 2))
    return around.getbbox() is not None


@cache
def _land() -> Pictures.Image:
    with (files("trapcam.service") / "land.png").open("rb") as file, Pictures.open(file) as picture:
        return picture.convert("L")
