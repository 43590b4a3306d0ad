"""The reference identification back end over HTTP: tus 1.0 core and creation, signed receipts (BACKEND.md).

It looks at no picture: it stands where such a service stands, holds the base to the contract, and invents who the cats
are, so that a demo has somebody to show (`backend_identify`).
"""

import os
import re
import socket
import sqlite3
from base64 import b64decode
from binascii import Error as Base64Error
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trapkit.errors import SetupError, StorageError
from trapkit.files import lock_folder
from trapkit.headers import Headers
from trapkit.progress import say
from trapkit.sealing import read_key
from trapsim.backend_error import UploadError
from trapsim.backend_results import MOST
from trapsim.backend_store import MAX_BATCH_BYTES, BackendStore

TUS = "1.0.0"
HEADERS = {"Tus-Resumable": TUS, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
MAX_METADATA_CHARS = 4096
PIECE_BYTES = 1024 * 1024  # written and synced at a time: what memory a slow sender can hold
NUMBER = re.compile(r"[0-9]{1,15}")
BATCH_ID = re.compile(r"[0-9a-f]{64}")


def create_app(folder: Path, signing_key: bytes) -> Starlette:
    """The application on `folder`, signing with a 32-byte Ed25519 seed."""
    return make_app(BackendStore(folder, signing_key))


def make_app(store: BackendStore) -> Starlette:
    """The application on an open store. All requests run in one thread: the store is for one."""

    async def options(request: Request) -> Response:
        extra = {"Tus-Version": TUS, "Tus-Extension": "creation", "Tus-Max-Size": str(MAX_BATCH_BYTES)}
        return Response(status_code=204, headers=extra)

    async def create(request: Request) -> Response:
        _check_version(request)
        size = _number(request, "Upload-Length")
        name = store.create(_batch_id(request.headers.get("Upload-Metadata", "")), size)
        return Response(status_code=201, headers={"Location": f"/files/{name}", "Upload-Offset": "0"})

    async def head(request: Request) -> Response:
        _check_version(request)
        found = store.offset(request.path_params["name"])
        if found is None:
            return Response(status_code=404)
        return Response(headers={"Upload-Offset": str(found[0]), "Upload-Length": str(found[1])})

    async def patch(request: Request) -> Response:
        _check_version(request)
        if request.headers.get("Content-Type") != "application/offset+octet-stream":
            raise UploadError(415, "the content type must be application/offset+octet-stream")
        offset = await _append(store, request, request.path_params["name"], _number(request, "Upload-Offset"))
        return Response(status_code=204, headers={"Upload-Offset": str(offset)})

    async def receipts(request: Request) -> Response:
        batch_id = request.path_params["batch_id"]
        answer = store.receipts(batch_id) if BATCH_ID.fullmatch(batch_id) else None
        return JSONResponse({"error": "no such batch"}, 404) if answer is None else JSONResponse(answer)

    async def batches(request: Request) -> Response:
        ids, following = store.batches(_after(request.query_params.get("after")))
        return JSONResponse({"batches": ids, "next": following})

    async def identifications(request: Request) -> Response:
        asked = request.query_params
        found = store.results.page(_after(asked.get("after")), _limit(asked.get("limit", str(MOST))))
        if found is None:
            return Response(status_code=204)
        body, signature = found
        return Response(body, media_type="application/json", headers={"Pugmark-Signature": signature})

    async def stats(request: Request) -> Response:
        return JSONResponse(store.stats())

    async def refuse(request: Request, error: Exception) -> Response:
        if isinstance(error, OSError | StorageError | sqlite3.Error):
            # Full or broken: nothing was promised. RFC 4918, section 11.5.
            say(f"trapsim: backend: the disk refused: {error}")
            return JSONResponse({"error": "the disk refused"}, 507)
        if isinstance(error, UploadError):
            extra = {"Tus-Version": TUS} if error.status == 412 else {}
            return JSONResponse({"error": str(error)}, error.status, extra)
        if isinstance(error, HTTPException):
            # With its headers: a 405 names what is allowed (RFC 9110, section 15.5.6).
            return JSONResponse({"error": error.detail}, error.status_code, error.headers)
        return JSONResponse({"error": str(error)}, 500)

    app = Starlette(
        routes=[
            Route("/files", options, methods=["OPTIONS"]),
            Route("/files", create, methods=["POST"]),
            Route("/files/{name}", options, methods=["OPTIONS"]),
            Route("/files/{name}", head, methods=["HEAD"]),
            Route("/files/{name}", patch, methods=["PATCH"]),
            Route("/v1/receipts/{batch_id}", receipts),
            Route("/v1/batches", batches),
            Route("/v1/identifications", identifications),
            Route("/v1/stats", stats),
        ],
        exception_handlers=dict.fromkeys((UploadError, HTTPException, OSError, StorageError, sqlite3.Error), refuse),
    )
    app.add_middleware(Headers, headers=HEADERS)
    return app


async def _append(store: BackendStore, request: Request, name: str, offset: int) -> int:
    """Take a body piece by piece; what had arrived when the sender vanished is kept, as tus asks."""
    offset = store.append(name, offset, b"")  # unknown, refused or mistaken: say so before reading on
    buffer = bytearray()
    try:
        async for piece in request.stream():
            buffer += piece
            while len(buffer) >= PIECE_BYTES:
                offset = store.append(name, offset, bytes(buffer[:PIECE_BYTES]))
                del buffer[:PIECE_BYTES]
    except ClientDisconnect:
        pass  # nobody reads the answer; the next HEAD tells how far it came
    return store.append(name, offset, bytes(buffer)) if buffer else offset


def _check_version(request: Request) -> None:
    if request.headers.get("Tus-Resumable") != TUS:
        raise UploadError(412, f"Tus-Resumable must be {TUS}")


def _number(request: Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not NUMBER.fullmatch(text):
        raise UploadError(400, f"{header} must be a number")
    return int(text)


def _after(text: str | None) -> str:
    if text == "":
        raise UploadError(400, "after is empty; leave it out to begin")
    return text or ""


def _limit(text: str) -> int:
    if not NUMBER.fullmatch(text):
        raise UploadError(400, f"limit must be a number from 1 to {MOST}")
    return int(text)


def _batch_id(metadata: str) -> str:
    """The value of `batch_id` in an Upload-Metadata header (tus 1.0, creation)."""
    for pair in metadata[:MAX_METADATA_CHARS].split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "batch_id":
            try:
                return b64decode(value, validate=True).decode()
            except (Base64Error, ValueError) as error:
                raise UploadError(400, "batch_id is not base64") from error
    raise UploadError(400, "Upload-Metadata must name batch_id")


def run_backend(folder: Path, port: int, key_path: Path) -> int:
    """Serve on 127.0.0.1 until a signal comes.  Raises: SetupError."""
    key = read_key(key_path, "signing key")
    with lock_folder(folder, "trapsim backend"), listen(port) as listener:
        config = uvicorn.Config(create_app(folder, key), log_level="warning")
        uvicorn.Server(config).run([listener])
    return 0


def listen(port: int) -> socket.socket:
    """A listening loopback socket.  Raises: SetupError."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        raise SetupError(f"--port {port}: cannot be used: {os.strerror(error.errno or 0)}; name another") from error
