"""The same for the whole process: `trapcam run` on a folder of pictures, cut at any write; what it had said is true."""

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cam_parts import BASE, CAT, DEER, NOTHING, NOW, PERSON, REVIEWER, ColourJudge, sealer
from nacl.public import SealedBox

from tests.card import running
from trapcam.audit import Sampler
from trapcam.camera.replay import open_replay
from trapcam.capture import Capture, Policy
from trapcam.outbox import Outbox, open_outbox
from trapcam.seal import open_reader
from trapcam.trigger import Trigger
from trapsim.powercut import recorder
from trapsim.powercut.disk import MODES, Disk
from trapsim.powercut.recorder import Op
from trapwire.objects import ALERT, CROP, FRAME, FULL

SHOWN = [CAT, NOTHING, PERSON, CAT, DEER, PERSON, CAT, NOTHING, CAT]
STATES = 30
LAST = f"{len(SHOWN) - 1:02}.jpg"

pytestmark = pytest.mark.skipif(recorder.strace() is None, reason="no strace, or this machine forbids tracing")


def go_on(box: Outbox, shots: Path) -> None:
    """From where the outbox stands to the last picture, as the program does it."""
    camera = open_replay(str(shots), loop=False, max_megapixels=40, uncertainty_ms=None)
    box.declare_source(camera.source, camera.total)
    capture = Capture(ColourJudge(), sealer(), Policy(), Sampler(key=box.audit.key, epoch=box.epoch))
    while (position := box.position(camera.source)) < len(SHOWN):
        taken = camera.frames(Trigger(number=position, cause=0, at_ms=NOW), position)
        assert taken is not None
        box.commit(capture.outcome(taken, camera.source, position))


def names(box: Outbox) -> list[str]:
    return [row[0] for row in box._db.execute("SELECT name FROM bursts ORDER BY burst_no")]


def expected(position: int) -> list[str]:
    return [f"{number:02}.jpg" for number in range(position) if SHOWN[number] != PERSON]


def check(box: Outbox, source: str, shots: Path, read: Callable[[bytes], bytes]) -> None:
    """Each picture once, in order; each cat's four objects open, and its full frame is the picture."""
    position = box.position(source)
    assert names(box) == expected(position)
    cats = [number for number in range(position) if SHOWN[number] == CAT]
    assert [row[0] for row in box._db.execute("SELECT number FROM events ORDER BY number")] == list(
        range(1, len(cats) + 1)
    )
    for number, cat in enumerate(cats, start=1):
        made = {rung: box.envelope(number, rung) for rung in (ALERT, CROP, FRAME, FULL)}
        assert all(made.values())
        assert SealedBox(BASE).decrypt(made[CROP].body)  # type: ignore[union-attr]
        assert read(made[FULL].body) == (shots / f"{cat:02}.jpg").read_bytes()  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Op]]:
    """Two starts of the real process, the first ended in the middle."""
    folder = tmp_path_factory.mktemp("run")
    shots, card = folder / "shots", folder / "card"
    shots.mkdir()
    for number, what in enumerate(SHOWN):
        running.picture(shots / f"{number:02}.jpg", what, number)
    settings = running.write_card(card, shots)
    reader = recorder.Reader([card])
    first, _ = running.watch(card, settings, "03.jpg", reader)
    second, _ = running.watch(card, settings, LAST, reader)
    (folder / "review.key").write_text(f"{REVIEWER}\n")
    return folder, first + second


def states(folder: Path, ops: list[Op], dice: random.Random) -> Iterator[tuple[Path, list[str]]]:
    """Some states that a power cut may leave, and what the process had said until then."""
    card = folder / "card"
    disk = Disk(card / "data")
    said: list[str] = []
    ends = sorted(dice.sample(range(len(ops)), STATES))
    for at, op in enumerate(ops):
        if op.kind == "said":
            said += op.data.decode().splitlines()
        else:
            disk.apply(op)
        if at in ends:
            target = folder / "state"
            disk.write_out(target, dice, dice.choice(MODES))
            yield target, said
            shutil.rmtree(target, ignore_errors=True)


def test_whatever_it_had_said_is_true_after_a_power_cut_and_it_comes_to_the_same_end(
    record: tuple[Path, list[Op]],
) -> None:
    folder, ops = record
    shots, read = folder / "shots", open_reader(folder / "review.key")
    source = f"replay:{shots.resolve()}"
    count = 0
    for target, said in states(folder, ops, random.Random(5)):
        with closing(open_outbox(target, running.TRAP, NOW)) as box:
            epochs = {line.split("epoch ")[1][:8] for line in said if ", epoch " in line}
            assert epochs <= {f"{box.epoch:08x}"}
            told = [line.partition(":")[0] for line in said if line[2:7] == ".jpg:"]
            assert names(box)[: len(told)] == told
            if box.position(source):
                check(box, source, shots, read)
            go_on(box, shots)
            check(box, source, shots, read)
            assert box.position(source) == len(SHOWN)
        count += 1
    assert count == STATES
