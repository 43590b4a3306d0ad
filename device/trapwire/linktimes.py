"""How long a trap waits for what, on the link."""

ALERT_PAUSE = 8  # times shorter is the longest pause of a trap that has an alert to send
DEAD_AFTER = 64  # silences in a row, from which on pauses grow beyond that: a base that is gone empties no battery
DEAD_DOUBLINGS = 5


class LinkTimes:
    """How long the trap waits, in ms on the air's clock.

    reply_window_ms: until the base's answer has begun; pause_ms: the first pause after silence, doubled up to
    pause_max_ms; slot_ms: the unit of random waiting when the channel is busy; commit_ms: before asking again about an
    object that is complete at the base and not committed; heartbeat_ms: between heartbeats.
    """

    def __init__(
        self,
        reply_window_ms: int = 500,
        pause_ms: int = 400,
        pause_max_ms: int = 60000,
        slot_ms: int = 60,
        commit_ms: int = 500,
        heartbeat_ms: int = 3600000,
    ) -> None:
        self.reply_window_ms = reply_window_ms
        self.pause_ms = pause_ms
        self.pause_max_ms = pause_max_ms
        self.slot_ms = slot_ms
        self.commit_ms = commit_ms
        self.heartbeat_ms = heartbeat_ms

    def longest_pause(self, silent: int, has_alert: bool, has_company: bool) -> int:
        """After `silent` silences in a row and one more: a random pause is shorter than this."""
        first = self.pause_ms if has_company else self.pause_ms // 4  # alone: no collision
        most = self.pause_max_ms // (ALERT_PAUSE if has_alert else 1)
        return min(first << min(silent, 18), most << max(0, min(silent - DEAD_AFTER, 2 * DEAD_DOUBLINGS)) // 2)
