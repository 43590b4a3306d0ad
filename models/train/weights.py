"""Starting weights: read a PyTorch checkpoint without PyTorch, and hand its tensors to the Keras net.

FastestDet (dog-qiuqiu, BSD-3-Clause) publishes its COCO weights as a `.pth` file: a zip with a pickle that names the
tensors and one raw file per tensor. Only the few globals that a state dict needs are resolved, so a hostile pickle
can run nothing; PyTorch itself (hundreds of megabytes) is not needed to train.
"""

from __future__ import annotations

import collections
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {"FloatStorage": np.float32, "LongStorage": np.int64, "HalfStorage": np.float16}


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
