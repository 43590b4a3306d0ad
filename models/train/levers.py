"""`python -m train.levers --images DIR --out FILE`: what each part of the recipe brings, measured by leaving it out.

Every run is short, of the same steps and seed; the full recipe is run with each of the seeds, and how far those lie
apart is the noise that a lever's figure must be read with. What has run (`scores.json` in its folder of --work) is not
run again, and the table is written anew after each run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from . import data, lever_table, prepare, recipe

MEASURED = ("validation", "test")
SIZES = (160, 224)  # pixels a side, beside what the net was trained at
Scores = dict[str, list[float]]  # of each split, the feline score of each picture


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m train.levers", description=__doc__)
    prepare.add_arguments(parser, ".train/levers")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the table (.md); .json beside it")
    parser.add_argument("--steps", type=int, default=600, help="of each run, of 32 pictures (100–10000, default 600)")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[1, 2], help="of the full recipe; the levers have the first"
    )
    parser.add_argument(
        "--only", action="append", choices=recipe.NAMES, metavar="LEVER",
        help="this lever, not all; may be repeated, the first one first",
    )  # fmt: skip
    parser.add_argument(
        "--trained", type=Path, metavar="DIR",
        help="the --work of `python -m train`: size, colour, rounding and second look are measured on its net",
    )  # fmt: skip
    args = parser.parse_args()
    if not 100 <= args.steps <= 10_000:
        parser.error(f"--steps {args.steps}: 100 to 10000 are allowed")
    if len(set(args.seeds)) < len(args.seeds):
        parser.error("--seeds: one is named twice")
    if args.trained is not None and not (args.trained / "checkpoints" / "checkpoint").is_file():
        parser.error(f"--trained {args.trained}: has no checkpoints")
    return args


def main() -> int:
    """Run what has not run yet, and write the table. Returns the exit code."""
    args = _arguments()
    try:
        material = prepare.material(args)
        lever_rows: list[lever_table.Run] = []
        net_rows: list[lever_table.Run] = []
        for row in _same_net(args, material) if args.trained else ():  # first: minutes each, and no luck in them
            net_rows.append(row)
            lever_table.write(args.out, material.parts, lever_rows, net_rows)
        for row in _learned(args, material):
            lever_rows.append(row)
            lever_table.write(args.out, material.parts, lever_rows, net_rows)
    except (data.DataError, OSError) as error:
        print(f"train.levers: {error}", file=sys.stderr)
        return 1
    return 0


def _learned(args: argparse.Namespace, material: prepare.Material) -> Iterator[lever_table.Run]:
    """The full recipe with each seed, then without each lever."""
    import keras

    from . import train

    first = args.seeds[0]
    plan = [*((seed, ()) for seed in args.seeds), *((first, (lever,)) for lever in args.only or recipe.NAMES)]
    for seed, left_out in plan:
        # Shares of the steps as in the long recipe: a fourteenth for the head alone.
        short = train.Settings(
            epochs=1, steps_per_epoch=args.steps, head_only_steps=args.steps // 14, seed=seed, threads=args.threads,
            without=left_out,
        )  # fmt: skip
        settings = train.whole(short)
        if settings.frozen_from < args.steps:
            # So few steps change the first blocks little and would take twice the time with them. Not so by lot.
            settings = dataclasses.replace(settings, frozen_from=0)
        name = "-".join(["without", *left_out] if left_out else ["full", str(seed)])
        folder = args.work / name

        def score(settings: Any = settings, folder: Path = folder) -> Scores:
            keras.backend.clear_session()  # the net before would stay in memory
            model = train.run(
                settings, material.parts, material.pixels, material.start, folder, resume=True, watch=False
            )
            return _trap(_pack(model, material, folder, settings), material)

        told = {k: v for k, v in dataclasses.asdict(settings).items() if k not in ("threads", "save_every_s")}
        found = _once(folder, told, material, score)
        what = f"without {recipe.LEFT_OUT[left_out[0]]}" if left_out else f"the full recipe, seed {seed}"
        yield lever_table.Run(name=name, what=what, against="full-" + str(first), **found)


def _same_net(args: argparse.Namespace, material: prepare.Material) -> Iterator[lever_table.Run]:
    """One net, looked at in other ways."""
    from . import evaluate, net, quantise, train

    settings = train.Settings()
    model = train.run(settings, material.parts, material.pixels, material.start, args.trained, resume=True, learn=False)

    def at_size(size: int) -> Any:
        other = net.build(size, len(data.CLASSES))
        other.set_weights(model.get_weights())
        return other

    def first_look(outputs: Any) -> Scores:
        return {
            part: evaluate.scores(outputs, settings.size, material.parts[part], material.pixels)[:, 0].tolist()
            for part in MEASURED
        }

    folder = args.work / "same-net"
    packed = _pack(model, material, folder / "both", settings)
    ways: list[tuple[str, str, str, Callable[[], Scores]]] = [
        ("both", "int8, both looks", "both", lambda: _trap(packed, material)),
        ("grey", "pictures made grey", "both", lambda: _trap(packed, material, evaluate.grey)),
        *(
            (f"size-{size}", f"{size} × {size} pixels, not trained for", "both",
             lambda size=size: _trap(_pack(at_size(size), material, folder / f"size-{size}", settings), material))
            for size in SIZES
        ),
        ("one-look", "no second look", "both",
         lambda: _trap(_pack(model, material, folder / "one-look", settings, second_look=False), material)),
        ("int8-first", "int8, first look, small copies of the pictures", "both",
         lambda: first_look(quantise.tflite_outputs(packed))),
        ("float-first", "float, first look, the same small copies", "int8-first",
         lambda: first_look(evaluate.keras_outputs(model))),
    ]  # fmt: skip
    for name, what, against, score in ways:
        found = _once(folder / name, {"size": settings.size, "trained": args.trained.name}, material, score)
        yield lever_table.Run(name=name, what=what, against=against, **found)


def _pack(model: Any, material: prepare.Material, folder: Path, settings: Any, *, second_look: bool = True) -> Path:
    from . import export

    about = dataclasses.asdict(settings)
    return export.pack(
        model, material.parts, material.pixels, folder, about, material.start_name, second_look=second_look
    )


def _trap(path: Path, material: prepare.Material, see: Any = None) -> Scores:
    """Feline scores as the trap finds them."""
    from trapcam.detect import Detector

    from . import evaluate

    detector, see = Detector(path), see or evaluate.as_it_is
    return {
        part: evaluate.trap_scores(detector, material.images, material.parts[part], see)[0][:, 0].tolist()
        for part in MEASURED
    }


def _once(folder: Path, settings: dict[str, Any], material: prepare.Material, score: Callable[[], Scores]) -> Any:
    """The scores and settings in `folder`, made now if they are not there.

    Raises: data.DataError where they were made from other pictures or in another way.
    """
    file = folder / "scores.json"
    pictures = {part: data.list_sha256(material.parts[part]) for part in ("train", *MEASURED)}
    about = json.loads(json.dumps({"settings": settings, "pictures": pictures}))
    if file.is_file():
        content = json.loads(file.read_text("utf-8"))
        if content.get("about") != about:
            raise data.DataError(f"{file}: made with other settings or pictures; name another --work, or remove it")
    else:
        print(f"{folder.name}: begun", file=sys.stderr, flush=True)
        began = time.monotonic()
        content = {"about": about, "scores": score(), "minutes": round((time.monotonic() - began) / 60, 1)}
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(content), "utf-8")
        part.replace(file)
        print(f"{folder.name}: {content['minutes']} minutes", file=sys.stderr, flush=True)
    return {"scores": content["scores"], "settings": content["about"]["settings"]}


if __name__ == "__main__":
    sys.exit(main())
