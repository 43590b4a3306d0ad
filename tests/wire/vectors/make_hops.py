"""Prints the vectors of a hop and of a station's pair as JSON. Frozen: this shows how they were made.

PROTOCOL.md, sections 11 and 12, spelt out once more, with OpenSSL's CCM: `trapwire.hop` and `trapwire.wake` have no
part in it.
"""

import json
from hashlib import sha256
from pathlib import Path

from trapkit.aes import AesCcm

hop_key, station_key = bytes(range(0xB0, 0xC0)), bytes(range(0xC0, 0xD0))
v3 = json.loads((Path(__file__).parent / "v3.json").read_text())
TRAP = (513).to_bytes(2, "big")


def wrapped(name: str, first: int, counter: int) -> str:
    head, inner = bytes([first]), bytes.fromhex(v3[name])
    nonce = head + TRAP + counter.to_bytes(4, "big") + bytes(6)
    return (head + inner + AesCcm(hop_key).seal(nonce, head + inner, b"", 4)).hex()


def call() -> str:
    head = b"\xcc" + TRAP + (1028).to_bytes(4, "big")
    # 86,400,123 ms on the caller's clock, 391 ms after the trigger, known to 10 ms, by its PIR
    payload = (86400123).to_bytes(5, "big") + (391).to_bytes(2, "big") + b"\x02\x00"
    key = sha256(b"pugmark-wake-1\0" + station_key).digest()[:16]
    return (head + AesCcm(key).seal(b"\x02" + head[1:] + bytes(6), head, payload, 8)).hex()


print(
    json.dumps(
        {
            "hop_key": hop_key.hex(),
            "alert_hop": wrapped("alert_frame", 0xCB, 1025),
            "alert_copy": wrapped("alert_frame", 0xDB, 1025),
            "piece_hop": wrapped("piece_frame", 0xCB, 0x10402),
            "ack_hop": wrapped("ack_frame", 0xEB, 8),
            "station_key": station_key.hex(),
            "call": call(),
        },
        indent=1,
    )
)
