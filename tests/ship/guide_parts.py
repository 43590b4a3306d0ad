"""The engineers' guide as lines to run: its fenced blocks, in their order."""

import re
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[2] / "deploy" / "guide-engineer.md"
_BLOCK = re.compile(r"^```(sh|toml)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_HERE = re.compile(r"<<'(\w+)'$")


# Sections whose commands another test runs, each in its own order.
ELSEWHERE = {
    "Releases": "ship/test_release_commands.py",
    "A unit updates itself": "cam/test_guide_updates.py",
    "A Debian becomes a trap, or a base": "ship/test_machine.py",
}


def blocks() -> list[tuple[str, str]]:
    """(language, text) of every fenced block outside of `ELSEWHERE`'s; one without a language is "sh"."""
    sections = GUIDE.read_text().split("\n## ")
    text = "\n## ".join(part for part in sections if part.partition("\n")[0] not in ELSEWHERE)
    return [(language or "sh", found) for language, found in _BLOCK.findall(text)]


def commands(text: str) -> list[str]:
    """A block's commands, each whole: a line, or with the lines that it reads."""
    found: list[str] = []
    end = ""
    for line in text.splitlines():
        if end:
            found[-1] += f"\n{line}"
            end = "" if line == end else end
        elif line.strip():
            found.append(line)
            here = _HERE.search(line)
            end = here[1] if here else ""
    return found


def flash_lines() -> list[str]:
    """Those that need a board: run by test_flash.py, on the tests' own."""
    needs = ("trapship flash ", "trapship doctor ")
    return [
        line for language, text in blocks() if language == "sh" for line in commands(text) if line.startswith(needs)
    ]
