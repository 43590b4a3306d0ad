"""A demo station as files: keys, certificates, settings of every process. What an operator's provisioning will do."""

import hashlib
import json
import os
import shutil
import socket
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nacl.public import PrivateKey
from nacl.signing import SigningKey
from pyrage import x25519

from trapbase.config import TrapSettings
from trapcam.service.pin import hashed
from trapkit.errors import SetupError
from trapkit.files import write_atomically
from trapship.broker import write_broker
from trapship.certificates import PROGRAMS, make_fleet
from trapship.linkkeys import LINK, make_link_keys
from trapship.unitkeys import UNITS, make_unit_keys
from trapsim.hook import PATH, SECRET
from trapsim.updatedemo.operator import Operator
from trapsim.updatedemo.settings import SLOTS, base_table, trap_table, update_settings
from trapwire.alert import SPECIES

PIN = "271828"  # of the demo's ranger
STATION = "S001"
TRAPS = {1: "left", 2: "right"}
LIGHT = {1: "day", 2: "night"}  # where they have the Pi's camera, and of what is seen at a service visit
PLAN = "cn470"
MARK = ".pugmark-demo"
LOCK = "demo"  # the name under which the folder is held while a demo runs in it
# In the Land of the Leopard, to a tenth of a degree: a demo shows no real place more exactly than it must.
LATITUDE, LONGITUDE = 43.1, 131.4
ZONE = "Asia/Vladivostok"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the user asked of the demo.

    pictures: a folder for each trap; loss: share of receptions lost; speed: ms of the radio's clock for one of the
    wall; pir_every_s: wall seconds.
    """

    folder: Path
    pictures: Mapping[int, Path]
    loss: float
    speed: float
    seed: int
    sf: int
    page_host: str
    page_port: int
    pir_every_s: float
    parked: bool = False  # the Pis are off until something moves
    networked: frozenset[int] = frozenset()  # traps that have a network beside the radio
    service: bool = False  # the rangers' pages are open all the time
    picamera: bool = False  # the Pi's camera over a simulated module, not the replay camera
    update: bool = False  # the traps take updates: an operator publishes a good release and a bad one

    @property
    def walkers(self) -> bool:
        """Whether somebody walks past in a walk test; a release that an update brings knows of nobody."""
        return self.service and not self.update


def service_port(plan: Plan, number: int) -> int:
    """Where the demo shows a trap's own page."""
    return plan.page_port + number


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where everything of the demo lies, and on which ports."""

    plan: Plan
    broker_port: int
    channel_port: int
    backend_port: int
    updates_port: int
    hook_port: int

    @property
    def folder(self) -> Path:
        return self.plan.folder

    def trap(self, number: int) -> Path:
        return self.folder / f"trap{number}"

    def slots(self, number: int) -> Path:
        """What a trap's launcher starts."""
        return self.trap(number) / SLOTS

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def backend(self) -> Path:
        return self.folder / "backend"

    @property
    def hook(self) -> Path:
        return self.folder / "hook"

    @property
    def hook_key(self) -> Path:
        return self.folder / "keys" / "hook.key"

    @property
    def stats(self) -> Path:
        return self.folder / "run" / "channel.json"

    def line(self, name: str) -> Path:
        return self.folder / "run" / name


def trap_settings() -> dict[int, TrapSettings]:
    """The traps as the base's settings have them."""
    return {
        number: TrapSettings(number=number, station=STATION, side=side, latitude=LATITUDE, longitude=LONGITUDE)
        for number, side in TRAPS.items()
    }


