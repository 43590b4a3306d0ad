"""BUS.md as others would use it: Mosquitto's own tools against the access list, topics and payloads."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

import trapbase
from tests.base.parts import NOW, alert, envelope
from tests.support import Broker, wait_for
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.store import Store
from trapkit import topics
from trapship.broker import ACCESS
from trapwire.objects import ALERT

PAGE = Path(trapbase.__file__).parents[1] / "BUS.md"


def tool(broker: Broker, name: str) -> str:
    beside = Path(broker.program).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if not found:
        pytest.fail(f"no {name} beside {broker.program}: run `make test`, which fetches it")
    return found


def options(broker: Broker, name: str) -> list[str]:
    files = ["--cert", str(broker.fleet / f"{name}.crt"), "--key", str(broker.fleet / f"{name}.key")]
    return ["-h", "127.0.0.1", "-p", str(broker.port), "-V", "mqttv5", "--cafile", str(broker.fleet / "ca.crt"), *files]


def test_mosquitto_pub_hands_in_an_object(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "object.bin").write_bytes(envelope(7, 1, ALERT, alert()).encode())
    ingest_bus, gateway = broker.bus("ingest", *SUBSCRIPTIONS), broker.bus("gateway", topics.every(topics.ACK))
    command = [
        tool(broker, "mosquitto_pub"),
        *options(broker, "carrier"),
        "-q",
        "1",
        "-t",
        topics.up(7, "alert"),
    ]
    command += ["-f", str(tmp_path / "object.bin"), "-D", "publish", "user-property", "base", "stick"]
    subprocess.run(command, check=True, timeout=20)
    store = Store(tmp_path / "base")
    ingest = Ingest(ingest_bus, store)
    wait_for(lambda: ingest.step(0, NOW))
    wait_for(lambda: gateway.take(1))
    assert [w.object.identity[:4] for w in store.waiting([7])] == [(7, 0xC0FFEE01, 1, ALERT)]
    store.close()


def test_mosquitto_sub_listens(broker: Broker) -> None:
    command = [tool(broker, "mosquitto_sub"), *options(broker, "listener"), "-q", "1", "-C", "1"]
    listener = subprocess.Popen([*command, "-t", "pugmark/1/up/+/+", "-F", "%t %P %x"], stdout=subprocess.PIPE)
    gateway = broker.bus("gateway")
    log = broker.folder / "log"
    wait_for(lambda: "as listener" in log.read_text())
    # It says nothing when its subscription is in place: repeat, as everybody on this bus does.
    wait_for(
        lambda: gateway.publish(topics.up(7, "crop"), b"\x01\xff", {"base": "north"}) and listener.poll() is not None
    )
    out, _ = listener.communicate(timeout=20)
    assert out.decode().strip() == "pugmark/1/up/7/crop base:north 01ff"


def test_a_denied_publish_is_said(broker: Broker) -> None:
    command = [tool(broker, "mosquitto_pub"), *options(broker, "carrier"), "-q", "1", "-d"]
    run = subprocess.run(
        [*command, "-t", topics.ack(1), "-m", "forged"], capture_output=True, text=True, timeout=20, check=False
    )
    assert "RC:135" in run.stdout + run.stderr or "ot authorized" in run.stdout + run.stderr


def test_the_page_names_every_topic_and_right() -> None:
    text = PAGE.read_text()
    for kind in topics.KINDS:
        assert f"`pugmark/1/{kind}/<trap>" in text
    assert set(re.findall(r"^user (\w+)", ACCESS, re.MULTILINE)) <= set(
        re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    )
