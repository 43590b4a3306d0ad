"""`trapcam health`: how good are the health checks on pictures of one camera that stood still? Tables and a sheet.

The pictures, in the order of their names, are taken for one scene a day. What the checks say of them as they are is a
false alarm, unless the picture shows it: those are named, to be looked at. Then spoilt ones take the place of the next
pictures, at every few places of the row, and what is found of them is counted.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from PIL import ImageDraw, UnidentifiedImageError

from trapcam.health.look import Look, look_at
from trapcam.health.spoil import SPOILT
from trapcam.health.verdicts import Health, Limits, judge_scene
from trapkit.errors import SetupError
from trapwire.notes import LAMP_FAILED, LOOKS_ELSEWHERE, OBSCURED

Image = npt.NDArray[np.uint8]
NIGHT_MEAN = 50.0  # grey value below which a picture is a night's, by flash: no picture of noon
FIRST, EVERY = 15, 4  # where spoilt pictures begin: after the first two weeks, and how often
INSIDE = 0.8  # of the picture is the scene: so a shifted one shows what lay beside it
WEEK = 7  # looks within which a moved camera is to be found
MOST_PIXELS = 40_000_000
MOST_PICTURES = 20_000
# right and down in shares of the picture, clockwise in degrees; the first is within the bound, and no alarm
MOVES = {
    "4 % right": (0.04, 0.0, 0.0),
    "10 % right": (0.10, 0.0, 0.0),
    "10 % down": (0.0, 0.10, 0.0),
    "9 % left, 6 % down": (-0.09, 0.06, 0.0),
    "7° turned": (0.0, 0.0, 7.0),
    "12 % right, 5° turned": (0.12, 0.0, 5.0),
}


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One picture: its name, the whole of it, and the look of its inside."""

    name: str
    whole: Pictures.Image
    look: Look


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Register the subcommand."""
    parser = subparsers.add_parser("health", help="how good are the checks of lens, lamp and view on real pictures?")
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="pictures of one camera, in order")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="for health.md, health.json, health.png")
    parser.add_argument(
        "--strip", type=float, default=7.0, metavar="PERCENT", help="cut off at top and bottom: a camera's text (7)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Measure and write.  Raises: SetupError."""
    if not 0 <= args.strip <= 30:
        raise SetupError(f"--strip {args.strip:g}: allowed is 0–30 percent")
    shots = list(_shots(args.images, args.strip / 100))
    days = [shot for shot in shots if shot.look.mean >= NIGHT_MEAN]
    nights = [shot for shot in shots if shot.look.mean < NIGHT_MEAN]
    if len(days) <= FIRST + EVERY:
        raise SetupError(f"--images {args.images}: {len(days)} pictures by day, more than {FIRST + EVERY} are needed")
    figures = measure(days, nights, Limits())
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "health.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    (args.out / "health.md").write_text(page(figures))
    sheet(days).save(args.out / "health.png")
    print(f"trapcam: {args.out}: health.md, health.json, health.png", file=sys.stderr)
    return 0


def _shots(folder: Path, strip: float) -> Iterator[Shot]:
    if not folder.is_dir():
        raise SetupError(f"--images {folder}: is no folder")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if len(paths) > MOST_PICTURES:
        raise SetupError(f"--images {folder}: {len(paths)} pictures, allowed are {MOST_PICTURES}")
    for path in paths:
        try:
            with Pictures.open(path) as opened:
                if opened.width * opened.height > MOST_PIXELS or min(opened.size) < 64:
                    raise SetupError(
                        f"{path}: {opened.width}×{opened.height} pixels, allowed are 64 a side to 40 million"
                    )
                picture = opened.convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise SetupError(f"{path}: cannot be read as a picture: {error}") from error
        high = picture.height
        whole = picture.crop((0, round(high * strip), picture.width, high - round(high * strip)))
        yield Shot(name=path.name, whole=whole, look=look_at(view(whole)))


def view(whole: Pictures.Image, right: float = 0.0, down: float = 0.0, turned: float = 0.0) -> Image:
    """The inside of a picture as a camera sees it that was moved so that the scene lies further right, down, turned."""
    wide, high = whole.width * INSIDE, whole.height * INSIDE
    left, top = (whole.width - wide) / 2 - right * wide, (whole.height - high) / 2 - down * high
    turned_whole = whole.rotate(-turned, Pictures.Resampling.BICUBIC) if turned else whole
    size = (round(wide), round(high))
    box = (left, top, left + wide, top + high)
    return np.asarray(turned_whole.transform(size, Pictures.Transform.EXTENT, box, Pictures.Resampling.BILINEAR))


