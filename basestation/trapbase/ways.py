"""Which ways out a base may use, by its country and its agreements. Pure."""

from dataclasses import dataclass

import msgspec

from trapbase.borders import why_closed
from trapbase.config import Settings
from trapbase.outlet_settings import UPLOAD


@dataclass(frozen=True, kw_only=True)
class ClosedWay:
    """A way out that the settings name, and that may not be used: `why`, in words."""

    name: str
    kind: str
    why: str

    @property
    def words(self) -> str:
        what = "the way to the back end" if self.name == UPLOAD else f"outlet {self.name}"
        return f"{what} is closed: {self.why}"


class OpenSettings(Settings, frozen=True, kw_only=True):
    """The settings without those ways, which stand apart; no file has that key."""

    closed: tuple[ClosedWay, ...] = ()


def within_borders(settings: Settings) -> OpenSettings:
    """The settings without those ways out that may not be used; `closed_ways` has these."""
    closed, own, agreed = [], settings.country, settings.agreement
    given = {name: getattr(settings, name) for name in Settings.__struct_fields__}
    why = why_closed(own, settings.upload.country, agreed) if settings.upload.url else ""
    if why:
        closed.append(ClosedWay(name=UPLOAD, kind="tus", why=why))
        given["upload"] = msgspec.structs.replace(settings.upload, url="")
    for outlet in settings.outlet:
        if why := why_closed(own, outlet.country, agreed):
            closed.append(ClosedWay(name=outlet.name, kind=outlet.kind, why=why))
    shut = {way.name for way in closed}
    given["outlet"] = tuple(outlet for outlet in settings.outlet if outlet.name not in shut)
    return OpenSettings(**given, closed=tuple(closed))


def closed_ways(settings: Settings) -> tuple[ClosedWay, ...]:
    """Those that `within_borders` has closed."""
    return settings.closed if isinstance(settings, OpenSettings) else ()
