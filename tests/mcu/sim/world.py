"""Time by hand, and what happens in it: the board's pins, and calls at a moment. Both interpreters."""

PERIOD = 1 << 30  # of ticks on a board
_MASK = PERIOD - 1
_HALF = PERIOD // 2

try:
    from micropython import heap_lock, heap_unlock
except ImportError:  # CPython: nobody can tell

    def heap_lock():
        pass

    heap_unlock = heap_lock


class World:
    """`us` since its beginning; `levels` of the pins by number, `high_z` of those nobody drives."""

    def __init__(self, ticks_us=0):
        self.us = 0
        self._ticks_us = ticks_us
        self._calls = []
        self.levels = {}
        self.handlers = {}  # pin number: (handler, trigger, pin)
        self.watchers = {}  # pin number: called with its new level
        self.edges_lost = False  # in light sleep
        self.ticks_in_handler = (
            None  # our `us` are too long for 32 bits, and would need the heap; a board's ticks do not
        )

    def at(self, us, call):
        self._calls.append((us, len(self._calls), call))

    def run(self, us):
        """Let so much time pass; what falls into it happens."""
        end = self.us + int(us)
        while True:
            due = [c for c in self._calls if c[0] <= end]
            if not due:
                break
            first = min(due, key=lambda c: c[:2])
            self._calls.remove(first)
            self.us = max(self.us, first[0])
            first[2]()
        self.us = max(self.us, end)

    def run_until(self, us, stop):
        """Until a moment, or until `stop()`."""
        while self.us < us and not stop():
            times = [c[0] for c in self._calls if c[0] > self.us]
            self.run(max(0, min([us] + times) - self.us))
        return stop()

    def level(self, pin):
        return self.levels.get(pin, 0)

    def set(self, pin, level):
        """A pin's new level; under MicroPython handlers run with the heap locked."""
        if self.level(pin) == level:
            return
        self.levels[pin] = level
        if pin in self.watchers:
            self.watchers[pin](level)
        if pin in self.handlers and not self.edges_lost:
            handler, trigger, source = self.handlers[pin]
            if trigger & (1 if level else 2):
                self.ticks_in_handler = Time(self).ticks_ms()
                heap_lock()
                try:
                    handler(source)
                finally:
                    heap_unlock()
                    self.ticks_in_handler = None


class Time:
    """As MicroPython's `time`, with a board's 30 bits."""

    def __init__(self, world):
        self._world = world

    def ticks_ms(self):
        if self._world.ticks_in_handler is not None:
            return self._world.ticks_in_handler
        return (self._world.us + self._world._ticks_us) // 1000 & _MASK

    def ticks_us(self):
        return self._world.us + self._world._ticks_us & _MASK

    @staticmethod
    def ticks_add(ticks, delta):
        return ticks + delta & _MASK

    @staticmethod
    def ticks_diff(end, start):
        passed = end - start
        if passed >= _HALF:
            return passed - _HALF - _HALF  # in steps that a 32-bit interpreter makes without its heap
        return passed + _HALF + _HALF if passed < -_HALF else passed

    def sleep_ms(self, ms):
        self._world.run(ms * 1000)

    def sleep_us(self, us):
        self._world.run(us)
