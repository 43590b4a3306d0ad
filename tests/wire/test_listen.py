"""A base that only listens: what it opens, what it cannot do, and that it keeps quiet under every poll."""

import unittest

from tests.wire.keys import base_key, cipher, link_key, trap_key
from trapwire.baselink import BaseLink
from trapwire.errors import RefusedError, WireError
from trapwire.frame import ACK, ALERT, HEARTBEAT, Counter
from trapwire.linkkeys import UP, direction_key
from trapwire.listenkey import ListenKey
from trapwire.objects import ALERT as ALERT_RUNG
from trapwire.objects import Envelope, ObjectKey
from trapwire.payloads import Heartbeat, encode_alert_payload

KEY = ObjectKey(1, 0xC0FFEE, 5, ALERT_RUNG)


def ear():
    return ListenKey(direction_key(link_key(1), UP, 1), 1, cipher)


class ListenTest(unittest.TestCase):
    def test_it_opens_what_the_trap_says_once(self):
        key = ear()
        data = trap_key(1).seal(HEARTBEAT, True, 7, Heartbeat({}).encode())
        self.assertEqual(key.open(data).counter, 7)
        with self.assertRaises(RefusedError):
            key.open(data)

    def test_it_cannot_speak_and_what_the_home_says_stays_closed(self):
        key = ear()
        self.assertFalse(key.answers)
        self.assertTrue(base_key(1).answers)
        with self.assertRaises(WireError):
            key.seal(ACK, False, 1, b"")
        with self.assertRaises(WireError):
            key.open(base_key(1).seal(ACK, False, 9, b""))

    def test_its_link_hands_objects_on_and_answers_no_poll(self):
        link = BaseLink({1: [ear()]}, 197, Counter(0, lambda end: None), 0)
        trap = trap_key(1)
        alert = encode_alert_payload(KEY, bytes(14))
        events = link.on_frame(trap.seal(ALERT, True, 1, alert), -90, 20, 0)
        self.assertEqual(events, [("object", Envelope(KEY, bytes(14)).encode(), 1)])
        link.committed(KEY, 10)
        link.on_frame(trap.seal(ALERT, True, 2, alert), -90, 20, 20)
        link.on_frame(trap.seal(HEARTBEAT, True, 3, Heartbeat({}).encode()), -90, 20, 30)
        self.assertEqual((link.frames_due(10000), link.deadline()), ([], None))
