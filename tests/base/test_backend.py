"""The reference back end over real HTTP: tus 1.0 word by word; a foreign client against it."""

import socket
from pathlib import Path

import pytest
from tusclient.client import TusClient

from tests.base.backend_server import Server, make_batch, metadata
from tests.base.parts import SIGNING
from tests.support import wait_for
from trapbase.receipts import check_receipts
from trapsim.backend_store import MAX_BATCH_BYTES


def test_what_the_server_can(server: Server) -> None:
    answer = server.ask("OPTIONS", "/files")
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation"
    assert int(answer.headers["Tus-Max-Size"]) == MAX_BATCH_BYTES
    assert answer.headers["Tus-Resumable"] == "1.0.0"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {"Tus_Resumable": "0.2.2"}, 412),
        ("POST", {"Upload_Length": "-1"}, 400),
        ("POST", {"Upload_Length": "x"}, 400),
        ("POST", {"Upload_Length": "0"}, 400),
        ("POST", {"Upload_Length": str(MAX_BATCH_BYTES + 1)}, 413),
        ("POST", {"Upload_Metadata": ""}, 400),
        ("POST", {"Upload_Metadata": "batch_id !!!"}, 400),
        ("POST", {"Upload_Metadata": "batch_id eA=="}, 400),
        ("HEAD", {}, 405),
        ("PUT", {}, 405),
    ],
)
def test_creations_that_are_refused(server: Server, method: str, headers: dict[str, str], status: int) -> None:
    whole = {"Upload_Length": "10", "Upload_Metadata": metadata("0" * 64)} | headers
    assert server.tus(method, "/files", **whole).status == status


def test_pieces_and_offsets(server: Server, tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path)
    place = server.create(name, len(data))
    assert server.ask("GET", f"/v1/receipts/{name}").status == 404
    head = server.tus("HEAD", place)
    assert (head.headers["Upload-Offset"], head.headers["Upload-Length"]) == ("0", str(len(data)))
    assert head.headers["Cache-Control"] == "no-store"
    assert server.tus("PATCH", place, data[:10], Upload_Offset="0").status == 204
    assert server.tus("PATCH", place, data[:10], Upload_Offset="0").status == 409
    assert server.tus("PATCH", place, data[11:], Upload_Offset="11").status == 409
    assert server.tus("PATCH", place, b"x", Upload_Offset="10", Content_Type="text/plain").status == 415
    assert server.tus("PATCH", place, b"x", Upload_Offset="10", Tus_Resumable="2").status == 412
    assert server.tus("PATCH", place, data, Upload_Offset="10").status == 413
    assert server.tus("PATCH", place, b"x", Upload_Offset="ten").status == 400
    assert server.tus("PATCH", "/files/nope", b"x", Upload_Offset="0").status == 404
    assert server.tus("HEAD", "/files/nope").status == 404
    last = server.tus("PATCH", place, data[10:], Upload_Offset="10")
    assert (last.status, last.headers["Upload-Offset"]) == (204, str(len(data)))
    assert server.tus("HEAD", place).headers["Upload-Offset"] == str(len(data)), "remembered when complete"
    receipts = server.ask("GET", f"/v1/receipts/{name}").body  # type: ignore[attr-defined]
    assert {t for t, _, _ in check_receipts(receipts, name, objects, bytes(SIGNING.verify_key))} == {1, 2}
    assert server.ask("GET", "/v1/receipts/..%2f..").status == 404
    assert server.ask("GET", "/nope").status == 404


def test_a_package_that_is_not_what_it_says(server: Server, tmp_path: Path) -> None:
    name, data, _ = make_batch(tmp_path)
    place = server.create(name, len(data))
    refused = server.tus("PATCH", place, bytes(len(data)), Upload_Offset="0")
    assert refused.status == 422
    assert b"zip" in refused.body  # type: ignore[attr-defined]
    assert server.tus("HEAD", place).status == 404
    assert server.tus("PATCH", place, b"", Upload_Offset=str(len(data))).status == 410
    assert server.ask("GET", f"/v1/receipts/{name}").status == 404


def test_a_sender_that_vanishes_leaves_what_had_arrived(server: Server, tmp_path: Path) -> None:
    name, data, _ = make_batch(tmp_path)
    place = server.create(name, len(data))
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        head = f"PATCH {place} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
        head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(data)}\r\n\r\n"
        line.sendall(head.encode() + data[:777])
    wait_for(lambda: server.tus("HEAD", place).headers["Upload-Offset"] == "777")
    assert server.tus("PATCH", place, data[777:], Upload_Offset="777").status == 204


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_another_client_uploads_too(server: Server, tmp_path: Path) -> None:
    name, data, objects = make_batch(tmp_path)
    path = tmp_path / "batch.zip"
    path.write_bytes(data)
    uploader = TusClient(f"{server.url}/files").uploader(str(path), chunk_size=1000, metadata={"batch_id": name})
    uploader.upload()
    answer = server.ask("GET", f"/v1/receipts/{name}").body  # type: ignore[attr-defined]
    assert len(check_receipts(answer, name, objects, bytes(SIGNING.verify_key))) == 2
