"""What waits to be sent: by urgency, then by age; bounded; and nothing may hold up the rest for ever."""

from trapwire.objects import ObjectKey

MAX_QUEUE = 256  # keys held in memory at once; the queue in flash may be longer
PATIENCE = 4  # answers that settle nothing before an object gives way to the next priority


class _Waiting:
    def __init__(self, priority: int, order: int, fresh: bool) -> None:
        self.priority = priority
        self.order = order
        self.fresh = fresh
        self.tries = 0

    def rank(self) -> "tuple[int, int]":
        return (self.priority + self.tries // PATIENCE, self.order)


class SendQueue:
    """Keys with priorities, the lowest number most urgent."""

    def __init__(self) -> None:
        self._waiting: "dict[ObjectKey, _Waiting]" = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def __contains__(self, key: ObjectKey) -> bool:
        return key in self._waiting

    def has_room(self) -> bool:
        return len(self._waiting) < MAX_QUEUE

    def offer(self, key: ObjectKey, priority: int, fresh: bool = True) -> bool:
        """Take a key; in a full queue a less urgent one gives way. False when all there are more urgent.

        fresh: surely nothing of it was ever sent.
        """
        if key in self._waiting:
            return True
        self._order += 1
        new = _Waiting(priority, self._order, fresh)
        if not self.has_room():
            worst = max(self._waiting, key=self._rank)
            if self._rank(worst) <= new.rank():
                return False
            del self._waiting[worst]
        self._waiting[key] = new
        return True

    def head(self) -> "ObjectKey | None":
        """The key to send now."""
        return min(self._waiting, key=self._rank) if self._waiting else None

    def drop(self, key: ObjectKey) -> None:
        self._waiting.pop(key, None)

    def begin(self, key: ObjectKey) -> bool:
        """Its sending begins: whether nothing of it was ever sent."""
        waiting = self._waiting[key]
        fresh, waiting.fresh = waiting.fresh, False
        return fresh

    def begun(self) -> "list[ObjectKey]":
        """Those of which something may have been sent."""
        return [key for key in self._waiting if not self._waiting[key].fresh]

    def blame(self, key: ObjectKey) -> None:
        """An answer has not settled this one."""
        self._waiting[key].tries += 1

    def forgive(self) -> None:
        """Something was settled: the base commits again, back to the order of urgency."""
        for waiting in self._waiting.values():
            waiting.tries = 0

    def is_patient(self, key: ObjectKey) -> bool:
        """Whether the key still has its own priority."""
        return self._waiting[key].tries < PATIENCE

    def _rank(self, key: ObjectKey) -> "tuple[int, int]":
        return self._waiting[key].rank()
