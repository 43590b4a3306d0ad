"""The lines to paste of basestation/README.md, into files.  usage: paste.py FOLDER"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def blocks(heading: str) -> list[str]:
    """What stands in a section to be pasted into a shell."""
    text = (ROOT / "basestation/README.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    with_internet, from_stick, start = blocks("A machine of its own")
    set_up = blocks("Set up")[0]
    for name, text in (("from-stick", from_stick), ("start", start), ("set-up", set_up)):
        (folder / name).write_text(text)
