"""The training loop: cosine rates (gentle for the trunk), averaged weights, checkpoints, looks at validation."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import queue
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from . import evaluate, loss, net, quantise, recipe
from .data import CLASSES, Picture, Pixels
from .sampler import Sampler

AVERAGE_STEPS = 300  # the shipped weights are an average over about this many steps
WORKERS = 2
SECOND = 0.7  # how high a cycle of the rates begins beside the one before
LAST = 0.2  # of the rates: a gentle last lesson


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How to train; all of it goes into the model's description."""

    size: int = 192
    epochs: int = 14
    # The rates fall from full to almost nothing in so many epochs, then once more from SECOND of it, and so on; 0
    # leaves them as they are.
    cycle_epochs: int = 14
    steps_per_epoch: int = 200
    batch: int = 32
    learning_rate: float = 1.5e-3  # of the head
    trunk_rate: float = 4e-4
    head_only_steps: int = 200  # at the start
    frozen_blocks: int = 3  # first blocks left alone from step `frozen_from` on: half of a step's time is theirs
    frozen_from: int = 1400  # half of the steps
    weight_decay: float = 0.02
    seed: int = 1
    threads: int = 2
    save_every_s: int = 120
    without: tuple[str, ...] = ()  # names of `recipe.Levers` left out


def last_lesson(settings: Settings) -> Settings:
    """A sixth of the steps once more, at LAST of the rates, and without the first blocks."""
    rest = LAST
    return replace(
        settings, epochs=max(1, settings.epochs // 6), cycle_epochs=0, learning_rate=settings.learning_rate * rest,
        trunk_rate=settings.trunk_rate * rest, head_only_steps=0, frozen_from=0, seed=settings.seed + 1000,
    )  # fmt: skip


def whole(settings: Settings) -> Settings:
    """The same over all of its steps: the rates fall once, the first blocks rest from the middle on.

    A net that starts by lot has no weights to be gentle with: all of it learns at the head's rate, to the end.
    """
    steps = settings.epochs * settings.steps_per_epoch
    settings = replace(settings, cycle_epochs=settings.epochs, frozen_from=steps // 2)
    if recipe.without(settings.without).weights:
        return settings
    return replace(settings, trunk_rate=settings.learning_rate, head_only_steps=0, frozen_from=steps)


def _produce(out: Any, sampler: Sampler, steps: range, batch: int, teacher: Path | None) -> None:
    os.nice(2)
    lesson = quantise.logits(teacher) if teacher else _no_lesson
    for step in steps:
        made = sampler.batch(step, batch)
        # The teacher sees the picture before fog and night: what it knows by day the net learns to see through them.
        out.put({**made, "lesson": lesson(made.pop("clean"))})


def _no_lesson(images: np.ndarray) -> np.ndarray:
    return np.zeros((len(images), net.TEACHER_CLASSES), np.float32)


def _batches(
    sampler: Sampler, first: int, last: int, batch: int, teacher: Path | None
) -> Iterator[dict[str, np.ndarray]]:
    """Batches with their lessons in order, made a few ahead by `WORKERS` processes."""
    context = multiprocessing.get_context("spawn")
    queues: list[Any] = [context.Queue(maxsize=3) for _ in range(WORKERS)]
    workers = [
        context.Process(
            target=_produce, args=(queues[i], sampler, range(first + i, last, WORKERS), batch, teacher), daemon=True
        )
        for i in range(WORKERS)
    ]
    for worker in workers:
        worker.start()
    try:
        for step in range(last - first):
            while True:
                try:
                    yield queues[step % WORKERS].get(timeout=30)
                    break
                except queue.Empty:
                    worker = workers[step % WORKERS]
                    if not worker.is_alive():
                        raise RuntimeError(f"a sampling process ended with code {worker.exitcode}") from None
    finally:
        for worker in workers:
            worker.terminate()


def run(
    settings: Settings,
    parts: Mapping[str, Sequence[Picture]],
    pixels: Pixels,
    start: net.Weights,
    work: Path,
    *,
    resume: bool,
    learn: bool = True,
    begin: keras.Model | None = None,
    watch: bool = True,
) -> keras.Model:
    """Train on `parts["train"]`; return the net with averaged weights. Checkpoints and a log go to `work`.

    From the published weights (`start`), or from those of `begin`. Without `learn` the last checkpoint is returned;
    without `watch` validation is not looked at.
    """
    work.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(settings.seed)
    levers = recipe.without(settings.without)
    model = net.build(settings.size, len(CLASSES))
    examples = Sampler(parts["train"], pixels, settings.size, settings.seed).batch(2**41, 64)["image"]
    if begin is not None:
        model.set_weights(begin.get_weights())
    elif levers.weights:
        net.load_start(model, start, examples)
    else:
        net.random_start(model, settings.seed)
    net.write_teacher(work / "teacher.tflite", net.TEACHER_SIZE, start)
    average = net.build(settings.size, len(CLASSES))
    average.set_weights(model.get_weights())
    total = settings.epochs * settings.steps_per_epoch
    head, trunk = net.head_and_trunk(model)
    deep = net.deeper_than(model, settings.frozen_blocks)
    optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=settings.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    optimizer.build(head)
    # No decay towards zero for weights that start from something better.
    gentle = keras.optimizers.Adam(settings.trunk_rate)
    gentle.build(trunk)
    done = tf.Variable(0, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=model, average=average, optimizer=optimizer, gentle=gentle, done=done)
    manager = tf.train.CheckpointManager(checkpoint, str(work / "checkpoints"), max_to_keep=2)
    if resume and manager.latest_checkpoint:
        checkpoint.restore(manager.latest_checkpoint).expect_partial()
        print(f"resumed at step {int(done)} of {total}", file=sys.stderr)
    if not learn:
        return average

    def learn_from(batch: dict[str, Any], rate: Any, trunk_rate: Any, keep: Any, moved: list[Any]) -> Any:
        optimizer.learning_rate.assign(rate)
        gentle.learning_rate.assign(trunk_rate)
        with tf.GradientTape() as tape:
            outputs = model(tf.cast(batch["image"], tf.float32) / 255, training=True)
            value, parts_of_loss = loss.total(outputs, batch, batch["lesson"], levers)
        gradients, _ = tf.clip_by_global_norm(tape.gradient(value, head + moved), 10.0)
        optimizer.apply_gradients(zip(gradients[: len(head)], head, strict=True))
        gentle.apply_gradients(zip(gradients[len(head) :], moved, strict=True))
        for slow, fast in zip(average.weights, model.weights, strict=True):
            slow.assign(keep * slow + (1 - keep) * fast)
        return value, parts_of_loss

    # tf.function would take a bound list of variables for values; a name of the enclosing scope it leaves alone.
    all_blocks = tf.function(lambda *given: learn_from(*given, trunk))
    deep_blocks = tf.function(lambda *given: learn_from(*given, deep))
    sampler = Sampler(parts["train"], pixels, settings.size, settings.seed, levers)
    teacher = work / "teacher.tflite" if levers.lesson else None
    first, began, saved, sums = int(done), time.monotonic(), time.monotonic(), {}
    with (work / "log.jsonl").open("a", encoding="utf-8") as log:
        for index, batch in enumerate(_batches(sampler, first, total, settings.batch, teacher), start=first):
            cycle = settings.cycle_epochs * settings.steps_per_epoch
            slope = _slope(index / cycle) if cycle else 1.0
            rate = settings.learning_rate * min(1, (index + 1) / 100) * slope
            trunk_rate = settings.trunk_rate * min(1, max(0, index - settings.head_only_steps) / 300) * slope
            keep = min(1 - 1 / AVERAGE_STEPS, (index + 1) / (index + 10))
            value, pieces = (deep_blocks if index >= settings.frozen_from else all_blocks)(
                {k: tf.constant(v) for k, v in batch.items()}, *map(tf.constant, (rate, trunk_rate, keep))
            )
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
            if watch and ((index + 1) % (2 * settings.steps_per_epoch) == 0 or index + 1 == total):
                figures = evaluate.quick(average, parts["validation"], pixels)
                log.write(json.dumps({"step": index + 1, **figures}) + "\n")
                log.flush()
                print(f"validation {figures}", file=sys.stderr, flush=True)
    manager.save()
    return average


def set_threads(count: int) -> None:
    """Bound TensorFlow's threads; only before its first operation."""
    tf.config.threading.set_intra_op_parallelism_threads(count)


def _slope(cycles: float) -> float:
    """The share of the full rate after so many cycles."""
    whole = int(cycles)
    return SECOND**whole * (0.02 + 0.98 * (1 + math.cos(math.pi * (cycles - whole))) / 2)
