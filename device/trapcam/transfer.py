"""One large object on its way to a base, piece by piece; pure: takes `now_ms`, returns what to publish.

Rules:
- First the base is asked how much it has; its answer is where the sending begins. It is asked again after a silence,
  and when it says that it has less than it had: nothing is sent twice on a guess.
- At most `WINDOW_BYTES` are on their way without an answer: that is what a cut costs, and what an alert waits behind.
- Silence is late after `answer_ms` and the time that the bytes on offer need at the slowest rate; with every question
  that brought nothing new there is more patience, and after `TRIES` of them others have their turn.
"""

from trapcam.timers import due
from trapkit.pieces import PIECE_BYTES, Have, Mark, Piece

TRIES = 8  # turns of an object in a row; what is never answered must not keep the others from theirs
WINDOW_BYTES = 4 * PIECE_BYTES


class Transfer:
    """Of the body that `mark` names. `late`: it was not answered in time, since the base was heard last."""

    def __init__(self, mark: Mark, body: bytes, *, answer_ms: int, slowest_bytes_per_s: int) -> None:
        self.mark = mark
        self.late = False
        self._body = body
        self._answer_ms = answer_ms
        self._rate = slowest_bytes_per_s
        self._there: int | None = None  # bytes that the base has; None: it must be asked
        self._next = 0
        self._best = 0  # the most that it ever had
        self._questions = 0  # since then
        self._since_ms: int | None = None  # the question, or the first of what is not answered

    @property
    def on_its_way(self) -> int:
        """Bytes that are published and not answered."""
        return 0 if self._there is None else self._next - self._there

    @property
    def given_up(self) -> bool:
        """Asked so often, and nothing new: the next turn is another object's."""
        return self._there is None and self._questions >= TRIES

    def reconnected(self, now_ms: int) -> None:
        """The client itself sends what the broker had not taken: everything has its time again."""
        if self._since_ms is not None:
            self._since_ms = now_ms

    def poll(self, now_ms: int, ahead_bytes: int) -> Piece | None:
        """What to publish now; `ahead_bytes` of other objects are on their way too. Then say `sent`."""
        waiting = self._since_ms is not None and (self._there is None or self.on_its_way > 0)
        if waiting and due(self._since_ms, now_ms, self._wait_ms(ahead_bytes)):
            self._ask()
            self.late = True
        if self._there is None:
            return Piece(self.mark, 0, b"") if self._since_ms is None else None
        if self._next == self.mark.total or self.on_its_way >= WINDOW_BYTES:
            return None
        return Piece(self.mark, self._next, self._body[self._next : self._next + PIECE_BYTES])

    def sent(self, piece: Piece, now_ms: int) -> None:
        """The bus took it."""
        if not piece.data:
            self._questions += 1
            self._since_ms = now_ms
            return
        if self.on_its_way == 0:
            self._since_ms = now_ms
        self._next = piece.offset + len(piece.data)

    def hear(self, have: Have, now_ms: int) -> bool:
        """What a base says that it has; whether that is more than ever."""
        self.late = False
        if self._there is None:
            self._there = self._next = have.size
        elif have.size < self._there:
            self._ask()
            return False
        elif have.size > self._there:
            self._there, self._next = have.size, max(self._next, have.size)
        else:
            return False
        self._since_ms = now_ms
        more = have.size > self._best
        if more:
            self._best, self._questions = have.size, 0
        return more

    def _ask(self) -> None:
        self._there, self._since_ms = None, None

    def _wait_ms(self, ahead_bytes: int) -> int:
        turns = max(1, self._questions)
        return self._answer_ms + 1000 * turns * (ahead_bytes + self.on_its_way) // self._rate
