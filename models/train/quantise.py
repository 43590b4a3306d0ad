"""From the float net to a full-integer TFLite file, and how to run one for evaluation."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import net
from .data import Picture
from .evaluate import Outputs, to_input
from .sampler import Sampler

OUTPUTS = ("objectness", "box", "classes", "picture", "species")


def calibration(
    pictures: list[Picture], pixels: Mapping[str, np.ndarray], size: int, count: int, seed: int
) -> np.ndarray:
    """Training pictures to measure the ranges on, half of them as they are, half as training saw them.

    uint8 (count, size, size, 3). Fog, night and IR belong in: a range measured on sunny pictures clips the others.
    """
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(pictures), count // 2, replace=False)
    plain = [to_input(pixels[pictures[i].file], size) for i in chosen]
    seen = Sampler(pictures, pixels, size, seed).batch(2**40, count - len(plain))["image"]
    # The input's scale must come out as exactly 1/255, so that the trap can hand over its pixels unchanged.
    seen[0, :8], seen[0, 8:16] = 0, 255
    return np.concatenate([np.stack(plain), seen])


def convert(model: keras.Model, images: np.ndarray) -> bytes:
    """Return the shipped part of the model as TFLite, every operation in int8 (weights per channel), input uint8 =
    pixels, outputs int8."""
    model = net.shipped(model)

    def representative() -> Iterator[list[np.ndarray]]:
        for image in images:
            yield [image[None].astype(np.float32) / 255]

    def serve(image: Any) -> dict[str, Any]:
        return dict(zip(OUTPUTS, model(image, training=False), strict=True))

    with tempfile.TemporaryDirectory() as folder:
        archive = keras.export.ExportArchive()
        archive.track(model)
        archive.add_endpoint("serving_default", serve, input_signature=[tf.TensorSpec((1, *model.input_shape[1:]))])
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def interpreter(model: Path) -> Any:
    """The runtime that the trap uses, with one thread."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(model), num_threads=1)
    runtime.allocate_tensors()
    return runtime


def output_places(runtime: Any) -> dict[str, int]:
    """Which of the interpreter's outputs is which: name → place in get_output_details()."""
    order = [entry["index"] for entry in runtime.get_output_details()]
    named = runtime.get_signature_runner().get_output_details()
    return {name: order.index(named[name]["index"]) for name in OUTPUTS}


def logits(model: Path) -> Callable[[np.ndarray], np.ndarray]:
    """Run a float classifier on uint8 pictures (batch, height, width, 3) of any size: its output (batch, classes)."""
    runtime = interpreter(model)
    entry, answer = runtime.get_input_details()[0]["index"], runtime.get_output_details()[0]["index"]
    size = int(runtime.get_input_details()[0]["shape"][1])

    def run(images: np.ndarray) -> np.ndarray:
        rows = []
        for image in images:
            runtime.set_tensor(entry, to_input(image, size)[None].astype(np.float32) / 255)
            runtime.invoke()
            rows.append(runtime.get_tensor(answer).reshape(-1).copy())
        return np.stack(rows)

    return run


def tflite_outputs(model: Path) -> Outputs:
    """Run a TFLite file on uint8 pictures (batch, size, size, 3), one at a time."""
    runtime = interpreter(model)
    entry = runtime.get_input_details()[0]["index"]
    details = runtime.get_output_details()
    places = output_places(runtime)

    def run(images: np.ndarray) -> list[np.ndarray]:
        rows: dict[str, list[np.ndarray]] = {name: [] for name in OUTPUTS}
        for image in images:
            runtime.set_tensor(entry, image[None])
            runtime.invoke()
            for name, place in places.items():
                scale, zero = details[place]["quantization"]
                rows[name].append((runtime.get_tensor(details[place]["index"])[0].astype(np.float32) - zero) * scale)
        return [np.stack(rows[name]) for name in OUTPUTS]

    return run
