"""The detector's net: MobileNetV2's blocks with their ImageNet weights, thinned, and two small heads.

The trunk starts from a published int8 MobileNetV2-1.0 (google-coral/test_data, Apache-2.0), whose batch norms are
already folded into the convolutions; so the trunk here has biases and no norms. Of its 17 blocks the last is left out,
and every other keeps only its `THIN` most active middle channels. The head joins the 1/32 and 1/16 grids and answers on
the 1/16 grid; a second, small one judges the picture as a whole.

Outputs are raw; `decode` gives the meaning, and the shipped description file repeats it for the trap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from .data import SPECIES

BLOCKS = (
    (1, 16, 1), (6, 24, 2), (6, 24, 1), (6, 32, 2), (6, 32, 1), (6, 32, 1), (6, 64, 2), (6, 64, 1), (6, 64, 1),
    (6, 64, 1), (6, 96, 1), (6, 96, 1), (6, 96, 1), (6, 160, 2), (6, 160, 1), (6, 160, 1), (6, 320, 1),
)  # fmt: skip
"""(expansion, channels out, stride) of each block."""
FINE, DEEPEST = 12, 15  # last block of the 1/16 grid, last block used
KEEP_SHARE = 0.8  # of the middle channels of blocks 1 to 13
THIN = {i: int(6 * BLOCKS[i - 1][1] * KEEP_SHARE) // 8 * 8 for i in range(1, 14)} | {14: 384, 15: 384}
HEAD = 64
LAST = 256  # channels that the whole picture is judged by
TEACHER_SIZE = 224  # pixels a side that it was published for
TEACHER_CLASSES = 1001  # of the published net, the first of them "background"
SHIPPED = 5  # outputs that the trap needs
PRIOR = -4.0  # objectness at the start: few cells hold a middle

Tensor = keras.KerasTensor
Weights = list[tuple[np.ndarray, np.ndarray]]


def _conv(x: Tensor, filters: int, name: str, *, act: bool = True, kernel: int = 1, stride: int = 1) -> Tensor:
    x = layers.Conv2D(filters, kernel, stride, padding="same", name=name)(x)
    return layers.ReLU(6.0, name=f"{name}.relu")(x) if act else x


def _depthwise(x: Tensor, name: str, stride: int = 1) -> Tensor:
    x = layers.DepthwiseConv2D(3, stride, padding="same", name=name)(x)
    return layers.ReLU(6.0, name=f"{name}.relu")(x)


def _trunk(x: Tensor, last: int, thin: dict[int, int]) -> dict[int, Tensor]:
    """Outputs of the blocks 0 to `last`."""
    x = _conv(x, 32, "first", kernel=3, stride=2)
    outputs = {}
    for i, (expansion, out, stride) in enumerate(BLOCKS[: last + 1]):
        y = x
        if expansion > 1:
            y = _conv(y, thin.get(i, expansion * x.shape[-1]), f"block{i}.expand")
        y = _depthwise(y, f"block{i}.depthwise", stride)
        y = _conv(y, out, f"block{i}.project", act=False)
        x = layers.Add(name=f"block{i}.add")([x, y]) if stride == 1 and x.shape[-1] == out else y
        outputs[i] = x
    return outputs


def _norm(x: Tensor, name: str) -> Tensor:
    x = layers.BatchNormalization(momentum=0.97, name=f"{name}.norm")(x)
    return layers.ReLU(6.0, name=f"{name}.relu")(x)


def _mix(x: Tensor, name: str) -> Tensor:
    """Depthwise 5 × 5."""
    return _norm(layers.DepthwiseConv2D(5, padding="same", use_bias=False, name=name)(x), name)


def build(size: int, classes: int) -> keras.Model:
    """Return the net for square pictures of `size` pixels (a multiple of 32), values 0–1, RGB.

    Outputs, each float and raw: (batch, size/16, size/16, n) objectness logit n=1, box n=4, class logits n=classes;
    (batch, 1, 1, n) log-odds of each class for the whole picture n=classes, logits of the likely species and "no cat"
    n=8, and n=1001 the teacher's lesson, which only training needs.
    """
    inputs = keras.Input((size, size, 3), name="image")
    blocks = _trunk(inputs, DEEPEST, THIN)
    coarse = _norm(layers.Conv2D(HEAD, 1, use_bias=False, name="head.coarse")(blocks[DEEPEST]), "head.coarse")
    coarse = layers.UpSampling2D(2, name="head.upsample")(coarse)
    fine = _norm(layers.Conv2D(HEAD, 1, use_bias=False, name="head.fine")(blocks[FINE]), "head.fine")
    x = layers.Concatenate(name="head.both")([coarse, fine])
    x = _norm(layers.Conv2D(HEAD, 1, use_bias=False, name="head.join")(x), "head.join")
    outputs = []
    for name, count in (("object", 1), ("box", 4), ("class", classes)):
        y = _mix(x, f"head.{name}.mix")
        start = keras.initializers.Constant(PRIOR if name == "object" else 0.0)
        outputs.append(layers.Conv2D(count, 1, bias_initializer=start, name=f"head.{name}.out")(y))
    whole = _norm(layers.Conv2D(LAST, 1, use_bias=False, name="head.last")(blocks[DEEPEST]), "head.last")
    whole = layers.GlobalAveragePooling2D(keepdims=True, name="head.pool")(whole)
    outputs.append(layers.Conv2D(classes, 1, name="head.picture.out")(whole))
    outputs.append(layers.Conv2D(len(SPECIES) + 1, 1, name="head.species.out")(whole))
    outputs.append(layers.Conv2D(TEACHER_CLASSES, 1, name="head.lesson")(whole))
    return keras.Model(inputs, outputs, name="pugmark")


def shipped(model: keras.Model) -> keras.Model:
    """The net without what only training needs."""
    return keras.Model(model.inputs, model.outputs[:SHIPPED], name="pugmark")


def load_classifier(size: int, weights: Weights) -> keras.Model:
    """The published net with its weights, logits (batch, 1, 1, 1001): the teacher."""
    whole = classifier(size)
    for layer, (kernel, bias) in zip([v for v in whole.layers if v.weights], weights, strict=True):
        layer.set_weights([kernel.reshape(layer.kernel.shape), bias])
    whole.trainable = False
    return whole


def write_teacher(path: Path, size: int, weights: Weights) -> None:
    """Write the teacher as a float TFLite file: there it takes a third of the time that TensorFlow takes."""
    converter = tf.lite.TFLiteConverter.from_keras_model(load_classifier(size, weights))
    path.write_bytes(converter.convert())


def classifier(size: int = 224) -> keras.Model:
    """The whole published net, logits of 1,001 classes: to check the weights, and to see which channels are active."""
    inputs = keras.Input((size, size, 3), name="image")
    x = _trunk(inputs, 16, {})[16]
    x = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(_conv(x, 1280, "last"))
    return keras.Model(inputs, _conv(x, 1001, "logits", act=False), name="mobilenet_v2")


def read_tflite(path: Path) -> Weights:
    """Kernels (Keras layout) and biases of the published int8 net in the order of its layers, as float."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_path=str(path))
    runtime.allocate_tensors()

    def value(entry: dict[str, Any]) -> np.ndarray:
        quantised = runtime.get_tensor(entry["index"]).astype(np.float32)
        scheme = entry["quantization_parameters"]
        axis = scheme["quantized_dimension"]
        return quantised * scheme["scales"].reshape([-1 if i == axis else 1 for i in range(quantised.ndim)])

    # The constants lie in the file layer by layer: an int8 kernel, then its int32 bias with one scale per channel.
    constants = [
        entry
        for entry in sorted(runtime.get_tensor_details(), key=lambda entry: entry["index"])
        if len(entry["quantization_parameters"]["scales"]) > 1
    ]
    pairs = zip(constants[::2], constants[1::2], strict=True)
    found = [(value(kernel).transpose(1, 2, 3, 0), value(bias)) for kernel, bias in pairs]
    kernel, bias = found[0]
    found[0] = (kernel * 2, bias - kernel.sum(axis=(0, 1, 2)))  # the published input is -1 to 1, ours 0 to 1
    return found


