"""What the net is punished for. All tensors are float32; targets are those of `sampler.grid`."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from .data import NO_CAT, NOT_KNOWN, SOME_CAT, SPECIES
from .recipe import FULL, Levers

Tensor = Any  # tf.Tensor; TensorFlow ships no usable types
BOX_WEIGHT, CLASS_WEIGHT, PICTURE_WEIGHT, SMOOTHING = 2.0, 1.0, 1.5, 0.05


JUDGE_WEIGHT, LESSON_WEIGHT, SPECIES_WEIGHT, TEMPERATURE = 1.0, 1.0, 0.7, 2.0
TAUGHT_SHARE = 0.4  # of the species' lesson; the rest is our own label
TEACHERS_CATS = {293: 0, 289: 1, 290: 2, 288: 3, 287: 4, **dict.fromkeys(range(282, 287), 5), 291: 6, 292: 6, 294: 6}
"""The published net's classes (ImageNet's number + 1) that are cats, and which of SPECIES each is."""


def total(
    outputs: list[Tensor], batch: dict[str, Tensor], lesson: Tensor, levers: Levers = FULL
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the scalar loss and its parts.

    Objectness: focal, cells marked unknown left out. Box (1 - GIoU) and class (cross entropy): only where a box is.
    Picture: the best cell of a class against what the picture is known to show. It is the trap's own question, and it
    lets pictures teach that have a label but no box. Judge: the same of the second head. Lesson: what the published net
    (`lesson`, its logits) says of the same picture in plain light; it knows more cats than our pictures show. Species:
    our label, softened by what the published net says. Without the lever `lesson` the published net says nothing.
    """
    obj, box, cls = outputs[0][..., 0], outputs[1], outputs[2]
    known = tf.cast(batch["object"] >= 0, tf.float32)
    here = tf.cast(batch["object"] > 0.5, tf.float32)
    count = tf.maximum(tf.reduce_sum(here), 1.0)

    chance = tf.sigmoid(obj)
    entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=here, logits=obj)
    focus = tf.where(here > 0, (1 - chance) ** 1.5, chance**2)
    object_loss = tf.reduce_sum(entropy * focus * known) / count * 2

    labels = tf.one_hot(batch["class"], cls.shape[-1]) * (1 - SMOOTHING) + SMOOTHING / cls.shape[-1]
    class_loss = tf.reduce_sum(tf.nn.softmax_cross_entropy_with_logits(labels, cls) * here) / count
    box_loss = tf.reduce_sum((1 - giou(place(box), batch["box"])) * here) / count

    joint = tf.nn.log_softmax(cls) + tf.math.log_sigmoid(obj)[..., None]  # log of the shipped score
    best = tf.reduce_max(joint, axis=[1, 2])
    present = batch["present"]
    yes, no = tf.cast(present > 0.5, tf.float32), tf.cast(tf.abs(present) < 0.5, tf.float32)
    missed = -best * yes
    false = -tf.math.log1p(-tf.exp(tf.minimum(best, -1e-4))) * no
    picture_loss = tf.reduce_sum(missed + false) / tf.maximum(tf.reduce_sum(yes + no), 1.0)

    judged = outputs[3][:, 0, 0]
    target = present * 0.96 + 0.02
    judge = tf.nn.sigmoid_cross_entropy_with_logits(labels=tf.maximum(target, 0.0), logits=judged) * (yes + no)
    judge_loss = tf.reduce_sum(judge) / tf.maximum(tf.reduce_sum(yes + no), 1.0)

    taught = tf.nn.softmax(lesson / TEMPERATURE)
    answer = tf.nn.log_softmax(outputs[5][:, 0, 0] / TEMPERATURE)
    lesson_loss = (
        tf.reduce_mean(tf.reduce_sum(taught * (tf.math.log(taught + 1e-8) - answer), axis=-1)) * TEMPERATURE**2
    )

    species = batch["species"]
    wanted = species_target(species, lesson) if levers.lesson else species_labels(species)
    unlike = tf.nn.softmax_cross_entropy_with_logits(wanted, outputs[4][:, 0, 0]) * tf.cast(
        species != NOT_KNOWN, tf.float32
    )
    species_loss = tf.reduce_mean(unlike)

    loss = (
        SPECIES_WEIGHT * species_loss
        + JUDGE_WEIGHT * judge_loss
        + (LESSON_WEIGHT if levers.lesson else 0.0) * lesson_loss
        + object_loss
        + CLASS_WEIGHT * class_loss
        + BOX_WEIGHT * box_loss
        + PICTURE_WEIGHT * picture_loss
    )
    return loss, {
        "object": object_loss,
        "class": class_loss,
        "box": box_loss,
        "picture": picture_loss,
        "judge": judge_loss,
        "lesson": lesson_loss,
        "species": species_loss,
    }


def species_target(species: Tensor, lesson: Tensor) -> Tensor:
    """Shares (batch, 8) of SPECIES and "no cat", from our labels and the published net's logits (batch, 1001)."""
    groups = np.zeros((lesson.shape[-1], len(SPECIES) + 1), np.float32)
    groups[:, NO_CAT] = 1
    for taught, ours in TEACHERS_CATS.items():
        groups[taught] = np.eye(len(SPECIES) + 1)[ours]
    told = tf.nn.softmax(lesson) @ groups
    cats = (told + 1e-4) * (1 - np.eye(len(SPECIES) + 1, dtype=np.float32)[NO_CAT])
    some = cats / tf.reduce_sum(cats, axis=-1, keepdims=True)
    labelled = (1 - TAUGHT_SHARE) * tf.one_hot(species, len(SPECIES) + 1) + TAUGHT_SHARE * told
    return tf.where((species == SOME_CAT)[:, None], some, labelled)


def species_labels(species: Tensor) -> Tensor:
    """The same shares from our labels alone; "some cat" is any cat alike."""
    count = len(SPECIES) + 1
    any_cat = tf.constant((np.arange(count) != NO_CAT) / len(SPECIES), tf.float32)
    return tf.where((species == SOME_CAT)[:, None], any_cat, tf.one_hot(species, count))


def place(box: Tensor) -> Tensor:
    """Raw box outputs (batch, n, n, 4) to centre x, centre y, width, height, 0–1; the same as `net.decode`."""
    cells = box.shape[1]
    index = tf.range(cells, dtype=tf.float32)
    x = (index[None, None, :] + tf.tanh(box[..., 0])) / cells
    y = (index[None, :, None] + tf.tanh(box[..., 1])) / cells
    return tf.stack([x, y, tf.sigmoid(box[..., 2]), tf.sigmoid(box[..., 3])], axis=-1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised intersection over union of centre-form boxes (…, 4): -1 far apart, 1 the same."""
    a0, a1 = a[..., :2] - a[..., 2:] / 2, a[..., :2] + a[..., 2:] / 2
    b0, b1 = b[..., :2] - b[..., 2:] / 2, b[..., :2] + b[..., 2:] / 2
    shared = tf.reduce_prod(tf.maximum(tf.minimum(a1, b1) - tf.maximum(a0, b0), 0.0), axis=-1)
    union = tf.reduce_prod(a[..., 2:], axis=-1) + tf.reduce_prod(b[..., 2:], axis=-1) - shared
    hull = tf.reduce_prod(tf.maximum(a1, b1) - tf.minimum(a0, b0), axis=-1)
    return shared / tf.maximum(union, 1e-9) - (hull - union) / tf.maximum(hull, 1e-9)
