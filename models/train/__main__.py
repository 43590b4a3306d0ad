"""`python -m train --images DIR --out DIR`: from a folder with a manifest to a quantised detector with its papers."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from . import data, prepare, recipe


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train", description=__doc__)
    prepare.add_arguments(parser, ".train")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where feline.tflite and its papers go")
    parser.add_argument("--epochs", type=int, default=14, help="of 200 steps of 32 pictures (default 14)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in --work")
    parser.add_argument("--export-only", action="store_true", help="quantise and describe the last checkpoint")
    parser.add_argument(
        "--last-lesson", action="store_true", help="then learn from the test's pictures too, and write that net instead"
    )
    parser.add_argument(
        "--without", action="append", default=[], choices=recipe.NAMES, metavar="LEVER",
        help=f"leave a part of the recipe out, to measure it; may be repeated: {', '.join(recipe.NAMES)}",
    )  # fmt: skip
    return parser.parse_args()


def main() -> int:
    """Train, quantise, evaluate, write. Returns the exit code."""
    args = _arguments()
    try:
        material = prepare.material(args)
    except (data.DataError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)
        return 1
    from . import export, propose, train

    parts, pixels, start = material.parts, material.pixels, material.start
    left_out = tuple(name for name in recipe.NAMES if name in args.without)
    settings = train.whole(train.Settings(epochs=args.epochs, seed=args.seed, threads=args.threads, without=left_out))
    how = {"resume": args.resume or args.export_only, "learn": not args.export_only}
    model = train.run(settings, parts, pixels, start, args.work, **how)
    learned = [(model, parts, args.work / "measured" if args.last_lesson else args.out, asdict(settings))]
    if args.last_lesson:
        # What was left out to be measured is too good to be left out for good; but then nobody can measure the result
        # on it. The validation pictures stay apart; the thresholds are chosen on them.
        apart = data.drop_copies(parts["test"], parts["validation"], material.prints)
        known = propose.people_and_vehicles(apart, pixels, material.proposer)
        everything = {"train": parts["train"] + known, "validation": parts["validation"]}
        last = train.last_lesson(settings)
        shipped = train.run(last, everything, pixels, start, args.work / "last", begin=model, **how)
        learned.append((shipped, everything, args.out, {**asdict(settings), "last_lesson_epochs": last.epochs}))
    figures = [
        export.write(net_, its_parts, pixels, args.images, out, how_, material.start_name)
        for net_, its_parts, out, how_ in learned
    ]
    if args.last_lesson:
        both = {"shipped": figures[1], "left_out": figures[0]}
        (args.out / "figures.json").write_text(json.dumps(both, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
