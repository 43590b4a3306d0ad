"""Results as a back end says them, and one that says whatever a test wants."""

import json
from typing import Any

from tests.base.parts import EPOCH, SIGNING, UPLOAD
from trapbase.config import UploadSettings
from trapbase.outlet import OutletError
from trapbase.results.answer import PREFIX
from trapkit.sealing import sign

KEY = bytes(SIGNING.verify_key)
CATS = UploadSettings(
    retry_min_s=1, retry_max_s=600, identifications_s=60, public_key="keys/backend.pub", url=UPLOAD.url
)
Said = dict[str, Any]


def said(name: str, number: int = 1, **more: Any) -> Said:
    """A whole result about trap 1's sighting `number`."""
    return {
        "result_id": name, "observationID": f"1-{EPOCH:08x}-{number}", "individualID": "T-12 Elduga",
        "scientificName": "Panthera tigris", "sex": "female", "lifeStage": "adult", "classificationMethod": "machine",
        "classifiedBy": "HotSpotter 2.1", "classificationTimestamp": "2025-11-21T01:05:00Z",
        "classificationProbability": 0.97, "replaces": None, "withdrawn": False,
    } | more  # fmt: skip


def page(results: list[Any], after: str = "", next_: str = "c1", *, more: bool = False) -> bytes:
    return json.dumps({"after": after, "next": next_, "more": more, "results": results}).encode()


def signed(body: bytes, seed: bytes = bytes(SIGNING)) -> tuple[bytes, str]:
    return body, sign(seed, PREFIX + body).hex()


class Source:
    """A back end by a script: a function from the cursor to an answer; `asked`: the cursors."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, tuple[bytes, str] | None] = {}
        self.status = 0

    def identifications(self, after: str, limit: int) -> tuple[bytes, str] | None:
        self.asked.append(after)
        if self.status:
            raise OutletError(f"back end: asking was answered with {self.status}", status=self.status)
        return self.answers.get(after)

    def pages(self, *pages: list[Any]) -> None:
        """These pages one after the other, each under the cursor of the one before."""
        cursors = ["", *(f"c{n}" for n in range(1, len(pages) + 1))]
        for n, results in enumerate(pages):
            body = page(results, cursors[n], cursors[n + 1], more=n + 1 < len(pages))
            self.answers[cursors[n]] = signed(body)
