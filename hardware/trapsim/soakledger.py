"""The soak's books: what was handed over, committed and told, every nonce; what may never be is a violation."""

from trapkit.aes import AesCcm
from trapwire.errors import WireError
from trapwire.objects import ALERT, ObjectKey, decode_envelope

MAX_VIOLATIONS = 10  # of a night: the first says most


class Ingest:
    """The base's ingest: what is in `rows` is on the disk. A key that is there is dropped and said to be there."""

    def __init__(self) -> None:
        self.rows: dict[ObjectKey, bytes] = {}
        self.repeats = 0

    def commit(self, key: ObjectKey, envelope: bytes) -> None:
        """After it the object may be acknowledged."""
        if key in self.rows:
            self.repeats += 1
        self.rows.setdefault(key, envelope)


class Ledger:
    """Told of everything as it happens, by the ends; knows of them only `ingest`.

    `left`, `left_down`: objects of which their sender has not been told yet that they are delivered.
    """

    def __init__(self, ingest: Ingest) -> None:
        self.violations: list[str] = []
        self.left = 0
        self.left_down = 0
        self.longest_ms = 0  # of an alert, from its hand-over until its trap was told
        self.nonces = 0
        self.short_tags = 0  # tags of 4 bytes that were looked at
        self.long_tags = 0
        self._ingest = ingest
        self._handed: dict[ObjectKey, tuple[int, bytes]] = {}
        self._told: set[ObjectKey] = set()
        self._offered: dict[ObjectKey, bytes] = {}
        self._stored: set[ObjectKey] = set()
        self._taken: set[ObjectKey] = set()
        self._used: set[tuple[bytes, bytes]] = set()

    def violation(self, now: int, text: str) -> None:
        if len(self.violations) < MAX_VIOLATIONS:
            self.violations.append(f"at {now} ms: {text}")

    # Up

    def handed(self, key: ObjectKey, envelope: bytes, at_ms: int) -> None:
        self._handed[key] = (at_ms, envelope)

    def arrived(self, envelope: bytes, now: int) -> ObjectKey | None:
        """The base's link brings an object: one that was handed over, with those very bytes."""
        try:
            key = decode_envelope(envelope).key
        except WireError as error:
            self.violation(now, f"the base's link brought no envelope: {error}")
            return None
        if key not in self._handed or self._handed[key][1] != envelope:
            self.violation(now, f"the base's link brought {key!r}, which nobody handed over with these bytes")
        return key

    def told(self, key: ObjectKey, now: int) -> None:
        """A trap's link says that an object is delivered."""
        if key not in self._ingest.rows:
            self.violation(now, f"{key!r} was told delivered and is not committed")
        if key in self._told:
            self.violation(now, f"{key!r} was told delivered twice")
            return
        self._told.add(key)
        self.left -= 1
        if key.rung == ALERT:
            self.longest_ms = max(self.longest_ms, now - self._handed[key][0])

    # Down

    def offered(self, key: ObjectKey, envelope: bytes) -> None:
        self._offered[key] = envelope

    def came_down(self, key: ObjectKey, envelope: bytes, now: int) -> None:
        """A trap's link brings a receipt; it is in flash from now on."""
        if self._offered.get(key) != envelope:
            self.violation(now, f"{key!r} came down, which the base never offered with these bytes")
        self._stored.add(key)

    def taken(self, key: ObjectKey, now: int) -> None:
        """The base's link says that a trap has a receipt."""
        if key not in self._stored:
            self.violation(now, f"{key!r} was told to be on its trap and is not")
        elif key not in self._taken:
            self._taken.add(key)
            self.left_down -= 1

    # Both

    def cipher(self, key: bytes) -> "WatchedCipher":
        """AES-128-CCM whose nonces are in the books."""
        return WatchedCipher(key, self)

    def sealed(self, key: bytes, nonce: bytes) -> None:
        self.nonces += 1
        if (key, nonce) in self._used:
            counter = int.from_bytes(nonce[3:7], "big")
            self.violation(0, f"counter {counter} was used twice under one key, nonce {nonce.hex()}")
        self._used.add((key, nonce))

    def close(self, now: int) -> None:
        """The night is over: what was handed over is committed, with its bytes, and nothing else; all were told."""
        rows = self._ingest.rows
        for key, (at_ms, envelope) in self._handed.items():
            if key not in rows:
                self.violation(now, f"{key!r}, handed over at {at_ms} ms, is not committed")
            elif rows[key] != envelope:
                self.violation(now, f"{key!r} is committed with other bytes")
            elif key not in self._told:
                self.violation(now, f"{key!r}, handed over at {at_ms} ms, was never told delivered")
        for key in rows.keys() - self._handed.keys():
            self.violation(now, f"{key!r} is committed and nobody handed it over")
        for key in self._offered.keys() - self._taken:
            self.violation(now, f"{key!r} was never told to be on its trap")
        if (self.left or self.left_down) and not self.violations:
            self.violation(now, f"{self.left + self.left_down} hand-overs never took place")


class WatchedCipher(AesCcm):
    """The base's own cipher, every use of it in the books."""

    def __init__(self, key: bytes, ledger: Ledger) -> None:
        super().__init__(key)
        self._name = key
        self._ledger = ledger

    def seal(self, nonce: bytes, aad: bytes, data: bytes, tag: int) -> bytes:
        self._ledger.sealed(self._name, nonce)
        return super().seal(nonce, aad, data, tag)

    def open(self, nonce: bytes, aad: bytes, sealed: bytes, tag: int) -> bytes | None:
        if tag == 4:
            self._ledger.short_tags += 1
        else:
            self._ledger.long_tags += 1
        return super().open(nonce, aad, sealed, tag)
