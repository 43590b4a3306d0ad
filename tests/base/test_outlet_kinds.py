"""What is said to each kind of receiver: signatures that others check, forms that others read, places as allowed."""

import base64
import hashlib
import hmac
import json
import re
import string
from dataclasses import replace
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import VerifyKey

from tests.base.outlet_parts import SECRET, TOKEN, headers, read_form
from tests.base.parts import EPOCH, NOW, TRAPS
from trapbase.model import Event
from trapbase.outlet_settings import SPECIES_DEFAULT
from trapbase.outlets.earthranger import EarthRanger, description
from trapbase.outlets.facts import Facts, Identified, Picture, priority, where_of
from trapbase.outlets.jpeg import MAX_PIXELS, blank, to_jpeg
from trapbase.outlets.post import Outcome, outcome_of
from trapbase.outlets.webhook import Webhook, message_id, public_key, signature
from trapkit.errors import SetupError

SEED = bytes(range(32)).hex()
PIXEL = Picture(kind="image/webp", end="webp", data=b"RIFF....WEBP")
EVENT = Event(
    trap=1, epoch=EPOCH, number=7, time_ms=NOW + 123, uncertainty_ms=200, species=1, confidence=230, count=2,
    box=(25, 51, 102, 153), battery=88, event_id=None,
)  # fmt: skip
FACTS = Facts(
    base="north", sighting=(1, EPOCH, 7), event=EVENT, event_id="S001-1", where=where_of(TRAPS[1], "exact"),
    picture=PIXEL, identified=None, queued_ms=NOW,
)  # fmt: skip
SAID = Identified(
    result_id="r/1", replaces=None, individual="T-12", species="Panthera tigris", sex="female", life_stage=None,
    confidence=0.97, reviewer='A. "Ranger"\r\nX: y', decided_ms=NOW, withdrawn=False,
)  # fmt: skip


def test_a_shared_secret_signs_as_standard_webhooks_do() -> None:
    """The example of the specification: https://github.com/standard-webhooks/standard-webhooks"""
    signed = b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}'
    assert signature(SECRET, signed) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_receiver_can_check_both_kinds_of_signature_by_the_documented_steps() -> None:
    for secret in (SECRET, SEED):
        post = Webhook("net").build(FACTS, secret, NOW + 5999)
        sent = post.headers
        assert sent["webhook-timestamp"] == str(NOW // 1000 + 5)
        signed = f"{sent['webhook-id']}.{sent['webhook-timestamp']}.".encode() + post.body
        version, _, value = sent["webhook-signature"].partition(",")
        if secret is SECRET:
            key = base64.b64decode(SECRET.removeprefix("whsec_"))
            assert version == "v1"
            assert base64.b64decode(value) == hmac.new(key, signed, hashlib.sha256).digest()
        else:
            assert version == "v1a"
            key = base64.b64decode(public_key(SEED).removeprefix("whpk_"))
            VerifyKey(key).verify(signed, base64.b64decode(value))
    assert public_key(SECRET) == ""


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_****", "whsec_" + base64.b64encode(b"short").decode(), "zz" * 32, "ab" * 31]
)
def test_a_key_that_is_none_is_refused_and_not_shown(secret: str) -> None:
    with pytest.raises(SetupError) as error:
        Webhook("net").build(FACTS, secret, NOW)
    assert not secret.removeprefix("whsec_") or secret.removeprefix("whsec_") not in str(error.value)


def test_the_body_says_what_was_seen_in_the_terms_of_camtrap_dp() -> None:
    body = json.loads(Webhook("net").build(FACTS, SECRET, NOW).body)
    assert body == {
        "type": "sighting",
        "timestamp": "2025-11-21T01:00:00.000Z",
        "data": {
            "base": "north", "observationID": f"1-{EPOCH:08x}-7", "trap": 1, "locationID": "S001", "side": "left",
            "latitude": 43.1, "longitude": 131.4, "coordinateUncertainty": 30, "eventID": "S001-1",
            "eventStart": "2025-11-21T01:00:00.123Z", "uncertaintyMs": 200, "species": "tiger",
            "scientificName": "Panthera tigris", "count": 2, "classificationProbability": 0.902, "classifiedBy": "net",
            "frameBox": [0.098, 0.2, 0.4, 0.6],
            "picture": {
                "fileMediatype": "image/webp", "sha256": hashlib.sha256(PIXEL.data).hexdigest(),
                "base64": base64.b64encode(PIXEL.data).decode(),
            },
        },
    }  # fmt: skip


