"""Quantise, choose thresholds on validation, measure on test, and write the model with its description and figures."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from trapcam.detect import Detector

from . import data, evaluate, net, quantise
from .data import CLASSES, Picture

VERSION = "0.4.0"
CALIBRATION_PICTURES = 300
NMS_IOU = 0.45
SECOND_LOOK = {"grow": 1.8, "share": 0.5, "from_confidence": 0.02}
# Share of validation's camera-trap pictures without a cat that may pass: they are what a trap sees, and what airtime
# and battery are paid for; 2 % cost too many cats (CARD.md).
FELINE_FALSE = 0.05
ENOUGH = 100  # camera-trap pictures without a cat; with fewer, all pictures without one are taken
_SECOND_LOOK = (
    "# Where an animal is likely, a square of `grow` times its box is looked at again; device/trapcam/look.py.",
    "[second_look]", *(f"{key} = {value}" for key, value in SECOND_LOOK.items()), "",
)  # fmt: skip
PRIVATE_FALSE = 0.005  # share of feline pictures that may be dropped as a person, and as a vehicle


def write(
    model: keras.Model,
    parts: Mapping[str, list[Picture]],
    pixels: Mapping[str, np.ndarray],
    images_folder: Path,
    out: Path,
    settings: Mapping[str, Any],
    start: str,
) -> dict[str, Any]:
    """Write feline.tflite, feline.toml and figures.json into `out`; return the figures.

    `parts`: `train` for the ranges, `validation` for the thresholds, and what else is to be measured.
    """
    size = int(model.input_shape[1])
    path = pack(model, parts, pixels, out, settings, start)
    scored: dict[str, dict[str, np.ndarray]] = {"int8": {}, "int8_first_look": {}, "float_first_look": {}}
    named: dict[str, dict[str, float]] = {}
    measured = [part for part in parts if part != "train" and parts[part]]
    for part in measured:
        print(f"evaluating {part}", file=sys.stderr)
        runs = {"int8_first_look": quantise.tflite_outputs(path), "float_first_look": evaluate.keras_outputs(model)}
        for kind, outputs in runs.items():
            scored[kind][part] = evaluate.scores(outputs, size, parts[part], pixels)
        scored["int8"][part], species = evaluate.trap_scores(Detector(path), images_folder, parts[part])
        named[part] = evaluate.naming(species, parts[part])
    thresholds = choose(scored["int8"]["validation"], parts["validation"])
    figures = measure(scored, parts, thresholds)
    figures["species_named_rightly"] = named
    figures["ms_first_look"] = milliseconds(path, size)
    figures["parameters"] = net.shipped(model).count_params()
    (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    (out / "feline.toml").write_text(describe(path, model, parts, thresholds, settings, start), "utf-8")
    print(json.dumps({k: v for k, v in figures.items() if k != "rows"}, indent=1))
    return figures


def pack(
    model: keras.Model,
    parts: Mapping[str, list[Picture]],
    pixels: Mapping[str, np.ndarray],
    out: Path,
    settings: Mapping[str, Any],
    start: str,
    *,
    second_look: bool = True,
) -> Path:
    """Write the int8 net and a description with thresholds of 0.5, which the trap needs before any can be chosen on
    what it sees; return the net's path."""
    out.mkdir(parents=True, exist_ok=True)
    print("quantising", file=sys.stderr)
    size = int(model.input_shape[1])
    images = quantise.calibration(parts["train"], pixels, size, CALIBRATION_PICTURES, settings["seed"])
    path = out / "feline.tflite"
    path.write_bytes(quantise.convert(model, images))
    limits = dict.fromkeys(CLASSES, 0.5)
    text = describe(path, model, parts, limits, settings, start, second_look=second_look)
    (out / "feline.toml").write_text(text, "utf-8")
    return path


def choose(score: np.ndarray, pictures: Sequence[Picture]) -> dict[str, float]:
    """Thresholds on validation, rounded up to a thousandth.

    feline: at most 5 % of the camera-trap pictures without cats pass. person, vehicle: at most 0.5 % of the cats pass,
    because a picture that shows a person is dropped with the cat in it. other_animal: at most 5 % of pictures without
    animals.
    """
    groups = np.array([p.class_index for p in pictures])
    trap = np.array([p.camera_trap for p in pictures])
    rows = trap if (trap & (groups != 0)).sum() >= ENOUGH else np.ones_like(trap)
    limits = {
        "feline": evaluate.threshold_at(score[rows][:, 0], groups[rows] == 0, FELINE_FALSE),
        "other_animal": evaluate.threshold_at(score[groups != 0][:, 1], groups[groups != 0] == 1, 0.05),
    }
    for index, name in ((2, "person"), (3, "vehicle")):
        rows = (groups == 0) | (groups == index)
        limits[name] = max(0.2, evaluate.threshold_at(score[rows][:, index], groups[rows] == index, PRIVATE_FALSE))
    return {name: min(0.99, float(np.ceil(limits[name] * 1000) / 1000)) for name in CLASSES}


