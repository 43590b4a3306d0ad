"""A ranger's card, its sample and what a phone took: from a real outbox to the tables of a real base.

Real parts and real commands; the network is a broker in memory, the phone a file.
"""

import csv
import hashlib
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cam_parts import BACKEND, BASE, NOW, sealer
from nacl.signing import SigningKey
from records import SOURCE, kept

from trapbase.cli import main as trapbase
from trapbase.ingest import SUBSCRIPTIONS, Ingest
from trapbase.store import Store
from trapcam.card_notes import CardNotes
from trapcam.cli import main as trapcam
from trapcam.network import Network, subscriptions
from trapcam.outbox import Outbox, open_outbox
from trapcam.service.download import Listed, Parcel
from trapkit.cards import Card, Sample
from trapsim.memorybus import MemoryBroker
from trapwire.objects import NOTE

TRAP = 7
UNIT = SigningKey(bytes(range(64, 96)))
PLACED = Card(
    action="place", station="Pass", side="right", who="A. Ivanova", at_ms=NOW - 3_600_000, uncertainty_ms=320,
    latitude=43.1, longitude=131.4, height_cm=45, bearing_deg=310,
)  # fmt: skip
FOUND = Sample(
    barcode="PM-7", kind="scat", kept="ethanol", station="Pass", who="A. Ivanova", at_ms=NOW, uncertainty_ms=320,
    sighting=2,
)  # fmt: skip


class Pass:
    """A trap that a ranger stands before, and a base whose settings do not know it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.outbox: Outbox = open_outbox(folder / "trap", TRAP, NOW)
        self.outbox.declare_source(SOURCE, None)
        self.notes = CardNotes(self.outbox, sealer(), bytes(UNIT))
        (folder / "units").mkdir()
        (folder / "units" / f"{TRAP}.sign.pub").write_text(bytes(UNIT.verify_key).hex())
        (folder / "box.key").write_text(bytes(BASE).hex())
        self.config = folder / "base.toml"
        self.config.write_text(
            f'folder = "{folder}/base"\nbox_key = "{folder}/box.key"\nunit_keys = "{folder}/units"\n'
        )
        self.broker = MemoryBroker()
        self.store = Store(folder / "base", folder / "units")
        self.ingest = Ingest(self.broker.connect("ingest", SUBSCRIPTIONS), self.store)

    def save(self) -> list[int]:
        """The card, a sighting, and a sample near it."""
        card = self.notes.save(PLACED, (NOW - 3_600_000, 320))
        self.outbox.commit(kept(0))
        return [card, self.notes.save(FOUND, (NOW, 320))]

    def exported(self, name: str = "out") -> dict[str, list[dict[str, str]]]:
        out = self.folder / name
        assert trapbase(["export", "--camtrap-dp", str(out), "--config", str(self.config)]) == 0
        return {p.stem: list(csv.DictReader(io.StringIO(p.read_text()))) for p in out.glob("*.csv")}

    def tar(self) -> Path:
        """What the ranger's page gives a phone."""
        keys = [(number, rung) for _, number, rung, _ in self.outbox.undelivered(1000)]
        envelopes = {key: e for key in keys if (e := self.outbox.envelope(*key))}
        listed = [
            Listed(number=n, rung=r, size=len(e.body), sha256=hashlib.sha256(e.body).digest())
            for (n, r), e in envelopes.items()
        ]
        parcel = Parcel(TRAP, self.outbox.epoch, listed, NOW, lambda n, r: envelopes[n, r].encode())
        path = self.folder / parcel.name
        path.write_bytes(b"".join(parcel.read(0, parcel.size - 1)))
        return path


@pytest.fixture
def at_the_pass(tmp_path: Path) -> Iterator[Pass]:
    made = Pass(tmp_path)
    yield made
    made.outbox.close()
    made.store.close()


def check(tables: dict[str, list[dict[str, str]]]) -> None:
    (deployment,) = tables["deployments"]
    assert deployment["deploymentID"] == "Pass-right-7-20270115T0700"
    assert (deployment["latitude"], deployment["setupBy"]) == ("43.1", "A. Ivanova")
    (sample,) = tables["samples"]
    (seen,) = {row["observationID"]: row["eventID"] for row in tables["observations"]}.items()
    assert (sample["observationID"], sample["eventID"]) == seen
    assert {r["deploymentID"] for r in [*tables["observations"], sample]} == {deployment["deploymentID"]}


def test_a_card_goes_by_the_network_before_the_sighting_and_the_ranger_is_told(at_the_pass: Pass) -> None:
    card, sample = at_the_pass.save()
    network = Network(
        at_the_pass.broker.connect(str(TRAP), subscriptions(TRAP)), at_the_pass.outbox, bytes(BACKEND.verify_key)
    )
    assert [at_the_pass.notes.progress(n) for n in (card, sample)] == ["waiting", "waiting"]
    for step in range(1, 40):
        network.step(NOW + 100 * step)
        at_the_pass.ingest.step(100 * step, NOW + 100 * step)
    assert [at_the_pass.notes.progress(n) for n in (card, sample)] == ["delivered", "delivered"]
    check(at_the_pass.exported())


def test_what_a_phone_took_is_the_same_at_the_base(at_the_pass: Pass, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_pass.save()
    tar = at_the_pass.tar()
    for new in ("6 new, 0 doubles", "0 new, 6 doubles"):
        assert trapbase(["import", str(tar), "--config", str(at_the_pass.config)]) == 0
        assert new in capsys.readouterr().out
    check(at_the_pass.exported())


def test_a_stick_and_a_tar_of_it_bring_the_same(at_the_pass: Pass, capsys: pytest.CaptureFixture[str]) -> None:
    at_the_pass.save()
    config = at_the_pass.folder / "trapcam.toml"
    config.write_text(f'trap = {TRAP}\ndata = "{at_the_pass.folder}/trap"\n')
    stick = at_the_pass.folder / "stick"
    stick.mkdir()
    assert trapcam(["collect", "--config", str(config), "--to", str(stick)]) == 0
    with tarfile.open(at_the_pass.folder / "stick.tar", "w") as archive:
        archive.add(stick / "pugmark", "pugmark")
    assert trapbase(["import", str(at_the_pass.folder / "stick.tar"), "--config", str(at_the_pass.config)]) == 0
    assert trapbase(["import", str(stick), "--config", str(at_the_pass.config)]) == 0
    said = capsys.readouterr().out
    assert "6 new, 0 doubles" in said
    assert "0 new, 6 doubles" in said
    check(at_the_pass.exported())


def test_the_card_is_proved_at_import_without_a_start_of_ingest(at_the_pass: Pass) -> None:
    at_the_pass.notes.save(PLACED, (NOW, 320))
    trapbase(["import", str(at_the_pass.tar()), "--config", str(at_the_pass.config)])
    envelope = at_the_pass.outbox.envelope(1, NOTE)
    assert envelope is not None
    assert at_the_pass.store.cards_mark()[2] == 1
