"""`trapcam update --from`: a question to the running trap, and what it answers, as two files in the slots' folder.

Each asking has a mark of its own, so that an answer belongs to one question. The question stays: its folder is looked
at whenever the others are.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trapcam.updating.taking import Found, Taking
from trapkit.files import make_folder, write_atomically
from trapkit.update import reasons

ASKED, ANSWERED = "asked", "answered"  # in ROOT
LOOKS, TAKES, TAKEN, NOTHING, WAITS, REFUSED = "looks", "takes", "taken", "nothing-newer", "waits", "refused"
GO_ON = (LOOKS, TAKES)  # all others are an end
NO_ROOT = Found(
    code="no-source",
    words="key 'update.trusted' names no root metadata: this trap was provisioned without updates, and takes none",
    waits=False,
)
MAX_BYTES = 8192  # of either: a path has at most 4,096


@dataclass(frozen=True, kw_only=True)
class Question:
    """folder: which is to be looked at, absolute; mark: tells one asking from another."""

    folder: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class Answer:
    """outcome: one of those above; code: of `reasons`, or ""; words: for a person."""

    mark: str
    outcome: str
    release: str = ""
    code: str = ""
    words: str = ""


def ask(root: Path, folder: Path) -> Question:
    """Leave the question for the running trap.  Raises: OSError."""
    question = Question(folder=str(folder.resolve()), mark=os.urandom(8).hex())
    make_folder(root, 0o755)
    write_atomically(root / ASKED, f"{question.folder}\n{question.mark}\n".encode())
    return question


def asked(root: Path) -> Question | None:
    """The question that lies there; None where there is none that can be read."""
    try:
        with (root / ASKED).open("rb") as file:
            folder, _, mark = file.read(MAX_BYTES).decode().rstrip("\n").partition("\n")
    except (OSError, UnicodeDecodeError):
        return None
    return Question(folder=folder, mark=mark) if folder else None


def leave(root: Path, said: Answer) -> None:
    """Leave an answer.  Raises: OSError."""
    write_atomically(root / ANSWERED, json.dumps(asdict(said), sort_keys=True).encode())


def answered(root: Path) -> Answer | None:
    """The last answer; None where there is none that can be read."""
    try:
        with (root / ANSWERED).open("rb") as file:
            told = json.loads(file.read(MAX_BYTES))
        return Answer(**{field.name: str(told[field.name]) for field in fields(Answer)})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def said_of(question: Question, seen: Mapping[str, Found], code: str) -> Answer | None:
    """What a look came to for the folder that was asked for; None where that was not looked at.

    seen: what each source gave, by its name; code: why the updater does not take the release that was found, or "".
    """
    found = seen.get(question.folder)
    if found is None:
        return None
    mark = question.mark
    if found.offered is None:
        if not found.code:
            return Answer(mark=mark, outcome=NOTHING, words="nothing newer than what it runs lies there")
        outcome = WAITS if found.waits else REFUSED
        return Answer(mark=mark, outcome=outcome, code=found.code, words=found.words or reasons.words(found.code))
    release = found.offered.release.release
    if not code:
        return Answer(mark=mark, outcome=TAKES, release=release, words=f"{release} is written onto the card")
    if code == "runs-already":
        return Answer(mark=mark, outcome=NOTHING, release=release, words=f"it runs {release} already")
    outcome = WAITS if code in reasons.PERMITTING else REFUSED
    return Answer(mark=mark, outcome=outcome, release=release, code=code, words=f"{release}: {reasons.words(code)}")


class Desk:
    """Looks, and answers who asked for one (`trapcam update --from`).  taking: None where no root is named."""

    def __init__(self, root: Path, taking: Taking | None) -> None:
        self._root = root
        self._taking = taking
        self._question: Question | None = None
        self._release = ""

    def mark(self) -> str:
        """Of the question that lies there, or ""."""
        question = asked(self._root)
        return question.mark if question else ""

    def begin(self) -> None:
        """A look begins."""
        question = asked(self._root)
        last = answered(self._root)
        done = question and last and last.mark == question.mark and last.outcome not in GO_ON
        self._question, self._release = None if done else question, ""  # a later look is nobody's answer
        if self._question:
            self._say(Answer(mark=self._question.mark, outcome=LOOKS))

    def answer(self, code: str) -> None:
        """A look has ended; code: as in `said_of`."""
        if self._question is None:
            return
        seen = self._taking.seen if self._taking else {self._question.folder: NO_ROOT}
        said = said_of(self._question, seen, code)
        if said is None and (Path(self._question.folder) / "metadata").is_dir():
            return  # what came by radio goes first; the next look is for this
        if said is None:
            gone = Found(code="no-source", words=f"{self._question.folder}: no release lies there")
            said = said_of(self._question, {self._question.folder: gone}, code)
        assert said is not None
        self._release = said.release
        if said.outcome != TAKES:
            self._question = None
        self._say(said)

    def ended(self, code: str, passing: bool) -> None:
        """The release is on the card, or does not come there for `code`; passing: it is tried again."""
        if self._question is None or not self._release:
            return
        words = f"{self._release}: {reasons.words(code)}" if code else f"{self._release} is on the card"
        outcome = (WAITS if passing else REFUSED) if code else TAKEN
        said = Answer(mark=self._question.mark, outcome=outcome, release=self._release, code=code, words=words)
        self._question = None
        self._say(said)

    def _say(self, said: Answer) -> None:
        with suppress(OSError):  # who asked is told that no answer came
            leave(self._root, said)
