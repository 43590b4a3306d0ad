"""FastestDet (dog-qiuqiu, BSD-3-Clause) in Keras, with its published COCO weights: the net that proposes boxes.

Layer names are the names of the published PyTorch modules, so weights load by name. Two things differ from the
original, neither changes a number: the channel shuffle is a reshape, a permute and a split, and stride-2 layers pad
explicitly, because PyTorch pads both sides where TensorFlow pads one.

The weights are a `.pth` file: a zip with a pickle that names the tensors and one raw file per tensor. Only the few
globals that a state dict needs are resolved, so a hostile pickle can run nothing; PyTorch itself is not needed.
"""

from __future__ import annotations

import collections
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64, "HalfStorage": np.float16}
STAGES = (("stage2", 4, 48), ("stage3", 8, 96), ("stage4", 4, 192))
CLASSES, COCO_PERSON = 80, 0
COCO_VEHICLES = (1, 2, 3, 5, 6, 7)

Tensor = keras.KerasTensor


def _norm(x: Tensor, name: str, act: bool) -> Tensor:
    x = layers.BatchNormalization(epsilon=1e-5, momentum=0.98, name=name)(x)
    return layers.ReLU(name=f"{name}.relu")(x) if act else x


def _conv(x: Tensor, name: str, norm: str, filters: int, act: bool = True) -> Tensor:
    return _norm(layers.Conv2D(filters, 1, use_bias=False, name=name)(x), norm, act)


def _depthwise(x: Tensor, name: str, norm: str, kernel: int, stride: int = 1, act: bool = False) -> Tensor:
    if stride > 1:
        x = layers.ZeroPadding2D(kernel // 2, name=f"{name}.pad")(x)
    pad = "valid" if stride > 1 else "same"
    x = layers.DepthwiseConv2D(kernel, stride, padding=pad, use_bias=False, name=name)(x)
    return _norm(x, norm, act)


def _unshuffle(x: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """Even channels and odd channels."""
    _, height, width, channels = x.shape
    x = layers.Reshape((height * width, channels // 2, 2), name=f"{name}.pairs")(x)
    x = layers.Permute((1, 3, 2), name=f"{name}.permute")(x)
    x = layers.Reshape((height, width, channels), name=f"{name}.halves")(x)
    even, odd = keras.ops.split(x, 2, axis=-1)
    return even, odd


def _block(x: Tensor, name: str, out: int, stride: int) -> Tensor:
    main, proj = f"{name}.branch_main", f"{name}.branch_proj"
    half = out // 2
    if stride == 2:
        keep = _depthwise(x, f"{proj}.0", f"{proj}.1", 3, 2)
        keep = _conv(keep, f"{proj}.2", f"{proj}.3", half)
    else:
        keep, x = _unshuffle(x, name)
    x = _conv(x, f"{main}.0", f"{main}.1", half)
    x = _depthwise(x, f"{main}.3", f"{main}.4", 3, stride)
    x = _conv(x, f"{main}.5", f"{main}.6", half)
    return layers.Concatenate(name=f"{name}.cat")([keep, x])


def _head(x: Tensor, name: str, out: int) -> Tensor:
    x = _depthwise(x, f"{name}.conv5x5.0", f"{name}.conv5x5.1", 5, act=True)
    x = layers.Conv2D(out, 1, use_bias=False, name=f"{name}.conv5x5.3")(x)
    return layers.BatchNormalization(epsilon=1e-5, momentum=0.98, name=f"{name}.conv5x5.4")(x)


def build(size: int) -> keras.Model:
    """Return the net for square pictures of `size` pixels (a multiple of 32), values 0–1, RGB.

    Outputs, each float (batch, size/16, size/16, n) and raw: objectness logit n=1, box n=4, class logits n=80.
    """
    inputs = keras.Input((size, size, 3), name="image")
    x = layers.ZeroPadding2D(1, name="backbone.first_conv.0.pad")(inputs)
    x = layers.Conv2D(24, 3, 2, use_bias=False, name="backbone.first_conv.0")(x)
    x = _norm(x, "backbone.first_conv.1", act=True)
    x = layers.ZeroPadding2D(1, name="backbone.maxpool.pad")(x)  # after a ReLU, so zero pads like minus infinity
    x = layers.MaxPooling2D(3, 2, name="backbone.maxpool")(x)
    scales = []
    for stage, repeats, out in STAGES:
        for i in range(repeats):
            x = _block(x, f"backbone.{stage}.{i}", out, 2 if i == 0 else 1)
        scales.append(x)
    fine = layers.ZeroPadding2D(1, name="avg_pool.pad")(scales[0])
    fine = layers.AveragePooling2D(3, 2, name="avg_pool")(fine)
    coarse = layers.UpSampling2D(2, name="upsample")(scales[2])
    x = layers.Concatenate(name="scales")([fine, scales[1], coarse])
    x = _conv(x, "SPP.Conv1x1.conv1x1.0", "SPP.Conv1x1.conv1x1.1", 96)
    pyramid = []
    for depth in (1, 2, 3):
        y = x
        for i in range(depth):
            y = _depthwise(y, f"SPP.S{depth}.{3 * i}", f"SPP.S{depth}.{3 * i + 1}", 5, act=True)
        pyramid.append(y)
    y = layers.Concatenate(name="SPP.cat")(pyramid)
    y = _conv(y, "SPP.output.0", "SPP.output.1", 96, act=False)
    x = layers.ReLU(name="SPP.relu")(layers.Add(name="SPP.add")([x, y]))
    x = _conv(x, "detect_head.conv1x1.conv1x1.0", "detect_head.conv1x1.conv1x1.1", 96)
    return keras.Model(
        inputs,
        [
            _head(x, "detect_head.obj_layers", 1),
            _head(x, "detect_head.reg_layers", 4),
            _head(x, "detect_head.cls_layers", CLASSES),
        ],
        name="fastestdet",
    )


def load(model: keras.Model, state: Mapping[str, np.ndarray]) -> None:
    """Fill `model` from a state dict."""
    for layer in model.layers:
        name = layer.name
        if isinstance(layer, layers.DepthwiseConv2D):
            layer.set_weights([state[f"{name}.weight"].transpose(2, 3, 0, 1)])
        elif isinstance(layer, layers.Conv2D):
            kernel = state[f"{name}.weight"].transpose(2, 3, 1, 0)
            if name == "backbone.first_conv.0":
                kernel = kernel[:, :, ::-1]  # the published weights read BGR; ours read RGB
            layer.set_weights([kernel])
        elif isinstance(layer, layers.BatchNormalization):
            layer.set_weights([state[f"{name}.{key}"] for key in ("weight", "bias", "running_mean", "running_var")])


def _tensor(storage: np.ndarray, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> np.ndarray:
    """Rebuild one contiguous tensor; a checkpoint's parameters are always contiguous."""
    count = int(np.prod(size)) if size else 1
    return storage[offset : offset + count].reshape(size).copy()


class _StateDictUnpickler(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        self._archive, self._root = archive, root
        super().__init__(archive.open(f"{root}/data.pkl"))

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"a state dict needs no {module}.{name}")

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, _ = pid
        return np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), dtype=dtype)


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Return the checkpoint's tensors by name.

    Raises:
        pickle.UnpicklingError: the file asks for anything but plain tensors.
        zipfile.BadZipFile, KeyError: not a PyTorch ≥ 1.6 checkpoint.
    """
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].split("/", 1)[0]
        return dict(_StateDictUnpickler(archive, root).load())