def clear_folder(folder: Path) -> None:
    """Empty a folder of an earlier demo.  Raises: SetupError when it holds something that no demo made."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [entry for entry in folder.iterdir() if entry.name != f"{LOCK}.lock"]
    if found and not (folder / MARK).is_file():
        raise SetupError(f"--state {folder}: is neither empty nor a demo's folder; name another")
    for entry in found:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    (folder / MARK).touch()


def check_port(host: str, port: int) -> None:
    """Raises: SetupError when nobody can listen there, or somebody does already."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, port), family=family):
            return
    except OSError as error:
        raise SetupError(
            f"--host {host}, --port {port}: cannot be used: {error.strerror or error}; name another, e.g. --port 8081"
        ) from error


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def build_site(plan: Plan) -> Site:
    """Write keys, certificates and settings into the plan's folder."""
    site = Site(
        plan=plan,
        broker_port=free_port(),
        channel_port=free_port(socket.SOCK_DGRAM),
        backend_port=free_port(),
        updates_port=free_port(),
        hook_port=free_port(),
    )
    for name in ("keys", "run", "logs"):
        (site.folder / name).mkdir(exist_ok=True)
    _write_keys(site.folder / "keys")
    certified = set(TRAPS) if plan.update else plan.networked
    make_fleet(site.folder / "certificates", (*PROGRAMS, *map(str, sorted(certified))))
    if plan.update:
        Operator(site.folder).begin(site.folder / "keys")
    write_broker(site.folder / "broker", site.folder / "certificates", site.broker_port)
    for number in TRAPS:
        _write_trap(site, number)
    _write_unit(site, "modem", {"role": "modem", "plan": PLAN, "sf": plan.sf, "times": {"reply_window_ms": 4000}})
    write_atomically(site.folder / "base.toml", _base_settings(site).encode())
    return site


def _write_keys(folder: Path) -> None:
    box, signing, review = PrivateKey.generate(), SigningKey.generate(), x25519.Identity.generate()
    for name, data in (
        ("base.key", bytes(box).hex()),
        ("base.pub", bytes(box.public_key).hex()),
        ("backend.key", bytes(signing).hex()),
        ("backend.pub", bytes(signing.verify_key).hex()),
        ("review.key", str(review)),
        ("recipients.txt", str(review.to_public())),
        ("hook.key", SECRET + b64encode(os.urandom(32)).decode()),
    ):
        write_atomically(folder / name, (data + "\n").encode(), mode=0o600 if name.endswith(".key") else 0o644)
    make_link_keys(folder, list(TRAPS), [])
    make_unit_keys(folder, list(TRAPS))


def _write_trap(site: Site, number: int) -> None:
    folder, plan = site.trap(number), site.plan
    folder.mkdir(exist_ok=True)
    settings = f"""\
trap = {number}
data = {_quoted(folder / "data")}
[supervisor]
port = {_quoted(site.line(f"trap{number}.pi"))}
{_camera(plan, number)}[keys]
base = {_quoted(site.folder / "keys" / "base.pub")}
recipients = {_quoted(site.folder / "keys" / "recipients.txt")}
receipts = {_quoted(site.folder / "keys" / "backend.pub")}
sign = {_quoted(site.folder / "keys" / UNITS / f"{number}.sign")}
[uplink]
answer_s = 2.0
status_s = 3.0
hello_s = 1.0
[clock]
uncertainty_ms = 200
"""
    if plan.update or number in plan.networked:
        _give_certificate(site, number)
    if number in plan.networked:
        settings += f"""\
[network]
host = "127.0.0.1"
port = {site.broker_port}
certificates = {_quoted(folder / "certificates")}
answer_s = 2.0
"""
    if plan.update:
        settings += trap_table(site.folder, site.updates_port)
        if number not in plan.networked:  # no broker's address: all but updates goes by radio
            settings += f"[network]\ncertificates = {_quoted(folder / 'certificates')}\n"
    if plan.service:
        operators = folder / "operators.toml"
        write_atomically(operators, f'ranger = "{hashed(PIN)}"\n'.encode(), mode=0o600)
        settings += f"""\
[service]
operators = {_quoted(operators)}
host = {json.dumps(plan.page_host)}
address = {json.dumps(plan.page_host)}
port = {service_port(plan, number)}
always = true
simulated = {json.dumps(plan.walkers)}
side = {json.dumps(TRAPS[number])}
zone = "{ZONE}"
"""
    write_atomically(folder / "trapcam.toml", settings.encode())
    # Answers cross five processes of this machine: some tens of ms of the wall are many of a fast radio clock.
    window_ms = round(max(1200, 300 * plan.speed))
    times = {
        "reply_window_ms": window_ms,
        "commit_ms": round(max(400, 100 * plan.speed)),
        "heartbeat_ms": round(max(10000, 2000 * plan.speed)),
        "pause_max_ms": 20000,
    }
    unit = {"role": "supervisor", "trap": number, "plan": PLAN, "sf": plan.sf, "times": times}
    unit |= {"armed_from_h": 0, "armed_to_h": 0 if plan.parked else 24, "min_gap_ms": 0, "triggers_a_day": 100000}
    unit["picture_min"] = 1440  # a demo at noon is as one at night
    unit["safe_resets"] = 256  # the demo's kills come by the dozen
    # A Pi here is a program that starts in seconds of the wall, which are minutes of a fast clock.
    unit |= dict.fromkeys(
        ("pi_boot_ms", "pi_leave_ms", "pi_silent_ms", "pi_busy_ms"), round(60_000 * max(1, plan.speed))
    )
    unit |= {"battery": "liion", "battery_cells": 2, "battery_mah": 9000, "battery_mv": 7200}
    unit["repeat_ms"] = round(2000 * plan.speed)
    if plan.service:  # the page says how the partner is heard; elsewhere the demo's two cats come by their own cameras
        unit["station_key"] = hashlib.sha256((site.folder / "keys" / "base.key").read_bytes()).hexdigest()[:32]
    unit["link_key"] = (site.folder / "keys" / LINK / f"{number}.key").read_text().strip()
    _write_unit(site, f"trap{number}", unit)


