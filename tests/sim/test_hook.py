"""The demo's receiver of webhooks: it keeps what the base's own outlet has signed, once, and nothing else."""

import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.base.outlet_parts import SECRET, Receiver, Ways, webhook
from tests.base.parts import EPOCH, NOW

from trapbase.outlets.post import Post
from trapsim.hook import MAX_BYTES, MESSAGES, PATH, SLACK_S, HookReceiver
from trapsim.site import free_port

NOW_S = NOW / 1000 + 3


@pytest.fixture
def posts(tmp_path: Path) -> Iterator[list[Post]]:
    """What the outlet sends of two sightings."""
    ways, hook = Ways(tmp_path, webhook(tmp_path, url="https://hook.example")), Receiver()
    ways.start("hook", hook)
    ways.run(500)
    ways.see(1, 1)
    ways.see(1, 2, species=2)
    ways.run(3000)
    yield hook.posts
    ways.close()


@pytest.fixture
def hook(tmp_path: Path) -> HookReceiver:
    (tmp_path / "hook").mkdir()
    return HookReceiver(tmp_path / "hook", SECRET, free_port())


def messages(folder: Path) -> list[dict[str, object]]:
    path = folder / "hook" / MESSAGES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_what_the_base_signed_is_kept_once_with_its_picture(
    posts: list[Post], hook: HookReceiver, tmp_path: Path
) -> None:
    for post in (*posts, *posts):
        assert hook.take(PATH, post.headers, post.body, NOW_S) == 204
    assert (hook.told, hook.again, hook.refused) == ({"sighting": 2}, 2, 0)
    found = messages(tmp_path)
    assert [one["data"]["species"] for one in found] == ["tiger", "leopard"]  # type: ignore[index]
    assert found[0]["data"]["observationID"] == f"1-{EPOCH:08x}-1"  # type: ignore[index]
    assert (tmp_path / "hook" / found[0]["data"]["picture"]).read_bytes()[8:12] == b"WEBP"  # type: ignore[index]


def test_what_nobody_signed_is_refused(posts: list[Post], hook: HookReceiver, tmp_path: Path) -> None:
    good = posts[0]
    for path, headers, body, now_s in (
        ("/", good.headers, good.body, NOW_S),
        (PATH, good.headers, good.body + b" ", NOW_S),
        (PATH, good.headers | {"webhook-id": "another"}, good.body, NOW_S),
        (PATH, good.headers | {"webhook-timestamp": "soon"}, good.body, NOW_S),
        (PATH, good.headers | {"webhook-signature": "v1,AAAA"}, good.body, NOW_S),
        (PATH, good.headers | {"webhook-signature": "v1,é"}, good.body, NOW_S),
        (PATH, {}, b"", NOW_S),
        (PATH, good.headers, good.body, NOW_S + 2 * SLACK_S),
    ):
        assert hook.take(path, headers, body, now_s) == 401
    assert (hook.told, hook.refused, messages(tmp_path)) == ({}, 8, [])


def test_over_http_what_is_too_large_is_refused_unread(hook: HookReceiver) -> None:
    hook.start()
    try:
        line = HTTPConnection("127.0.0.1", hook._port, timeout=10)
        line.putrequest("POST", PATH)
        line.putheader("Content-Length", str(MAX_BYTES + 1))
        line.endheaders()
        assert line.getresponse().status == 413
        line.close()
        line.request("POST", PATH, b"{}")
        assert line.getresponse().status == 401
        line.close()
    finally:
        hook.close()
