"""The project's own trap and base, heard and answered by the second implementation (`stranger.py`)."""

import random

import pytest
from tests.kit import stranger as s
from tests.wire.keys import link_key
from tests.wire.world import EPOCH, World


def world_of(traps: int, seed: int) -> tuple[World, dict[tuple, bytes], list[bytes], list[bytes]]:
    """A world with one sighting a trap; what is to be handed over; the frames sent, and those that came through."""
    through: list[bytes] = []
    world = World(traps, loss=0.2, seed=seed, mangle=lambda frame: through.append(bytes(frame)) or frame)
    sent, transmit = [], world.air.transmit

    def record(node: int, frame: bytes, now: int) -> int:
        sent.append(bytes(frame))
        return transmit(node, frame, now)

    world.air.transmit = record
    given = {}
    for node in world.traps:
        world.sighting(node.number, 7)
        given |= {key.as_tuple(): bytes(envelope) for key, envelope in node.queue.items()}
    return world, given, sent, through


def listened(frames: list[bytes], trap: int) -> s.Listener:
    ear, last = s.Listener(link_key(trap), trap), None
    for data in frames:
        if int.from_bytes(data[1:3], "big") == trap and data != last:  # with two traps, one frame comes through twice
            ear.hear(data)
            last = data
    return ear


def envelopes(ear: s.Listener) -> dict[tuple, bytes]:
    return {
        (row["trap"], row["epoch"], row["number"], row["rung"]): s.write(s.ENVELOPE, row) + row["body"]
        for row in ear.objects
    }


@pytest.mark.parametrize("seed", range(1, 5))
def test_the_objects_that_were_committed_are_in_the_frames_and_no_others(seed: int) -> None:
    world, given, sent, through = world_of(1, seed)
    assert world.run(world.all_delivered, 300_000)
    assert len(through) < len(sent)
    committed = [key.as_tuple() for key in world.committed]
    assert sorted(committed) == sorted(given)
    for frames in (sent, through):
        assert envelopes(listened(frames, 1)) == given


@pytest.mark.parametrize("seed", range(1, 3))
def test_two_traps_at_once(seed: int) -> None:
    world, given, sent, _ = world_of(2, seed)
    assert world.run(world.all_delivered, 600_000)
    assert {key.as_tuple() for key in world.committed} == set(given)
    assert envelopes(listened(sent, 1)) | envelopes(listened(sent, 2)) == given


def test_who_has_another_key_reads_nothing() -> None:
    world, _, sent, _ = world_of(1, 1)
    assert world.run(world.all_delivered, 300_000)
    for data in sent:
        with pytest.raises(s.RefusedError):
            s.open_frame(data, link_key(2), 0)


