"""The lines to paste in the set-up pages do what the pages say: pasted, with another port and address."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from nacl.signing import SigningKey
from PIL import Image
from tests.support import Broker, free_port, wait_for

from trapcam.config import TrapSettings
from trapcam.fromsettings import open_bus
from trapkit.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
TOOLS = Path(sys.executable).parent


def blocks(page: str, heading: str) -> list[str]:
    """What stands in a section to be pasted into a shell."""
    text = (ROOT / page).read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert found, f"{page}: nothing to paste under {heading}"
    return [str(block) for block in found]


def paste(block: str, folder: Path, port: int) -> str:
    """Run the lines in `folder`; what they say. 127.0.0.2 plays the address of another machine."""
    text = (
        block.replace("8883", str(port)).replace("10.0.0.5", "127.0.0.2").replace("/etc/pugmark", str(folder / "etc"))
    )
    done = subprocess.run(
        ["bash", "-euc", text],
        cwd=folder,
        env=os.environ | {"PATH": f"{TOOLS}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def trap_settings(keys: Path, trap: Path) -> str:
    """What a trap has before it gets a network: a camera, the base's keys and the back end's."""
    (trap / "pictures").mkdir()
    Image.new("RGB", (64, 48)).save(trap / "pictures" / "1.png")
    (trap / "backend.pub").write_text(bytes(SigningKey.generate().verify_key).hex())
    return f"""\
trap = 7
data = "{trap}/data"
camera.replay.folder = "{trap}/pictures"
keys.base = "{keys}/base.pub"
keys.recipients = "{keys}/recipients.txt"
keys.receipts = "{trap}/backend.pub"
"""


def test_pasting_sets_up_a_base_and_a_trap_that_reaches_it(mosquitto: str, tmp_path: Path) -> None:
    set_up, start_broker, start_base = blocks("basestation/README.md", "Set up")
    at_the_base, at_the_trap = blocks("device/trapcam/README.md", "A trap with a network")
    base, trap, port = tmp_path / "base", tmp_path / "trap", free_port()
    base.mkdir()
    trap.mkdir()
    said = paste(set_up, base, port)
    assert "base.toml: good; 2 traps" in said
    assert "names this machine alone" not in said
    assert start_broker.split() == ["mosquitto", "-c", "broker/mosquitto.conf"]
    assert start_base.split() == ["trapbase", "run", "--config", "base.toml"]

    paste(at_the_base, base, port)
    shutil.copytree(base / "trap7", trap / "etc" / "certificates")
    (trap / "trapcam.toml").write_text(trap_settings(base / "keys", trap))
    said = paste(at_the_trap, trap, port)
    assert "good" in said

    (base / "fleet" / "ca.key").unlink()  # in a drawer: neither broker nor programs miss it
    running = Broker(mosquitto, tmp_path / "unused", base / "fleet")
    running.port, running.config = port, base / "broker" / "mosquitto.conf"
    try:
        running.start()
        bus = open_bus(load_settings(TrapSettings, trap / "trapcam.toml"))
        assert bus is not None
        bus.start()
        try:
            wait_for(lambda: bus.connected)
        finally:
            bus.stop()
        running.bus("ingest")
    finally:
        running.stop()