def measure(
    scored: Mapping[str, Mapping[str, np.ndarray]], parts: Mapping[str, list[Picture]], limits: Mapping[str, float]
) -> dict[str, Any]:
    """Every figure of the card, per split: at the shipped thresholds, and recall at 2 % false keeps."""
    figures: dict[str, Any] = {"thresholds": dict(limits), "rows": {}}
    for part in scored["int8"]:
        pictures, positive = parts[part], evaluate.is_feline(parts[part])
        trap = np.array([p.camera_trap for p in pictures])
        groups = np.array([p.class_index for p in pictures])
        for kind in scored:
            score = scored[kind][part]
            entry: dict[str, Any] = {}
            for name, chosen in (("all", np.ones_like(trap)), ("camera_trap", trap)):
                s, yes = score[chosen][:, 0], positive[chosen]
                entry[name] = {
                    "felines": int(yes.sum()),
                    "others": int((~yes).sum()),
                    "auc": round(evaluate.roc_area(s, yes), 4),
                    "recall_at_2pct_false_keeps": _share(s[yes] >= evaluate.threshold_at(s, yes)),
                    "recall_at_5pct_false_keeps": _share(s[yes] >= evaluate.threshold_at(s, yes, 0.05)),
                    "recall_at_threshold": _share(s[yes] >= limits["feline"]),
                    "false_keeps_at_threshold": _share(s[~yes] >= limits["feline"]),
                }
            for index in (2, 3):
                name, hit = CLASSES[index], score[:, index] >= limits[CLASSES[index]]
                if (groups == index).any():
                    entry[f"{name}_recall"] = _share(hit[groups == index])
                entry[f"felines_dropped_as_{name}"] = _share(hit[positive])
            private = (score[:, 2] >= limits["person"]) | (score[:, 3] >= limits["vehicle"])
            kept = (score[:, 0] >= limits["feline"]) & ~private
            entry["kept_by_trap"] = {"felines": _share(kept[positive]), "others": _share(kept[~positive])}
            figures[f"{part}_{kind}"] = entry
        rows = evaluate.recall_rows(scored["int8"][part][:, 0], pictures, limits["feline"])
        figures["rows"][part] = [[name, count, round(share, 4)] for name, count, share in rows]
    return figures


def _share(passed: np.ndarray) -> float:
    return round(float(passed.mean()), 4) if len(passed) else float("nan")


def milliseconds(path: Path, size: int, rounds: int = 50) -> float:
    """Median time of the net alone on one thread of this machine, in ms."""
    runtime = quantise.interpreter(path)
    runtime.set_tensor(runtime.get_input_details()[0]["index"], np.zeros((1, size, size, 3), np.uint8))
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        runtime.invoke()
        times.append(time.perf_counter() - began)
    return round(float(np.median(times)) * 1000, 2)


def _start(file: str, settings: Mapping[str, Any]) -> str:
    if "weights" in settings.get("without", ()):
        return "by lot"
    return f"MobileNetV2-1.0 ImageNet weights, {file} (google-coral/test_data, Apache-2.0)"


def describe(
    path: Path,
    model: keras.Model,
    parts: Mapping[str, list[Picture]],
    limits: Mapping[str, float],
    settings: Mapping[str, Any],
    start: str,
    *,
    second_look: bool = True,
) -> str:
    """The text of feline.toml; `trapcam.description` reads it."""
    runtime = quantise.interpreter(path)
    entry, details = runtime.get_input_details()[0], runtime.get_output_details()
    places = quantise.output_places(runtime)
    counts = Counter(CLASSES[p.class_index] if p.class_index >= 0 else "empty" for p in parts["train"])
    lines = [
        "# Written by models/train together with feline.tflite; the trap refuses one without the other.",
        'name = "pugmark-feline"', f'version = "{VERSION}"', f'file = "{path.name}"',
        f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"', f"classes = {json.dumps(list(CLASSES))}",
        "# grid-1: score = sigmoid(objectness) * softmax(classes); device/trapcam/decode.py says the rest.",
        "# grid-2: and then the mean, as log-odds, with the judgement of the whole picture.",
        "# grid-3: and then, for cats, with the odds of the likely species against none of them.",
        'decoding = "grid-3"', f"picture_share = {evaluate.PICTURE_SHARE}", f"nms_iou = {NMS_IOU}",
        f"parameters = {net.shipped(model).count_params()}", "",
        *(_SECOND_LOOK if second_look else ()),
        "[species]", 'of = "feline"', f"names = {json.dumps(list(data.SPECIES))}",
        f"share = {evaluate.SPECIES_SHARE}", "",
        "[input]", f"width_px = {entry['shape'][2]}", f"height_px = {entry['shape'][1]}",
        f'type = "{np.dtype(entry["dtype"]).name}"', f"scale = {entry['quantization'][0]!r}",
        f"zero_point = {int(entry['quantization'][1])}", 'colour_order = "RGB"',
        'resize = "whole picture stretched, bilinear with antialiasing"', "",
        "# Confidence from which a category counts, each chosen on the validation pictures, int8:",
        f"# feline: {FELINE_FALSE:.0%} of camera-trap pictures without a cat pass; other_animal: 5 % of those without",
        "# an animal, of all kinds.",
        f"# person, vehicle: at most {PRIVATE_FALSE:.1%} of cat pictures pass, as these are dropped; never below 0.2.",
        "[thresholds]", *(f"{name} = {limits[name]}" for name in CLASSES), "",
    ]  # fmt: skip
    for name, place in places.items():
        d = details[place]
        lines += [
            f"[outputs.{name}]", f"index = {place}", f"shape = {[int(n) for n in d['shape']]}",
            f'type = "{np.dtype(d["dtype"]).name}"', f"scale = {d['quantization'][0]!r}",
            f"zero_point = {int(d['quantization'][1])}", "",
        ]  # fmt: skip
    lines += [
        "[training]", f'start = "{_start(start, settings)}"',
        f'list_sha256 = "{data.list_sha256(parts["train"])}"  # training pictures with their boxes',
        *(f"{name} = {count}" for name, count in sorted(counts.items())),
        *(f"{name} = {json.dumps(settings[name])}" for name in settings if name not in ("save_every_s", "threads")),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"