class StrangerBase:
    """A base of the document's section 6, instead of the project's: acknowledges, tells gaps, sends a receipt."""

    def __init__(self, trap: int, receipt: bytes) -> None:
        self.ear, self.trap, self.counter = s.Listener(link_key(trap), trap), trap, 1000
        self.receipt, self.taken, self.out = receipt, False, []
        self.touched: dict[int, dict] = {}

    def frame(self, kind: int, row: dict, more: bool) -> bytes:
        self.counter += 1
        frame = s.Frame(3, True, more, kind, self.trap, self.counter, s.express(kind, row))
        return s.seal(frame, link_key(self.trap))

    def on_frame(self, data: bytes, _rssi: int, _snr: int, _now: int) -> list:
        frame, row = self.ear.hear(data)
        if frame.kind == s.ACK and any(key["rung"] == 8 for key in row["keys"]):
            self.taken = True
        if frame.kind in (s.FRAGMENT, s.ASK):
            self.touched[row["transfer"]] = row
        if frame.flag:
            self.answer()
        return []

    def answer(self) -> None:
        rows = self.words()
        keys = [{name: row[name] for name in ("epoch", "number", "rung")} for row in self.ear.objects]
        whole = {int.from_bytes(s.sha(sealed)[:2], "big") for sealed in envelopes(self.ear).values()}
        if keys or not rows:
            rows.append((s.ACK, {"keys": keys[-8:]}))
        for transfer, row in self.touched.items():
            if transfer not in whole:
                rows.append((s.HAVE, self.have(transfer, row["total"])))
        self.touched.clear()
        if len(keys) == 2 and not self.taken:
            total = -(-len(self.receipt) // 60)
            name = {"transfer": int.from_bytes(s.sha(self.receipt)[:2], "big"), "total": total}
            for index in range(total):
                piece = self.receipt[60 * index : 60 * index + 60]
                rows.append((s.FRAGMENT, {**name, "index": index, "piece": piece}))
        self.out = [self.frame(kind, row, at + 1 < len(rows)) for at, (kind, row) in enumerate(rows)]

    def words(self) -> list[tuple[int, dict]]:
        return []

    def have(self, transfer: int, total: int) -> dict:
        here = self.ear.pieces.get((False, transfer >> 4), {})
        start = next((index for index in range(total) if index not in here), total)
        bits = [index in here for index in range(start, total)]
        bitmap = bytes(
            sum(bit << 7 - at for at, bit in enumerate(bits[first : first + 8])) for first in range(0, len(bits), 8)
        )
        return {"transfer": transfer, "total": total, "start": start, "bitmap": bitmap[:32]}

    def frames_due(self, _now: int) -> list[bytes]:
        out, self.out = self.out, []
        return out


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_strangers_base_serves_the_projects_trap(seed: int) -> None:
    world, given, _, _ = world_of(1, seed)
    rows = b"".join(s.write(s.RECEIPT_ROW, {"number": 7, "rung": rung}) for rung in (0, 1))
    body = EPOCH.to_bytes(4, "big") + b"\2" + rows + random.Random(seed).randbytes(64)
    receipt = s.envelope(8, 1, EPOCH, 1, body)
    world.base = base = StrangerBase(1, receipt)
    assert world.run(lambda: world.all_delivered() and base.taken, 300_000)
    assert envelopes(base.ear) == given
    (node,) = world.traps
    assert {key.as_tuple() for _, key in node.delivered} == set(given)
    assert {bytes(thing.encode()) for thing in node.received} == {receipt}


class StrangerSpeaker(StrangerBase):
    """Begins every answer with a word."""

    ITEMS = (
        ("wanted", {"epoch": EPOCH, "number": 9, "rung": 2}),
        (None, 200, b"later"),
        ("margin", {"margin": -7}),
        (None, 2, b"\xf9\0"),  # a known type of another length
        (None, 3, bytes.fromhex("00c0ffee0000080c")),  # no such rung
        (None, 1, bytes.fromhex("2b4585f2fbff")),  # a time of unknown uncertainty
        ("time", {"time": 185_850_000_123, "uncertainty": 42}),
        ("setting", {"command": 40001, "setting": 9, "value": 2**32 - 1}),
    )

    def words(self) -> list[tuple[int, dict]]:
        return [(s.WORD, {"items": self.ITEMS})]


def test_the_projects_trap_understands_a_strangers_words() -> None:
    world, given, _, _ = world_of(1, 1)
    world.base = base = StrangerSpeaker(1, b"")
    base.taken = True
    assert world.run(world.all_delivered, 300_000)
    assert envelopes(base.ear) == given
    (node,) = world.traps
    told = [row for _, row in node.told]
    one = told[:4]
    assert one[0][0] == "wanted"
    assert one[0][1].as_tuple() == (1, EPOCH, 9, 2)
    unix_ms = 185_850_000_123 + 1_577_836_800_000  # since 2020-01-01
    assert one[1:] == [("margin", -7), ("time", unix_ms, 320), ("setting", 40001, 9, 2**32 - 1)]
    assert told == told[:4] * (len(told) // 4)


class StrangerTrap:
    """A trap by hand, in the world's place for it: what it says, and all that the project's base answers."""

    def __init__(self) -> None:
        self.world, _, self.sent, _ = world_of(1, 1)
        self.world.traps, self.world.air.nodes = [], {0}

    def says(self, kind: int, payload: bytes, counter: int, flag: bool = True, version: int = 3) -> list:
        frame = s.Frame(version, False, flag, kind, 1, counter, payload)
        self.sent.clear()
        self.world._on_base(s.seal(frame, link_key(1)))
        for _ in range(200):
            self.world.step()
        answers = [s.open_frame(data, link_key(1)) for data in self.sent]
        assert [answer.flag for answer in answers] == [True] * (len(answers) - 1) + [False] * bool(answers)
        return [(answer.version, answer.kind, s.understand(answer)) for answer in answers]


def acked(version: int, *keys: tuple) -> list:
    return [(version, s.ACK, {"keys": [dict(zip(("epoch", "number", "rung"), key, strict=True)) for key in keys]})]


def test_the_projects_base_serves_a_strangers_trap() -> None:
    trap = StrangerTrap()
    alert = bytes.fromhex("00c0ffee 000009 2b4585f2fb2801e7010c22785a4d")
    assert trap.says(s.ALERT, alert, 10, version=2) == acked(2, (EPOCH, 9, 0))
    assert trap.says(s.ALERT, alert, 10) == []  # played again
    assert trap.says(s.ALERT, alert, 11, version=1) == []
    assert trap.says(s.ALERT, alert, 12) == acked(3, (EPOCH, 9, 0))
    assert len(trap.world.committed) == 1

    thing = s.envelope(1, 1, EPOCH, 9, random.Random(5).randbytes(450))
    parts = [thing[at : at + 100] for at in range(0, len(thing), 100)]
    name = {"transfer": int.from_bytes(s.sha(thing)[:2], "big"), "total": len(parts)}

    def payload(kind: int, index: int) -> bytes:
        return s.express(kind, {**name, "number": name["transfer"] >> 4, "index": index, "piece": parts[index]})

    for index, counter in ((0, 0xFFFF), (2, 0x10000), (3, 0x10001)):  # over a wrap of the short counter
        assert trap.says(s.PIECE, payload(s.PIECE, index), counter, flag=False) == []
    have = {**name, "start": 1, "bitmap": b"\x70", "missing": [1]}
    assert trap.says(s.FRAGMENT, payload(s.FRAGMENT, 4), 0x10002) == [(3, s.HAVE, have)]
    assert trap.says(s.ASK, s.express(s.ASK, name), 0x10003) == [(3, s.HAVE, have)]
    assert trap.says(s.FRAGMENT, payload(s.FRAGMENT, 1), 0x10004) == acked(3, (EPOCH, 9, 1))
    assert [key.as_tuple() for key in trap.world.committed] == [(1, EPOCH, 9, 0), (1, EPOCH, 9, 1)]

    assert trap.says(s.ACK, bytes(7), 0x10005) == acked(3)  # cannot be, but is proven: it was heard
    for counter, kind in ((0x10006, s.WORD), (0x10008, s.PIECE)):  # goes the other way; no piece in it
        assert trap.says(kind, bytes(3), counter) == acked(3)
        assert trap.says(s.ACK, b"", counter) == []  # its counter was left behind
    assert trap.says(s.REPLY, bytes(7), 0x10009) == acked(3)  # of a command that was never given
    assert trap.says(s.REPLY, bytes(6), 0x1000A) == acked(3)
    assert trap.says(s.QUICK, s.express(s.QUICK, {"sf": 7, "pieces": 40}), 0x1000B) == acked(3)  # it allows none
    for kind in (0, 11, 12, 14):  # unknown on a link
        assert trap.says(kind, bytes(7), 0x10020) == []
    for kind in (s.ASK, s.WORD, s.REPLY, s.QUICK, s.LOG):  # version 2 had none of these
        assert trap.says(kind, bytes(7), 0x10020, version=2) == []
    assert trap.says(s.ACK, b"", 0x1000C) == acked(3)  # and they left nothing behind
    entries = [{"time": 9, "is_true": 0, "code": 16, "value": 2}]
    assert trap.says(s.LOG, s.express(s.LOG, {"first": 700, "left": 0, "entries": entries}), 0x1000D) == acked(3)
    assert trap.says(s.LOG, bytes(6), 0x1000E) == acked(3)  # of no whole entries, but proven
