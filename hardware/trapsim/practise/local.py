"""What a provisioned unit's settings say otherwise on one machine: ports, serial lines, pictures, times. Pure."""

from collections.abc import Mapping
from typing import Any

from trapsim.updatedemo.settings import HEALTHY_S, LOOK_S, PAIR_S, SILENT_S

ETC, VAR, STICK = "/etc/pugmark", "/var/lib/pugmark", "/media/stick"
HERE = "127.0.0.1"
Table = dict[str, Any]


def moved(value: Any, moves: Mapping[str, str]) -> Any:
    """A setting, or a table of them, with a field unit's folders put where they lie here."""
    if isinstance(value, dict):
        return {key: moved(each, moves) for key, each in value.items()}
    if isinstance(value, list):
        return [moved(each, moves) for each in value]
    if isinstance(value, str):
        for old, new in moves.items():
            if value == old or value.startswith(f"{old}/"):
                return new + value.removeprefix(old)
    return value


def merged(table: Mapping[str, Any], over: Mapping[str, Any]) -> Table:
    """`table`, with what `over` says."""
    made = dict(table)
    for key, value in over.items():
        made[key] = merged(made.get(key, {}), value) if isinstance(value, dict) else value
    return made


def dotted(table: Mapping[str, Any]) -> Table:
    """Tables one deep: what lies deeper by dotted keys, which TOML takes for the same."""
    made: Table = {}
    for key, value in table.items():
        inner = dotted(value) if isinstance(value, dict) else {}
        for name, each in inner.items():
            if isinstance(each, dict):
                inner = {k: v for k, v in inner.items() if k != name} | {f"{name}.{k}": v for k, v in each.items()}
        made[key] = inner if isinstance(value, dict) else value
    return made


def base_says(provisioned: Table, *, modem: str, bus_port: int, page_port: int, updates_port: int) -> Table:
    """Of a base. Its clock is right, and hours of a release's waves are seconds."""
    updates: Table = {"every_s": 3.0, "healthy_h": HEALTHY_S / 3600, "pair_h": PAIR_S / 3600}
    updates |= {"silent_h": SILENT_S / 3600}
    if provisioned.get("updates", {}).get("port"):
        updates |= {"host": HERE, "port": updates_port}
    return {
        "bus": {"port": bus_port},
        "gateway": {"serial": modem, "clock_uncertainty_ms": 1000},
        "page": {"host": HERE, "port": page_port},
        "updates": updates,
    }


def trap_says(
    provisioned: Table, *, line: str, pictures: str, bus_port: int, page_port: int, updates_port: int
) -> Table:
    """Of a trap: its camera replays pictures, its access point is this machine, its page is open all the time."""
    update: Table = {"look_h": LOOK_S / 3600, "shadow_bursts": 3}
    says: Table = {
        "supervisor": {"port": line, "power_off": []},
        "camera": {"kind": "replay", "replay": {"folder": pictures, "loop": True}},
        "service": {"up": [], "down": [], "host": HERE, "address": HERE, "port": page_port, "always": True},
        "uplink": {"answer_s": 2.0, "hello_s": 1.0, "status_s": 3.0},
        "clock": {"uncertainty_ms": 1000},
    }
    if provisioned.get("network", {}).get("host"):
        says["network"] = {"host": HERE, "port": bus_port}
    if provisioned.get("update", {}).get("base_url"):
        update["base_url"] = f"https://{HERE}:{updates_port}"
    return says | {"update": update}


def supervisor_says(provisioned: Table, *, parked: bool) -> Table:
    """Of a supervisor: heard every ten seconds, its Pi on all the time unless `parked`, noon as good as night."""
    times = {"heartbeat_ms": 10_000, "reply_window_ms": 1200, "commit_ms": 400, "pause_max_ms": 20_000}
    return merged(
        provisioned,
        {
            "armed_from_h": 0, "armed_to_h": 0 if parked else 24, "watch_from_h": 0, "watch_to_h": 24,
            "min_gap_ms": 0, "triggers_a_day": 100_000, "picture_min": 1440, "safe_resets": 256, "repeat_ms": 2000,
            "times": times,
        },
    )  # fmt: skip


def modem_says(provisioned: Table) -> Table:
    """Of a base's modem: answers cross several processes of this machine."""
    return merged(provisioned, {"times": {"reply_window_ms": 4000}})
