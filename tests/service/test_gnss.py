"""A GNSS module on a pty: its position is offered on the card, and nothing that it says can harm the trap."""

import os
import pty
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.service.test_web import CARD, Site, site  # noqa: F401
from tests.service.trap_parts import UNIT

from trapcam.service.gnss import RETRY_MS, SILENT_MS, GnssModule
from trapcam.service.nmea import LEAP_MS, MAX_LINE, STEADY, Nmea
from trapcam.service.unit import Gnss
from trapkit.cards import Card


def sentence(body: str) -> bytes:
    total = 0
    for byte in body.encode("latin-1"):
        total ^= byte
    return f"${body}*{total:02X}\r\n".encode("latin-1")


def gga(second: int, *, quality: int = 1, satellites: str = "09", hdop: str = "0.9", where: str = "") -> bytes:
    """At `second` of a day, at 43.12345 N, 131.45678 E where nothing else is said."""
    clock = f"{second // 3600 % 24:02}{second // 60 % 60:02}{second % 60:02}.00"
    place = where or "4307.40700,N,13127.40680,E"
    return sentence(f"GNGGA,{clock},{place},{quality},{satellites},{hdop},312.5,M,21.0,M,,")


def fed(*lines: bytes, every_ms: int = 1000) -> tuple[Nmea, int]:
    nmea = Nmea()
    for i, line in enumerate(lines):
        nmea.feed(line, i * every_ms)
    return nmea, (len(lines) - 1) * every_ms


STEADILY = [gga(s) for s in range(43_200, 43_200 + STEADY)]


def test_a_position_is_given_when_it_was_steady_for_some_seconds() -> None:
    nmea, now_ms = fed(*STEADILY[:-1])
    assert nmea.fix(now_ms) is None
    nmea, now_ms = fed(*STEADILY)
    fix = nmea.fix(now_ms)
    assert fix is not None
    assert (round(fix.latitude, 5), round(fix.longitude, 5)) == (43.12345, 131.45678)
    assert (fix.satellites, fix.hdop, fix.at_ms) == (9, 0.9, now_ms)


def test_south_and_west_are_negative() -> None:
    nmea, now_ms = fed(*(gga(s, where="0130.0000,S,07015.0000,W") for s in range(STEADY)))
    fix = nmea.fix(now_ms)
    assert fix is not None
    assert (fix.latitude, fix.longitude) == (-1.5, -70.25)