def test_what_the_page_says_of_webhooks_is_so() -> None:
    """Its code for receivers runs, and its examples have the keys that messages have."""
    page = (Path(__file__).resolve().parents[2] / "basestation" / "OUTLETS.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {"base64": base64, "hmac": hmac, "hashlib": hashlib}
    exec(code, names)
    post = Webhook("net").build(FACTS, SECRET, NOW)
    assert names["is_ours"](post.headers, post.body, SECRET)
    assert not names["is_ours"](post.headers, post.body + b" ", SECRET)
    sighting, said = (json.loads(text) for text in re.findall(r"```json\n(.*?)```", page, re.DOTALL))
    rounded = replace(FACTS, where=where_of(TRAPS[1], "0.1"))
    body = json.loads(Webhook("net").build(rounded, SECRET, NOW).body)
    assert sighting.keys() == body.keys()
    assert sighting["data"].keys() == body["data"].keys()
    assert sighting["data"]["picture"].keys() == body["data"]["picture"].keys()
    other = json.loads(Webhook("net").build(replace(FACTS, identified=SAID), SECRET, NOW).body)
    assert said["identification"].keys() == other["data"]["identification"].keys()


def test_the_same_message_has_the_same_id_and_another_has_another() -> None:
    said = replace(FACTS, identified=SAID)
    kinds = [FACTS, replace(FACTS, sighting=(1, EPOCH, 8)), said]
    kinds += [
        replace(FACTS, identified=replace(SAID, result_id="r/2")),
        replace(FACTS, identified=replace(SAID, withdrawn=True)),
    ]
    ids = [message_id(facts) for facts in kinds]
    assert len(set(ids)) == len(ids)
    assert message_id(replace(FACTS, picture=None, queued_ms=5)) == ids[0]
    assert all(set(name) <= set(string.ascii_lowercase + string.digits + "-") for name in ids)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("exact", ("S001", 43.123456, 131.456789, 30)),
        ("0.001", ("S001", 43.123, 131.457, 109)),
        ("0.01", ("S001", 43.12, 131.46, 817)),
        ("0.1", ("S001", 43.1, 131.5, 7903)),
        ("station", ("S001", None, None, None)),
        ("none", (None, None, None, None)),
    ],
)
def test_positions_go_out_as_coarse_as_the_settings_say_and_say_so(rule: str, expected: tuple[object, ...]) -> None:
    from msgspec.structs import replace as changed

    where = where_of(changed(TRAPS[1], latitude=43.123456, longitude=131.456789), rule)
    assert (where.station, where.latitude, where.longitude, where.uncertainty_m) == expected
    assert where.generalized == (f"coordinates rounded to {rule} degree" if rule.startswith("0") else "")
    assert where.withheld == {"station": "coordinates", "none": "coordinates, station"}.get(rule, "")
    # The exact place stands nowhere in what goes out, in neither kind.
    facts = replace(FACTS, where=where)
    for post in (Webhook("net").build(facts, SECRET, NOW), EarthRanger("generic", blank()).build(facts, TOKEN, NOW)):
        assert (b"43.123456" in post.body) == (rule == "exact")
        assert (b"S001" in post.body) == (rule != "none" or b"S001-1" in post.body)


def test_a_trap_of_which_nobody_knows_where_it_stands_has_no_place() -> None:
    where = where_of(None, "exact")
    assert (where.station, where.latitude, where.longitude) == (None, None, None)


@pytest.mark.parametrize(
    ("code", "confidence", "named", "place"),
    [
        (1, 255, None, 0),
        (6, 255, None, None),
        (0, 255, None, 6),
        (None, None, "Panthera pardus", 1),
        (None, None, "panthera PARDUS ", 1),
        (None, None, "leopard", 1),
        (None, None, "Bos taurus", None),
        (8, 255, "Panthera tigris", 0),
        (1, 255, "Bos taurus", 0),  # whoever heard of the tiger hears that it was a cow
        (1, 10, "Bos taurus", None),
        (200, 255, None, None),
        (None, None, "Felidae", None),  # any cat: it says too little
    ],
)
def test_which_go_where_and_how_urgent_they_are(code: int, confidence: int, named: str, place: int) -> None:
    assert priority(SPECIES_DEFAULT, 10, code, confidence, named) == place


