"""What a trap gets: the files of its card, and its supervisor's mcu.json. Nothing here is another unit's."""

from typing import Any

from trapkit.operator.identity import OPERATOR_KEY, Given
from trapkit.operator.regions import TRAPCAM, Region, less
from trapship.desk.authority import TLS_SECRET_BYTES
from trapship.desk.derive import HOP, LINK, PAIR, SIGN, TLS, WIFI, new_salt, wifi_words
from trapship.desk.folder import BOX_PUB, CA_CRT, PERMIT_PUB, RECIPIENTS, REVOKED, Desk
from trapship.desk.register import Trap
from trapship.desk.texts import toml
from trapwire.linkkeys import KEY_BYTES

INTO = "/etc/pugmark"
STICKS = ["/media/stick", "/mnt/stick"]
MIRROR_PORT = 8090  # of a base that has releases for its traps (`updates.port`)
RELEASED_PACK = "/var/lib/pugmark/update/current/settings/pack.toml"  # where `trapkit.update` installs it
RELEASED_REGION = "/var/lib/pugmark/update/current/region/region.toml"
SSID = "pugmark-{}"
# As `deploy/install trap` makes it: NetworkManager's profile of the access point, which user pugmark may switch.
ACCESS_POINT = {
    "up": ["nmcli", "--wait", "15", "connection", "up", "pugmark-service"],
    "down": ["nmcli", "connection", "down", "pugmark-service"],
}
LOCAL = """\
# This trap's own settings. What stands here goes before what was provisioned, and before the settings pack;
# `trapcam config show --config {into}/trap.toml` lists it. Nothing writes into this file but you.
unit = "{into}/unit.toml"
"""


def unit_name(trap: Trap) -> str:
    return f"trap {trap.number}"


def link_key(desk: Desk, trap: Trap) -> str:
    """The key that the supervisor shall have: the next one where one waits."""
    return desk.derive(LINK, unit_name(trap), trap.link_next or trap.link, KEY_BYTES).hex()


def sign_seed(desk: Desk, trap: Trap) -> bytes:
    return desk.derive(SIGN, unit_name(trap), trap.sign, 32)


def hop_key(desk: Desk, trap: Trap) -> str:
    """The key between this trap and its repeater.  The trap must go by one."""
    trap.hop = trap.hop or new_salt()
    return desk.derive(HOP, unit_name(trap), trap.hop, KEY_BYTES).hex()


def wifi(desk: Desk, trap: Trap) -> tuple[str, str]:
    """Name and password of its access point."""
    return SSID.format(trap.number), wifi_words(desk.derive(WIFI, unit_name(trap), trap.wifi, 32))


def supervisor(desk: Desk, trap: Trap, pack: dict[str, Any]) -> dict[str, Any]:
    """Its mcu.json; `pack`: what the settings pack says of supervisors."""
    settings: dict[str, Any] = {**pack, "role": "supervisor", "trap": trap.number, "plan": trap.plan, "sf": trap.sf}
    settings["link_key"] = link_key(desk, trap)
    if trap.battery:
        settings["battery"] = trap.battery
    if trap.repeater:
        settings["hop_key"] = hop_key(desk, trap)
    if trap.side != "single":
        station = desk.register.stations[trap.station]
        # A number of this key's own: a `pair` 0 that the base set by radio ends with the key that it was about.
        settings["pair"] = int(station.pair[:8], 16) % 65535 + 1
        settings["station_key"] = desk.derive(PAIR, f"station {trap.station}", station.pair, KEY_BYTES).hex()
    return settings


