"""`trapbase` as processes: a pty for the modem, a real Mosquitto, a real back end, kills; and its commands."""

import json
import signal
import socket
from pathlib import Path

import pytest

from tests.base.parts import BOX
from tests.base.running import LINK_KEY, Site, objects
from tests.base.systemd import Systemd
from tests.support import Broker, wait_for
from trapbase.cli import main


def test_a_whole_base_under_kills(site: Site, broker: Broker) -> None:
    """From the modem's pty to the back end and back, everything killed once on the way."""
    site.modem.waiting = objects(8)
    backend, base = site.backend(), site.base()

    def left(count: int) -> bool:
        site.modem.step()
        return len(site.modem.waiting) <= count

    wait_for(lambda: left(12), 40)
    base.kill()
    base = site.base()
    wait_for(lambda: left(8), 40)
    broker.kill()
    broker.start()
    wait_for(lambda: left(4), 40)
    backend.kill()
    backend = site.backend()
    wait_for(lambda: left(0), 40)
    base.kill()
    base = site.base()

    def done() -> bool:
        site.modem.step()
        stats = json.loads(site.get(site.backend_port, "/v1/stats"))
        status = json.loads(site.get(site.page_port, "/status.json"))
        receipts = status.get("receipts", {})
        return bool(stats.get("objects") == 16 and receipts.get("delivered") and not receipts.get("signed"))

    wait_for(done, 60)
    stats = json.loads(site.get(site.backend_port, "/v1/stats"))
    assert (stats["objects"], stats["duplicated"], stats["refused"]) == (16, 0, 0), site.log
    assert b"sightings-title" in site.get(site.page_port, "/")
    base.send_signal(signal.SIGTERM)
    assert base.wait(60) == 0, site.log
    assert main(["verify", "--config", str(site.config)]) == 0
    assert "Traceback" not in site.log
    for secret in (LINK_KEY.hex(), bytes(BOX).hex(), "43.1", "131.4"):
        assert secret not in site.log


def test_a_second_copy_is_refused_and_one_that_is_aborted_says_where_it_stood(site: Site) -> None:
    first = site.base("--only", "ingest")
    wait_for(lambda: "ingest: running" in site.log)
    second = site.base("--only", "ingest,forward")
    assert second.wait(60) == 2
    assert "another trapbase-ingest" in site.log
    assert "Traceback" not in site.log
    first.send_signal(signal.SIGABRT)  # as systemd does when there is no keepalive
    first.wait(60)
    assert "Fatal Python error: Aborted" in site.log
    assert "in _drive" in site.log


@pytest.mark.parametrize("part", ["gateway", "ingest", "forward", "page"])
def test_each_part_runs_alone_tells_systemd_and_stops(site: Site, part: str) -> None:
    systemd = Systemd(site.folder)
    watched = {"NOTIFY_SOCKET": systemd.path, "WATCHDOG_USEC": "1000000"}
    process = site.base("--only", part, **watched)
    systemd.wait_for("READY=1")
    systemd.wait_for("WATCHDOG=1")
    assert f"{part}: running" in site.log
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0, site.log
    assert "STOPPING=1" in systemd.heard()
    systemd.close()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("max_events = 3", "max_events = 0"), "key 'batch.max_events' is 0"),
        (("[page]", "[paeg]"), "unknown key 'paeg.port'"),
        (("box.key", "none.key"), "none.key: the key that opens crops cannot be read"),
        (("backend.pub", "log"), "log: the back end's public key is not hex"),
        (('side = "left"', 'side = "upper"'), "upper"),
        (("latitude = 43.1", "latitude = 143.1"), "latitude"),
        (("latitude = 43.1", ""), "latitude"),
        (("name = ", "name = ="), "is not TOML"),
    ],
)
def test_a_setting_that_must_be_mended_is_named(site: Site, change: tuple[str, str], words: str) -> None:
    (site.folder / "log").touch()
    site.config.write_text(site.config.read_text().replace(*change))
    process = site.base()
    assert process.wait(60) == 2, site.log
    assert words in site.log
    assert "Traceback" not in site.log


def test_a_port_that_is_taken_is_named_in_a_log_for_programs_too(site: Site) -> None:
    site.config.write_text(site.config.read_text() + '[log]\nformat = "json"\n')
    with socket.create_server(("127.0.0.1", site.page_port)):
        assert site.base("--only", "page").wait(60) == 2
    (line,) = map(json.loads, site.log.splitlines())
    assert (line["level"], line["part"], line["event"]) == ("error", "page", "failed")
    assert "'page.port'" in line["text"]


def test_a_part_that_is_none_is_named(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--config", str(site.config), "--only", "ingest,oracle"]) == 2
    assert "'oracle' is no part; allowed are gateway, ingest" in capsys.readouterr().err


def test_config_show_reads_back(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show", "--config", str(site.config)]) == 0
    shown = capsys.readouterr().out
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert main(["config", "show", "--config", str(again)]) == 0
    assert capsys.readouterr().out == shown
    assert main(["config", "check", "--config", str(site.config)]) == 0
    assert "good; 1 traps" in capsys.readouterr().out


def test_two_traps_with_one_number_are_refused(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    text = site.config.read_text()
    site.config.write_text(text + text[text.index("[[trap]]") :])
    assert main(["config", "check", "--config", str(site.config)]) == 2
    assert "trap 1 is there twice" in capsys.readouterr().err


def test_missing_certificates_are_named(site: Site, broker: Broker, capsys: pytest.CaptureFixture[str]) -> None:
    site.config.write_text(site.config.read_text().replace(str(broker.fleet), "/nowhere"))
    assert main(["config", "check", "--config", str(site.config)]) == 2
    assert "ca.crt: the fleet's certificate cannot be read: No such file" in capsys.readouterr().err
