"""`python -m train --images DIR --out DIR`: from a folder with a manifest to a quantised detector with its papers."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from . import data, manifests

HERE = Path(__file__).parent


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    parser.add_argument("--images", type=Path, required=True, metavar="DIR", help="the pictures")
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="what they show: MegaDetector's JSON, or COCO's (default: manifest.csv in DIR)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where feline.tflite and its papers go")
    parser.add_argument("--start", type=Path, required=True, metavar="FILE", help="MobileNetV2-1.0 int8 (.tflite)")
    parser.add_argument("--proposer", type=Path, required=True, metavar="FILE", help="FastestDet's COCO weights (.pth)")
    parser.add_argument("--work", type=Path, default=Path(".train"), metavar="DIR", help="checkpoints and log")
    parser.add_argument("--splits", type=Path, default=HERE / "splits.toml", metavar="FILE")
    parser.add_argument("--epochs", type=int, default=14, help="of 200 steps of 32 pictures (default 14)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --work")
    parser.add_argument("--export-only", action="store_true", help="quantise and describe the last checkpoint")
    parser.add_argument(
        "--last-lesson", action="store_true", help="then learn from the test's pictures too, and write that net instead"
    )
    return parser.parse_args()


def main() -> int:
    """Train, quantise, evaluate, write. Returns the exit code."""
    args = _arguments()
    try:
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
    except (data.DataError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    parts = data.split(pictures, args.splits)
    for name in ("train", "validation"):
        groups = {p.class_index == 0 for p in parts[name]}
        if groups != {True, False}:
            missing = "cats" if True not in groups else "pictures without cats"
            print(f"train: no {missing} among the {len(parts[name])} pictures for {name}: more sequences or sources "
                  "are needed, or other rules (--splits)", file=sys.stderr)  # fmt: skip
            return 1
    # TensorFlow takes seconds to load: not before the folder is known to be good.
    from . import export, fastestdet, net, propose, train

    train.set_threads(args.threads)
    held_out = parts["validation"] + parts["test"]
    prints = {name: data.fingerprint(value) for name, value in pixels.items()}
    before = len(parts["train"])
    parts["train"] = data.drop_copies(parts["train"], held_out, prints)
    print(f"{before - len(parts['train'])} training pictures dropped: copies of held-out ones", file=sys.stderr)
    state = fastestdet.read_state_dict(args.proposer)
    parts["train"] = propose.people_and_vehicles(parts["train"], pixels, state)
    start = net.read_tflite(args.start)
    print({name: len(part) for name, part in parts.items()}, file=sys.stderr)
    settings = train.Settings(
        epochs=args.epochs,
        cycle_epochs=args.epochs,
        frozen_from=args.epochs * train.Settings.steps_per_epoch // 2,
        seed=args.seed,
        threads=args.threads,
    )
    how = {"resume": args.resume or args.export_only, "learn": not args.export_only}
    model = train.run(settings, parts, pixels, start, args.work, **how)
    learned = [(model, parts, args.work / "measured" if args.last_lesson else args.out, asdict(settings))]
    if args.last_lesson:
        # What was left out to be measured is too good to be left out for good; but then nobody can measure the result
        # on it. The validation pictures stay apart; the thresholds are chosen on them.
        apart = data.drop_copies(parts["test"], parts["validation"], prints)
        known = propose.people_and_vehicles(apart, pixels, state)
        everything = {"train": parts["train"] + known, "validation": parts["validation"]}
        last = train.last_lesson(settings)
        shipped = train.run(last, everything, pixels, start, args.work / "last", begin=model, **how)
        learned.append((shipped, everything, args.out, {**asdict(settings), "last_lesson_epochs": last.epochs}))
    figures = [
        export.write(net_, its_parts, pixels, args.images, out, how_, args.start.name)
        for net_, its_parts, out, how_ in learned
    ]
    if args.last_lesson:
        both = {"shipped": figures[1], "left_out": figures[0]}
        (args.out / "figures.json").write_text(json.dumps(both, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