def card(
    desk: Desk, trap: Trap, operators: bytes, pack: bytes, extra: dict[str, bytes], root: bytes,
    region: tuple[bytes, Region | None] = (b"", None), into: str = INTO,
) -> dict[str, Given]:  # fmt: skip
    """The files of its card by name. `operators`: hashed PINs, b"" for none; `pack`: the settings pack; `extra`: public
    keys that this operator adds (the back end's, who signs packs); `root`: of the releases; `region`: the region plan's
    signed file, and what it says."""
    base = desk.register.bases[str(trap.base)]
    keys: dict[str, Any] = {"base": f"{into}/keys/base.pub", "recipients": f"{into}/keys/recipients.txt"}
    keys["sign"] = f"{into}/keys/trap.sign"
    tables: dict[str, Any] = {
        "trap": trap.number,
        "data": "/var/lib/pugmark/trapcam",
        "camera": {"kind": trap.camera},
        "keys": keys,
    }
    tables["supervisor"] = {"power_off": ["systemctl", "poweroff"]}
    tables["service"] = {"operators": f"{into}/operators.toml", "language": trap.language, **ACCESS_POINT}
    if base.zone != "UTC":  # what nobody has said is no zone
        tables["service"]["zone"] = base.zone
    if trap.side != "single":
        tables["service"]["side"] = trap.side
    ssid, password = wifi(desk, trap)
    files = {
        "trap.toml": Given(data=LOCAL.format(into=into).encode(), rule="once"),
        OPERATOR_KEY: Given(data=desk.public(OPERATOR_KEY)),
        "keys/base.pub": Given(data=desk.public(BOX_PUB)),
        "keys/permit.pub": Given(data=desk.public(PERMIT_PUB)),
        "keys/recipients.txt": Given(data=desk.public(RECIPIENTS)),
        "keys/trap.sign": Given(data=f"{sign_seed(desk, trap).hex()}\n".encode(), secret=True),
        "access-point.conf": Given(data=f"SSID={ssid}\nPASSWORD={password}\n".encode(), secret=True),
    }
    if operators:
        files["operators.toml"] = Given(data=operators, secret=True)
    # Releases by what there is: a stick, the base's mirror where there is a network; none without the root to trust.
    updates: dict[str, Any] = {"permit_key": f"{into}/keys/permit.pub", "sticks": STICKS}
    if root:
        files["root.json"] = Given(data=root)
        updates["trusted"] = f"{into}/root.json"
    if trap.network:
        host = base.names[0]
        tables["network"] = {"host": host, "port": base.port, "certificates": f"{into}/certificates"}
        updates["base_url"] = f"https://[{host}]:{MIRROR_PORT}" if ":" in host else f"https://{host}:{MIRROR_PORT}"
        files |= certificates(desk, trap)
    tables["update"] = updates
    # Without a back end nobody's receipts but the operator's would let it delete, and he gives none.
    keys["receipts"] = f"{into}/keys/backend.pub" if "backend.pub" in extra else f"{into}/{OPERATOR_KEY}"
    files |= {f"keys/{name}": Given(data=data) for name, data in extra.items()}
    if pack:
        files["pack.toml"] = Given(data=pack)
    # A release's pack goes before the one of this card.
    tables["pack"] = [RELEASED_PACK, f"{into}/pack.toml"]
    tables["pack_key"] = f"{into}/keys/pack.pub" if "pack.pub" in extra else f"{into}/{OPERATOR_KEY}"
    # A release's region plan likewise; what it says is not said here, or a newer one could not say otherwise.
    tables["region"] = [RELEASED_REGION, f"{into}/region.toml"]
    tables["region_key"] = f"{into}/{OPERATOR_KEY}"
    data, says = region
    if says is not None:
        files["region.toml"] = Given(data=data)
        tables = less(tables, says.layer(TRAPCAM))
    told = f"Trap {trap.number}, station {trap.station}, {trap.side}: by `trapship provision`, issue {trap.issue}."
    files["unit.toml"] = Given(data=toml(tables, told + "\nDo not change it here: trap.toml goes before it."))
    return files


def certificates(desk: Desk, trap: Trap) -> dict[str, Given]:
    """Its pair and the fleet's certificate; a new pair with each issue, and the one before is spent."""
    name = str(trap.number)
    if name in trap.serials:
        desk.register.spend(trap.serials[name])
    trap.tls = new_salt()
    issued = desk.authority.client(name, desk.derive(TLS, unit_name(trap), trap.tls, TLS_SECRET_BYTES))
    trap.serials[name] = issued.serial
    return {
        "certificates/ca.crt": Given(data=desk.public(CA_CRT)),
        REVOKED: Given(data=desk.revoked(), rule="revoked", crl="certificates/ca.crl"),
        f"certificates/{name}.crt": Given(data=issued.crt),
        f"certificates/{name}.key": Given(data=issued.key, secret=True),
    }
