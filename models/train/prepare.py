"""From a folder of labelled pictures to all that training needs; what `train` and `train.levers` begin with."""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from . import data, manifests

HERE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class Material:
    """Pictures by split (`train` without copies of held-out ones, with boxes for people and vehicles), their pixels
    and hashes by file, the published net's weights, and FastestDet's."""

    images: Path
    parts: dict[str, list[data.Picture]]
    pixels: data.Pixels
    prints: dict[str, int]
    start: list[tuple[np.ndarray, np.ndarray]]
    start_name: str
    proposer: dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser, work: str) -> None:
    """What says which pictures and weights to use, and how many threads."""
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the pictures")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="what they show: MegaDetector's JSON, or COCO's (default: manifest.csv in DIR)",
    )
    parser.add_argument("--start", type=Path, required=True, metavar="FILE", help="MobileNetV2-1.0 int8 (.tflite)")
    parser.add_argument("--proposer", type=Path, required=True, metavar="FILE", help="FastestDet's COCO weights (.pth)")
    parser.add_argument("--work", type=Path, default=Path(work), metavar="DIR", help="checkpoints and log")
    parser.add_argument("--splits", type=Path, default=HERE / "splits.toml", metavar="FILE")
    parser.add_argument("--threads", type=int, default=2)


def material(args: argparse.Namespace) -> Material:
    """Read what `add_arguments` asked for.  Raises: data.DataError and OSError that name the file."""
    if args.manifest is None or args.manifest.suffix == ".csv":
        pictures, unknown = data.load_manifest(args.images, args.manifest), 0
    else:
        pictures, unknown = manifests.load_json(args.manifest)
    if unknown:
        print(f"{unknown} pictures left out: nothing says which animal they show", file=sys.stderr)
    if not pictures:
        raise data.DataError(f"{args.manifest or args.images}: no picture to learn from")
    print(f"reading {len(pictures)} pictures", file=sys.stderr)
    args.work.mkdir(parents=True, exist_ok=True)
    pixels = data.read_all(args.images, pictures, args.work / "pixels")
    parts = data.split(pictures, args.splits)
    for name in ("train", "validation"):
        groups = {p.class_index == 0 for p in parts[name]}
        if groups != {True, False}:
            missing = "cats" if True not in groups else "pictures without cats"
            raise data.DataError(
                f"no {missing} among the {len(parts[name])} pictures for {name}: more sequences or sources are needed, "
                "or other rules (--splits)"
            )
    # TensorFlow takes seconds to load: not before the folder is known to be good.
    from . import fastestdet, net, propose, train

    train.set_threads(args.threads)
    prints = {name: data.fingerprint(value) for name, value in pixels.items()}
    before = len(parts["train"])
    parts["train"] = data.drop_copies(parts["train"], parts["validation"] + parts["test"], prints)
    print(f"{before - len(parts['train'])} training pictures dropped: copies of held-out ones", file=sys.stderr)
    state = fastestdet.read_state_dict(args.proposer)
    parts["train"] = propose.people_and_vehicles(parts["train"], pixels, state)
    print({name: len(part) for name, part in parts.items()}, file=sys.stderr)
    return Material(
        images=args.images, parts=parts, pixels=pixels, prints=prints, start=net.read_tflite(args.start),
        start_name=args.start.name, proposer=state,
    )  # fmt: skip
