"""How long a trap waits for what, on the link."""


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
