"""Timers that take the time they are asked at (pure)."""


def due(since_ms: int | None, now_ms: int, wait_ms: int) -> bool:
    """Whether `wait_ms` have passed; a clock set back counts as passed, so that it cannot silence a carrier."""
    return since_ms is None or not 0 <= now_ms - since_ms < wait_ms
