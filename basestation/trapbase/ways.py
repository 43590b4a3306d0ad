"""Which ways out a base may use, by its country and its agreements. Pure."""

import msgspec

from trapbase.borders import why_closed
from trapbase.config import Settings


def within_borders(settings: Settings) -> tuple[Settings, list[str]]:
    """The settings without those ways out that may not be used, and why each is closed, in words."""
    said, own, agreed = [], settings.country, settings.agreement
    why = why_closed(own, settings.upload.country, agreed) if settings.upload.url else ""
    upload = settings.upload
    if why:
        said.append(f"the way to the back end is closed: {why}")
        upload = msgspec.structs.replace(upload, url="")
    open_ways = []
    for outlet in settings.outlet:
        why = why_closed(own, outlet.country, agreed)
        if why:
            said.append(f"outlet {outlet.name} is closed: {why}")
        else:
            open_ways.append(outlet)
    return msgspec.structs.replace(settings, upload=upload, outlet=tuple(open_ways)), said
