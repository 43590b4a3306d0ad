"""How much a base keeps, its backups by itself, where cards may lie: the tables `[store]`, `[backup]` and `[cards]`."""

from typing import Annotated

from msgspec import Meta, Struct


class StoreSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is kept. Only bodies of what the back end has signed for go, the largest kinds first."""

    quota_gb: Annotated[
        float,
        Meta(
            ge=0, le=1000000, description="most that pictures may take, in files and rows; 0: what the disk holds (GB)"
        ),
    ] = 0.0
    keep_days: Annotated[
        int, Meta(ge=0, le=36500, description="media are kept so long after they came; 0: for ever (days)")
    ] = 0
    free_mb: Annotated[int, Meta(ge=0, le=1000000, description="what media leave free on the disk (MiB)")] = 512


class BackupSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Backups that the running base makes by itself."""

    folder: Annotated[
        str, Meta(max_length=200, description="where they go, best onto another disk; empty: none is made")
    ] = ""
    every_h: Annotated[float, Meta(ge=1, le=8760, description="one every (h)")] = 24.0
    keep: Annotated[int, Meta(ge=1, le=1000, description="how many are kept")] = 7


class CardsSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rangers' deployment cards: a card whose place lies outside these bounds is kept and not used."""

    south: Annotated[float, Meta(ge=-90, le=90, description="southernmost place of a trap (degrees)")] = -90.0
    north: Annotated[float, Meta(ge=-90, le=90, description="northernmost (degrees)")] = 90.0
    west: Annotated[
        float, Meta(ge=-180, le=180, description="westernmost; beyond `east`: over the 180th meridian (degrees)")
    ] = -180.0
    east: Annotated[float, Meta(ge=-180, le=180, description="easternmost (degrees)")] = 180.0
