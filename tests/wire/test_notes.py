"""Notes: frozen vectors, round trips, bounds, and garbage that raises nothing but WireError."""

import json
import unittest
from binascii import unhexlify

from tests.wire.world import Random
from trapwire.errors import WireError
from trapwire.fragments import check_sendable
from trapwire.notes import (
    AFTER_OPENING,
    BOX_BYTES,
    CARD,
    DAY,
    FIELDS,
    MARKS,
    MAX_CARD_BYTES,
    MAX_NOTE_BYTES,
    MOVED,
    OPENED,
    REASONS,
    SAMPLE,
    SERVICE,
    SHADOW,
    SNOWED_IN,
    UPDATE,
    VERDICTS,
    Note,
    decode_note,
    split,
    statement,
    words,
)
from trapwire.objects import NOTE, SCENE, Envelope, ObjectKey

TIME = 1794700800000
SIGNATURE = bytes(range(64))


def vector(name):
    with open(__file__[: __file__.rindex("/") + 1] + "vectors/notes.json") as file:
        return unhexlify(json.load(file)[name])


def day(**other):
    values = {name: 0 for name, _, _ in FIELDS[DAY]}
    values.update(other)
    return Note(DAY, TIME, 320, values, SIGNATURE)


class NotesTest(unittest.TestCase):
    def test_a_day(self):
        note = decode_note(vector("day"))
        self.assertEqual((note.kind, note.time_ms, note.uncertainty_ms), (DAY, TIME, 320))
        self.assertEqual(note.values["day"], 2509)
        self.assertEqual([note.values[n] for n in ("watch", "seen", "off")], [1300, 1200, 20])
        self.assertEqual(note.values["reasons"], SNOWED_IN | SERVICE)
        self.assertEqual([note.values[n] for n in ("triggers", "bursts", "sightings", "starts")], [14, 12, 3, 9])
        self.assertEqual(note.values["marks"], AFTER_OPENING)
        self.assertEqual(note.encode(), vector("day"))

    def test_alarms(self):
        note = decode_note(vector("opened"))
        self.assertEqual((note.kind, note.uncertainty_ms, note.values), (OPENED, None, {"trigger": 90721}))
        self.assertEqual(note.encode(), vector("opened"))
        note = decode_note(vector("moved"))
        self.assertEqual((note.kind, note.values), (MOVED, {"right": 110, "down": -50, "turned": -40}))
        self.assertEqual(note.encode(), vector("moved"))

    def test_cards_and_samples_hold_a_sealed_box(self):
        for name, kind, uncertainty_ms in (("card", CARD, 320), ("sample", SAMPLE, None)):
            note = decode_note(vector(name))
            self.assertEqual((note.kind, note.time_ms, note.values), (kind, TIME, {}))
            self.assertEqual(note.uncertainty_ms, uncertainty_ms)
            self.assertEqual(note.sealed, vector(name)[8:-64])
            self.assertEqual(note.encode(), vector(name))
            self.assertEqual(split(vector(name))[0], vector(name)[:-64])

    def test_a_later_card_is_one_too(self):
        body = vector("card")
        self.assertEqual(decode_note(body[:1] + b"\x02" + body[2:]).sealed, body[8:-64])

    def test_a_card_has_a_box_within_its_bound_and_no_other_note_has_one(self):
        most = MAX_CARD_BYTES - 8 - 64
        self.assertEqual(len(Note(CARD, TIME, 320, {}, SIGNATURE, bytes(most)).encode()), MAX_CARD_BYTES)
        for kind, values, sealed in (
            (CARD, {}, bytes(most + 1)),
            (CARD, {}, b""),
            (SAMPLE, {}, bytes(BOX_BYTES)),
            (OPENED, {"trigger": 1}, bytes(60)),
        ):
            with self.assertRaises(WireError):
                Note(kind, TIME, 320, values, SIGNATURE, sealed)
        body = vector("card")
        with self.assertRaises(WireError):
            decode_note(body + bytes(MAX_CARD_BYTES))
        with self.assertRaises(WireError):
            decode_note(body[: 8 + BOX_BYTES] + body[-64:])

    def test_an_update_holds_bytes_within_their_bound_and_no_other_note_does(self):
        note = decode_note(vector("update"))
        self.assertEqual((note.kind, note.values, note.sealed), (UPDATE, {}, b""))
        self.assertEqual(note.said[1:11], b"i2026.12.1")
        self.assertEqual(note.encode(), vector("update"))
        self.assertEqual(len(Note(UPDATE, TIME, 320, {}, SIGNATURE, said=bytes(48)).encode()), MAX_NOTE_BYTES)
        for kind, values, said in ((UPDATE, {}, bytes(49)), (UPDATE, {}, b""), (OPENED, {"trigger": 1}, b"x")):
            with self.assertRaises(WireError):
                Note(kind, TIME, 320, values, SIGNATURE, said=said)

    def test_a_shadow(self):
        note = decode_note(vector("shadow"))
        self.assertEqual(note.kind, SHADOW)
        self.assertEqual([note.values[name] for name, _, _ in FIELDS[SHADOW]], [0xB1FC49B9, 200, 3, 5, 1, 0, 1])
        self.assertEqual(VERDICTS[note.values["verdict"]], "the new one decides")
        self.assertEqual(note.encode(), vector("shadow"))

    def test_what_is_signed_names_the_object(self):
        fields, signature = split(vector("opened"))
        self.assertEqual(len(signature), 64)
        said = statement(513, 0xC0FFEE01, 812, fields)
        self.assertEqual(said[:15], b"pugmark-note-1\x00")
        self.assertEqual(said[15:25], unhexlify("0201c0ffee010000032c"))
        self.assertEqual(said[25:], fields)

    def test_every_note_fits_its_bound(self):
        for name in ("day", "opened", "moved", "update", "shadow"):
            self.assertTrue(len(vector(name)) <= MAX_NOTE_BYTES)

    def test_what_cannot_be_is_refused(self):
        with self.assertRaises(WireError):
            day(watch=1441)
        with self.assertRaises(WireError):
            day(watch=700, seen=701)
        with self.assertRaises(WireError):
            day(watch=1000, off=441)
        with self.assertRaises(WireError):
            day(wetness=1)
        with self.assertRaises(WireError):
            Note(9, TIME, None, {})
        with self.assertRaises(WireError):
            Note(OPENED, 0, None, {"trigger": 1})
        with self.assertRaises(WireError):
            Note(OPENED, TIME, None, {"trigger": 1}).encode()

    def test_a_later_version_may_say_more(self):
        body = vector("opened")
        later = body[:1] + b"\x02" + body[2:-64] + b"more" + body[-64:]
        self.assertEqual(decode_note(later).values, {"trigger": 90721})
        with self.assertRaises(WireError):
            decode_note(body[:-64] + b"more" + body[-64:])
        with self.assertRaises(WireError):
            decode_note(body[:1] + b"\x00" + body[2:])
        with self.assertRaises(WireError):
            decode_note(b"\x07" + body[1:])

    def test_round_trips(self):
        random = Random(5)
        for _ in range(200):
            values = {name: low + random.below(high - low + 1) for name, low, high in FIELDS[MOVED]}
            note = Note(MOVED, TIME + random.below(1 << 30), None, values, SIGNATURE)
            self.assertEqual(decode_note(note.encode()).values, values)

    def test_garbage_raises_nothing_but_its_own_error(self):
        random = Random(7)
        good = 0
        for turn in range(3000):
            if turn % 2:
                body = bytes([random.below(256) for _ in range(random.below(130))])
            else:
                body = bytearray(vector(("day", "opened", "moved")[turn % 3]))
                body[random.below(len(body))] = random.below(256)
                body = bytes(body)
            try:
                decode_note(body)
                good += 1
            except WireError:
                pass
        self.assertTrue(good > 500)

    def test_words(self):
        self.assertEqual(words(SNOWED_IN | SERVICE, REASONS), "snowed in, service visit")
        self.assertEqual(words(0, MARKS), "")
        self.assertEqual(words(1 << 15 | SNOWED_IN, REASONS), "snowed in, code 32768")

    def test_notes_and_scenes_go_by_radio(self):
        check_sendable(Envelope(ObjectKey(513, 1, 2, NOTE), vector("day")), 513, 36)
        check_sendable(Envelope(ObjectKey(513, 1, 2, NOTE), bytes(MAX_CARD_BYTES)), 513, 99)
        check_sendable(Envelope(ObjectKey(513, 1, 2, SCENE), bytes(3000)), 513, 99)


if __name__ == "__main__":
    unittest.main()