def load_start(model: keras.Model, weights: Weights, images: np.ndarray) -> None:
    """Fill the trunk of `model` from the published weights; the head stays as it is.

    `images` (uint8, of the model's size) show which middle channels of the thinned blocks matter: those whose activity
    varies most, times the weight the block gives them. What the others add on average goes into the bias.
    """
    whole = load_classifier(int(model.input_shape[1]), weights)
    taps = [whole.get_layer(f"block{i}.depthwise.relu").output for i in THIN]
    active = keras.Model(whole.inputs, taps).predict(images.astype(np.float32) / 255, verbose=0, batch_size=16)
    kept = {}
    for i, activity in zip(THIN, active, strict=True):
        kernel = whole.get_layer(f"block{i}.project").get_weights()[0]
        worth = activity.std(axis=(0, 1, 2)) * np.linalg.norm(kernel[0, 0], axis=1)
        kept[i] = (np.sort(np.argsort(-worth)[: THIN[i]]), activity.mean(axis=(0, 1, 2)))
    for layer in model.layers:
        if not layer.weights or layer.name.startswith("head."):
            continue
        kernel, bias = whole.get_layer(layer.name).get_weights()
        number, _, part = layer.name.removeprefix("block").partition(".")
        if part and int(number) in kept:
            keep, mean = kept[int(number)]
            if part == "expand":
                kernel, bias = kernel[..., keep], bias[keep]
            elif part == "depthwise":
                kernel, bias = kernel[:, :, keep], bias[keep]
            else:
                gone = np.setdiff1d(np.arange(len(mean)), keep)
                bias = bias + mean[gone] @ kernel[0, 0, gone]
                kernel = kernel[:, :, keep]
        layer.set_weights([kernel, bias])


