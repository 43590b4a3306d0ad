"""Reticulum beside our link: framing, counting, loss, and the page; none of it needs rns."""

import json
import os
import random
import select
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trapsim import cmd_reticulum, reticulum_rig
from trapsim.cli import main
from trapsim.reticulum_line import (
    BASE,
    PACKET_MAX_BYTES,
    TRAP,
    Deframer,
    Medium,
    framed,
    lora_frames,
)
from trapsim.reticulum_page import page
from trapsim.reticulum_rig import PeerError
from trapwire.airtime import airtime_us

HARDWARE = Path(__file__).resolve().parents[2] / "hardware"


class Fates:
    """Losses as told, reception by reception."""

    def __init__(self, *fates: bool) -> None:
        self.fates = list(fates)

    def lost(self, receiver: int, at_ms: int) -> bool:
        return self.fates.pop(0)


@given(st.lists(st.binary(min_size=1, max_size=PACKET_MAX_BYTES), max_size=4), st.integers(1, 40))
def test_packets_come_out_of_the_line_as_they_went_in(packets: list[bytes], step: int) -> None:
    line = b"".join(framed(packet) for packet in packets)
    deframer = Deframer()
    found = [p for at in range(0, len(line), step) for p in deframer.feed(line[at : at + step])]
    assert found == packets
    assert deframer.oversized == 0


@given(st.binary(max_size=3000))
def test_no_line_makes_a_packet_that_is_too_long(line: bytes) -> None:
    assert all(0 < len(packet) <= PACKET_MAX_BYTES for packet in Deframer().feed(line))


def test_what_is_too_long_is_counted_and_the_next_packet_comes() -> None:
    deframer = Deframer()
    assert list(deframer.feed(framed(bytes(PACKET_MAX_BYTES + 1)))) == []
    assert deframer.oversized == 1
    # The flag that closed the long one opens a packet; the next flag finds it empty and opens it anew.
    assert list(deframer.feed(framed(b"next"))) == [b"next"]


def test_a_flag_and_an_escape_are_escaped() -> None:
    assert framed(b"\x7e\x7d\x00") == b"\x7e\x7d\x5e\x7d\x5d\x00\x7e"


@pytest.mark.parametrize(
    ("size", "frames"), [(1, [2]), (254, [255]), (255, [255, 2]), (500, [255, 247]), (508, [255, 255])]
)
def test_an_rnode_splits_what_a_frame_does_not_hold(size: int, frames: list[int]) -> None:
    assert lora_frames(size) == frames


def test_bytes_are_counted_without_framing_and_airtime_with_the_rnodes_bytes() -> None:
    medium = Medium(sf=9, paced=False, whole_packets=False)
    medium.offer(TRAP, b"\x7e" * 500)
    medium.offer(BASE, b"short")
    assert medium.advance(0) == [(BASE, b"\x7e" * 500), (TRAP, b"short")]
    count = medium.take_count()
    up, down = count[TRAP], count[BASE]
    assert (up.packets, up.packet_bytes, up.line_bytes, up.lora_frames, up.lora_bytes) == (1, 500, 1002, 2, 502)
    assert up.airtime_us == airtime_us(255, 9) + airtime_us(247, 9)
    assert (down.packet_bytes, down.line_bytes, down.lora_bytes, down.lost) == (5, 7, 6, 0)
    assert all(count.packets == 0 for count in medium.take_count().values())


def test_a_paced_packet_takes_its_airtime_and_the_other_end_waits() -> None:
    medium = Medium(sf=9, paced=True, whole_packets=False)
    medium.offer(TRAP, b"first")
    medium.offer(BASE, b"second")
    spent = airtime_us(6, 9)
    assert medium.advance(1000) == []
    assert medium.deadline_us() == 1000 + spent
    assert medium.advance(999 + spent) == []
    assert medium.advance(1000 + spent) == [(BASE, b"first")]
    assert medium.deadline_us() == 1000 + spent + airtime_us(7, 9)
    assert medium.advance(10**9) == [(TRAP, b"second")]
    assert medium.deadline_us() is None


