"""The settings of updates in the demo: hours are seconds there, everything else is as it is in the field."""

import json
from pathlib import Path

from trapbase.update_settings import UpdateSettings

HEALTHY_S, PAIR_S, SILENT_S, LOOK_S = 16.0, 8.0, 600.0, 6.0  # heartbeats come every ten seconds
SLOTS = "slots"  # in a trap's folder: what its launcher starts
FROM_BASE = ("source", "root", "permit_key", "every_s", "port", "first", "healthy_h", "pair_h", "silent_h")


def update_settings(folder: Path, port: int, station: str) -> UpdateSettings:
    """Of the base of a demo in `folder`, which serves releases at `port`; `station` goes first."""
    return UpdateSettings(
        source=str(folder.absolute() / "releases"),
        root=str(folder.absolute() / "operator" / "tuf" / "root.json"),
        permit_key=str(folder.absolute() / "keys" / "permit.key"),
        every_s=2.0,
        port=port,
        first=station,
        healthy_h=HEALTHY_S / 3600,
        pair_h=PAIR_S / 3600,
        silent_h=SILENT_S / 3600,
    )


def base_table(made: UpdateSettings) -> str:
    """The base's `[updates]`."""
    return "[updates]\n" + "".join(f"{name} = {_toml(getattr(made, name))}\n" for name in FROM_BASE)


def trap_table(folder: Path, port: int) -> str:
    """A trap's `[update]`."""
    root, key = folder.absolute() / "operator" / "tuf" / "root.json", folder.absolute() / "keys" / "permit.pub"
    return f"""\
[update]
trusted = {_toml(str(root))}
base_url = "https://127.0.0.1:{port}"
permit_key = {_toml(str(key))}
look_h = {LOOK_S / 3600:.6f}
shadow_bursts = 0
"""


def _toml(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f"{value:.6f}" if isinstance(value, float) else str(value)