def test_a_form_with_hostile_words_is_still_one_form() -> None:
    where = replace(FACTS.where, station='S"1\r\n--x')
    post = EarthRanger("generic", blank()).build(replace(FACTS, where=where, identified=SAID), TOKEN, NOW)
    form = read_form(post)
    assert sorted(form) == [
        "camera_description",
        "camera_name",
        "camera_version",
        "filecontent.file",
        "location",
        "time",
    ]
    assert form["filecontent.file"][1] == PIXEL.data
    assert json.loads(form["location"]) == {"latitude": 43.1, "longitude": 131.4}
    assert "X: y" in form["camera_description"]
    assert post.headers["Authorization"] == f"Bearer {TOKEN}"
    assert all("\n" not in value for value in post.headers.values())


@given(st.binary(max_size=3000))
def test_whatever_a_picture_is_the_form_carries_it_whole(data: bytes) -> None:
    post = EarthRanger("generic", blank()).build(replace(FACTS, picture=replace(PIXEL, data=data)), TOKEN, NOW)
    parsed = BytesParser().parsebytes(f"Content-Type: {post.headers['Content-Type']}\r\n\r\n".encode() + post.body)
    assert len(parsed.get_payload()) == 6
    assert data in post.body


@pytest.mark.parametrize("token", ["", "two words", "line\nbreak", "x" * 5000, "käse"])
def test_a_token_that_cannot_stand_in_a_header_is_refused(token: str) -> None:
    with pytest.raises(SetupError, match="it holds no token"):
        EarthRanger("generic", blank()).build(FACTS, token, NOW)


def test_a_description_is_one_line_of_what_a_ranger_wants_to_know() -> None:
    assert description(FACTS) == "tiger x 2, 90 % by the trap"
    unsure = replace(EVENT, uncertainty_ms=None, count=1)
    assert (
        description(replace(FACTS, event=unsure, picture=None))
        == "tiger, 90 % by the trap; its clock is not sure; no picture"
    )


@pytest.mark.parametrize(
    ("expected", "statuses"),
    [
        ("done", (200, 201, 204)),
        ("message", (400, 409, 413, 415, 422)),
        ("way", (100, 301, 308, 401, 403, 404, 408, 410, 429, 451, 500, 503, 507, 999)),
    ],
)
def test_what_a_status_means(expected: str, statuses: tuple[int, ...]) -> None:
    for status in statuses:
        outcome = outcome_of(status, headers({}), b"")
        assert ("done" if outcome.done else "message" if outcome.refused else "way") == expected, status
        assert bool(outcome.words) != outcome.done


@pytest.mark.parametrize(
    ("given", "wait_s"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "999999999999"}, 86_400),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "soon"}, 0),
        ({"Retry-After": "Fri, 21 Nov 2025 01:05:00 GMT", "Date": "Fri, 21 Nov 2025 01:00:00 GMT"}, 300),
        ({"Retry-After": "Fri, 21 Nov 2025 01:05:00 GMT"}, 0),
        ({"Retry-After": "Fri, 21 Nov 2225 01:05:00 GMT", "Date": "Fri, 21 Nov 2025 01:00:00 GMT"}, 86_400),
        ({}, 0),
    ],
)
def test_how_long_a_receiver_may_make_us_wait(given: dict[str, str], wait_s: int) -> None:
    assert outcome_of(429, headers(given), b"").wait_ms == wait_s * 1000


def test_earthrangers_409_is_done_and_a_strangers_200_is_not() -> None:
    kind = EarthRanger("generic", blank())
    assert kind.meaning(409, headers({}), b"") == Outcome(done=True)
    assert kind.meaning(201, headers({}), b'{"data": {}}').done
    for body in (b"<html>", b"", b"[]", b"\xff", b"[" * 5000):
        assert not kind.meaning(200, headers({}), body).done


@given(st.binary(max_size=400))
def test_pictures_that_are_none_are_no_jpeg_and_no_crash(data: bytes) -> None:
    assert to_jpeg(data) is None


def test_a_picture_that_unpacks_into_a_hall_is_refused() -> None:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.new("L", (MAX_PIXELS // 1000, 1001)).save(out, "PNG")
    assert to_jpeg(out.getvalue()) is None
