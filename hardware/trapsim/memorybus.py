"""A broker in memory, for whole-system tests in virtual time: the bus of `trapkit.topics` without sockets.

It keeps Mosquitto's promises and no more: a session's queue outlives its connection, what was not acknowledged
comes again after a reconnect, and a killed broker forgets everything (`drop`; `stop` until `start`).
"""

from collections import deque

from trapkit.topics import Message, matches

MAX_QUEUED = 10_000  # messages a session: beyond it new ones are lost, as Mosquitto's max_queued_messages does


class MemoryBroker:
    """Sessions by client name."""

    def __init__(self) -> None:
        self._sessions: dict[str, MemoryBus] = {}
        self._up = True

    def connect(self, client_id: str, subscriptions: tuple[str, ...], *, may_publish: str = "#") -> "MemoryBus":
        """The session of `client_id`, connected; the old one's queue is taken over, as clean start off does.

        `may_publish`: the access list, one subscription pattern.
        """
        old = self._sessions.get(client_id)
        session = MemoryBus(self, subscriptions, may_publish)
        if old is not None:
            old.connected = False
            session.queue = deque([(m, True) for m in old.open.values()] + list(old.queue))
        self._sessions[client_id] = session
        session.connected = self._up
        return session

    def drop(self) -> None:
        """What `kill -9` does to a broker between two autosaves: every queue is lost, every session reconnects."""
        for session in self._sessions.values():
            session.generation += 1
            session.queue.clear()
            session.open.clear()

    def stop(self) -> None:
        """`kill -9`, and nobody starts it again."""
        self.drop()
        self._up = False
        for session in self._sessions.values():
            session.connected = False

    @property
    def is_up(self) -> bool:
        return self._up

    def start(self) -> None:
        """After `stop`: all connect again."""
        self._up = True
        for session in self._sessions.values():
            session.connected = True

    def deliver(self, topic: str, payload: bytes, properties: dict[str, str]) -> None:
        for session in self._sessions.values():
            if any(matches(s, topic) for s in session.subscriptions) and len(session.queue) < MAX_QUEUED:
                session.queue.append(((topic, payload, dict(properties)), False))


Content = tuple[str, bytes, dict[str, str]]


class MemoryBus:
    """One session. `connected` may be set to False and True again to play a lost network."""

    def __init__(self, broker: MemoryBroker, subscriptions: tuple[str, ...], may_publish: str) -> None:
        self._broker = broker
        self._may_publish = may_publish
        self.subscriptions = subscriptions
        self.queue: deque[tuple[Content, bool]] = deque()
        self.open: dict[int, Content] = {}
        self.generation = 0
        self._next = 0
        self._connected = True
        self.denied = 0
        self.last_error = ""

    @property
    def connected(self) -> bool:
        return self._connected

    @connected.setter
    def connected(self, value: bool) -> None:
        if value and not self._connected:
            self.generation += 1
            self.queue.extendleft((content, True) for content in reversed(self.open.values()))
            self.open.clear()
        self._connected = value

    def publish(self, topic: str, payload: bytes, properties: dict[str, str] | None = None) -> bool:
        if not self._connected:
            return False
        if not matches(self._may_publish, topic):
            self.denied += 1
            self.last_error = f"bus: publishing {topic} was denied: Not authorized"
            return True
        self._broker.deliver(topic, payload, properties or {})
        return True

    def take(self, limit: int) -> list[Message]:
        if not self._connected:
            return []
        return [self._hand_out() for _ in range(min(limit, len(self.queue)))]

    def _hand_out(self) -> Message:
        content, duplicate = self.queue.popleft()
        number, generation = self._next, self.generation
        self._next += 1
        self.open[number] = content

        def acknowledge() -> None:
            if generation == self.generation:
                self.open.pop(number, None)

        return Message(*content, acknowledge, duplicate=duplicate)
