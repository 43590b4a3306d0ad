"""The two traps of a station in virtual time: the real firmware, one radio each, a base that they talk to meanwhile."""

import struct
from pathlib import Path
from typing import Any

import pytest

from trapkit.aes import AesCcm
from trapmcu.crosswake import GAP_MS, PARTNER
from trapmcu.main import build
from trapsim.crash import Fuse
from trapsim.keyed import link_key
from trapsim.world import LinuxPort, Process, Wire, World, WorldBoard
from trapwire import serialline as line
from trapwire.baselink import BaseLink
from trapwire.frame import Counter
from trapwire.linkkeys import DOWN, LinkKey
from trapwire.objects import FRAME, Envelope, ObjectKey, decode_envelope
from trapwire.wake import PIR, WAKE_US

LATENCY_MS = 420  # from one PIR edge to the partner's WAKE, with both links idle: the frame is 381 ms on the air
PAIR = "5a" * 16


class Pair:
    """Two supervisors and a base; `wakes`: of each trap, when and why."""

    def __init__(self, folder: Path, pir_ms: dict[int, list[int]], seed: int = 1, loss: float = 0.0) -> None:
        self.world = World(seed=seed, loss=loss, sf=9, fuse=Fuse())
        self.wakes: dict[int, list[tuple[int, int]]] = {1: [], 2: []}
        self.delivered: list[bytes] = []
        self.committed: list[ObjectKey] = []
        self.units: dict[int, Any] = {}
        self.ports: dict[int, LinuxPort] = {}
        edges = sorted({at for times in pir_ms.values() for at in times})
        # A board wakes its supervisor at a PIR edge.
        wait = lambda now: next((at for at in edges if at > now), None)  # noqa: E731
        self.world.add(Process(name="pir", build=lambda: wait, died=str))
        for trap in (1, 2):
            wire = Wire()
            board = WorldBoard(self.world, trap, wire, folder / str(trap), pir_ms.get(trap, []))
            self.world.attach(trap, board)
            settings = {
                "trap": trap, "plan": "cn470", "sf": 9, "link_key": link_key(trap).hex(), "station_key": PAIR,
                "times": {"heartbeat_ms": 20000}, "armed_to_h": 24, "min_gap_ms": 0,
                "pi_silent_ms": 600000,
            }  # fmt: skip
            self.ports[trap] = LinuxPort(wire)
            self.units[trap] = build(board, settings)
            self.ports[trap].send(line.STATUS, bytes(9))  # the Pi is up
            self.world.add(Process(name=f"trap{trap}", build=lambda t=trap: self.units[t].step, died=lambda: None))
            self.world.add(Process(name=f"pi{trap}", build=lambda t=trap: lambda now: self._pi(t, now), died=str))
        wire = Wire()
        board = WorldBoard(self.world, 0, wire, folder / "modem", [])
        self.world.attach(0, board)
        modem = build(board, {"role": "modem", "plan": "cn470", "sf": 9})
        self.world.add(Process(name="modem", build=lambda: modem.step, died=str))
        keys = {trap: [LinkKey(link_key(trap), trap, DOWN, AesCcm)] for trap in (1, 2)}
        self.base, self.line = BaseLink(keys, 197, Counter(0, lambda _: None)), LinuxPort(wire)
        self.world.add(Process(name="base", build=lambda: self._base, died=str))

    def _pi(self, trap: int, now: int) -> None:
        for kind, payload in self.ports[trap].read():
            if kind == line.WAKE:
                self.wakes[trap].append((now, struct.unpack(">IB", payload[:5])[1]))
            elif kind == line.DELIVERED:
                self.delivered.append(payload)

    def _base(self, now: int) -> int | None:
        for kind, payload in self.line.read():
            if kind == line.HEARD:
                for event in self.base.on_frame(payload[3:], -90, 20, now):
                    if event[0] == "object":
                        key = decode_envelope(event[1]).key  # type: ignore[arg-type]
                        self.committed.append(key)
                        self.base.committed(key, now)
        for frame in self.base.frames_due(now):
            self.line.send(line.TRANSMIT, frame)
        return self.base.deadline()

    def run(self, ms: int) -> None:
        self.world.run(lambda: False, ms)

    def causes(self, trap: int) -> list[int]:
        return [cause for _, cause in self.wakes[trap]]


@pytest.mark.parametrize("edge_ms", range(6000, 6260, 26))
def test_one_pir_edge_wakes_both_within_the_stated_latency(tmp_path: Path, edge_ms: int) -> None:
    """Wherever the edge falls between two looks of the partner."""
    pair = Pair(tmp_path, {1: [edge_ms]})
    pair.run(9000)
    assert (pair.causes(1), pair.causes(2)) == ([PIR], [PARTNER])
    own, woken = pair.wakes[1][0][0], pair.wakes[2][0][0]
    assert own - edge_ms <= 10
    assert WAKE_US // 1000 <= woken - edge_ms <= LATENCY_MS


def test_both_edges_at_once_wake_each_once_and_nobody_answers_a_call_with_a_call(tmp_path: Path) -> None:
    pair = Pair(tmp_path, {1: [6000], 2: [6000, 6100, 6700]})
    pair.run(30000)
    assert pair.causes(1).count(PIR) == 1
    assert pair.causes(2).count(PIR) == 3
    assert pair.causes(1).count(PARTNER) + pair.causes(2).count(PARTNER) <= 1


def test_many_edges_are_one_call_in_its_time(tmp_path: Path) -> None:
    pair = Pair(tmp_path, {1: list(range(6000, 6000 + GAP_MS, 100))})
    pair.run(12000)
    assert pair.causes(2) == [PARTNER]


def test_a_call_breaks_no_turn_of_either_link(tmp_path: Path) -> None:
    """8 kB go up while the PIR fires on and on: they arrive once, nothing is repeated, and the partner is woken."""
    edges = list(range(8000, 100000, 9000))
    quiet, called = (Pair(tmp_path / name, {1: list(times)}) for name, times in (("quiet", []), ("called", edges)))
    key = ObjectKey(1, 7, 1, FRAME)
    for pair in (quiet, called):
        pair.ports[1].send(line.PUT, b"\x02" + Envelope(key, bytes(range(256)) * 32).encode())
        pair.run(120000)
        assert pair.committed == [key]
        assert len(pair.delivered) == 1
    assert called.world.air.frames - quiet.world.air.frames <= len(edges) + 6  # no turn had to be said again
    assert len(called.causes(2)) >= len(edges) - 1


def test_the_partners_clock_is_known_from_its_calls(tmp_path: Path) -> None:
    pair = Pair(tmp_path, {1: [6000, 26000, 46000]})
    pair.run(60000)
    ahead, uncertainty = pair.units[2].courier._pair.clock.ahead(pair.world.now)
    assert abs(ahead) <= uncertainty <= 40  # both are the world's clock here


def test_a_call_played_again_wakes_nobody_after_a_reset_either(tmp_path: Path) -> None:
    pair = Pair(tmp_path, {1: [6000]})
    recorded: list[bytes] = []
    transmit = pair.world.air.transmit

    def record(node: int, frame: bytes, now: int) -> int:
        if frame[0] == 0xCC:
            recorded.append(frame)
        return transmit(node, frame, now)

    pair.world.air.transmit = record  # type: ignore[method-assign]
    pair.run(9000)
    again = Pair(tmp_path, {})
    radio = again.world.radios[2]
    again.units[2].courier._pair._where = 2  # hearing
    radio.heard.append(recorded[0])
    again.units[2].step(again.world.now)
    assert (again.causes(2), again.units[2].courier._pair.refused) == ([], 1)
