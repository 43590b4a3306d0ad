"""How far a long run is, in words: how many of how many, how fast, and how long it will still take (pure)."""

SHOWN_EVERY_S = 1.0


class Remaining:
    """Counts what is done; `what` names it (files, pictures). Times are seconds of any steady clock."""

    def __init__(self, total: int, what: str, now_s: float) -> None:
        self._total, self._what = total, what
        self._done = self._skipped = 0
        self._began_s = now_s
        self._shown_s = now_s

    def skip(self, count: int = 1) -> None:
        """Done already, in no time: no part of the rate."""
        self._done += count
        self._skipped += count

    def step(self, now_s: float) -> str:
        """One more is done; a line to show once a second, else nothing."""
        self._done += 1
        if now_s - self._shown_s < SHOWN_EVERY_S:
            return ""
        self._shown_s = now_s
        return self.line(now_s)

    def line(self, now_s: float) -> str:
        """Where it stands."""
        text = f"{self._done} of {self._total} {self._what}"
        spent_s, worked = now_s - self._began_s, self._done - self._skipped
        if worked and spent_s > 0:
            text += f", {worked / spent_s:.3g} a second"
            if self._done < self._total:
                text += f", {in_words((self._total - self._done) * spent_s / worked)} left"
        return text


def in_words(seconds: float) -> str:
    """A length of time to the precision that a waiting person needs."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"
