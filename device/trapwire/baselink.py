"""The base's end of the link: one `BaseLink` speaks with every trap that the base is home to.

Rules (PROTOCOL.md section 6). The base only answers: after a frame with *poll* it says what is committed, what is
missing, and sends what goes down, every frame but the last with *more*. An object is acknowledged only after
`committed()`, which the gateway calls when ingest has it on the disk; a repeat of a committed object is acknowledged
again. All state may be lost at any time: then the traps send again.

Keys (section 4). Each trap has its own. While one is replaced a base holds two, and the first frame under the newer
one ends the older. A trap without a key here is refused. What is refused is counted, changes nothing, and is remembered
in as many words as there are traps.
"""

import hashlib
from binascii import crc32

from trapwire.basewords import BaseWords
from trapwire.errors import CAUSES, NO_KEY, REPLAYED, STRANGER, RefusedError, WireError, cause_of
from trapwire.fragments import UNKNOWN, Partial, Piece, cut, read_fragment, read_piece, transfer_of
from trapwire.frame import (
    ACK,
    ALERT,
    ASK,
    FRAGMENT,
    HAVE,
    HEADER_BYTES,
    HEARTBEAT,
    LOG,
    PIECE,
    QUICK,
    REPLY,
    WORD,
    Counter,
    Frame,
    peek_frame,
    tag_bytes,
)
from trapwire.objects import Envelope, ObjectKey
from trapwire.payloads import (
    MAX_ACK_KEYS,
    decode_ack,
    decode_alert_payload,
    decode_ask,
    decode_have,
    decode_heartbeat,
    decode_quick,
    encode_ack,
    encode_have,
    encode_quick,
    make_have,
)
from trapwire.peer import REMEMBERED, Complete, Peer, bound
from trapwire.quick import HEARD_FRAMES, MIN_PIECES, allowed_sf, turn_ms

MYPY = False  # mypy takes it for True; MicroPython has no typing to import
if MYPY:
    from trapwire.linkkeys import LinkKey

MAX_DOWN_FRAMES = 4  # fragments in one answer: the trap listens at 5 mA
MAX_DOWN_OBJECTS = 64


