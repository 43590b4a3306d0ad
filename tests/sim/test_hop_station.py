"""The firmware of a trap, a repeater and a base's modem in virtual time, with true airtimes: two that do not hear each
other, serial lines, loops; and a pair's calls in between."""

import struct
from pathlib import Path
from typing import Any

import pytest

from trapkit.aes import AesCcm
from trapmcu.crosswake import PARTNER
from trapmcu.main import build
from trapsim.crash import Fuse
from trapsim.keyed import link_key
from trapsim.world import LinuxPort, Process, Wire, World, WorldBoard
from trapwire import serialline as line
from trapwire.frame import Counter
from trapwire.hop import HopKey
from trapwire.hopbase import HopBaseLink
from trapwire.linkkeys import DOWN, LinkKey
from trapwire.objects import ALERT, FRAME, RECEIPT, Envelope, ObjectKey, decode_envelope, pack_keys

BASE, REPEATER = 0, 9
HOP = {1: "e1" * 16, 2: "e2" * 16}


class HoppedStation:
    """Two traps that hear each other and the repeater; the base hears only that."""

    def __init__(self, folder: Path, loss: float, pir_ms: list[int], seed: int = 1) -> None:
        self.world = World(seed=seed, loss=loss, sf=9, fuse=Fuse())
        self.world.air.deaf = {(BASE, 1), (BASE, 2)}
        self.committed: list[ObjectKey] = []
        self.taken: list[ObjectKey] = []
        self.said: dict[int, list[tuple[int, bytes]]] = {1: [], 2: []}
        self.ports: dict[int, LinuxPort] = {}
        self.world.add(
            Process(name="pir", build=lambda: lambda now: min([t for t in pir_ms if t > now], default=None), died=str)
        )
        for trap in (1, 2):
            settings = {
                "trap": trap, "link_key": link_key(trap).hex(), "hop_key": HOP[trap], "station_key": "5a" * 16,
                "times": {"heartbeat_ms": 60000}, "armed_to_h": 24, "min_gap_ms": 0,
                "pi_silent_ms": 600000,
            }  # fmt: skip
            self._unit(trap, folder, settings, list(pir_ms) if trap == 1 else [])
            self.ports[trap].send(line.STATUS, bytes(9))  # the Pi is up
            self.world.add(Process(name=f"pi{trap}", build=lambda t=trap: lambda now: self._pi(t), died=str))
        self.repeater = self._unit(REPEATER, folder, {"role": "repeater", "hops": {"1": HOP[1], "2": HOP[2]}}, [])
        self._unit(BASE, folder, {"role": "modem"}, [])
        keys = {trap: [LinkKey(link_key(trap), trap, DOWN, AesCcm)] for trap in (1, 2)}
        hops = {trap: HopKey(bytes.fromhex(HOP[trap]), trap, AesCcm) for trap in (1, 2)}
        self.base = HopBaseLink(hops, 9, keys, 197, Counter(0, lambda _: None))
        self.world.add(Process(name="base", build=lambda: self._base, died=str))

    def _unit(self, node: int, folder: Path, settings: dict[str, Any], pir_ms: list[int]) -> Any:
        wire = Wire()
        board = WorldBoard(self.world, node, wire, folder / str(node), pir_ms)
        self.world.attach(node, board)
        self.ports[node] = LinuxPort(wire)
        unit = build(board, {"plan": "cn470", "sf": 9, **settings})
        self.world.add(Process(name=str(node), build=lambda: unit.step, died=str))
        return unit

    def _pi(self, trap: int) -> None:
        for kind, payload in self.ports[trap].read():
            self.said[trap].append((kind, payload))
            if kind == line.DOWN:
                self.ports[trap].send(line.RECEIPT_TAKEN, pack_keys([decode_envelope(payload).key]))

    def _base(self, now: int) -> int | None:
        for kind, payload in self.ports[BASE].read():
            if kind != line.HEARD:
                continue
            for event in self.base.on_frame(payload[3:], -90, 20, now):
                if event[0] == "object":
                    key = decode_envelope(event[1]).key  # type: ignore[arg-type]
                    self.committed.append(key)
                    self.base.committed(key, now)
                elif event[0] == "down_delivered":
                    self.taken.append(event[1])  # type: ignore[arg-type]
        for frame in self.base.frames_due(now):
            self.ports[BASE].send(line.TRANSMIT, frame)
        return self.base.deadline()

    def hand_over(self, key: ObjectKey, body: bytes) -> None:
        self.ports[key.trap].send(line.PUT, bytes([min(key.rung, 2)]) + Envelope(key, body).encode())


@pytest.mark.parametrize(("loss", "seed"), [(0.0, 1), (0.1, 2), (0.3, 3)])
def test_two_traps_by_one_repeater_deliver_all_once_and_are_woken_meanwhile(
    tmp_path: Path, loss: float, seed: int
) -> None:
    pir_ms = list(range(20000, 200000, 20000))
    station = HoppedStation(tmp_path, loss, pir_ms, seed)
    keys = [ObjectKey(1, 7, 1, FRAME), ObjectKey(1, 7, 1, ALERT), ObjectKey(2, 8, 1, ALERT)]
    for key in keys:
        station.hand_over(key, bytes(14) if key.rung == ALERT else bytes(range(256)) * 32)
    receipt = ObjectKey(1, 7, 5, RECEIPT)
    station.base.offer_down(Envelope(receipt, bytes(300)))
    delivered = {1: 2, 2: 1}

    def finished() -> bool:
        return bool(station.taken) and all(
            sum(kind == line.DELIVERED for kind, _ in station.said[trap]) == count for trap, count in delivered.items()
        )

    while not finished() and station.world.now < 3_600_000:
        station.world.run(lambda: False, 1000)
    took_s = station.world.now // 1000
    assert finished(), f"not within {took_s} s"
    assert sorted(key.as_tuple() for key in station.committed) == sorted(key.as_tuple() for key in keys)
    assert set(station.taken) == {receipt}
    assert station.world.air.frames < (330 if loss < 0.3 else 1200)
    station.world.run(lambda: False, max(0, 205_000 - station.world.now))
    woken = [p for kind, p in station.said[2] if kind == line.WAKE]
    assert {struct.unpack(">IB", p[:5])[1] for p in woken} == {PARTNER}
    assert len(woken) >= (6 if loss == 0 else 2)
    print(f"loss {loss}: {took_s} s, {station.world.air.frames} frames, woken {len(woken)} of {len(pir_ms)}, "
          f"{station.world.air.collisions} collisions, {station.repeater.relay.counts}")  # fmt: skip
