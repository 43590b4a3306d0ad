"""What phones bring: a tar in place of a stick, by command and by the page's form; hostile ones do nothing."""

import http.client
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from hypothesis import given
from hypothesis import strategies as st

from tests.base.parts import EPOCH, NOW, alert, envelope, sighting
from tests.support import free_port, wait_for
from trapbase import bring
from trapbase.bring import FOLDER
from trapbase.cli import main
from trapbase.config import PageSettings, Settings
from trapbase.page import create_page
from trapbase.parcels import Imported, import_file
from trapbase.reader import Reader
from trapbase.store import Store
from trapbase.verify import problems
from trapkit.formdata import MAX_HEAD_BYTES, MAX_PARTS, FormError, FormReader, boundary_of
from trapkit.parcel import Entry, Index, encode_index, file_name
from trapkit.tarball import NotATarError, members
from trapwire.objects import ALERT, Envelope

MARK = b"----WebKitFormBoundary7MA4"
THINGS = [e for n in range(1, 6) for e in sighting(1, n)]


def tar_of(*envelopes: Envelope, index: bool = True, fmt: int = tarfile.USTAR_FORMAT) -> bytes:
    """As the ranger's page gives it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        entries = tuple(
            Entry(file=file_name(e.key.number, e.key.rung), bytes=len(e.body), sha256="0" * 64) for e in envelopes
        )
        said = encode_index(Index(trap=1, epoch=f"{EPOCH:08x}", parcel="0a0b0c0d", written_ms=NOW, objects=entries))
        files = [("parcel.json", said)] if index else []
        for name, data in files + [(file_name(e.key.number, e.key.rung), e.encode()) for e in envelopes]:
            _put(archive, f"pugmark/1-{EPOCH:08x}/{name}", data)
    return out.getvalue()[: _end(out.getvalue())]


def _end(data: bytes) -> int:
    """tarfile pads to 10,240 bytes; the page does not."""
    return len(data.rstrip(b"\0")) + -len(data.rstrip(b"\0")) % 512 + 1024


def _put(archive: tarfile.TarFile, name: str, data: bytes = b"", **more: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    archive.addfile(info, io.BytesIO(data))


def imported(folder: Path, data: bytes, name: str = "pugmark-1-c0ffee01 (1).tar") -> Imported:
    path = folder / "brought"
    path.write_bytes(data)
    store = Store(folder / "base")
    try:
        return import_file(store, path, name, NOW, lambda parcel, objects: None)
    finally:
        store.close()


# --- a tar, read in place ---------------------------------------------------------------------------------------------


def test_a_phones_tar_is_taken_and_a_second_time_it_is_known(tmp_path: Path) -> None:
    data = tar_of(*THINGS)
    first, second = imported(tmp_path, data), imported(tmp_path, data)
    assert (first.new, first.doubles, first.damaged, first.missing) == (10, 0, [], [])
    assert (second.new, second.doubles, second.traps) == (0, 10, {1})
    assert list(problems(tmp_path / "base")) == []


@pytest.mark.parametrize("fmt", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_that_a_person_made_of_a_stick_is_taken_too(tmp_path: Path, fmt: int) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=fmt) as archive:
        _put(archive, "my sticks/ürümqi/" + "x" * 120, type=tarfile.DIRTYPE)
        for e in THINGS:
            _put(archive, f"my sticks/ürümqi/{'x' * 120}/{file_name(e.key.number, e.key.rung)}", e.encode())
    assert imported(tmp_path, out.getvalue()).new == 10


@given(st.integers(0, len(tar_of(*THINGS))))
def test_a_tar_that_ends_anywhere_is_good_as_far_as_it_is_whole(cut: int) -> None:
    data = tar_of(*THINGS)
    file = io.BytesIO(data[:cut])
    try:
        found = list(members(file, cut))
    except NotATarError:
        assert cut < 512
        return
    whole = [m for m in found if not m.refusal and m.name.endswith(".obj")]
    assert all(m.start + m.size <= cut for m in found)
    assert [m.refusal for m in found[:-1]] == [""] * (len(found) - 1)
    assert not found or found[-1].refusal in ("", "is cut off: the tar ends before")
    expected = THINGS[: len(whole)]
    assert [data[m.start : m.start + m.size] for m in whole] == [e.encode() for e in expected]


def test_what_a_broken_download_lacks_is_named_by_its_index(tmp_path: Path) -> None:
    data = tar_of(*THINGS)
    done = imported(tmp_path, data[: len(data) * 2 // 3])
    assert 0 < done.new < 10
    assert done.new + len(done.missing) == 10
    assert len(done.damaged) <= 1


def hostile() -> dict[str, Callable[[tarfile.TarFile], None]]:
    good = THINGS[0].encode()
    return {
        "a link to a secret": lambda a: _put(a, "1-alert.obj", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "a hard link": lambda a: _put(a, "1-alert.obj", type=tarfile.LNKTYPE, linkname="/etc/passwd"),
        "a device": lambda a: _put(a, "1-alert.obj", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
        "a pipe": lambda a: _put(a, "1-alert.obj", type=tarfile.FIFOTYPE),
        "a sparse file": lambda a: _put(a, "1-alert.obj", type=tarfile.GNUTYPE_SPARSE),
        "no object": lambda a: _put(a, "1-alert.obj", b"x" * 600),
        "an object and half": lambda a: _put(a, "1-alert.obj", good + good[:20]),
    }


@pytest.mark.parametrize("what", sorted(hostile()))
def test_a_hostile_member_is_named_and_the_others_are_taken(tmp_path: Path, what: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        hostile()[what](archive)
        for e in THINGS[2:4]:
            _put(archive, file_name(e.key.number, e.key.rung), e.encode())
    done = imported(tmp_path, out.getvalue())
    assert (done.new, len(done.damaged)) == (2, 1)
    assert done.damaged[0].startswith("1-alert.obj: ")


def test_names_that_lead_out_of_the_folder_lead_nowhere(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        _put(archive, "../../escaped.obj", THINGS[0].encode())
        _put(archive, "/escaped.obj", THINGS[1].encode())
        _put(archive, "../base/base.sqlite3", b"ruined")
    before = {p for p in tmp_path.rglob("*") if "base" not in p.parts[len(tmp_path.parts) :]}
    assert imported(tmp_path, out.getvalue()).new == 2
    after = {p for p in tmp_path.rglob("*") if "base" not in p.parts[len(tmp_path.parts) :]}
    assert {p.name for p in after - before} == {"brought"}
    assert list(problems(tmp_path / "base")) == []


def test_a_member_that_says_it_is_huge_is_cut_off_and_not_read(tmp_path: Path) -> None:
    head = tarfile.TarInfo("1-full.obj")
    head.size = 8 << 30 - 1
    data = tar_of(THINGS[0], index=False)[:-1024] + head.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)
    done = imported(tmp_path, data)
    assert (done.new, done.damaged) == (1, ["1-full.obj: is cut off: the tar ends before"])
    head.size = 1 << 40  # in base 256, as ustar has it not
    data = tar_of(THINGS[0], index=False)[:-1024] + head.tobuf(tarfile.GNU_FORMAT) + bytes(1024)
    assert "the tar is damaged" in imported(tmp_path, data).damaged[0]


@pytest.mark.parametrize("data", [b"", b"PK\3\4", bytes(2000), b"\xff" * 5000])
def test_what_is_no_tar_and_no_object_is_damaged(tmp_path: Path, data: bytes) -> None:
    done = imported(tmp_path, data, "holiday.jpg")
    assert (done.taken, len(done.damaged)) == (0, 1)
    assert done.damaged[0].startswith("holiday.jpg: ")
    assert done.foreign


@pytest.mark.parametrize("name", ["pugmark-7-c0ffee01.tar", "PUGMARK (1).TAR", "1-alert.obj"])
def test_what_is_called_like_a_trap_s_file_is_damaged_and_not_another_s(tmp_path: Path, name: str) -> None:
    done = imported(tmp_path, b"\xff" * 5000, name)
    assert (len(done.damaged), done.foreign) == (1, False)
    assert not imported(tmp_path, tar_of(*THINGS)).foreign
    assert not imported(tmp_path, THINGS[0].encode(), "renamed.bin").foreign, "what is in it counts"


@given(st.binary(max_size=3000), st.integers(0, 2000))
def test_garbage_in_a_tar_raises_nothing_but_its_own_error(junk: bytes, at: int) -> None:
    data = bytearray(tar_of(*THINGS[:2]))
    data[at : at + len(junk)] = junk
    try:
        found = list(members(io.BytesIO(bytes(data)), len(data)))
    except NotATarError:
        return
    assert all(m.start + m.size <= len(data) for m in found)


def test_the_command_takes_a_tar(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "base.toml"
    config.write_text(f'folder = "{tmp_path}/base"\n')
    Store(tmp_path / "base").close()
    (tmp_path / "p.tar").write_bytes(tar_of(*THINGS))
    for new, doubles in ((10, 0), (0, 10)):
        assert main(["import", str(tmp_path / "p.tar"), "--config", str(config), "--json"]) == 0
        done = json.loads(capsys.readouterr().out)
        assert (done["parcels"][0]["new"], done["parcels"][0]["doubles"]) == (new, doubles)
        assert done["not_in_settings"] == [1]
    (tmp_path / "p.tar").write_bytes(tar_of(*THINGS)[:5000])
    assert main(["import", str(tmp_path / "p.tar"), "--config", str(config)]) == 1
    assert "missing: 5-crop.obj" in capsys.readouterr().out


# --- the form ---------------------------------------------------------------------------------------------------------


def form(*files: tuple[str, bytes], end: bool = True) -> bytes:
    parts = [
        b"--" + MARK + b'\r\nContent-Disposition: form-data; name="files"; filename="' + name.encode()
        + b'"\r\nContent-Type: application/x-tar\r\n\r\n' + data + b"\r\n"
        for name, data in files
    ]  # fmt: skip
    return b"".join(parts) + (b"--" + MARK + b"--\r\n" if end else b"")


def events(chunks: list[bytes]) -> list[tuple[bytes, bytes]]:
    reader, found = FormReader(MARK), []
    for chunk in chunks:
        for what, data in reader.feed(chunk):
            if what == "file":
                found.append((data, b""))
            elif what == "data":
                found[-1] = (found[-1][0], found[-1][1] + data)
    assert reader.done
    return found


@given(
    st.lists(st.tuples(st.sampled_from(["a.tar", "b"]), st.binary(max_size=300)), max_size=4),
    st.lists(st.integers(0, 2000), max_size=8),
)
def test_a_form_in_any_pieces_gives_its_files(files: list[tuple[str, bytes]], cuts: list[int]) -> None:
    files = [(name, data.replace(b"\r\n--" + MARK, b"")) for name, data in files]
    data = form(*files)
    edges = [0, *sorted({min(c, len(data)) for c in cuts}), len(data)]
    found = events([data[a:b] for a, b in pairwise(edges)])
    assert found == [(name.encode(), body) for name, body in files]


def test_a_body_that_looks_like_a_boundary_is_kept_whole() -> None:
    body = b"\r\n--" + MARK[:-1] + b"\r\n\r\n-" + b"\r\n"
    assert events([bytes([b]) for b in form(("a", body))]) == [(b"a", body)]


def test_a_field_that_is_no_file_gives_nothing() -> None:
    plain = b"--" + MARK + b'\r\nContent-Disposition: form-data; name="x"\r\n\r\nword\r\n'
    empty = b"--" + MARK + b'\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\n\r\n'
    assert events([plain + empty + form(("a", b"1"))]) == [(b"a", b"1")]


def test_forms_out_of_bounds_are_refused() -> None:
    for bad in (
        b"--" + MARK + b"\r\n" + b"X: y\r\n" * MAX_HEAD_BYTES,
        form(*[("a", b"")] * (MAX_PARTS + 1)),
        b"--" + MARK + b"xy",
    ):
        with pytest.raises(FormError):
            events([bad])
    for bad_type in ("", "text/plain", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 71):
        with pytest.raises(FormError):
            boundary_of(bad_type)
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"


class Desk:
    """A base's page that takes uploads, on a loopback port."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.folder = folder
        self.port = free_port()
        self.stop = threading.Event()
        page = PageSettings(**{"upload": True, "upload_mb": 32} | more)
        settings = Settings(folder=str(folder), unit_keys=str(folder / "units"), name="north", page=page)
        Store(folder).close()
        app = create_page(settings, None, self.stop)
        config = uvicorn.Config(app, port=self.port, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        wait_for(lambda: self.server.started)

    def post(self, body: bytes, said: int | None = None, **headers: str) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        all_headers = {
            "Content-Type": f"multipart/form-data; boundary={MARK.decode()}",
            "Content-Length": str(len(body) if said is None else said),
            "Origin": f"http://127.0.0.1:{self.port}",
        } | {k.replace("_", "-"): v for k, v in headers.items()}
        try:
            connection.putrequest("POST", "/bring", skip_host="Host" in all_headers)
            for key, value in all_headers.items():
                connection.putheader(key, value)
            connection.endheaders()
            connection.send(body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    def stored(self) -> int:
        reader = Reader(self.folder)
        try:
            return sum(reader.summary()["objects"].values())
        finally:
            reader.close()

    def close(self) -> None:
        self.stop.set()
        self.server.should_exit = True
        self.thread.join()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.close()


def test_several_files_are_brought_and_each_is_told_of(desk: Desk) -> None:
    single = envelope(2, 9, ALERT, alert())
    body = form(
        ("pugmark-1-c0ffee01.tar", tar_of(*THINGS)), ("C:\\stick\\9-alert.obj", single.encode()), ("x.jpg", b"no")
    )
    status, text = desk.post(body)
    assert status == 200
    for words in ("pugmark-1-c0ffee01.tar", "New: 10.", "9-alert.obj", "New: 1.", "x.jpg", "not a file from a trap"):
        assert words in text
    assert "stick" not in text.partition("<form")[0]
    assert "Not all of it is safe at the base. Keep the file." in text
    assert "You may delete" not in text
    assert desk.stored() == 11
    status, text = desk.post(body)
    assert "New: 0. Known before: 10." in text
    good = form(("pugmark-1-c0ffee01.tar", tar_of(*THINGS)), ("9-alert.obj", single.encode()))
    assert "All 11 parcels are safe at the base. You may delete the file." in desk.post(good)[1]
    cut = form(("pugmark-1-c0ffee01.tar", tar_of(*THINGS)[:5000]))
    assert "Keep the file." in desk.post(cut)[1]
    assert desk.stored() == 11
    assert list((desk.folder / FOLDER).iterdir()) == []


def test_a_phone_that_leaves_in_mid_file_leaves_what_came_before(desk: Desk) -> None:
    whole = form(("a.tar", tar_of(*THINGS[:4])), ("b.tar", tar_of(*THINGS[4:])))
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    connection.putrequest("POST", "/bring")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={MARK.decode()}")
    connection.putheader("Content-Length", str(len(whole)))
    connection.endheaders()
    connection.send(whole[:-2000])
    wait_for(lambda: desk.stored() == 4)
    connection.close()
    wait_for(lambda: list((desk.folder / FOLDER).iterdir()) == [])
    assert desk.post(whole)[0] == 200
    assert desk.stored() == 10


def test_a_form_of_another_site_is_refused(desk: Desk) -> None:
    evil = "http://evil.example"
    for headers in ({"Origin": evil}, {"Origin": "null"}, {"Origin": "", "Referer": f"{evil}/x"}):
        status, text = desk.post(form(("a.tar", tar_of(*THINGS))), **headers)
        assert (status, "not of this page" in text) == (403, True)
    assert desk.post(form(("a.tar", b"")), Host="evil.example")[0] == 421
    assert desk.stored() == 0


def test_too_much_at_once_is_refused_before_it_is_read(desk: Desk) -> None:
    status, text = desk.post(b"", said=33 << 20)
    assert (status, "More than 32 MiB at once" in text) == (413, True)


def test_a_form_that_is_none_is_refused_in_words(desk: Desk) -> None:
    assert desk.post(b"hello", Content_Type="text/plain")[0] == 400
    status, text = desk.post(form(("a.tar", tar_of(*THINGS)), end=False))
    assert (status, "ends before its end" in text) == (400, True)
    status, text = desk.post(form())
    assert (status, "No file was chosen" in text) == (200, True)


def test_a_full_disk_is_said_and_nothing_is_left(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring, "KEEP_FREE_BYTES", 1 << 60)
    status, text = desk.post(form(("a.tar", tar_of(*THINGS))))
    assert (status, "disk is nearly full" in text) == (507, True)
    assert list((desk.folder / FOLDER).iterdir()) == []
    monkeypatch.undo()
    assert desk.post(form(("a.tar", tar_of(*THINGS))))[0] == 200


def test_a_picture_of_the_phone_is_no_damaged_parcel(desk: Desk) -> None:
    text = desk.post(form(("cat.jpg", b"\xff\xd8" * 999)))[1]
    assert "This is not a file from a trap. What a trap gives is called like pugmark-7-c0ffee01.tar." in text
    for words in ("Damaged", "Keep the file", "Safe here", "No object is in it"):
        assert words not in text
    text = desk.post(form(("cat.jpg", b"\xff\xd8" * 999), ("a.tar", tar_of(*THINGS))))[1]
    assert "This is not a file from a trap." in text
    assert "Keep the file." in text, "a parcel that lost its name and its head looks like one"


def test_one_upload_at_a_time(desk: Desk) -> None:
    body = form(("a.tar", tar_of(*THINGS)))
    connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
    connection.putrequest("POST", "/bring")
    connection.putheader("Content-Type", f"multipart/form-data; boundary={MARK.decode()}")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders()
    connection.send(body[:3000])
    wait_for(lambda: (desk.folder / FOLDER / "one.part").exists())
    assert desk.post(body)[0] == 409
    connection.send(body[3000:])
    assert connection.getresponse().status == 200
    connection.close()
    assert desk.post(body)[0] == 200


def test_a_phone_that_falls_silent_gives_its_place_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bring, "SILENT_S", 0.05)
    status, text = desk.post(form(("a.tar", tar_of(*THINGS)))[:2000], said=100_000)
    assert (status, "bring the rest again" in text) == (408, True)


def test_the_form_is_there_where_the_settings_say_so_and_nowhere_else(desk: Desk, tmp_path: Path) -> None:
    status, headers, text = desk.get("/bring")
    assert (status, 'enctype="multipart/form-data"' in text) == (200, True)
    assert "form-action 'self'" in headers["content-security-policy"]
    assert 'href="/bring"' in desk.get("/")[2]
    closed = Desk(tmp_path / "other", upload=False)
    try:
        assert closed.get("/bring")[0] == 404
        assert closed.post(form(("a.tar", tar_of(*THINGS))))[0] == 404
        status, headers, text = closed.get("/")
        assert 'href="/bring"' not in text
        assert "form-action 'none'" in headers["content-security-policy"]
    finally:
        closed.close()


def test_the_form_speaks_the_phones_language_and_remembers_another(desk: Desk) -> None:
    def get(path: str, **headers: str) -> tuple[int, dict[str, str], str]:
        connection = http.client.HTTPConnection("127.0.0.1", desk.port, timeout=20)
        try:
            connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            answer = connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        finally:
            connection.close()

    assert '<html lang="ru"' in get("/bring", Accept_Language="de, ru;q=0.8")[2]
    status, headers, _ = get("/bring?language=mn", Accept_Language="ru")
    assert (status, headers["location"]) == (303, "/bring")
    cookie = headers["set-cookie"].partition(";")[0]
    text = get("/bring", Accept_Language="ru", Cookie=cookie)[2]
    assert "Илгээмж авчрах" in text
    assert '<html lang="en"' in get("/bring?language=xx")[2]
    status, text = desk.post(form(), Cookie=cookie)
    assert (status, "Файл сонгоогүй байна." in text) == (200, True)
    status, text = desk.post(b"", said=33 << 20, Accept_Language="ko")
    assert (status, "한 번에 32 MiB를 넘습니다." in text) == (413, True)


def test_what_a_page_left_that_was_killed_goes_at_the_next_start(tmp_path: Path) -> None:
    (tmp_path / FOLDER).mkdir(parents=True)
    (tmp_path / FOLDER / "one.part").write_bytes(b"half")
    Desk(tmp_path).close()
    assert list((tmp_path / FOLDER).iterdir()) == []
