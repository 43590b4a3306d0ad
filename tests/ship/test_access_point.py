"""The access point's profile: from two lines of text, by anybody's hand, to what NetworkManager reads."""

import configparser
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[2] / "deploy" / "machines" / "access-point"


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    (folder / "access-point.conf").write_text(text)
    command = ["sh", str(PROGRAM), str(folder / "access-point.conf"), str(folder / "made")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["pugmark-7", "Леопард 7", "a;b\\c", "$(id) `id`"])
def test_any_name_goes_out_as_it_is(name: str, tmp_path: Path) -> None:
    done = run(tmp_path, f"SSID={name}\nPASSWORD=snow leopard; 9\\9\n")
    assert done.returncode == 0, done.stderr
    path = tmp_path / "made" / "pugmark-service.nmconnection"
    assert path.stat().st_mode & 0o777 == 0o600
    profile = configparser.RawConfigParser()
    profile.read(path)
    assert bytes(int(one) for one in profile["wifi"]["ssid"].rstrip(";").split(";")).decode() == name
    assert profile["wifi-security"]["psk"] == "snow leopard; 9\\\\9", "a keyfile's escape for a backslash"
    assert profile["ipv4"]["address1"] == "192.168.4.1/24"
    assert profile["connection"]["autoconnect"] == "false"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "SSID has 0 bytes; allowed are 1–32"),
        (f"SSID={'x' * 33}\nPASSWORD=12345678\n", "SSID has 33 bytes"),
        ("SSID=a\nPASSWORD=1234567\n", "PASSWORD has 7 letters; WPA2 allows 8–63"),
        (f"SSID=a\nPASSWORD={'1' * 64}\n", "PASSWORD has 64 letters"),
        ("SSID=a\nPASSWORD=пароль пароль\n", "allowed are ASCII's letters"),
        ("SSID=a\nPASSWORD= 12345678\n", "no space at its ends"),
    ],
)
def test_what_no_phone_could_use_is_refused_in_words(text: str, words: str, tmp_path: Path) -> None:
    done = run(tmp_path, text)
    assert done.returncode == 1
    assert words in done.stderr
    assert not (tmp_path / "made").exists()
