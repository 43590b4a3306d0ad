"""The page over real HTTP: crops opened in memory, strict headers, garbage, live events, an empty base."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import uvicorn

from tests.base.parts import BOX, EPOCH, NOW, TRAPS, Base, alert, deliver, envelope, picture, sighting
from tests.support import free_port, wait_for
from trapbase import page_state
from trapbase.config import Settings
from trapbase.page import create_page
from trapbase.reader import Reader
from trapsim.backend_direct import DirectOutlet
from trapsim.memorybus import MemoryBroker
from trapwire.objects import ALERT, CROP


class Site:
    """A base and its page on a loopback port."""

    def __init__(self, folder: Path) -> None:
        self.broker = MemoryBroker()
        self.folder = folder
        self.port = free_port()
        self.stop = threading.Event()
        self.base: Base | None = None
        self.traps = tuple(TRAPS.values())

    def start_base(self) -> Base:
        self.base = Base(self.folder, self.broker, DirectOutlet(None))
        return self.base

    def start(self) -> None:
        settings = Settings(folder=str(self.folder), name="north", trap=self.traps)
        app = create_page(settings, bytes(BOX), self.stop)
        config = uvicorn.Config(app, port=self.port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)

    def get(self, path: str, method: str = "GET", host: str = "") -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path, headers={"Host": host} if host else {})
            response = connection.getresponse()
            return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()
        finally:
            connection.close()

    def close(self) -> None:
        self.stop.set()
        self.server.should_exit = True
        self.thread.join()
        if self.base is not None:
            self.base.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    site.start()
    yield site
    site.close()


def test_a_sighting_with_both_views(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, *sighting(1, 1), *sighting(2, 1), envelope(3, 1, ALERT, alert(uncertainty_ms=None)))
    base.run(0, 1000)
    status, _, body = site.get("/")
    text = body.decode()
    assert status == 200
    crops = re.findall(r'src="/crop/([0-9]+-[0-9a-f]{64})"', text)
    assert len(crops) == 2
    assert text.index("left camera") < text.index("right camera")
    assert text.count('<article class="event"') == 2, "both views of S001 are one event"
    assert "picture still on its way" in text
    assert "its clock was not set" in text
    assert "Nothing has been heard" not in text
    opened = {site.get(f"/crop/{c}")[2] for c in crops}
    assert opened == {picture(101), picture(201)}
    assert site.get(f"/crop/{crops[0]}")[1]["content-type"] == "image/webp"


def test_every_answer_has_strict_headers(site: Site) -> None:
    site.start_base()
    for path in ("/", "/page.js", "/page.css", "/icon.svg", "/status.json", "/crop/x", "/nope"):
        _, headers, body = site.get(path)
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert not re.search(rb"https?://(?!www.w3.org/2000/svg)", body), "nothing is fetched from elsewhere"


@pytest.mark.parametrize(
    "path",
    [
        "/crop/", "/crop/..", "/crop/1-" + "0" * 64, "/crop/" + "G" * 64, "/crop/" + "0" * 5000, "/crop/%00",
        "/crop/..%2f..%2fbase.sqlite3", "/../base.sqlite3", "/base.sqlite3", "/templates/page.html", "/%ff",
    ],
)  # fmt: skip
def test_garbage_is_not_found(site: Site, path: str) -> None:
    site.start_base()
    assert site.get(path)[0] == 404


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8080", 200), ("[::1]:8080", 200), ("192.168.1.7", 200), ("base.local", 200), ("LOCALHOST:1", 200),
        ("evil.example", 421), ("127.0.0.1.evil.example", 421), ("local", 421), ("x" * 300, 421),
    ],
)  # fmt: skip
def test_another_sites_name_does_not_read_the_page(site: Site, host: str, status: int) -> None:
    """DNS rebinding."""
    assert site.get("/", host=host)[0] == status


def test_only_reading(site: Site) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert site.get("/", method)[0] == 405


def test_what_is_no_picture_is_not_shown(site: Site) -> None:
    """A trap, or somebody who plays one, may seal anything; and an alert's digest is no crop's."""
    from trapkit.sealing import seal_box

    base = site.start_base()
    page = envelope(1, 1, CROP, seal_box(bytes(BOX.public_key), b"<script>alert(1)</script>"))
    foreign = envelope(1, 2, CROP, b"sealed to another base" * 9)
    deliver(site.broker, page, foreign, envelope(1, 3, ALERT, alert()))
    base.run(0, 1000)
    for o in (w.object for w in base.store.waiting([1])):
        assert site.get(f"/crop/{o.id}-{o.sha256.hex()}")[0] == 404


def test_names_from_outside_are_escaped(site: Site) -> None:
    base = site.start_base()
    # Ingest lets no such name in; the page does not lean on that.
    health = {"battery": 70, "<i>": 1}
    word = {"received_ms": NOW, "base": "<b>x</b>", "rssi_dbm": -90, "snr_db": 1.0, "health": health}
    base.store.add([], [(1, word)], 0, NOW)
    text = site.get("/")[2].decode()
    assert "70 %" in text
    assert "-90 dBm" in text
    assert "<b>x" not in text
    assert "<i>" not in text


def test_an_empty_base_explains_itself(site: Site) -> None:
    status, _, body = site.get("/")
    assert status == 200
    assert b"Nothing has been heard yet" in body
    assert b"S001" in body, "the stations in the settings are there already"
    assert json.loads(site.get("/status.json")[2]) == {}


def test_a_base_without_traps_says_what_to_do(tmp_path: Path) -> None:
    html = page_state.PageState(Settings(folder=str(tmp_path)), None, threading.Event()).render("page.html")
    assert "[[trap]]" in html


@pytest.mark.parametrize("path", ["/?species=unicorn", "/?species=", "/live?species=%00", "/?species=Tiger"])
def test_a_species_that_is_none_is_not_found(site: Site, path: str) -> None:
    site.start_base()
    assert site.get(path)[0] == 404


def test_sightings_by_species_keep_both_views(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, *sighting(1, 1, species=3), *sighting(2, 1, time_ms=NOW + 4000, species=0))
    deliver(site.broker, *sighting(3, 1, time_ms=NOW + 900_000, species=6))
    base.run(0, 1000)
    everything = site.get("/")[2].decode()
    assert everything.count('class="event"') == 2
    for slug in ("snow-leopard", "feline", "domestic-cat"):
        assert f'href="/?species={slug}"' in everything
    chosen = site.get("/?species=snow-leopard")[2].decode()
    assert chosen.count('class="event"') == 1
    assert chosen.count('src="/crop/') == 2, "the other camera took it for something else"
    assert "No tiger has been seen yet" in site.get("/?species=tiger")[2].decode()
    stream = Stream(site.port, "/live?species=domestic-cat")
    pushed = stream.read_until(b"\n\n")
    assert pushed.count(b'class=\\"event\\"') == 1
    stream.close()


class Stream:
    """A reader of /live."""

    def __init__(self, port: int, path: str = "/live") -> None:
        self.line = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.line.sendall(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % path.encode())
        self.data = b""

    def read_until(self, words: bytes) -> bytes:
        while words not in self.data:
            more = self.line.recv(65536)
            assert more, self.data
            self.data += more
        return self.data

    def close(self) -> None:
        self.line.close()


def test_the_page_fills_by_itself(site: Site) -> None:
    stream = Stream(site.port)
    head = stream.read_until(b"Nothing has been heard yet")
    assert b"text/event-stream" in head
    base = site.start_base()
    deliver(site.broker, *sighting(1, 1))
    base.run(0, 1000)
    stream.read_until(b"/crop/")
    stream.close()


def test_readers_are_bounded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_state, "MAX_STREAMS", 2)
    streams = [Stream(site.port) for _ in range(2)]
    for stream in streams:
        stream.read_until(b"data: ")
    assert site.get("/live")[0] == 503
    for stream in streams:
        stream.close()


def test_a_stream_ends_with_the_base(site: Site) -> None:
    stream = Stream(site.port)
    stream.read_until(b"data: ")
    site.stop.set()
    stream.read_until(b"\r\n0\r\n\r\n")
    stream.close()


def test_a_stranger_is_pointed_out(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, *sighting(9, 1))
    base.run(0, 1000)
    assert b"Trap 9: not in this base" in site.get("/")[2]


def test_a_busy_trap_hides_no_other(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, *sighting(3, 1))
    for number in range(1, 801):
        deliver(site.broker, envelope(1, number, ALERT, alert(NOW + number * 1000)))
    base.run(0, 3000)
    text = site.get("/")[2].decode()
    assert text.count('class="event"') == 2
    assert 'id="station-2"' in text
    assert "S002" in text[text.index('id="sightings"') : text.index('id="stations"')]


def test_of_a_species_too_a_busy_trap_hides_no_other_nor_an_old_card_a_new_one(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, envelope(3, 9, ALERT, alert(), EPOCH + 1), envelope(3, 1, ALERT, alert(NOW + 3_600_000), 7))
    for number in range(1, 801):
        deliver(site.broker, envelope(1, number, ALERT, alert(NOW + number * 1000)))
    deliver(site.broker, envelope(3, 1, ALERT, alert(NOW + 2 * 3_600_000)))
    base.run(0, 3000)
    with closing(Reader(site.folder)) as reader:
        newest = [(r["trap"], r["epoch"], r["number"]) for r in reader.rows("newest", 2, 9)]
        assert newest == [(3, EPOCH, 1), (1, EPOCH, 800), (1, EPOCH, 799), (3, 7, 1), (3, EPOCH + 1, 9)]
        of_species = [(r["trap"], r["number"]) for r in reader.rows("newest_of", 1, 4)]
        assert of_species == [(3, 1), (1, 800), (1, 799), (1, 798)], "each trap's newest, and then what came last"
        assert reader.rows("newest_of", 2, 4) == []


def test_a_clock_years_ahead_hides_nothing_and_is_told(site: Site) -> None:
    base = site.start_base()
    ten_years_ms = 10 * 365 * 86_400_000
    for number in range(1, 31):
        deliver(site.broker, envelope(1, number, ALERT, alert(NOW + ten_years_ms + number * 3_600_000)))
    base.run(0, 1000)
    deliver(site.broker, *sighting(3, 1))
    base.run(1000, 2000)
    text = site.get("/")[2].decode()
    assert text.index("S002") < text.index("2035"), "what came last comes first"
    assert "Trap 1: its clock is 10 years ahead" in text


def test_readers_share_one_rendering(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = []
    state = page_state.PageState(Settings(folder=str(site.folder), trap=site.traps), None, threading.Event())
    monkeypatch.setattr(state, "render", lambda template, chosen=None: rendered.append(chosen) or "html")
    for _ in range(20):
        assert state.shared(None).html == "html"
    state.shared("tiger")
    assert rendered == [None, "tiger"]


def test_a_damaged_database_is_said_and_not_a_traceback(site: Site) -> None:
    base = site.start_base()
    deliver(site.broker, *sighting(1, 1))
    base.run(0, 1000)
    assert site.get("/status.json")[0] == 200
    base.store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = site.folder / "base.sqlite3"
    path.write_bytes(path.read_bytes()[:8192] + b"\xff" * 40_000)
    for name in ("/status.json", "/", f"/crop/1-{'0' * 64}"):
        status, _, body = site.get(name)
        assert status in (404, 503), name
        assert b"database" in body or status == 404
