"""The pin map: what is committed can work and is what was made from it; maps that cannot are refused in words."""

import re
import shutil
from pathlib import Path

import pytest

from trapkit.errors import SetupError
from trapsim.cli import main
from trapsim.pinfiles import constants, files
from trapsim.pinmap import HARDWARE, read_pins, read_wiring
from trapsim.pins import check, check_wiring
from trapsim.wiring import COLOURS, stamp

PINS = (HARDWARE / "pins.toml").read_text("utf-8")
WIRING = (HARDWARE / "wiring.toml").read_text("utf-8")


def signal(name: str, **changes: str) -> str:
    """pins.toml with some fields of the trap's signal (or bit) changed; None takes it out."""
    head, table, rest = re.split(
        rf"(^\[boards\.xiao_s3\.(?:signals|expander)\.{name}\]\n)", PINS, maxsplit=1, flags=re.M
    )
    own, blank, after = rest.partition("\n\n")
    for field, value in changes.items():
        own = re.sub(rf"^{field} = .*\n?", "", own, flags=re.M)
        if value:
            own = f"{field} = {value}\n{own}"
    return head + table + own + blank + after


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pins.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(SetupError) as caught:
        check(read_pins(path))
    return str(caught.value)


def test_the_committed_map_can_work() -> None:
    pin_map = read_pins()
    check(pin_map)
    check_wiring(read_wiring(), pin_map, COLOURS)


def test_what_is_committed_is_what_the_map_makes() -> None:
    for path, text in files(read_pins(), read_wiring()).items():
        assert path.read_text("utf-8") == text, f"{path.name} is stale: trapsim pins --write"


def test_every_drawing_is_there_as_picture() -> None:
    for name in read_wiring().drawings:
        for kind in ("yml", "svg", "png"):
            assert (HARDWARE / "wiring" / f"{name}.{kind}").is_file(), f"{name}.{kind}: make wiring"
    assert {path.stem for path in (HARDWARE / "wiring").glob("*.*")} == set(read_wiring().drawings)


def test_every_picture_was_drawn_from_its_sheet() -> None:
    for sheet in (HARDWARE / "wiring").glob("*.yml"):
        picture = sheet.with_suffix(".svg").read_text("utf-8")
        assert stamp(sheet.read_bytes()) in picture, f"{sheet.stem}.svg is stale: make wiring"


def test_the_constants_run_and_are_plain_numbers() -> None:
    for board in read_pins().boards.values():
        names: dict[str, object] = {}
        exec(constants(board), names)
        found = {name: value for name, value in names.items() if name.isupper()}
        assert set(found) == set(board.signals) | set(board.expander)
        assert all(isinstance(value, int) for value in found.values())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            signal("LORA_DIO1_WAKE", pin="39"),
            "GPIO39, which cannot wake the esp32s3 from deep sleep: only GPIO 0-21 can",
        ),
        (signal("LORA_DIO1_WAKE", pin="2"), "GPIO2 is used by LORA_DIO1_WAKE and PIR; one at a time"),
        (signal("PIR", pin="27"), "PIR is on GPIO27, which is the flash and PSRAM bus; take another: 2"),
        (signal("PIR", pin="35"), "PIR is on GPIO35, which is the octal PSRAM"),
        (signal("PIR", pin="19"), "PIR is on GPIO19, which is the USB line"),
        (signal("PIR", pin="21"), "PIR is on GPIO21, which is the XIAO's own lamp"),
        (signal("PIR", pin="11"), "PIR is on GPIO11, which comes out nowhere on this board; free are:"),
        (signal("PIR", pin="24"), "PIR is on GPIO24, which the esp32s3 does not have; it has 0-21, 26-48"),
        (signal("BUTTON", why=""), "BUTTON is on GPIO3, a strapping pin: it chooses the JTAG port"),
        (signal("PIR", wake=""), "PIR has to end deep sleep: say `wake = true`"),
        (
            signal("PIR", active='"low"'),
            "wake sources differ in their level (LORA_DIO1_WAKE high, PIR low, BUTTON high)",
        ),
        (signal("PIR", active=""), "PIR wakes; say under `active` at which level"),
        (signal("PIR", direction='"out"'), "PIR has the direction 'out'; allowed is 'in'"),
        (signal("PI_POWER", hold=""), "PI_POWER has to keep its level in deep sleep: say `hold = true`"),
        (signal("PI_POWER", pin="42"), "PI_POWER is on GPIO42, which loses its level in deep sleep"),
        (signal("PI_TX", use='"uart1.rx"'), "line uart1.rx is used by PI_TX and PI_RX; one at a time"),
        (signal("PIR", source='""'), "PIR has no source: say who says so"),
        (signal("LID", bit="9"), "LID is on bit 9 of the expander; it has 0–7"),
        (signal("LID", bit="0"), "expander bit 0 is used by LAMP and LID"),
        (PINS.replace("signals.PIR]", "signals.PIRR]"), "signal 'PIRR' is unknown to a trap; allowed are: LORA_SCK"),
        (PINS.replace("signals.PIR]", "signals.PIRR]"), "signal PIR is missing: a trap needs it"),
        (PINS.replace("CLOCK = 0x51", "CLOCK = 0x40"), "I2C address 0x40 is used by CLOCK and MONITOR"),
        (PINS.replace("CLOCK = 0x51", "CLOCK = 0x03"), "CLOCK is at I2C address 0x3; allowed are 0x8–0x77"),
        (
            PINS.replace("pin = 10\n", "pin = 9\n"),
            "LORA_SCK is spi1.sck on GPIO9; this line reaches only GPIO 10, 14, 26",
        ),
        (PINS.replace('chip = "rp2040"', 'chip = "rp2350"'), "chip 'rp2350' is unknown; allowed are: esp32s3, rp2040"),
        (signal("PIR", pin='"D1"'), "boards.xiao_s3.signals.PIR: Expected `int`, got `str` - at `$.pin`"),
        (signal("PIR", direction='"sideways"'), "boards.xiao_s3.signals.PIR: Invalid enum value 'sideways'"),
        (signal("PIR", direction='"sideways"'), "allowed for direction: in, out, both"),
        (signal("PIR", pinn="2"), "Object contains unknown field `pinn`"),
        (PINS.replace('pins = ["0-29"]', 'pins = ["0..29"]'), "'0..29' is no range of pins"),
        ("[boards", "is not TOML"),
    ],
)  # fmt: skip
def test_a_map_that_cannot_work_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    assert words in refusal(tmp_path, text)


