"""A real .tflite of a few weights, made without TensorFlow: it takes a red picture for the first of its classes.

The same kind of net as `models/feline.tflite` to whom it is handed: uint8 pictures in, objectness, boxes and classes on
a grid out (decoding grid-1). Each cell's class follows its mean colour: red, green, blue, and never the fourth.
"""

import hashlib
from pathlib import Path

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

SIDE, GRID = 32, 2
IN_SCALE, WEIGHT_SCALE = 1 / 255, 0.2
STEEP = 100  # of 0.2 each: 20 logits between a pure colour and none
SURE = 6.0  # objectness everywhere
# name: output scale, weights (classes, red green blue), bias in real numbers
HEADS = {
    "objectness": (0.1, np.zeros((1, 3)), SURE),
    "classes": (0.2, np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1], [-1, -1, -1]]) * STEEP, 0.0),
    "box": (0.1, np.zeros((4, 3)), 0.0),
}


class _Net:
    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.graph = schema.SubGraphT()
        self.model.subgraphs = [self.graph]
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph.tensors, self.graph.operators = [], []

    def tensor(
        self, name: str, shape: tuple[int, ...], kind: int, scale: float, zero: int, data: np.ndarray | None = None
    ) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type, made.buffer = name, list(shape), kind, 0
        made.quantization = schema.QuantizationParametersT()
        made.quantization.scale, made.quantization.zeroPoint = [scale], [zero]
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            made.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(made)
        return len(self.graph.tensors) - 1

    def operator(self, code: int, inputs: list[int], output: int, kind: int = 0, options: object = None) -> None:
        named = schema.OperatorCodeT()
        named.builtinCode = named.deprecatedBuiltinCode = code
        named.version = 3 if code == schema.BuiltinOperator.CONV_2D else 2
        self.model.operatorCodes.append(named)
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = len(self.model.operatorCodes) - 1, inputs, [output]
        made.builtinOptionsType, made.builtinOptions = kind, options
        self.graph.operators.append(made)


def write_tiny_model(path: Path, classes: tuple[str, str, str, str], thresholds: tuple[float, ...]) -> Path:
    """The model at `path` (.tflite) with its description beside it."""
    net, options, types = _Net(), schema.BuiltinOptions, schema.TensorType
    seen = net.tensor("picture", (1, SIDE, SIDE, 3), types.UINT8, IN_SCALE, 0)
    shifted = net.tensor("shifted", (1, SIDE, SIDE, 3), types.INT8, IN_SCALE, -128)
    net.operator(schema.BuiltinOperator.QUANTIZE, [seen], shifted, options.QuantizeOptions, schema.QuantizeOptionsT())
    mean = net.tensor("mean", (1, GRID, GRID, 3), types.INT8, IN_SCALE, -128)
    pool = schema.Pool2DOptionsT()
    pool.padding, pool.strideH, pool.strideW = schema.Padding.VALID, SIDE // GRID, SIDE // GRID
    pool.filterHeight, pool.filterWidth = SIDE // GRID, SIDE // GRID
    net.operator(schema.BuiltinOperator.AVERAGE_POOL_2D, [shifted], mean, options.Pool2DOptions, pool)
    outputs = {}
    for name, (scale, weights, bias) in HEADS.items():
        count = len(weights)
        values = weights.astype(np.int8).reshape(count, 1, 1, 3)
        kernel = net.tensor(f"{name}_kernel", values.shape, types.INT8, WEIGHT_SCALE, 0, values)
        offset = np.full(count, round(bias / (IN_SCALE * WEIGHT_SCALE)), np.int32)
        added = net.tensor(f"{name}_bias", (count,), types.INT32, IN_SCALE * WEIGHT_SCALE, 0, offset)
        outputs[name] = net.tensor(name, (1, GRID, GRID, count), types.INT8, scale, 0)
        conv = schema.Conv2DOptionsT()
        conv.padding, conv.strideH, conv.strideW = schema.Padding.VALID, 1, 1
        conv.dilationHFactor = conv.dilationWFactor = 1
        net.operator(schema.BuiltinOperator.CONV_2D, [mean, kernel, added], outputs[name], options.Conv2DOptions, conv)
    net.graph.inputs, net.graph.outputs = [seen], list(outputs.values())
    builder = flatbuffers.Builder(4096)
    builder.Finish(net.model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    path.with_suffix(".toml").write_text(_description(path, classes, thresholds))
    return path


def _description(path: Path, classes: tuple[str, ...], thresholds: tuple[float, ...]) -> str:
    lines = [
        'name = "tiny"', 'version = "1"', f'sha256 = "{hashlib.sha256(path.read_bytes()).hexdigest()}"',
        f"classes = {list(classes)}", 'decoding = "grid-1"', "nms_iou = 0.45",
        "[input]", f"width_px = {SIDE}", f"height_px = {SIDE}", 'type = "uint8"', f"scale = {IN_SCALE}",
        "zero_point = 0", 'colour_order = "RGB"', "[thresholds]",
    ]  # fmt: skip
    lines += [f"{name} = {value}" for name, value in zip(classes, thresholds, strict=True)]
    for index, (name, (scale, weights, _)) in enumerate(HEADS.items()):
        lines += [f"[outputs.{name}]", f"index = {index}", f"shape = [1, {GRID}, {GRID}, {len(weights)}]"]
        lines += ['type = "int8"', f"scale = {scale}", "zero_point = 0"]
    return "\n".join(lines) + "\n"