@pytest.mark.parametrize("cut", [1, 7, 40, 400])
def test_lines_come_in_any_pieces_and_after_any_rubbish(cut: int) -> None:
    data = b"\xff\x00$GPGGA,12" + b"x" * 3 * MAX_LINE + b"\xfe".join(STEADILY)
    nmea = Nmea()
    for at in range(0, len(data), cut):
        nmea.feed(data[at : at + cut], at // 75 * 1000)
    assert nmea.fix(len(data) // 75 * 1000) is not None


@given(st.lists(st.one_of(st.binary(max_size=200), st.sampled_from(STEADILY)), max_size=20))
def test_no_bytes_raise_or_grow(pieces: list[bytes]) -> None:
    nmea = Nmea()
    for i, piece in enumerate(pieces):
        nmea.feed(piece, i * 1000)
        assert len(nmea._line) <= MAX_LINE
    fix = nmea.fix(len(pieces) * 1000)
    assert fix is None or (-90 <= fix.latitude <= 90 and -180 <= fix.longitude <= 180)


@pytest.mark.parametrize(
    "line",
    [
        STEADILY[0].replace(b"4307", b"4308"),  # a bit fell over: the checksum does not fit
        STEADILY[0].replace(b"*", b" "),
        STEADILY[0][:-4] + b"\r\n",
        sentence("GNGGA,120000.00,4360.00000,N,13127.40680,E,1,09,0.9,,,,,,"),
        sentence("GNGGA,120000.00,9107.40700,N,13127.40680,E,1,09,0.9,,,,,,"),
        sentence("GNGGA,120000.00,4307.40700,X,13127.40680,E,1,09,0.9,,,,,,"),
        sentence("GNGGA,120000.00,-307.40700,N,13127.40680,E,1,09,0.9,,,,,,"),
        sentence("GNGGA,250000.00,4307.40700,N,13127.40680,E,1,09,0.9,,,,,,"),
        sentence("GNGGA,120000.00,4307.40700,N,13127.40680,E,1,09,nan,,,,,,"),
        sentence("GNGGA,120000.00,4307.40700,N,13127.40680,E,1,09,,,,,,,"),
        sentence("GNGGA,120000.00,,,,,1,09,0.9,,,,,,"),
        sentence("GNGGA,12"),
        sentence("GNGGA,120000.00,4307.4٣,N,13127.40680,E,1,09,0.9".encode().decode("latin-1")),
    ],
)
def test_lines_that_are_damaged_or_mean_nothing_give_no_position(line: bytes) -> None:
    nmea, now_ms = fed(*(line,) * (STEADY + 3))
    assert nmea.fix(now_ms) is None


@pytest.mark.parametrize("quality", [0, 6, 7, 8])
def test_what_is_reckoned_typed_or_simulated_is_no_position(quality: int) -> None:
    nmea, now_ms = fed(*STEADILY, gga(43_206, quality=quality))
    assert nmea.fix(now_ms) is None


def test_no_satellites_are_no_position_and_a_void_word_takes_the_last_one_back() -> None:
    nmea, now_ms = fed(*(gga(s, satellites="00") for s in range(STEADY + 3)))
    assert (nmea.fix(now_ms), nmea.satellites) == (None, 0)
    nmea, now_ms = fed(*STEADILY, sentence("GNRMC,120006.00,V,,,,,,,150127,,,N"))
    assert nmea.fix(now_ms) is None
    nmea, now_ms = fed(*STEADILY, sentence("GNRMC,120006.00,A,4307.40700,N,13127.40680,E,0.1,,150127,,,A"))
    assert nmea.fix(now_ms) is not None


def test_a_module_that_hangs_says_its_last_position_for_seconds_and_no_longer() -> None:
    nmea, now_ms = fed(*STEADILY, *(STEADILY[-1],) * 20)
    assert nmea.fix(now_ms) is None
    assert nmea.heard_ms == now_ms


def test_a_leap_in_time_makes_it_begin_anew() -> None:
    leapt = 43_200 + STEADY + LEAP_MS // 1000 + 60
    nmea, now_ms = fed(*STEADILY, gga(leapt))
    assert nmea.fix(now_ms) is None
    nmea, now_ms = fed(*STEADILY, *(gga(leapt + s) for s in range(STEADY)))
    assert nmea.fix(now_ms) is not None


def test_midnight_is_no_leap_and_a_loop_that_was_busy_is_none_either() -> None:
    nmea, now_ms = fed(*(gga(s % 86_400) for s in range(86_398, 86_398 + STEADY)))
    assert nmea.fix(now_ms) is not None
    nmea = Nmea()
    nmea.feed(b"".join(STEADILY), 5_000)
    nmea.feed(gga(43_200 + STEADY), 10_000)
    assert nmea.fix(10_000) is not None


# --- on a line --------------------------------------------------------------------------------------------------------


@dataclass
class Bench:
    module: GnssModule
    far: int
    said: list[str] = field(default_factory=list)
    now_ms: int = 0

    def says(self, data: bytes) -> Gnss | None:
        os.write(self.far, data)
        self.module.step()
        return self.module.now()


@pytest.fixture
def bench() -> Iterator[Bench]:
    far, near = pty.openpty()
    tty.setraw(near)
    said: list[str] = []
    made = Bench(GnssModule(os.ttyname(near), 9_600, lambda: made.now_ms, said.append), far, said)
    made.module.step()
    os.close(near)
    yield made
    made.module.close()
    os.close(far)


def test_a_module_is_heard_while_the_page_is_open(bench: Bench) -> None:
    assert bench.module.now() == Gnss(heard=False)
    assert bench.says(gga(1, quality=0, satellites="02")) == Gnss(heard=True, satellites=2)
    for line in STEADILY:
        bench.now_ms += 1000
        found = bench.says(b"\xff\xff" + line)
    assert found is not None
    assert (found.text, found.exact, found.age_s) == ("43.12345, 131.45678", True, 0)
    bench.now_ms += 4_000
    bench.module.step()
    assert bench.module.now() == replace(found, age_s=4)
    bench.now_ms += SILENT_MS
    assert bench.module.now() == Gnss(heard=False)


def test_a_module_that_is_not_there_is_told_once_and_tried_again() -> None:
    said: list[str] = []
    now_ms = [0]
    module = GnssModule("/dev/no-such-module", 9_600, lambda: now_ms[0], said.append)
    for _ in range(3):
        module.step()
        now_ms[0] += RETRY_MS
    assert len(said) == 1
    assert said[0].startswith("GNSS module: /dev/no-such-module: cannot be opened")
    assert module.now() == Gnss(heard=False)


def test_a_module_that_is_pulled_out_is_silent_and_nothing_falls(bench: Bench) -> None:
    os.close(bench.far)
    for _ in range(3):
        bench.module.step()
        bench.now_ms += RETRY_MS
    assert bench.module.now() == Gnss(heard=False)
    bench.far = os.open(os.devnull, os.O_RDWR)


def test_a_trap_without_a_module_offers_none(site: Site) -> None:  # noqa: F811
    def report(line: str) -> None:
        pytest.fail(line)

    module = GnssModule("", 9_600, lambda: 0, report)
    module.step()
    assert module.now() is None
    site.open()
    assert "module" not in site.phone.get("/card").text


# --- on the form ------------------------------------------------------------------------------------------------------


def offer(site: Site, gnss: Gnss) -> Callable[..., tuple[int, str, str]]:  # noqa: F811
    site.trap.now = replace(UNIT, gnss=gnss)
    site.open()
    return site.post


HERE = Gnss(heard=True, satellites=9, latitude=43.12345, longitude=131.45678, hdop=0.9, age_s=2)


def test_its_position_is_taken_into_the_form_and_nothing_typed_is_lost(site: Site) -> None:  # noqa: F811
    post = offer(site, HERE)
    assert "43.12345, 131.45678, satellites 9, HDOP 0.9, 2 s ago." in site.phone.get("/card").text
    status, path, text = post("/card", CARD | {"position": "", "station": "S 12", "do": "take"})
    assert (status, path) == (200, "/card")
    assert 'value="43.12345, 131.45678"' in text
    assert 'value="Vera"' in text
    assert site.trap.saved == []
    assert post("/card", CARD | {"position": "43.12345, 131.45678", "do": "save"})[1] == "/sent/1"
    (card,) = site.trap.saved
    assert isinstance(card, Card)
    assert (card.latitude, card.longitude) == (43.12345, 131.45678)


@pytest.mark.parametrize(
    ("gnss", "words"),
    [
        (Gnss(heard=False), "The GNSS module says nothing."),
        (Gnss(heard=True, satellites=2), "has no position yet (satellites: 2)"),
        (replace(HERE, hdop=9.9), "Not exact yet"),
        (replace(HERE, satellites=3), "Not exact yet"),
    ],
)
def test_what_it_cannot_give_is_said(site: Site, gnss: Gnss, words: str) -> None:  # noqa: F811
    post = offer(site, gnss)
    assert words in site.phone.get("/card").text
    if not gnss.text:
        text = post("/card", CARD | {"position": "my own", "do": "take"})[2]
        assert 'value="my own"' in text