def test_a_name_that_nobody_knows_is_not_said_to_point_the_wrong_way(tmp_path: Path) -> None:
    assert "direction" not in refusal(tmp_path, PINS.replace("signals.PIR]", "signals.PIRR]"))


def test_every_fault_is_said_at_once(tmp_path: Path) -> None:
    text = signal("PIR", pin="39").replace("CLOCK = 0x51", "CLOCK = 0x40")
    found = refusal(tmp_path, text).splitlines()
    assert len(found) >= 4  # cannot wake, used twice, one address twice, and the head


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"PIR.VDD", "RD"', '"PIR.VCC", "RD"', "PIR has no pin 'VCC'; it has VDD, GND, OUT"),
        ('"PIR.VDD", "RD"', '"PIRR.VDD", "RD"', "part 'PIRR' is unknown"),
        ('"PIR.VDD", "RD"', '"PIR.VDD", "red"', "colour 'red' is unknown; allowed are: BK, RD"),
        ('board = "pico"', 'board = "picco"', "board 'picco' is unknown; allowed are: pico, xiao_s3"),
        ('REED = { bom', 'REEDS = { bom', "part 'REED' is unknown"),
    ],
)  # fmt: skip
def test_wires_that_end_nowhere_are_refused_in_words(tmp_path: Path, old: str, new: str, words: str) -> None:
    path = tmp_path / "wiring.toml"
    path.write_text(WIRING.replace(old, new, 1), "utf-8")
    with pytest.raises(SetupError) as caught:
        check_wiring(read_wiring(path), read_pins(), COLOURS)
    assert words in str(caught.value)


def test_the_command_says_what_is_wrong_and_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = tmp_path / "pins.toml"
    bad.write_text(signal("LORA_DIO1_WAKE", pin="39"), "utf-8")
    assert main(["pins", "--pins", str(bad)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("trapsim: the pin map cannot work:")
    assert "LORA_DIO1_WAKE is on GPIO39, which cannot wake" in said
    assert main(["pins", "--pins", str(tmp_path / "none.toml")]) == 2
    assert "none.toml: cannot be read: No such file" in capsys.readouterr().err


def test_the_command_is_content_with_what_is_committed_and_tells_what_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pins", "check"]) == 0
    assert "no fault" in capsys.readouterr().out
    other = tmp_path / "pins.toml"
    other.write_text(signal("PIR", source='"another"'), "utf-8")
    assert main(["pins", "--pins", str(other)]) == 1
    assert "stale: hardware/PINS.md" in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("wireviz") is None or shutil.which("dot") is None, reason="make wiring brings both")
def test_the_drawings_can_be_drawn(tmp_path: Path) -> None:
    from trapsim.wiring import draw

    for path in (HARDWARE / "wiring").glob("*.yml"):
        (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
    assert len(draw(tmp_path)) == 2 * len(read_wiring().drawings)
