"""A damaged outbox: set aside whole with its files, said in words, and the trap goes on under a new epoch."""

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cam_parts import CAT, NOW, write_picture
from records import SOURCE, kept

from trapcam import aside
from trapcam.cmd_run import set_aside_if_damaged
from trapcam.outbox import DATABASE, FULL_FOLDER, OWN, open_outbox
from trapcam.status import read_status
from trapkit.errors import DamagedError, SetupError
from trapsim.crash import Died, fused
from trapwire import serialline as kinds
from trapwire.objects import FULL

TRAP = 7
SIGHTINGS = 6


def used(data: Path) -> dict[str, bytes]:
    """A trap that has seen something; its full frames by name."""
    box = open_outbox(data, TRAP, NOW)
    box.declare_source(SOURCE, None)
    for position in range(SIGHTINGS):
        box.commit(kept(position))
    box.close()
    return {path.name: path.read_bytes() for path in (data / FULL_FOLDER).iterdir()}


def tear(path: Path, at: int, length: int = 4096) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * length)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: tear(path, 0),
        lambda path: tear(path, 100, 200),  # its list of tables
        lambda path: path.write_bytes(b"no database at all" * 1000),
        lambda path: os.truncate(path, 4096),
        lambda path: os.truncate(path, 0),
        lambda path: path.unlink(),
    ],
)
def test_it_is_set_aside_with_every_full_frame_and_a_new_epoch_begins(
    tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    data = tmp_path / "data"
    fulls = used(data)
    before = open_outbox(data, TRAP, NOW)
    epoch = before.epoch
    before.close()
    spoil(data / DATABASE)
    box = open_outbox(data, TRAP, NOW)
    assert box.aside == data / "outbox.damaged-1"
    assert box.epoch != epoch
    assert {path.name: path.read_bytes() for path in (box.aside / FULL_FOLDER).iterdir()} == fulls
    box.declare_source(SOURCE, None)
    assert box.commit(kept(0)) == 1
    box.close()
    assert read_status(data, TRAP)["set_aside"] == ["outbox.damaged-1"]
    again = open_outbox(data, TRAP, NOW)
    assert (again.epoch, again.aside) == (box.epoch, None), "said once; the new one stays"
    again.close()


def test_a_power_cut_at_any_call_while_it_is_set_aside_leaves_all_of_it(tmp_path: Path) -> None:
    with fused() as fuse:
        for point in range(40):
            data = tmp_path / str(point)
            fulls = used(data)
            tear(data / DATABASE, 0)
            fuse.calls, fuse.burn_at, fuse.armed = 0, frozenset((point,)), True
            try:
                open_outbox(data, TRAP, NOW).close()
                died = False
            except Died:
                died = True
            fuse.armed = False
            box = open_outbox(data, TRAP, NOW)
            assert aside.folders(data) == ["outbox.damaged-1"]
            there = data / "outbox.damaged-1"
            assert {path.name: path.read_bytes() for path in (there / FULL_FOLDER).iterdir()} == fulls
            assert (there / DATABASE).stat().st_size > 4096
            assert list((data / FULL_FOLDER).iterdir()) == []
            box.close()
            if not died:
                break
        else:
            pytest.fail("it never came to its end")


def test_a_card_that_tears_one_after_the_other_is_said_to_be_replaced(tmp_path: Path) -> None:
    for number in range(1, 10):
        open_outbox(tmp_path, TRAP, NOW).close()
        tear(tmp_path / DATABASE, 0)
        box = open_outbox(tmp_path, TRAP, NOW)
        assert box.aside == tmp_path / f"outbox.damaged-{number}"
        box.close()
    tear(tmp_path / DATABASE, 0)
    with pytest.raises(SetupError, match="9 damaged ones lie here already; replace the card"):
        open_outbox(tmp_path, TRAP, NOW)
    assert (tmp_path / DATABASE).exists()


def test_one_that_is_torn_under_a_running_trap_ends_it_and_is_set_aside(
    make_unit: Callable[..., Any], pictures: Path, tmp_path: Path
) -> None:
    """No repeat would mend it. What was safe stays so, and the next start goes on."""
    for number in range(4):
        write_picture(pictures / f"{number}.png", CAT, number)
    unit = make_unit()
    data = tmp_path / "data"

    def wake() -> None:
        unit.supervisor.say(kinds.WAKE, struct.pack(">IB", 1, 0))
        unit.steps(3)

    wake()
    full = unit.outbox.envelope(1, FULL).body
    unit.outbox._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for page in range(1, (data / DATABASE).stat().st_size // 4096):
        tear(data / DATABASE, page * 4096)
    unit.outbox._db.execute("PRAGMA shrink_memory")
    with pytest.raises(DamagedError, match=r"outbox\.sqlite: .*malformed.*set aside as .*outbox\.damaged-1") as said:
        run_until_damaged(unit, wake, data)
    assert "the next start begins a new epoch. The burst in hand is lost" in str(said.value)
    (kept_file,) = (data / "outbox.damaged-1" / FULL_FOLDER).iterdir()
    assert kept_file.read_bytes() == full
    box = open_outbox(data, TRAP, NOW)
    assert box.in_state("held") == []
    box.close()


def run_until_damaged(unit: Any, wake: Callable[[], None], data: Path) -> None:
    with set_aside_if_damaged(data):
        try:
            wake()
        finally:
            unit.outbox.close()


def test_a_second_look_that_finds_nothing_sets_nothing_aside(tmp_path: Path) -> None:
    used(tmp_path)
    with pytest.raises(DamagedError, match="malformed; all of it can be read again"), set_aside_if_damaged(tmp_path):
        raise DamagedError("malformed")
    assert aside.folders(tmp_path) == []
    assert set(OWN) & {path.name for path in tmp_path.iterdir()} >= {DATABASE, FULL_FOLDER}