class BaseLink:
    """The base's end for the traps in `keys`.

    keys: of each trap, oldest first; none, one, or two while one is replaced. The lists stay the caller's: what is
    taken out is refused from then on, what the link drops is gone from them, and each key's `heard` goes up in them.
    frame_bytes: the largest frame of the plan; commit_wait_ms: how long an answer waits for ingest's commit of an
    object that has just become complete; quick: the cell's spreading factor and the fastest one that is allowed for
    quick turns, None for none. Events are tuples: ("object", envelope bytes, trap), ("piece", trap, kind,
    payload) which `recall` takes back in another run,
    ("down_delivered", key), ("heartbeat", trap, Heartbeat), ("dropped", reason), ("reply", trap, command,
    outcome, value), ("log", trap, left, payload). `words`: what it says beside (`trapwire.basewords`).
    `counts`: frames dropped, by cause (`trapwire.errors.CAUSES`).
    """

    def __init__(
        self,
        keys: "dict[int, list[LinkKey]]",
        frame_bytes: int,
        counter: Counter,
        commit_wait_ms: int = 150,
        quick: "tuple[int, int] | None" = None,
        words: "BaseWords | None" = None,
    ) -> None:
        self._peers = {number: Peer(keys[number]) for number in keys}
        self.counts = dict.fromkeys(CAUSES, 0)
        self._frame_bytes = frame_bytes
        self._counter = counter
        self._commit_wait_ms = commit_wait_ms
        self._quick = quick
        self._tune: "tuple[int, int] | None" = None
        self.words = words or BaseWords()

    # What the radio brings

    def on_frame(self, data: bytes, rssi_dbm: int, snr_quarters: int, now: int) -> "list[tuple[object, ...]]":
        """Take a frame from the air; the events it brings. Garbage and strangers raise nothing.

        rssi_dbm, snr_quarters: how the modem heard it (dBm; dB × 4), kept for the choice of rate.
        """
        try:
            head = peek_frame(data)
            if head.down:
                return []
            peer = self._peers.get(head.address)
            if peer is None:
                raise RefusedError(STRANGER, "trap %d is not ours" % head.address)
            frame = self._open(peer, head.address, data)
        except WireError as error:
            return [self._dropped(error, data, now)]
        peer.refused = None
        peer.version = frame.version
        peer.snrs = (peer.snrs + [snr_quarters])[-HEARD_FRAMES:]
        self.words.heard(frame, snr_quarters, now)
        try:
            events = self._on_up(peer, frame, now)
        except WireError as error:
            events = [self._dropped(error, data, now)]
        if frame.flag and peer.key is not None and peer.key.answers:
            waits = any(now - since < self._commit_wait_ms for since, _ in peer.pending.values())
            peer.reply_at = now + (self._commit_wait_ms if waits else 0)
        return events

    @staticmethod
    def _open(peer: Peer, address: int, data: bytes) -> Frame:
        """The frame, authentic and new.  Raises: WireError."""
        refused: "RefusedError | None" = None
        for key in reversed(peer.keys):
            try:
                frame = key.open(data)
            except RefusedError as error:
                # A tag fits one key: that it is old under that one says more than that it fits no other.
                if refused is None or error.cause == REPLAYED:
                    refused = error
                continue
            peer.key = key
            while peer.keys[0] is not key:
                del peer.keys[0]  # its trap has the newer one: what speaks under the older is not our trap any more
            return frame
        raise refused or RefusedError(NO_KEY, "there is no key of trap %d" % address)

    def _dropped(self, error: WireError, data: bytes, now: int) -> "tuple[object, ...]":
        cause = cause_of(error)
        self.counts[cause] += 1
        peer = self._peers.get(data[1] << 8 | data[2]) if len(data) >= HEADER_BYTES else None
        if peer is not None:
            peer.refused = (cause, now)
        return ("dropped", str(error))

    def refusals(self, now: int, within_ms: int) -> "list[tuple[int, str]]":
        """Traps of ours of which a frame was refused lately and none taken since; each with the last one's cause."""
        found = []
        for number, peer in self._peers.items():
            if peer.refused is not None and now - peer.refused[1] <= within_ms:
                found.append((number, peer.refused[0]))
        return found

    def _on_up(self, peer: Peer, frame: Frame, now: int) -> "list[tuple[object, ...]]":
        if frame.kind == ALERT:
            return self._take(peer, decode_alert_payload(frame.address, frame.payload), now)
        if frame.kind in (PIECE, FRAGMENT):
            piece = (read_piece if frame.kind == PIECE else read_fragment)(frame.payload)
            kept = ("piece", frame.address, frame.kind, frame.payload)
            return self._on_piece(peer, frame.address, piece, now) + [kept]
        if frame.kind == ASK:
            return self._on_ask(peer, frame.address, frame.payload, now)
        if frame.kind == ACK:
            return self._on_ack(peer, decode_ack(frame.address, frame.payload))
        if frame.kind == HAVE:
            have = decode_have(frame.payload)
            if peer.down and transfer_of(peer.down[0].encode()) == have.transfer:
                peer.down_todo = have.missing() or None
            return []
        if frame.kind == QUICK:
            peer.quick = decode_quick(frame.payload)
            return []
        if frame.kind == HEARTBEAT:
            return [("heartbeat", frame.address, decode_heartbeat(frame.payload))]
        if frame.kind in (REPLY, LOG):
            return self.words.on_up(frame, now)
        raise WireError("frame kind %d does not travel up" % frame.kind)

    def _on_piece(self, peer: Peer, trap: int, piece: Piece, now: int) -> "list[tuple[object, ...]]":
        done = peer.complete.get(piece.short)
        if done is not None and self._is_repeat(peer, done, piece):
            self._answer_for(peer, done)
            return []
        peer.complete.pop(piece.short, None)
        if piece.total != UNKNOWN:
            self._report(peer, piece.transfer, piece.total)  # also when it does not fit: then nothing of it is here
        partial, envelope = peer.incoming.add(piece, now)
        return self._whole(peer, trap, partial, envelope, now) if envelope is not None else []

    def _on_ask(self, peer: Peer, trap: int, payload: bytes, now: int) -> "list[tuple[object, ...]]":
        transfer, total = decode_ask(payload)
        done = peer.complete.get(transfer >> 4)
        if done is not None and (done.transfer, len(done.checks)) == (transfer, total) and self._is_here(peer, done):
            self._answer_for(peer, done)
            return []
        peer.complete.pop(transfer >> 4, None)  # of another, or forgotten meanwhile: gathered anew
        self._report(peer, transfer, total)
        found = peer.incoming.learn(transfer, total, now)
        return self._whole(peer, trap, found[0], found[1], now) if found is not None else []

    def _whole(
        self, peer: Peer, trap: int, partial: Partial, envelope: Envelope, now: int
    ) -> "list[tuple[object, ...]]":
        if envelope.key.trap != trap:
            raise WireError("object of %r came from trap %d" % (envelope.key, trap))
        checks = [crc32(partial.pieces[i]) for i in range(partial.total)]
        peer.complete[partial.short] = Complete(envelope.key, partial.transfer, _digest(envelope), checks)
        bound(peer.complete)
        return self._take(peer, envelope, now)

    def _answer_for(self, peer: Peer, done: Complete) -> None:
        if peer.committed.get(done.key) == done.digest:
            self._ack(peer, done.key)
        else:
            self._report(peer, done.transfer, len(done.checks))

    def _is_repeat(self, peer: Peer, done: Complete, piece: Piece) -> bool:
        """Whether a piece belongs to a transfer that is here whole, and not to another of the same number."""
        if piece.total != UNKNOWN and (piece.transfer, piece.total) != (done.transfer, len(done.checks)):
            return False
        if piece.index >= len(done.checks) or crc32(piece.data) != done.checks[piece.index]:
            return False
        return self._is_here(peer, done)

    @staticmethod
    def _is_here(peer: Peer, done: Complete) -> bool:
        """An object that was forgotten meanwhile is gathered again and handed on again."""
        pending = peer.pending.get(done.key)
        return peer.committed.get(done.key) == done.digest or (pending is not None and pending[1] == done.digest)

    def _take(self, peer: Peer, envelope: Envelope, now: int) -> "list[tuple[object, ...]]":
        key, digest = envelope.key, _digest(envelope)
        self.words.drop(key)
        if peer.committed.get(key) == digest:
            self._ack(peer, key)
            return []
        waiting = peer.pending.get(key)
        peer.pending[key] = (now, digest)
        bound(peer.pending)
        # The same key with other bytes is ingest's to judge.
        fresh = waiting is None or waiting[1] != digest
        return [("object", envelope.encode(), key.trap)] if fresh else []

    def _on_ack(self, peer: Peer, keys: "list[ObjectKey]") -> "list[tuple[object, ...]]":
        events: "list[tuple[object, ...]]" = []
        for key in keys:
            self.withdraw_down(key)
            # Said for a key that is no longer here too: the forwarder's own repeat may have crossed it.
            events.append(("down_delivered", key))
        return events

    # What the gateway hands in

    def committed(self, key: ObjectKey, now: int) -> None:
        """Ingest has this object on the disk: it may be acknowledged.

        Only what this link handed over is: an object that came by another carrier needs no air.
        """
        peer = self._peers.get(key.trap)
        waiting = peer.pending.pop(key, None) if peer is not None else None
        if peer is None or waiting is None:
            return
        peer.committed[key] = waiting[1]
        bound(peer.committed)
        self._ack(peer, key)
        if peer.reply_at is not None and not peer.pending:
            peer.reply_at = now

    def partials(self) -> "list[tuple[int, int, bytes]]":
        """All pieces of objects that are not whole: trap, kind (FRAGMENT or PIECE) and payload; for `recall`."""
        found = []
        for number, peer in self._peers.items():
            for kind, payload in peer.incoming.payloads():
                found.append((number, kind, payload))
        return found

    def recall(self, trap: int, kind: int, payload: bytes, now: int) -> "list[tuple[object, ...]]":
        """Take back a piece that an earlier run remembered; the events it brings. One that cannot be is dropped."""
        peer = self._peers.get(trap)
        if peer is None:
            return []
        try:
            events = self._on_piece(peer, trap, read_piece(payload) if kind == PIECE else read_fragment(payload), now)
        except WireError:
            events = []
        peer.reports = []  # nobody has asked
        return events

    def forget(self, key: ObjectKey) -> None:
        """Ingest refused this object: a repeat is handed to it again."""
        peer = self._peers.get(key.trap)
        if peer is not None:
            peer.pending.pop(key, None)

    def offer_down(self, envelope: Envelope) -> bool:
        """Queue an object for its trap, once; False when the trap is not ours or too many wait."""
        peer = self._peers.get(envelope.key.trap)
        if peer is None or len(peer.down) >= MAX_DOWN_OBJECTS:
            return False
        peer.queue_down(envelope)
        return True

    def withdraw_down(self, key: ObjectKey) -> None:
        """Send this object no more: its trap has it, by this carrier or another."""
        peer = self._peers.get(key.trap)
        if peer is not None:
            peer.withdraw_down(key)

    # What goes out

    def frames_due(self, now: int) -> "list[bytes]":
        """The frames to send now, in order."""
        frames = []
        for peer in self._peers.values():
            if peer.reply_at is not None and now >= peer.reply_at:
                peer.reply_at = None
                if peer.key in peer.keys:  # and was not taken away meanwhile
                    frames += self._answer(peer, peer.key, now)
        return frames

    def take_tuning(self) -> "tuple[int, int] | None":
        """A quick turn that the frames due just now have allowed: spreading factor and ms, for the modem. Once."""
        tune, self._tune = self._tune, None
        return tune

    def deadline(self) -> "int | None":
        """When `frames_due` will have something, or None while only a trap can change that."""
        times = [p.reply_at for p in self._peers.values() if p.reply_at is not None]
        return min(times) if times else None

    def _answer(self, peer: Peer, key: "LinkKey", now: int) -> "list[bytes]":
        room = self._frame_bytes - HEADER_BYTES - tag_bytes(ACK)
        word = self.words.word(key.trap, peer.version, room, now)
        answers = [(WORD, word)] if word else []
        if peer.acks:
            count = min(MAX_ACK_KEYS, room // 8)
            settled, peer.acks = peer.acks[-count:], peer.acks[:-count]  # the newest is what the trap waits for
            answers.append((ACK, encode_ack(settled)))
            gone = [done.transfer for done in peer.complete.values() if done.key in settled]
            peer.reports = [r for r in peer.reports if r[0] not in gone]
        for transfer, total in peer.reports[-2:]:
            done = peer.complete.get(transfer >> 4)
            partial = peer.incoming.get(transfer)
            whole = done is not None and done.transfer == transfer
            held = range(total) if whole else partial.pieces if partial is not None else {}
            answers.append((HAVE, encode_have(make_have(transfer, total, held, room - 6))))
        peer.reports = []
        answers += [(FRAGMENT, piece) for piece in self._down_pieces(peer)]
        allowed = self._allow(peer, key.trap)
        if allowed is not None:
            answers.append((QUICK, encode_quick(*allowed)))  # the last: behind it both are elsewhere
        if not answers:
            answers = [(ACK, b"")]
        last = len(answers) - 1
        frames = [
            key.seal(kind, i < last, self._counter.take(), payload, peer.version)
            for i, (kind, payload) in enumerate(answers)
        ]
        self.words.leaves(key.trap, frames, now)
        return frames

    def _allow(self, peer: Peer, trap: int) -> "tuple[int, int] | None":
        """The quick turn that trap `trap` may have now: spreading factor and ms."""
        asked, peer.quick = peer.quick, None
        if asked is None or self._quick is None or not peer.snrs:
            return None
        home, fastest = self._quick
        sf = allowed_sf(min(peer.snrs), max(asked[0], fastest), home)
        if sf >= home or asked[1] < MIN_PIECES:
            return None
        self._tune = (sf, turn_ms(asked[1], self._frame_bytes, sf))
        return self._tune

    def _down_pieces(self, peer: Peer) -> "list[bytes]":
        if not peer.down:
            return []
        pieces = cut(peer.down[0].encode(), self._frame_bytes)
        todo = peer.down_todo if peer.down_todo else list(range(len(pieces)))
        if peer.is_given_up(len(pieces), MAX_DOWN_FRAMES):
            return []
        return [pieces[i] for i in todo[:MAX_DOWN_FRAMES] if i < len(pieces)]

    def _ack(self, peer: Peer, key: ObjectKey) -> None:
        if key not in peer.acks:
            peer.acks = (peer.acks + [key])[-REMEMBERED:]

    def _report(self, peer: Peer, transfer: int, total: int) -> None:
        if (transfer, total) not in peer.reports:
            peer.reports = (peer.reports + [(transfer, total)])[-8:]


def _digest(envelope: Envelope) -> bytes:
    return hashlib.sha256(envelope.body).digest()