def measure(days: list[Shot], nights: list[Shot], limits: Limits) -> dict[str, object]:
    """What the checks say of the pictures as they are, and spoilt."""
    health = Health(limits)
    obscured, moved, recognised, strange = [], [], 0, 0
    hits: dict[str, list[bool]] = {}
    for place, shot in enumerate(days):
        verdict = judge_scene(shot.look, health.references, limits)
        recognised += verdict.shift is not None
        strange += verdict.shift is None and not verdict.obscured
        if verdict.obscured:
            obscured.append(shot.name)
        if health.see(shot.look, 0, is_scene=True):
            moved.append(shot.name)
        if place >= FIRST and place % EVERY == 0 and place + WEEK < len(days):
            for kind, found in _spoilt(health, days[place + 1 :], limits):
                hits.setdefault(kind, []).append(found)
    return {
        "pictures_by_day": len(days),
        "pictures_by_night": len(nights),
        "recognised": recognised,
        "unrecognised": strange,
        "single_looks_obscured": obscured,
        "alarms_moved": moved,
        "night_pictures_black": sum(shot.look.bright < limits.black for shot in nights),
        "found": {kind: [sum(each), len(each)] for kind, each in hits.items()},
        "limits": {name: getattr(limits, name) for name in limits.__dataclass_fields__},
    }


def _spoilt(health: Health, ahead: list[Shot], limits: Limits) -> Iterator[tuple[str, bool]]:
    """What is found when the next pictures are spoilt, after as many of them as the verdict takes."""
    for kind, spoil in SPOILT.items():
        later, reason = health.copy(), LAMP_FAILED if kind == "dark" else OBSCURED
        for seed, shot in enumerate(ahead[: limits.after_looks]):
            later.see(look_at(spoil(view(shot.whole), seed)), 0, is_scene=kind != "dark")
        yield kind, bool(later.reasons & reason)
    for kind, (right, down, turned) in MOVES.items():
        later = health.copy()
        for shot in ahead[:WEEK]:
            later.see(look_at(view(shot.whole, right, down, turned)), 0, is_scene=True)
        yield kind, bool(later.reasons & LOOKS_ELSEWHERE)


def page(figures: dict[str, object]) -> str:
    """The figures as a table."""
    found = figures["found"]
    limits = figures["limits"]
    assert isinstance(found, dict)
    assert isinstance(limits, dict)
    obscured, moved = figures["single_looks_obscured"], figures["alarms_moved"]
    assert isinstance(obscured, list)
    assert isinstance(moved, list)
    rows = [
        "# The health checks, measured",
        "",
        f"By `trapcam health` over {figures['pictures_by_day']} pictures by day and {figures['pictures_by_night']} by "
        "night of one camera that stood still; each picture by day stands for one day's scene, in whatever light.",
        "",
        "| as they are | |",
        "|---|---|",
        f"| alarms that the camera was moved | {len(moved)} |",
        f"| recognised as the scene | {figures['recognised']} |",
        f"| not recognised (another light or season): nothing is said | {figures['unrecognised']} |",
        f"| single looks that count as obscured | {len(obscured)}: {', '.join(obscured) or 'none'} |",
        f"| pictures by night that count as black | {figures['night_pictures_black']} |",
        "",
        f"Spoilt pictures, {limits['after_looks']} in a row; moved ones for {WEEK} looks, of which "
        f"{limits['after_moved']} must say the same; how often that was found:",
        "",
        "| spoilt | found |",
        "|---|---|",
    ]
    rows += [f"| {kind} | {hits} of {of} |" for kind, (hits, of) in found.items()]
    return "\n".join(rows) + "\n"


def sheet(days: list[Shot]) -> Pictures.Image:
    """Three pictures as they are and spoilt in every way, to be looked at."""
    wide, high = 160, 120
    chosen = [days[at] for at in (0, len(days) // 2, len(days) - 1)]
    kinds = ["as it is", *SPOILT, *MOVES]
    made = Pictures.new("RGB", (len(kinds) * wide, len(chosen) * (high + 14)), "white")
    draw = ImageDraw.Draw(made)
    for row, shot in enumerate(chosen):
        inside = view(shot.whole)
        shown = [inside, *(spoil(inside, row) for spoil in SPOILT.values())]
        shown += [view(shot.whole, *move) for move in MOVES.values()]
        for column, (kind, image) in enumerate(zip(kinds, shown, strict=True)):
            at = (column * wide, row * (high + 14))
            made.paste(Pictures.fromarray(image).resize((wide, high)), at)
            draw.text((at[0] + 2, at[1] + high), kind, fill="black")
    return made
