"""What lies in a folder of pictures and videos (names only)."""

from pathlib import Path

PICTURES = (".jpg", ".jpeg", ".png")
VIDEOS = (".avi", ".mp4", ".mov")  # what camera traps write
SUFFIXES = PICTURES + VIDEOS
MAX_FILES = 200_000  # their names are held in memory: about 20 MB
MAX_VIDEOS = 2_000  # each head is read at the start: 0.3–3 ms on a PC; a Pi at a twentieth needs two minutes


def is_video(name: str) -> bool:
    """Whether a name is a video's."""
    return Path(name).suffix.lower() in VIDEOS


def counted(pictures: int, videos: int, left_out: int) -> str:
    """How many of what lie in a folder, in words."""
    words = [f"{pictures} picture{'s' * (pictures != 1)}"]
    if videos:
        words.append(f"{videos} video{'s' * (videos != 1)}")
    if left_out:
        words.append(f"{left_out} other file{'s' * (left_out != 1)} left out")
    return ", ".join(words)


def list_folder(folder: Path) -> tuple[list[str], int]:
    """The names that a replay takes, in order, and how many other files it leaves out.  Raises: OSError."""
    names, left_out = [], 0
    for path in folder.iterdir():
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() in SUFFIXES:
            names.append(path.name)
        else:
            left_out += 1
    return sorted(names), left_out
