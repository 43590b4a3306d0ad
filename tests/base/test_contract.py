"""The reference back end keeps to the contract as a document, `openapi.yaml`: seeded requests, good and bad, by
schemathesis; and the document keeps to the contract in words, and to what the base takes."""

import re
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

import trapbase
from tests.base.backend_server import Server, make_batch
from trapbase.results.answer import MOST, PREFIX, Result
from trapsim.backend_store import MAX_BATCH_BYTES
from trapwire.objects import PACK, RECEIPT, RUNG_NAMES
from trapwire.receipt import MAX_OBJECTS

FOLDER = Path(trapbase.__file__).parents[1]
WORDS = (FOLDER / "BACKEND.md").read_text()
DOCUMENT = yaml.safe_load((FOLDER / "openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
METHODS = ("get", "post", "head", "patch", "options", "put", "delete")


class Filled:
    """A back end that has something of everything; `ids`: what nobody would guess."""

    def __init__(self, folder: Path) -> None:
        self.server = Server(folder / "backend")
        self.server.start()
        batch_id, data, _ = make_batch(folder / "base")
        whole = self.server.create(batch_id, len(data))
        self.server.tus("PATCH", whole, data, Upload_Offset="0")
        begun = self.server.create("0" * 64, 1000)
        self.ids = {"batch_id": [batch_id], "upload": [p.rsplit("/", 1)[1] for p in (whole, begun)]}


@pytest.fixture
def filled(tmp_path: Path) -> Iterator[Filled]:
    filled = Filled(tmp_path)
    yield filled
    filled.server.stop()


@pytest.mark.filterwarnings("default")
def test_every_answer_is_as_the_document_says(
    filled: Filled, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # Here and not above: it takes a second to import, and every process of the suite reads this file.
    import schemathesis
    from schemathesis.cli import schemathesis as command

    real = {name: cycle([*ids, None]) for name, ids in filled.ids.items()}
    swapped: list[str] = []

    @schemathesis.serializer("application/offset+octet-stream")
    def piece(context: Any, value: Any) -> dict[str, Any]:
        return {"data": value if isinstance(value, bytes) else str(value).encode()}

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        """In most good requests, what is really there."""
        for name in case.path_parameters or {}:
            found = next(real[name]) if case.meta and case.meta.generation.mode.is_positive else None
            if found:
                case.path_parameters[name] = found
                swapped.append(name)

    monkeypatch.chdir(tmp_path)  # whatever it writes
    settings = str(Path(__file__).with_name("contract.toml"))
    arguments = ["--config-file", settings, "run", str(FOLDER / "openapi.yaml"), "--url", filled.server.url]
    try:
        code = command.main(arguments, standalone_mode=False)
    except SystemExit as ended:
        code = ended.code
    finally:
        schemathesis.hooks.unregister_all()
    said = capsys.readouterr().out
    assert code in (0, None), said
    operations = sum(method in METHODS for path in DOCUMENT["paths"].values() for method in path)
    assert f"Tested: {operations}" in said
    assert set(swapped) == set(filled.ids)


def test_both_contracts_name_the_same_paths() -> None:
    named = {
        (method, re.sub(r"<location>|\{upload\}", "/files/{}", re.sub(r"[<{]batch_id[>}]", "{}", path)))
        for method, path in re.findall(r"`(GET|POST|HEAD|PATCH|OPTIONS) (/[^`?,]+|<location>)", WORDS)
    }
    written = {
        (method.upper(), re.sub(r"\{\w+\}", "{}", path))
        for path, own in DOCUMENT["paths"].items()
        for method in own
        if method in METHODS
    }
    assert named == written


def test_both_contracts_name_the_same_words_of_a_result() -> None:
    table = WORDS.split("## Identifications")[1].split("\n## ")[0]
    named = re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)
    assert named == list(SCHEMAS["Identification"]["properties"])
    for status in ("204", "410"):
        assert status in table
        assert status in DOCUMENT["paths"]["/v1/identifications"]["get"]["responses"]


def test_the_document_has_the_bounds_of_the_programs() -> None:
    """What the base takes of a result, and what is signed, is what the document allows."""
    (fields,) = (msgspec.inspect.type_info(Result).fields,)  # type: ignore[attr-defined]
    own = SCHEMAS["Identification"]
    assert [f.name for f in fields] == list(own["properties"])
    assert [f.name for f in fields if f.required] == own["required"]
    text = {f.name: f.type for f in fields}
    for name in ("individualID", "scientificName", "classifiedBy"):
        kind = text[name]
        (length,) = {k.max_length for k in getattr(kind, "types", (kind,)) if hasattr(k, "max_length")}
        assert length == own["properties"][name]["maxLength"]
    asked = {p["name"]: p["schema"] for p in DOCUMENT["paths"]["/v1/identifications"]["get"]["parameters"]}
    assert asked["limit"]["maximum"] == SCHEMAS["Page"]["properties"]["results"]["maxItems"] == MOST
    signature = DOCUMENT["paths"]["/v1/identifications"]["get"]["responses"]["200"]["headers"]["Pugmark-Signature"]
    assert PREFIX[:-1].decode() in signature["description"]
    created = {p.get("name"): p.get("schema") for p in DOCUMENT["paths"]["/files"]["post"]["parameters"]}
    assert created["Upload-Length"]["maximum"] == MAX_BATCH_BYTES
    objects = SCHEMAS["Receipts"]["properties"]["receipts"]["items"]["properties"]["objects"]
    assert objects["maxItems"] == MAX_OBJECTS
    assert objects["items"]["properties"]["rung"]["maximum"] == max(
        r for r, n in RUNG_NAMES.items() if r not in (RECEIPT, PACK)
    )