def test_a_packet_in_two_frames_is_lost_with_either_of_them() -> None:
    for fates, arrives in (((False, False), True), ((True, False), False), ((False, True), False)):
        medium = Medium(sf=9, paced=False, whole_packets=False, losses=Fates(*fates))
        medium.offer(TRAP, bytes(300))
        assert bool(medium.advance(0)) == arrives
        assert medium.take_count()[TRAP].lost == (not arrives)
    medium = Medium(sf=9, paced=False, whole_packets=True, losses=Fates(False))
    medium.offer(TRAP, bytes(300))
    assert medium.advance(0) == [(BASE, bytes(300))]


def test_the_page_is_what_its_figures_say() -> None:
    figures = json.loads((HARDWARE / "reticulum.json").read_text("utf-8"))
    assert (HARDWARE / "RETICULUM.md").read_text("utf-8") == page(figures)
    assert figures["rns"] == reticulum_rig.RNS_VERSION


def test_a_channel_that_delivers_nothing_has_a_row() -> None:
    figures = json.loads((HARDWARE / "reticulum.json").read_text("utf-8"))
    for row in figures["runs"]:
        row["delivered"] = row["delivered"] and not row["loss"]
    runs = len([r for r in figures["runs"] if (r["size"], r["loss"], r["each"]) == (8192, 0.3, "frame")])
    assert f"| 8,192 B | 0.3, each LoRa frame by itself | Reticulum | 0 of {runs} | – | – | – | – |" in page(figures)


def test_what_cannot_be_installed_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Told to use an index that is an empty folder."""
    monkeypatch.setattr(reticulum_rig, "VENV", tmp_path / "venv")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    assert main(["reticulum"]) == 1
    said = capsys.readouterr().err
    assert f"trapsim reticulum: rns {reticulum_rig.RNS_VERSION} cannot be installed: " in said
    assert "Traceback" not in said


def test_a_process_that_says_nothing_is_given_up_and_ended(tmp_path: Path) -> None:
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\necho 'no such module' >&2\nexec sleep 60\n")
    silent.chmod(0o755)
    peer = reticulum_rig.Peer(silent, tmp_path / "peer", "receive", "/dev/null")
    with pytest.raises(PeerError, match=r"did not say 'ready' within 0\.5 s: no such module"):
        peer.need("ready", 0.5)
    peer.end()


def test_lines_of_a_process_are_found_in_any_order(tmp_path: Path) -> None:
    talker = tmp_path / "python"
    talker.write_text("#!/bin/sh\necho noise\necho linked\necho done complete\n")
    talker.chmod(0o755)
    peer = reticulum_rig.Peer(talker, tmp_path / "peer", "send", "/dev/null")
    assert peer.wait_for("done", 5) == "complete"
    assert peer.wait_for("done", 5) is None
    peer.end()


def test_ours_only_without_figures_names_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cmd_reticulum, "FIGURES", tmp_path / "none.json")
    assert main(["reticulum", "--ours-only"]) == 2
    assert "--ours-only needs" in capsys.readouterr().err


def test_the_two_ptys_carry_packets_through_the_medium() -> None:
    medium = Medium(sf=9, paced=False, whole_packets=False)
    line = reticulum_rig.Line(medium)
    line.open()
    packet = random.Random(1).randbytes(500)
    trap, base = (os.open(line.ports[end], os.O_RDWR | os.O_NOCTTY) for end in (TRAP, BASE))
    try:
        os.write(trap, framed(packet))
        heard = b""
        while len(heard) < len(framed(packet)) and select.select([base], [], [], 5)[0]:
            heard += os.read(base, 4096)
        assert heard == framed(packet)
        assert medium.take_count()[TRAP].packet_bytes == 500
    finally:
        line.close()
        os.close(trap)
        os.close(base)