def _camera(plan: Plan, number: int) -> str:
    if not plan.picamera:
        return f'[camera]\nkind = "replay"\n[camera.replay]\nfolder = {_quoted(plan.pictures[number])}\n'
    # One by day, with pictures from before each trigger, one by night, under its lamp.
    return f'[camera]\nkind = "pi"\n[camera.pi]\nlight = "{LIGHT[number]}"\n'


def _give_certificate(site: Site, number: int) -> None:
    """What a trap carries into the field: the fleet's certificate and its own pair, and nobody else's key."""
    fleet, own = site.folder / "certificates", site.trap(number) / "certificates"
    own.mkdir(exist_ok=True)
    for name in ("ca.crt", f"{number}.crt", f"{number}.key"):
        write_atomically(own / name, (fleet / name).read_bytes(), mode=0o600)


def _write_unit(site: Site, name: str, settings: dict[str, object]) -> None:
    (site.folder / name).mkdir(exist_ok=True)
    write_atomically(site.folder / name / "mcu.json", json.dumps(settings, indent=1).encode(), mode=0o600)


def _base_settings(site: Site) -> str:
    keys, plan = site.folder / "keys", site.plan
    text = f"""\
name = "demo"
zone = "{ZONE}"
folder = {_quoted(site.base)}
box_key = {_quoted(keys / "base.key")}
unit_keys = {_quoted(keys / UNITS)}
[bus]
port = {site.broker_port}
certificates = {_quoted(site.folder / "certificates")}
[gateway]
serial = {_quoted(site.line("modem.base"))}
plan = "{PLAN}"
sf = {plan.sf}
keys = {_quoted(keys / LINK)}
republish_ms = 2000
clock = "{"off" if plan.speed != 1 else "auto"}"
clock_uncertainty_ms = {0 if plan.speed != 1 else 1000}
[batch]
max_age_s = 2.0
max_wait_s = 3600
project = "Pugmark demo"
[upload]
url = "http://127.0.0.1:{site.backend_port}"
public_key = {_quoted(keys / "backend.pub")}
retry_min_s = 0.5
retry_max_s = 5
receipt_poll_s = 0.5
identifications_s = 1
down_republish_ms = 2000
[page]
host = {json.dumps(plan.page_host)}
port = {plan.page_port}
upload = {json.dumps(plan.service)}
"""
    text += f"""\
[[outlet]]
name = "hook"
kind = "webhook"
url = "http://127.0.0.1:{site.hook_port}{PATH}"
key_file = {_quoted(site.hook_key)}
species = {json.dumps(list(SPECIES.values()))}
coordinates = "0.1"
retry_min_s = 0.5
retry_max_s = 5
since = "beginning"
"""
    if plan.update:
        text += base_table(update_settings(site.folder, site.updates_port, STATION))
    for number, side in TRAPS.items():
        text += f"""\
[[trap]]
number = {number}
station = "{STATION}"
side = "{side}"
latitude = {LATITUDE}
longitude = {LONGITUDE}
uncertainty_m = 5000
model = "Pugmark demo, {"Pi camera, simulated module" if plan.picamera else "replay camera"}"
"""
    return text


def _quoted(path: Path) -> str:
    return json.dumps(os.fspath(path.absolute()), ensure_ascii=False)  # TOML knows no surrogate pairs
