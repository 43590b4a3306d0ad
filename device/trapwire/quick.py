"""Quick turns: pieces at a faster spreading factor than the cell's, where the base hears the trap well enough.

The cell's spreading factor is chosen for the farthest trap. A nearer one asks, with a *quick* frame, for one turn at a
faster one; the base allows what the margin it measures allows, and both tune there for that turn and its answer.
Whatever ends the turn, both are back at the cell's by themselves: the base after its answer or when the time is over,
the trap after the answer or when none came. Silence twice means no quick turn for a while, ever longer.
"""

from trapwire.airtime import SF_MIN, airtime_us, snr_floor_quarter_db

TURN_MS = 5000  # at most: the base hears no other trap meanwhile
MIN_PIECES = 4  # fewer are not worth the question
MARGIN_QUARTER_DB = 24  # above the floor of the faster one: 6 dB, for fading within the turn
HEARD_FRAMES = 4  # whose worst counts
START_MS = 60  # until both are tuned
ANSWER_MS = 900  # of the turn is kept for the poll's answer, ingest's commit in it
LISTEN_MS = 5  # between two frames of a turn
REST_MS = 600000  # after a refusal, or a second silence in a row; doubled with each more
REST_MAX_MS = 21600000


def piece_ms(frame_bytes: int, sf: int) -> int:
    """What a piece takes, the quiet before the next one with it."""
    return (airtime_us(frame_bytes, sf) + 999) // 1000 + LISTEN_MS


def fitting(turn_ms: int, frame_bytes: int, sf: int) -> int:
    """Pieces that fit into a turn of so long."""
    return max(0, turn_ms - ANSWER_MS - START_MS) // piece_ms(frame_bytes, sf)


def allowed_sf(worst_snr_quarters: int, wanted: int, home: int) -> int:
    """The fastest spreading factor, `wanted` at the fastest, that this signal bears; `home` where none does."""
    for sf in range(max(SF_MIN, wanted), home):
        if worst_snr_quarters >= snr_floor_quarter_db(sf) + MARGIN_QUARTER_DB:
            return sf
    return home


def turn_ms(pieces: int, frame_bytes: int, sf: int) -> int:
    """How long the base stays for so many pieces: no longer than they take, nor than TURN_MS."""
    return min(TURN_MS, pieces * piece_ms(frame_bytes, sf) + ANSWER_MS + START_MS)


class QuickTurns:
    """The trap's side. fastest: the spreading factor to ask for; home: the cell's; `sf`: where to be tuned now."""

    def __init__(self, home: int, fastest: int, frame_bytes: int) -> None:
        self.home = home
        self.sf = home
        self.fastest = fastest
        self.pieces = 0  # that the turn has room for
        self._frame_bytes = frame_bytes
        self._until = 0
        self._used = False
        self._rest_until = 0
        self._failed = 0

    @property
    def active(self) -> bool:
        return self.sf != self.home

    def move(self, home: int, frame_bytes: int) -> None:
        """The cell has another spreading factor from now on."""
        self.home = self.sf = home
        self._frame_bytes = frame_bytes
        self._used = False

    def wanted(self, pieces: int, now: int) -> bool:
        """Whether to ask, with so many pieces to send."""
        return not self.active and pieces >= MIN_PIECES and now >= self._rest_until and self.fastest < self.home

    def granted(self, sf: int, time_ms: int, now: int) -> bool:
        """The base allows a turn; False when it is none that was asked for."""
        pieces = fitting(time_ms, self._frame_bytes, sf) if self.fastest <= sf < self.home else 0
        if time_ms > TURN_MS or not pieces:
            return False
        self.sf = sf
        self.pieces = pieces
        self._until = now + time_ms
        self._used = False
        return True

    def use(self) -> None:
        """A frame goes out within the turn."""
        self._used = self.active

    def answered(self) -> bool:
        """An answer was complete: whether it was the turn's, which is over then."""
        ended = self._used
        if ended:
            self._failed = 0
            self._home()
        return ended

    def expired(self, now: int) -> bool:
        """Whether the time is over, with nothing in the air: then the trap is at home again."""
        if not self.active or now < self._until:
            return False
        self._home()
        return True

    def refused(self, now: int) -> None:
        """The base does not allow it: a rest."""
        self._failed = max(self._failed, 1)
        self.failed(now)

    def failed(self, now: int) -> None:
        """Silence: home, and a rest if it was not the first; one frame is lost now and then."""
        self._home()
        if self._failed:
            self._rest_until = now + min(REST_MS << min(self._failed - 1, 8), REST_MAX_MS)
        self._failed += 1

    def left_ms(self, now: int) -> int:
        """How long the base may still be away."""
        return max(0, self._until - now)

    def _home(self) -> None:
        self.sf = self.home
        self._used = False
