"""From settings and keys to the radio: a cell for each spreading factor that the modems have."""

from collections.abc import Sequence
from pathlib import Path

from trapbase.config import GatewaySettings, frame_bytes
from trapbase.keyring import Keyring, read_hop_keys
from trapbase.radio.cells import Cell, Line, Radio
from trapwire.basewords import BaseWords
from trapwire.frame import Counter
from trapwire.hopbase import HopBaseLink


def build_radio(
    gateway: GatewaySettings, lines: Sequence[tuple[int, Line]], keyring: Keyring, counter: Counter
) -> Radio:
    """`lines`: each modem's with its spreading factor.  Raises: SetupError for one that the plan has no room at."""
    hops = read_hop_keys(Path(gateway.keys), keyring.keys)
    cells: list[Cell] = []
    for sf in dict.fromkeys(sf for sf, _ in lines):
        words = BaseWords(sf, gateway.modem_wait_ms, cells[0].words if cells else None)
        quick = (sf, gateway.quick_sf) if 0 < gateway.quick_sf < sf else None
        link = HopBaseLink(
            hops, sf, keyring.keys, frame_bytes(gateway, sf), counter, gateway.commit_wait_ms, quick, words
        )
        cells.append(Cell(link=link, words=words, lines=[line for own, line in lines if own == sf]))
    return Radio(cells, keyring.listens_only)
