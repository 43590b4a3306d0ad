"""A release from a phone: taken as a whole or not at all, and nothing but a release's files is written."""

import asyncio
import io
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from trapcam.service import bringing
from trapcam.service.bringing import BROUGHT, Bringer, RefusedError

DIGEST = "ab" * 32
FILES = {
    "metadata/1.root.json": b"{}",
    "metadata/timestamp.json": b'{"signed": 1}',
    f"targets/application/2026.12.1/{DIGEST}.pugmark-0.2-py3-none-any.whl": b"wheel" * 1000,
    "permits/7.permit": b"permit",
}


def tar(files: dict[str, bytes], **odd: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
        for info in odd.values():
            made.addfile(info)
    return out.getvalue()


def bring(bringer: Bringer, data: bytes | None, cut: int = 0) -> tuple[int, dict[str, Any]]:
    """Status and answer after a phone has sent `data`; cut: bytes of the form that do not come."""

    async def take(request: Request) -> Response:
        try:
            brought = await bringer.take(request)
        except RefusedError as error:
            return JSONResponse({"why": str(error)}, 422)
        return JSONResponse({"files": brought.files, "size": brought.size, "allowed": brought.allowed})

    async def ask() -> httpx.Response:
        app = Starlette(routes=[Route("/", take, methods=["POST"])])
        files = {"file": ("release.tar", data)} if data is not None else {"file": ("", b"")}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://trap.local") as phone:
            request = phone.build_request("POST", "/", files=files)
            body = request.read()
            kind = request.headers["content-type"]
            return await phone.post("/", content=body[: len(body) - cut], headers={"content-type": kind})

    answer = asyncio.run(ask())
    return answer.status_code, answer.json()


@pytest.fixture
def bringer(tmp_path: Path) -> Bringer:
    return Bringer(tmp_path / "update", 7)


def lies(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_release_lies_there_as_a_source_and_another_takes_its_place(bringer: Bringer, tmp_path: Path) -> None:
    size = sum(map(len, FILES.values()))
    assert bring(bringer, tar(FILES)) == (200, {"files": 4, "size": size, "allowed": True})
    assert lies(tmp_path / "update" / BROUGHT) == FILES
    second = {"metadata/timestamp.json": b"{}", "permits/8.permit": b"of another"}
    assert bring(bringer, tar(second))[1]["allowed"] is False
    assert lies(tmp_path / "update") == {f"{BROUGHT}/{name}": data for name, data in second.items()}, "nothing is left"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "This is no release's file"),
        (b"\xff\xd8 a photograph" * 100, "This is no release's file"),
        (tar({"permits/7.permit": b"alone"}), "This is no release's file"),
        (tar({**FILES, "../../etc/passwd": b"x"}), "belongs to no release"),
        (tar({**FILES, "/etc/passwd": b"x"}), "belongs to no release"),
        (tar({**FILES, "targets/../../x": b"x"}), "belongs to no release"),
        (tar({**FILES, "metadata/run.sh": b"x"}), "belongs to no release"),
        (tar(FILES)[:4000], "belongs to no release"),
        (None, "No file was chosen"),
    ],
    ids=["empty", "photograph", "no lists", "dots", "absolute", "dots within", "a program", "cut tar", "none"],
)
def test_what_is_no_release_changes_nothing(bringer: Bringer, tmp_path: Path, data: bytes | None, why: str) -> None:
    bring(bringer, tar(FILES))
    status, answer = bring(bringer, data)
    assert status == 422
    assert why in answer["why"]
    assert lies(tmp_path / "update" / BROUGHT) == FILES
    assert not list(tmp_path.rglob("passwd"))


def test_links_and_devices_are_never_made(bringer: Bringer, tmp_path: Path) -> None:
    link = tarfile.TarInfo("permits/9.permit")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert bring(bringer, tar(FILES, link=link))[0] == 422
    assert not (tmp_path / "update" / BROUGHT).exists()


def test_a_file_that_did_not_come_whole_is_sent_again(bringer: Bringer, tmp_path: Path) -> None:
    assert bring(bringer, tar(FILES), cut=3000)[1]["why"] == "The file did not come whole. Send it again."
    assert lies(tmp_path / "update") == {}
    assert bring(bringer, tar(FILES))[0] == 200


def test_a_file_that_is_larger_than_any_release_is_not_taken(
    bringer: Bringer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "MAX_BYTES", 5000)
    assert "too large" in bring(bringer, tar(FILES))[1]["why"]
    assert lies(tmp_path / "update") == {}


def test_a_card_that_is_nearly_full_keeps_its_room_for_pictures(
    bringer: Bringer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bringing, "KEEP_FREE_BYTES", 1 << 60)
    assert bring(bringer, tar(FILES))[1]["why"] == "The card has no room for it."
