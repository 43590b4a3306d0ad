"""The label on a lid: its codes are read back by another library from the very file that is printed."""

import re
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image as Pictures
from PIL import ImageDraw

from trapkit.errors import SetupError
from trapship.cli import main
from trapship.label import MAX_SSID_BYTES, Label, page

PIXELS = 8  # a module


def drawn(path: str, side: int) -> Pictures.Image:
    """A QR code's SVG path (`M x y h n m dx dy …`, strokes one module wide) as a picture."""
    picture = Pictures.new("L", (side * PIXELS, side * PIXELS), 255)
    pen = ImageDraw.Draw(picture)
    x = y = 0.0
    for letter, numbers in re.findall(r"([Mmh])([^Mmhz]*)", path):
        values = [float(number) for number in re.findall(r"-?\d*\.?\d+", numbers)]
        if letter == "h":
            box = (x * PIXELS, (y - 0.5) * PIXELS, (x + values[0]) * PIXELS - 1, (y + 0.5) * PIXELS - 1)
            pen.rectangle(box, fill=0)
            x += values[0]
        else:
            x, y = (values[0], values[1]) if letter == "M" else (x + values[0], y + values[1])
    return picture


def read(html: str) -> list[str]:
    texts = []
    for side, path in re.findall(r'<svg [^>]*viewBox="0 0 (\d+) \d+"[^>]*><path [^>]*?d="([^"]+)"', html):
        found = zxingcpp.read_barcodes(drawn(path, int(side)))
        texts += [code.text for code in found]
    return texts


def unescaped(wifi: str) -> dict[str, str]:
    """The fields of `WIFI:…;;` as a phone takes them apart."""
    fields = re.findall(r"([TSP]):((?:\\.|[^\\;])*);", wifi.removeprefix("WIFI:"))
    return {name: re.sub(r"\\(.)", r"\1", value) for name, value in fields}


@pytest.mark.parametrize(
    ("ssid", "password"),
    [
        ("pugmark-7", "snow-leopard-17"),
        ('a;b,c:d"e\\f', 'p;a,s:s"w\\ord'),
        ("барс-7 雪豹", "x" * 63),
        ("é" * (MAX_SSID_BYTES // 2), " !~'<&>$%/\\;"),
    ],
)
def test_a_phone_reads_network_and_address_from_what_is_printed(ssid: str, password: str) -> None:
    html = page(Label(trap=7, ssid=ssid, password=password, address="192.168.4.1"))
    wifi, url = read(html)
    assert unescaped(wifi) == {"T": "WPA", "S": ssid, "P": password}
    assert wifi.endswith(";;")
    assert url == "http://192.168.4.1/"


def test_the_label_names_the_trap_and_both_ways_to_its_page() -> None:
    html = page(Label(trap=7, ssid="<b>pug", password="snow-leopard-17", address="fd00::1"))
    assert "Pugmark · 7" in html
    assert "http://trap.local" in html
    assert "&lt;b&gt;pug" in html
    assert read(html)[1] == "http://[fd00::1]/"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"trap": 0}, "--trap 0: is no trap's number; allowed is 1–65535"),
        ({"trap": 65_536}, "--trap 65536"),
        ({"ssid": ""}, "--ssid '': allowed are 1–32 bytes"),
        ({"ssid": "я" * 17}, "allowed are 1–32 bytes"),
        ({"ssid": "a\nb"}, "allowed are 1–32 bytes"),
        ({"password": "short"}, "--password: allowed are 8–63"),
        ({"password": "пароль-пароль"}, "--password: allowed are 8–63"),
        ({"address": "trap.local"}, "--address 'trap.local': is no address"),
    ],
)
def test_what_no_phone_could_join_is_refused_by_name(given: dict[str, object], words: str) -> None:
    good: dict[str, object] = {"trap": 7, "ssid": "pugmark-7", "password": "snow-leopard-17", "address": "192.168.4.1"}
    with pytest.raises(SetupError) as found:
        Label(**(good | given))  # type: ignore[arg-type]
    assert words in str(found.value)


def test_the_command_writes_a_file_for_its_owner_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "label.html"
    command = ["label", "--trap", "7", "--ssid", "pugmark-7", "--password", "snow-leopard-17", "--out", str(path)]
    assert main(command) == 0
    assert capsys.readouterr().out.startswith(f"{path}: new; print it")
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(read(path.read_text())) == 2
    assert main(command) == 0
    assert "replaced" in capsys.readouterr().out
    assert main([*command[:-1], str(tmp_path / "no" / "folder.html")]) in (1, 2)
    assert main(["label", "--trap", "7", "--ssid", "x", "--password", "short"]) == 2
    assert capsys.readouterr().err.count("trapship: ") == 2
