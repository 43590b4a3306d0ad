"""Which of a sighting's results stands. Pure: it follows from all of them, so the order of arrival is nothing to it.

A result that another of the same sighting replaces does not stand, whatever their times say: the corrector's clock may
be behind. Of the rest the newest decision stands; where that one is withdrawn, nothing is known of the sighting until
somebody decides anew. Results that replace each other in a ring do not count as replaced.
"""

from collections.abc import Sequence

from trapbase.model import Identification


def newest(results: Sequence[Identification]) -> Identification | None:
    """The last word among a sighting's results, which may be a withdrawal; None where there are none."""
    replaced = {r.replaces for r in results if r.replaces is not None}
    left = [r for r in results if r.result_id not in replaced] or results
    return max(left, key=lambda r: (r.decided_ms, r.result_id), default=None)


def standing(results: Sequence[Identification]) -> str | None:
    """The result_id of the one that stands among a sighting's results, or None."""
    last = newest(results)
    return None if last is None or last.withdrawn else last.result_id
