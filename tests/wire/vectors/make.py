"""Prints version 1's vectors as JSON. They are frozen: this shows how they were made, and is run to add to them."""

import json

from trapwire.alert import Alert
from trapwire.fragments import cut
from trapwire.frame import ACK, ALERT, FRAGMENT, HAVE, HEARTBEAT, ChecksumCipher, Frame, encode_frame
from trapwire.objects import CROP, Envelope, ObjectKey, pack_keys
from trapwire.payloads import Have, Heartbeat, encode_ack, encode_alert_payload, encode_have
from trapwire.receipt import Receipt, statement
from trapwire.serialline import PUT, encode_message

alert = Alert(1763686800123, 250, 1, 231, 1, (12, 34, 120, 90), 77)
crane = Alert(1794700800000, None, 8, 180, 3, (0, 128, 64, 127), None)
alert_key = ObjectKey(513, 0xC0FFEE01, 812, 0)
crop = Envelope(ObjectKey(513, 0xC0FFEE01, 812, CROP), bytes(range(256)))
heartbeat = Heartbeat({"uptime_s": 86400, "battery": 77, "queued": 3, "queued_kib": 5, "airtime_s": 9001})


def frame(kind, payload, *, down=False, flag=False, counter=1025):
    return encode_frame(Frame(kind, down, flag, 513, counter, payload, 1), ChecksumCipher()).hex()


print(
    json.dumps(
        {
            "alert_body": alert.encode().hex(),
            "alert_envelope": Envelope(alert_key, alert.encode()).encode().hex(),
            "crop_envelope": crop.encode().hex(),
            "keys": pack_keys([alert_key, crop.key]).hex(),
            "alert_frame": frame(ALERT, encode_alert_payload(alert_key, alert.encode()), flag=True),
            "fragment_frame": frame(FRAGMENT, cut(crop.encode(), 99)[2], counter=1026),
            "have_frame": frame(HAVE, encode_have(Have(0xABCD, 20, 3, b"\x50\x01")), down=True, flag=True, counter=7),
            "ack_frame": frame(ACK, encode_ack([alert_key, crop.key]), down=True, counter=8),
            "heartbeat_frame": frame(HEARTBEAT, heartbeat.encode(), flag=True, counter=1027),
            "statement": statement(513, 0xC0FFEE01, [(812, 1, b"\x02" * 32), (812, 0, b"\x01" * 32)]).hex(),
            "receipt_body": Receipt(0xC0FFEE01, [(812, 0), (812, 1)], bytes(range(64))).encode().hex(),
            "put_message": encode_message(PUT, b"\x01" + crop.encode()).hex(),
            "crane_alert_body": crane.encode().hex(),
        },
        indent=1,
    )
)
