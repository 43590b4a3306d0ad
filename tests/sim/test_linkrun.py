"""`trapsim link`: what its figures are made of, and what it says to wrong arguments."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from trapsim import linkrun
from trapsim.cli import main
from trapsim.crowd import Crowd, alert_figures, waits
from trapsim.ether import BASE, BASE_TURNAROUND_MS, COMMIT_MS, TRAP_TURNAROUND_MS
from trapsim.fades import KINDS
from trapsim.keyed import frame_cipher
from trapsim.linkpage import page
from trapsim.linkrun import OTHERS, OURS, TRAP, Case, bound_us, compare, measure
from trapsim.meter import Meter
from trapwire.airtime import airtime_us
from trapwire.frame import FRAGMENT, Frame, encode_frame

HARDWARE = Path(linkrun.__file__).parents[1]


def case(size: int = 8192, plan: str = "eu868", sf: int = 9, loss: float = 0.0, burst: str = "none") -> Case:
    return Case(size=size, plan=plan, sf=sf, loss=loss, burst=burst)


def ms(micros: int) -> int:
    return -(-micros // 1000)


def lose(monkeypatch: pytest.MonkeyPatch, receiver: int, *numbers: int) -> None:
    """Of what comes to a receiver, these are lost, counted from 0."""

    class Chosen:
        def __init__(self) -> None:
            self.heard = 0

        def lost(self, at: int, at_ms: int) -> bool:
            if at != receiver:
                return False
            self.heard += 1
            return self.heard - 1 in numbers

    monkeypatch.setitem(KINDS, "none", lambda loss, seed: Chosen())


def test_the_bound_is_the_bytes_in_full_frames() -> None:
    assert round(bound_us(8192, "eu868", 9) / 1000) == 40257
    assert bound_us(8192, "eu868", 9) == 32 * airtime_us(255, 9) + airtime_us(32, 9)
    assert bound_us(2 * 197, "cn470", 9) == 2 * airtime_us(197, 9)


def test_without_loss_every_run_costs_the_same() -> None:
    runs = [measure(case(), OURS, seed) for seed in (1, 2, 3)]
    assert all(run.delivered for run in runs)
    assert len({(run.airtime_ms, run.frames, run.bytes_on_air) for run in runs}) == 1
    assert 0.9 < runs[0].efficiency < 1
    assert runs[0].frames_lost == 0


@pytest.mark.parametrize("burst", KINDS)
@pytest.mark.parametrize("protocol", [OURS, *OTHERS])
def test_the_same_seed_gives_the_same_figures(protocol: str, burst: str) -> None:
    lossy = case(size=3000, plan="cn470", loss=0.3, burst=burst)
    first = measure(lossy, protocol, 7)
    assert first.delivered
    assert asdict(first) == asdict(measure(lossy, protocol, 7))
    assert asdict(first) != asdict(measure(lossy, protocol, 8))


@pytest.mark.parametrize("protocol", [OURS, *OTHERS])
def test_the_shares_are_the_whole_airtime_and_the_quiet_is_the_rest(protocol: str) -> None:
    run = measure(case(loss=0.3), protocol, 4)
    assert sum(run.shares_ms.values()) == pytest.approx(run.airtime_ms, abs=len(run.shares_ms))
    # Each frame's end is rounded up to a millisecond of the channel's clock.
    assert sum(run.idle_ms.values()) == pytest.approx(1000 * run.seconds - run.airtime_ms, abs=run.frames)


def test_stop_and_wait_costs_what_it_costs_by_hand() -> None:
    """A body of 300 bytes, an envelope of 328: a frame of 255 bytes and one of 16 + 89, each with an answer of 17."""
    run = measure(case(size=300), "stop_and_wait", 1)
    first, second, answer = airtime_us(255, 9), airtime_us(16 + 89, 9), airtime_us(17, 9)
    assert run.frames == 4
    assert run.bytes_on_air == 255 + 105 + 2 * 17
    assert run.airtime_ms == (first + second + 2 * answer) / 1000
    on_air = ms(first) + ms(second) + 2 * ms(answer)
    assert 1000 * run.seconds == on_air + TRAP_TURNAROUND_MS + BASE_TURNAROUND_MS + max(BASE_TURNAROUND_MS, COMMIT_MS)


def test_a_lost_answer_costs_a_repeat_of_what_had_arrived(monkeypatch: pytest.MonkeyPatch) -> None:
    lose(monkeypatch, TRAP, 0)
    for protocol in (OURS, *OTHERS):
        run = measure(case(size=1500), protocol, 1)
        assert run.delivered
        assert run.frames_lost == 1
        # We ask what was there; the others send the last piece once more.
        assert (run.shares_ms["questions"] > 0) == (protocol == OURS)
        assert (run.shares_ms["repeats"] > 0) == (protocol != OURS)
        assert run.shares_ms["lost"] == 0


def test_selective_repeat_sends_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    clean = measure(case(), "selective_repeat", 1)
    lose(monkeypatch, BASE, 2, 5, 6)
    holes = measure(case(), "selective_repeat", 1)
    assert holes.delivered
    assert holes.shares_ms["repeats"] == 0
    fragments = clean.frames - 1  # one window of all the pieces: one answer
    assert fragments == -(-(8192 + 28) // 239)
    assert holes.shares_ms["lost"] == round(3 * airtime_us(251, 9) / 1000)


def test_all_protocols_meet_the_same_channel() -> None:
    """With independent losses the two stop-and-waits send the very same frames: only their waits differ."""
    for seed in range(3):
        patient = measure(case(loss=0.3), "stop_and_wait", seed)
        short = measure(case(loss=0.3), "stop_and_wait_short", seed)
        assert (patient.frames, patient.airtime_ms, patient.frames_lost) == (
            short.frames, short.airtime_ms, short.frames_lost,
        )  # fmt: skip
        assert patient.seconds > short.seconds


def test_bytes_of_an_arrived_fragment_are_told_apart() -> None:
    """The envelope's 28 bytes may take two pieces; a lost frame is lost whole."""
    meter = Meter(9, 36, 0)  # pieces of 20 bytes
    now = 0
    for index, length in enumerate((20, 20, 3)):
        payload = b"\x12\x34" + bytes([0, index << 4, 3]) + bytes(length)
        frame = encode_frame(Frame(FRAGMENT, False, index == 2, TRAP, index, payload), frame_cipher(TRAP, False))
        meter.on_sent(TRAP, frame, now, now + 300)
        if index < 2:
            meter.on_heard(BASE, frame, now + 300)
        now += 305
    body = airtime_us(36, 9) - airtime_us(0, 9)
    assert meter.shares_us["envelope"] == body * 20 // 36 + body * 8 // 36
    assert meter.shares_us["tags"] == 2 * (body * 4 // 36)
    assert meter.shares_us["lost"] == airtime_us(19, 9)
    assert sum(meter.shares_us.values()) == meter.airtime_us


def test_runs_give_median_worst_and_spread() -> None:
    figures = compare(case(size=1500, loss=0.2), range(1, 12), ["stop_and_wait"])
    efficiencies = sorted(measure(case(size=1500, loss=0.2), OURS, seed).efficiency for seed in range(1, 12))
    assert figures["efficiency"] == efficiencies[5]
    assert figures["worst"]["efficiency"] == efficiencies[0]
    assert figures["spread"]["efficiency"] == [efficiencies[1], efficiencies[-2]]
    assert figures["compare"]["stop_and_wait"]["goodput_ratio"] > 1


def test_an_object_that_does_not_arrive_in_time_is_not_delivered(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(linkrun, "GIVE_UP_MS", 1000)
    assert main(["link", "--json"]) == 1
    figures = json.loads(capsys.readouterr().out)
    assert figures["delivered"] is False
    assert figures["efficiency"] == 0


def test_an_alert_alone_takes_its_airtime_and_a_commit() -> None:
    found, channel = waits(Crowd(traps=1, every_s=0), 1)
    assert found == [ms(airtime_us(36, 9)) + COMMIT_MS]
    assert channel["collisions"] == 0


def test_alerts_of_several_traps_all_come_and_come_alike_again() -> None:
    crowd = Crowd(traps=4, every_s=300, hours=0.25, loss=0.1)
    figures = alert_figures(crowd, range(1, 3))
    assert figures["never"] == 0
    assert figures["alerts"] > 4
    assert figures["p50_ms"] <= figures["p95_ms"] <= figures["worst_ms"]
    assert figures == alert_figures(crowd, range(1, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--size", "99999"], "--size: 99999 is out of bounds; allowed is 1–11236"),
        (["--size", "1.5"], "--size: 1.5 is no whole number"),
        (["--loss", "1"], "--loss: 1 is out of bounds; allowed is 0–0.9"),
        (["--plan", "mars"], "--plan: invalid choice: 'mars'"),
        (["--burst", "often"], "--burst: invalid choice: 'often'"),
        (["--sf", "13"], "--sf: 13 is out of bounds; allowed is 7–12"),
        (["--plan", "as923", "--sf", "10"], "--plan as923 --sf 10: plan as923 at SF10 leaves 24 bytes"),
        (["--plot", "/no/such/folder/x.png"], "--plot /no/such/folder/x.png: there is no folder"),
    ],
)
def test_wrong_arguments_are_named(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(["link", *arguments])
    except SystemExit as error:
        code = int(error.code or 0)
    assert code == 2
    assert words in capsys.readouterr().err


def test_the_table_names_every_protocol_and_share(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["link", "--size", "1000", "--loss", "0.2", "--burst", "--runs", "3", "--compare"]) == 0
    said = capsys.readouterr().out
    assert "loss: 0.2, bursts of 4 frames; 3 runs from seed 1" in said
    for word in (*OTHERS, "efficiency, worst", "airtime_ms of repeats", "quiet ms: unanswered"):
        assert word in said


def test_the_page_is_what_its_figures_say() -> None:
    figures = json.loads((HARDWARE / "link.json").read_text())
    assert (HARDWARE / "LINK.md").read_text() == page(figures)
    assert (HARDWARE / "link.png").read_bytes()[:4] == b"\x89PNG"
