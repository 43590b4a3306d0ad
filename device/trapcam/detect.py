"""The detector: the one adapter to the TFLite runtime.

`ai-edge-litert` where it has a wheel, else `tflite-runtime` (armv7). Both run the same file; their results agree
within a quantisation step, not bit for bit.
"""

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

from trapcam import look
from trapcam.checkedtoml import ModelError
from trapcam.decode import decode_grid
from trapcam.description import COPY_BOTH, ModelDescription, OutputTensor, check_model
from trapcam.detections import Detection
from trapcam.frames import Image

RUNTIMES = ("ai_edge_litert.interpreter", "tflite_runtime.interpreter")


class Detector:
    """Looks at one picture at a time with one model.

    Not for use by two threads at once: the runtime keeps one set of buffers.
    """

    def __init__(self, model: Path, *, threads: int = 1) -> None:
        """Load `model` (a .tflite file) with the description beside it (same name, .toml), and check one by the other.

        Raises:
            ModelError: a file is missing or damaged, or its sha256, shape, type or scale differs from the
                description, or a class is none of ours.
        """
        self.description: ModelDescription = check_model(model)
        self._interpreter = load_interpreter(model, threads)
        self._input: dict[str, Any] = _check_input(model, self._interpreter, self.description)
        self._outputs = _check_outputs(model, self._interpreter, self.description)

    def detect(self, image: Image, moved: look.Box | None = None) -> list[Detection]:
        """Return all detections of at least 0.01 in a picture, best first; after a second look where one is asked for.

        image: uint8 (height, width, 3) RGB, any size from 1 × 1. moved: where something moved in its burst (x, y,
        width, height, 0–1): there it looks again when the first look saw no animal.

        Raises:
            ValueError: another shape or type.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise ValueError(f"a picture is uint8 (height, width, 3), not {image.dtype} {image.shape}")
        first = self._look(image)
        plan = self.description.second_look
        height, width = image.shape[:2]
        where = look.window(first, width, height, plan, moved) if plan else None
        if plan is None or where is None:
            return first
        left, top, right, bottom = where
        return look.merge(first, self._look(image[top:bottom, left:right]), where, width, height, plan)

    def _look(self, image: Image) -> list[Detection]:
        """What the net says of a picture, or of a part of one."""
        self._interpreter.set_tensor(self._input["index"], self._prepare(image))
        self._interpreter.invoke()
        raw = {}
        for tensor, index in self._outputs:
            quantised = self._interpreter.get_tensor(index)[0].astype(np.float32)
            raw[tensor.name] = (quantised - tensor.zero_point) * np.float32(tensor.scale)
        described = self.description
        return decode_grid(raw, described.classes, described.nms_iou, described.picture_share, described.species)

    def _prepare(self, image: Image) -> Any:
        """Stretch to the net's input, as in training, and put it on the input's scale: (1, height, width, 3)."""
        wanted = self.description
        picture = Pillow.fromarray(np.ascontiguousarray(image))
        size = (wanted.width_px, wanted.height_px)
        # reducing_gap: a camera's frame is first halved while that costs nothing visible, then resampled.
        pixels = np.asarray(picture.resize(size, Pillow.Resampling.BILINEAR, reducing_gap=3.0))
        if wanted.input_type == "uint8" and wanted.input_zero_point == 0:
            return pixels[None]
        shifted = np.round(pixels / 255.0 / wanted.input_scale + wanted.input_zero_point)
        limits = np.iinfo(wanted.input_type)
        return np.clip(shifted, limits.min, limits.max).astype(wanted.input_type)[None]


def load_interpreter(model: Path, threads: int) -> Any:
    """The runtime with a .tflite file in it, ready to be run.  Raises: ModelError when it takes none such."""
    for name in RUNTIMES:
        try:
            runtime = importlib.import_module(name)
        except ImportError:
            continue
        try:
            interpreter = runtime.Interpreter(model_path=str(model), num_threads=threads)
            interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise ModelError(f"{model}: the runtime refuses this model: {_first_line(error)}; {COPY_BOTH}") from error
        return interpreter
    raise ModelError(f"no TFLite runtime: install ai-edge-litert, or tflite-runtime where that has no wheel ({model})")


def _first_line(error: Exception) -> str:
    """The runtime tells its whole history; the cause comes first."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:160]


def _differs(model: Path, what: str, found: object, described: object) -> ModelError:
    return ModelError(f"{model}: {what} = {found} is not allowed: its description says {described}; {COPY_BOTH}")


def _check_input(model: Path, interpreter: Any, wanted: ModelDescription) -> dict[str, Any]:
    inputs = interpreter.get_input_details()
    if len(inputs) != 1:
        raise _differs(model, "number of inputs", len(inputs), 1)
    entry: dict[str, Any] = inputs[0]
    shape = (1, wanted.height_px, wanted.width_px, 3)
    if tuple(entry["shape"]) != shape:
        raise _differs(model, "input shape", tuple(map(int, entry["shape"])), shape)
    _check_numbers(model, "input", entry, (wanted.input_type, wanted.input_scale, wanted.input_zero_point))
    return entry


def _check_outputs(model: Path, interpreter: Any, wanted: ModelDescription) -> list[tuple[OutputTensor, int]]:
    outputs = interpreter.get_output_details()
    if len(outputs) != len(wanted.outputs):
        raise _differs(model, "number of outputs", len(outputs), len(wanted.outputs))
    checked = []
    for tensor in wanted.outputs:
        entry = outputs[tensor.index]
        if tuple(entry["shape"]) != tensor.shape:
            found = tuple(map(int, entry["shape"]))
            raise _differs(model, f"shape of output {tensor.name}", found, tensor.shape)
        _check_numbers(model, f"output {tensor.name}", entry, (tensor.type, tensor.scale, tensor.zero_point))
        checked.append((tensor, int(entry["index"])))
    return checked


def _check_numbers(model: Path, what: str, entry: dict[str, Any], wanted: tuple[str, float, int]) -> None:
    type_name, scale, zero_point = wanted
    found_scale, found_zero = entry["quantization"]
    if np.dtype(entry["dtype"]).name != type_name:
        raise _differs(model, f"type of {what}", np.dtype(entry["dtype"]).name, type_name)
    if abs(found_scale - scale) > 1e-4 * scale or int(found_zero) != zero_point:
        raise _differs(model, f"scale and zero point of {what}", (found_scale, int(found_zero)), (scale, zero_point))
