"""The training loop: warm start, AdamW on a cosine, averaged weights, checkpoints, looks at validation."""

from __future__ import annotations

import json
import math
import multiprocessing
import queue
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import evaluate, loss, net
from .data import CLASSES, Picture
from .sampler import Sampler

AVERAGE_STEPS = 1000  # the shipped weights are an average over about this many steps


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; all of it goes into the model's description."""

    size: int = 320
    epochs: int = 24
    steps_per_epoch: int = 200
    batch: int = 32
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.02
    seed: int = 1
    threads: int = 2
    save_every_s: int = 120


def _produce(out: Any, sampler: Sampler, first: int, last: int, batch: int) -> None:
    for step in range(first, last):
        out.put(sampler.batch(step, batch))


def _batches(sampler: Sampler, first: int, last: int, batch: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches made in another process, a few ahead: drawing takes as long as learning."""
    context = multiprocessing.get_context("spawn")
    ready: Any = context.Queue(maxsize=6)
    worker = context.Process(target=_produce, args=(ready, sampler, first, last, batch), daemon=True)
    worker.start()
    try:
        for _ in range(first, last):
            while True:
                try:
                    yield ready.get(timeout=30)
                    break
                except queue.Empty:
                    if not worker.is_alive():
                        raise RuntimeError(f"the sampling process ended with code {worker.exitcode}") from None
    finally:
        worker.terminate()


def run(
    settings: Settings,
    parts: Mapping[str, Sequence[Picture]],
    pixels: dict[str, np.ndarray],
    state: Mapping[str, np.ndarray],
    work: Path,
    *,
    resume: bool,
    learn: bool = True,
) -> keras.Model:
    """Train on `parts["train"]`; return the net with averaged weights. Checkpoints and a log go to `work`.

    Without `learn` the last checkpoint is returned as it is.
    """
    keras.utils.set_random_seed(settings.seed)
    model = net.build(settings.size, len(CLASSES))
    net.load_start(model, state)
    average = net.build(settings.size, len(CLASSES))
    average.set_weights(model.get_weights())
    total = settings.epochs * settings.steps_per_epoch
    optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay, clipnorm=10.0)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta"])
    optimizer.build(model.trainable_variables)
    done = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, average=average, optimizer=optimizer, done=done)
    manager = tf.train.CheckpointManager(checkpoint, str(work / "checkpoints"), max_to_keep=2)
    if resume and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint).expect_partial()
        print(f"resumed at step {int(done)} of {total}", file=sys.stderr)
    if not learn:
        return average

    @tf.function
    def step(batch: dict[str, Any], rate: Any, keep: Any) -> tuple[Any, dict[str, Any]]:
        optimizer.learning_rate.assign(rate)
        with tf.GradientTape() as tape:
            outputs = model(tf.cast(batch["image"], tf.float32) / 255, training=True)
            value, parts_of_loss = loss.total(outputs, batch)
        gradients = tape.gradient(value, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        for slow, fast in zip(average.weights, model.weights, strict=True):
            slow.assign(keep * slow + (1 - keep) * fast)
        return value, parts_of_loss

    pool = {p.file: pixels[p.file] for p in parts["train"]}
    sampler = Sampler(parts["train"], pool, settings.size, settings.seed)
    first, began, saved, sums = int(done), time.monotonic(), time.monotonic(), {}
    with (work / "log.jsonl").open("a", encoding="utf-8") as log:
        for index, batch in enumerate(_batches(sampler, first, total, settings.batch), start=first):
            rate = settings.learning_rate * min(1, (index + 1) / 300) * (0.02 + 0.98 * _cosine(index / total))
            keep = min(1 - 1 / AVERAGE_STEPS, (index + 1) / (index + 10))
            value, pieces = step({k: tf.constant(v) for k, v in batch.items()}, tf.constant(rate), tf.constant(keep))
            done.assign(index + 1)
            for name, piece in {"loss": value, **pieces}.items():
                sums[name] = sums.get(name, 0.0) + float(piece)
            if time.monotonic() - saved > settings.save_every_s:
                manager.save()
                saved = time.monotonic()
            if (index + 1) % 50 == 0:
                left = (time.monotonic() - began) / (index + 1 - first) * (total - index - 1)
                means = " ".join(f"{k} {v / 50:.3f}" for k, v in sums.items())
                print(f"step {index + 1}/{total} {means}, {left / 60:.0f} min left", file=sys.stderr, flush=True)
                sums = {}
            if (index + 1) % (2 * settings.steps_per_epoch) == 0 or index + 1 == total:
                figures = evaluate.quick(average, parts["validation"], pixels)
                log.write(json.dumps({"step": index + 1, **figures}) + "\n")
                log.flush()
                print(f"validation {figures}", file=sys.stderr, flush=True)
    manager.save()
    return average


def set_threads(count: int) -> None:
    """Bound TensorFlow's threads; only before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(count)


def _cosine(share: float) -> float:
    return (1 + math.cos(math.pi * min(share, 1.0))) / 2
