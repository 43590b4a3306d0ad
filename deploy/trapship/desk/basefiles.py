"""What a base gets: keys and certificates of its programs, its broker's settings, and what it needs of its traps."""

from pathlib import Path
from typing import Any

from trapkit.files import make_folder, write_atomically
from trapkit.operator.identity import OPERATOR_KEY, Given
from trapkit.operator.regions import TRAPBASE, Region, less
from trapkit.sealing import public_of
from trapship.broker import broker_texts
from trapship.certificates import PROGRAMS
from trapship.desk.authority import TLS_SECRET_BYTES, Issued, key_of
from trapship.desk.derive import HOP, LINK, TLS, new_salt
from trapship.desk.folder import BOX, CA_CRT, ISSUED, PERMIT, REVOKED, Desk
from trapship.desk.register import Base
from trapship.desk.texts import toml
from trapship.desk.trapfiles import MIRROR_PORT, sign_seed, unit_name
from trapship.names import LOCAL
from trapwire.linkkeys import KEY_BYTES

INTO = "/var/lib/pugmark"
LOCAL_TEXT = """\
# This base's own settings. What stands here goes before what was provisioned, and before the settings pack;
# `trapbase config show --config base.toml` lists it. Nothing writes into this file but you.
unit = "unit.toml"
"""


def machine(
    desk: Desk, base: Base, pack: bytes, extra: dict[str, bytes], root: bytes,
    region: tuple[bytes, Region | None] = (b"", None), into: str = INTO,
) -> dict[str, Given]:  # fmt: skip
    """The files of its machine by name, as they shall lie below `into`; `root`: of the releases; `region`: the region
    plan's signed file, and what it says."""
    files = {
        "base.toml": Given(data=LOCAL_TEXT.encode(), rule="once"),
        OPERATOR_KEY: Given(data=desk.public(OPERATOR_KEY)),
        "keys/base.key": Given(data=desk.vault.get(BOX) + b"\n", secret=True),
        "keys/permit.key": Given(data=desk.vault.get(PERMIT).hex().encode() + b"\n", secret=True),
        "fleet/ca.crt": Given(data=desk.public(CA_CRT)),
    }
    files |= _programs(desk, base) | _of_traps(desk, base) | _broker(base, into)
    files[REVOKED] = Given(data=desk.revoked(), rule="revoked", crl="fleet/ca.crl")  # with what was just spent
    files |= {f"keys/{name}": Given(data=data) for name, data in extra.items()}
    tables = _settings(desk, base)
    if root:
        files["keys/root.json"] = Given(data=root)
    if "backend.pub" in extra:
        tables["upload"] = {"public_key": "keys/backend.pub"}
    if pack:
        files["pack.toml"] = Given(data=pack)
        tables["pack"] = ["pack.toml"]
        tables["pack_key"] = "keys/pack.pub" if "pack.pub" in extra else OPERATOR_KEY
    data, says = region
    if says is not None:
        files["region.toml"] = Given(data=data)
        tables = less(tables, says.layer(TRAPBASE)) | {"region": ["region.toml"], "region_key": OPERATOR_KEY}
    told = f"Base {base.number}, {base.name}: written by `trapship provision`, issue {base.issue}."
    files["unit.toml"] = Given(data=toml(tables, told + "\nDo not change it here: base.toml goes before it."))
    return files


def _settings(desk: Desk, base: Base) -> dict[str, Any]:
    stations = desk.register.stations
    traps = [
        {
            "number": trap.number,
            "station": trap.station,
            "side": trap.side,
            "latitude": stations[trap.station].latitude,
            "longitude": stations[trap.station].longitude,
        }
        for trap in desk.register.of_base(base.number)
    ]
    tables: dict[str, Any] = {
        "name": base.name,
        "folder": "data",
        "box_key": "keys/base.key",
        "unit_keys": "keys/units",
        "country": base.country,
        "zone": base.zone,
        "revoked": REVOKED,
        "operator_key": OPERATOR_KEY,
        "bus": {"port": base.port, "certificates": "fleet"},
        "gateway": {"serial": base.modem, "plan": base.plan, "sf": base.sf, "keys": "keys/link"},
        "page": {"language": base.language},
        # Its source is the operator's to name: base.toml, `updates.source`.
        "updates": {"root": "keys/root.json", "permit_key": "keys/permit.key", **_mirror(base)},
    }
    return tables | ({"trap": traps} if traps else {})


def _mirror(base: Base) -> dict[str, Any]:
    """Where traps with a network get releases: for units of the fleet alone, by their certificates."""
    return {"host": "0.0.0.0", "port": MIRROR_PORT} if base.names else {}  # noqa: S104


def _of_traps(desk: Desk, base: Base) -> dict[str, Given]:
    """Link keys, hop keys, and the public halves of what traps sign with."""
    (desk.folder / ISSUED).mkdir(mode=0o700, exist_ok=True)
    files = {}
    for trap in desk.register.of_base(base.number):
        unit = unit_name(trap)
        keys = {"key": desk.derive(LINK, unit, trap.link, KEY_BYTES)}
        if trap.link_next:
            keys["next"] = desk.derive(LINK, unit, trap.link_next, KEY_BYTES)
        if trap.repeater and trap.hop:
            keys["hop"] = desk.derive(HOP, unit, trap.hop, KEY_BYTES)
        for ending, key in keys.items():
            files[f"keys/link/{trap.number}.{ending}"] = Given(data=f"{key.hex()}\n".encode(), secret=True)
        public = public_of(sign_seed(desk, trap)).hex()
        files[f"keys/units/{trap.number}.sign.pub"] = Given(data=f"{public}\n".encode())
    return files


def _programs(desk: Desk, base: Base) -> dict[str, Given]:
    """Their pairs: the same ones each time, so that a new trap makes no broker start again."""
    base.tls = base.tls or new_salt()
    names = list(dict.fromkeys([*LOCAL, *base.names]))
    files = {}
    for program in ("server", *PROGRAMS):
        path = desk.folder / ISSUED / f"base-{base.number}" / f"{program}.crt"
        secret = desk.derive(TLS, f"base {base.number} {program}", base.tls, TLS_SECRET_BYTES)
        if program in base.serials and path.exists() and (program != "server" or base.server_names == names):
            issued = Issued(path.read_bytes(), key_of(secret), base.serials[program])
        else:
            if program in base.serials:
                desk.register.spend(base.serials[program])
            issued = (
                desk.authority.server(names, secret) if program == "server" else desk.authority.client(program, secret)
            )
            base.serials[program] = issued.serial
            make_folder(path.parent, 0o700)
            write_atomically(path, issued.crt)
        files[f"fleet/{program}.crt"] = Given(data=issued.crt)
        files[f"fleet/{program}.key"] = Given(data=issued.key, secret=True)
    base.server_names = names
    return files


def _broker(base: Base, into: str) -> dict[str, Given]:
    folder = Path(into)
    address = "0.0.0.0" if base.names else "127.0.0.1"  # noqa: S104  # traps with a network reach it, or nobody needs to
    text, access = broker_texts(folder / "broker", folder / "fleet", base.port, address, [], root=False)
    return {
        "broker/mosquitto.conf": Given(data=text.encode()),
        "broker/acl": Given(data=access.encode(), secret=True),
    }
