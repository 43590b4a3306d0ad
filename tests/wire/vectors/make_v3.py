"""Prints version 3's vectors as JSON. They are frozen: this shows how they were made, and is run to add to them.

Frames are sealed by OpenSSL, through `trapkit.aes`, and not by `trapwire.ccm`, which is tested against them.
"""

import json
from hashlib import sha256

from trapkit.aes import AesCcm
from trapwire.alert import Alert
from trapwire.fragments import Cut, cut
from trapwire.frame import ACK, ALERT, ASK, FRAGMENT, HAVE, HEARTBEAT, LOG, PIECE, REPLY, WORD, Frame, encode_frame
from trapwire.objects import CROP, Envelope, ObjectKey
from trapwire.payloads import Have, Heartbeat, encode_ack, encode_alert_payload, encode_ask, encode_have

TRAP = 513
link_key = bytes(range(0xA0, 0xB0))
# Section 4 of PROTOCOL.md, spelt out once more: the code that is tested has no part in it.
keys = [sha256(b"pugmark-link-2\0" + bytes([way]) + TRAP.to_bytes(2, "big") + link_key).digest()[:16] for way in (0, 1)]
alert = Alert(1763686800123, 250, 1, 231, 1, (12, 34, 120, 90), 77)
alert_key = ObjectKey(TRAP, 0xC0FFEE01, 812, 0)
crop = Envelope(ObjectKey(TRAP, 0xC0FFEE01, 812, CROP), bytes(range(256)))
whole = Cut(crop.encode(), 99)
heartbeat = Heartbeat({"uptime_s": 86400, "battery": 77, "queued": 3, "queued_kib": 5, "airtime_s": 9001})
# Section 5 once more: a time (2025-11-21 01:00:00.123 UTC, code 42: 320 ms), a margin, a wish, a setting, a later type.
word = bytes.fromhex("0106") + (1763686800123 - 1577836800000).to_bytes(5, "big") + bytes([42])
word += bytes.fromhex("0201f90308c0ffee0100032c0204079c41030000000ac8056c61746572")
# A unit that is parked, whose Pi was cut, with 212 days left at -21 degrees, 3 resets, 14 triggers, 6,312 mV.
long_heartbeat = heartbeat.encode() + bytes.fromhex("001b00d4eb0003000e18a8")
# From entry 90,721 on, five of them; two of these: parked to shooting in true time, the Pi cut by the unit's own clock.
log_wanted = bytes.fromhex("05050001626105")
log = (
    bytes.fromhex("0001626103")
    + (185850000).to_bytes(4, "big")
    + bytes.fromhex("810002")
    + bytes.fromhex("000151801b0001")
)


def frame(kind, payload, *, down=False, flag=False, counter=1025):
    return encode_frame(Frame(kind, down, flag, TRAP, counter, payload), AesCcm(keys[down])).hex()


print(
    json.dumps(
        {
            "link_key": link_key.hex(),
            "key_name": sha256(b"pugmark-link-2 name\0" + link_key).digest()[:4].hex(),
            "up_key": keys[0].hex(),
            "down_key": keys[1].hex(),
            "alert_frame": frame(ALERT, encode_alert_payload(alert_key, alert.encode()), flag=True),
            "fragment_frame": frame(FRAGMENT, cut(crop.encode(), 99)[2], counter=1026),
            "piece_frame": frame(PIECE, whole.piece(1), counter=0x10402),  # 16 bits of it on the air
            "ask_frame": frame(ASK, encode_ask(whole.transfer, whole.total), flag=True, counter=0x10403),
            "have_frame": frame(HAVE, encode_have(Have(0xABCD, 20, 3, b"\x50\x01")), down=True, flag=True, counter=7),
            "ack_frame": frame(ACK, encode_ack([alert_key, crop.key]), down=True, counter=8),
            "empty_ack_frame": frame(ACK, b"", down=True, counter=0xFFFFFFFF),
            "heartbeat_frame": frame(HEARTBEAT, heartbeat.encode(), flag=True, counter=1027),
            "word_frame": frame(WORD, word, down=True, flag=True, counter=9),
            "reply_frame": frame(REPLY, bytes.fromhex("9c410300000009"), flag=True, counter=1028),
            "long_heartbeat_frame": frame(HEARTBEAT, long_heartbeat, flag=True, counter=1029),
            "log_wanted_frame": frame(WORD, log_wanted, down=True, counter=10),
            "log_frame": frame(LOG, log, flag=True, counter=1030),
        },
        indent=1,
    )
)
