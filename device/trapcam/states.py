"""An object's states, and its priority on every carrier (pure)."""

from trapwire.alert import SPECIES
from trapwire.objects import ALERT, CROP, FRAME, FULLS, NOTE, SCENE

# States of an object. `trapcam/sql/queries.sql` holds the transitions:
#   held      no carrier for it yet: collected at a service visit, or sent where there is a network
#   waiting   to be handed to the supervisor
#   stored    the supervisor has it in its flash
#   delivered the base has committed it
#   deleted   the back end's receipt was applied; the body is gone, the row and its digest stay
HELD, WAITING, STORED, DELIVERED, DELETED = "held", "waiting", "stored", "delivered", "deleted"
STATES = (HELD, WAITING, STORED, DELIVERED, DELETED)
FIRST_STATE = {ALERT: WAITING, CROP: WAITING, FRAME: HELD, NOTE: WAITING, SCENE: HELD} | dict.fromkeys(FULLS, HELD)

PRIORITIES = 256  # a u8 on the serial line; 0 is the most urgent


ALERTS_ONLY = 2  # priorities below it: alerts of wild animals
ALARM_PRIORITY = -1  # before every alert; the serial line, which begins at 0, has every priority one higher
DAY_PRIORITY = 2  # a day's line costs a tenth of a crop, and goes among these
SCENE_PRIORITY = 5  # behind all frames of this kind of priority, before full frames
WANTED_PRIORITY = 1  # what somebody asked for: before all that nobody did, except alerts of the rarest cats
LATER = {"lynx": 1, "puma": 1, "other feline": 1, "other animal": 1, "domestic cat": 4}
"""Who gives way to tigers, leopards, snow leopards and cats that nobody named: they may be such."""


UNJUDGED = "unjudged"
"""The category of an event that no model has judged."""
UNJUDGED_PRIORITY = 200  # after all that was judged: most of it shows nothing


def priority(rung: int, species: int, category: str = "") -> int:
    """Alerts before crops before frames; among alike the cats that the traps are for; a domestic cat's alert counts as
    much as a wild one's frame. What nobody judged comes last."""
    if category == UNJUDGED:
        return UNJUDGED_PRIORITY + rung
    return 2 * rung + LATER.get(SPECIES.get(species, ""), 0)