def random_start(model: keras.Model, seed: int) -> None:
    """Fill the trunk by lot, scaled (He) so that what goes through it, having no norms, neither dies nor grows."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if not layer.weights or layer.name.startswith("head."):
            continue
        kernel, bias = layer.get_weights()
        depthwise = layer.name.endswith("depthwise")
        inputs = kernel.shape[0] * kernel.shape[1] * (1 if depthwise else kernel.shape[2])
        gain = 1.0 if layer.name.endswith("project") else 2.0  # after a ReLU half of it is left
        layer.set_weights([rng.normal(0, (gain / inputs) ** 0.5, kernel.shape), np.zeros_like(bias)])


def head_and_trunk(model: keras.Model) -> tuple[list[Any], list[Any]]:
    """Trainable variables of the new layers and of the published ones."""
    parts: tuple[list[Any], list[Any]] = ([], [])
    for layer in model.layers:
        parts[0 if layer.name.startswith("head.") else 1].extend(layer.trainable_variables)
    return parts


def deeper_than(model: keras.Model, blocks: int) -> list[Any]:
    """Trainable variables of the trunk after its first convolution and this many blocks."""
    found: list[Any] = []
    for layer in model.layers:
        number, _, part = layer.name.removeprefix("block").partition(".")
        if part and number.isdigit() and int(number) >= blocks:
            found.extend(layer.trainable_variables)
    return found


def decode(objectness: np.ndarray, box: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn raw outputs (batch, n, n, ·) into scores (batch, n·n, classes) and boxes (batch, n·n, 4) x, y, w, h, 0–1.

    The score of a class is sigmoid(objectness) × softmax(classes).
    """
    batch, rows, cols, _ = objectness.shape
    exp = np.exp(classes - classes.max(axis=-1, keepdims=True))
    scores = exp / exp.sum(axis=-1, keepdims=True) / (1 + np.exp(-objectness))
    wide, high = 1 / (1 + np.exp(-box[..., 2])), 1 / (1 + np.exp(-box[..., 3]))
    left = (np.arange(cols)[None, None] + np.tanh(box[..., 0])) / cols - wide / 2
    top = (np.arange(rows)[None, :, None] + np.tanh(box[..., 1])) / rows - high / 2
    boxes = np.stack([left, top, wide, high], axis=-1)
    return scores.reshape(batch, rows * cols, -1), boxes.reshape(batch, rows * cols, 4)
