"""An operator, a base and a trap, and what `trapship provision` lays onto their cards.  usage: provision.py FOLDER"""

import sys
from pathlib import Path

from PIL import Image

from trapship.cli import main


def made(*arguments: str) -> None:
    """One command of trapship; anything but 0 ends this."""
    if code := main(list(arguments)):
        sys.exit(code)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    secret = folder / "passphrase"
    secret.write_text("three snow leopards on a ridge\n")
    operator, given = folder / "operator", ["--passphrase-file", str(secret)]
    for name in ("papers", "base-card", "card"):
        (folder / name).mkdir()
    papers = ["--papers", str(folder / "papers")]
    made("init", str(operator), *given)
    made(
        "provision", "base", str(operator), "--number", "1", "--name", "north", "--country", "RU", "--region", "ru864",
        "--zone", "Asia/Vladivostok", "--out", str(folder / "base-card"), *papers, *given,
    )  # fmt: skip
    made(
        "provision", "trap", str(operator), "--number", "7", "--station", "S001", "--side", "left",
        "--camera", "replay", "--place", "43.1", "131.4", "--out", str(folder / "card"), *papers, *given,
    )  # fmt: skip
    (folder / "pictures").mkdir()
    Image.new("RGB", (640, 480), "gray").save(folder / "pictures" / "1.png")
