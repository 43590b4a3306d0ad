"""`visits.csv`: what rangers did at the traps, a resource of our own beside the tables of Camtrap DP. Pure."""

from typing import Any

from trapbase.camtrap_rows import Row, time_text
from trapbase.eventid import WINDOW_MS, sighting_id
from trapbase.places import Places
from trapbase.stays import Said, plain
from trapkit.cards import Visit

VISIT_FIELDS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "visitID": ("string", "trap, epoch and number of the note that brought it", {"required": True, "unique": True}),
    "deploymentID": ("string", "the deployment whose trap was visited", {"required": True}),
    "timestamp": ("datetime", "when it was, by the trap's clock", {"required": True}),
    "timestampIssues": ("boolean", "whether that clock was unknown or off by more than a minute", {"required": True}),
    "done": (
        "string", "battery, memory card, desiccant: changed; lens: cleaned; straightened; with | between them, "
        "empty: only looked at", {},
    ),
    "visitedBy": ("string", "who", {"required": True}),
    "comments": ("string", "", {}),
}  # fmt: skip
VISITS = tuple(VISIT_FIELDS)
# For people; a word that a newer trap says stands as it is.
WORDS = {
    "battery": "battery changed", "memory card": "memory card changed", "desiccant": "desiccant changed",
    "lens": "lens cleaned", "straightened": "camera straightened",
}  # fmt: skip


def visit_row(said: Said, visit: Visit, places: Places) -> Row:
    """One visit."""
    return {
        "visitID": sighting_id(said.sighting),
        "deploymentID": places.site(said.trap, visit.at_ms).id,
        "timestamp": time_text(visit.at_ms),
        "timestampIssues": "true" if doubtful(visit) else "false",
        "done": "|".join(visit.done),
        "visitedBy": plain(visit.who),
        "comments": plain(visit.note),
    }


def doubtful(visit: Visit) -> bool:
    """Whether the trap's clock was unknown, or off by more than a minute."""
    return visit.uncertainty_ms is None or visit.uncertainty_ms > WINDOW_MS


def words_of(visit: Visit) -> str:
    """What was done, for people."""
    return ", ".join(WORDS.get(one, one) for one in visit.done) or "only looked at"
