"""Train the starter model: `python -m serving.models.starter.train CIFAR10 OUT`.

CIFAR10 is a folder (or a .tar or .tar.xz of it) with `train/<class>/*.jpg` and
`test/<class>/*.jpg`, 32x32 pixels. OUT receives `weights.npz` (folded float32
weights), `training.json` (settings and measured accuracy) and `training.log`
(one JSON line an epoch). An interrupted run goes on where its last epoch ended.

People will drop large photos with the subject small, large or off-centre, so
each image is seen under random zoom, aspect, shift, mirror, brightness and
contrast rather than only at CIFAR's own framing.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import math
import tarfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from serving.models.starter import network

SETTLING_BATCHES = 60
"""Batches that the statistics of the averaged weights are taken from, each epoch."""


@dataclass(frozen=True)
class Cycle:
    """One rise and fall of the learning rate."""

    epochs: int
    peak_learning_rate: float
    augmentation: float
    """Strength of zoom, aspect, shift, brightness and contrast; 1 is as set."""
    sharp: float
    """Share of the images that are only mirrored and shifted by whole pixels, so
    that no interpolation softens them: small photos arrive sharp."""
    hidden: int
    """Side, in pixels, of a square that is greyed out at a random place."""


@dataclass(frozen=True)
class TrainSettings:
    cycles: tuple[Cycle, ...] = (
        Cycle(24, 0.4, 1.0, 0.0, 0),
        Cycle(11, 0.15, 0.6, 0.6, 0),
        Cycle(7, 0.12, 0.7, 0.6, 12),
    )
    batch: int = 256
    warmup_share: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    zoom_sigma: float = 0.12
    zoom_limit: float = 1.35
    aspect_sigma: float = 0.06
    shift_pixels: float = 4.0
    brightness: float = 0.15
    contrast: float = 0.2
    average_decay: float = 0.998
    seed: int = 7

    blend: tuple[float, ...] = (0.0, 0.7, 0.3)
    """Shares of the weights at the end of each cycle in the final weights."""

    @property
    def cycle_ends(self) -> tuple[int, ...]:
        """The number of epochs done at the end of each cycle."""
        return tuple(itertools.accumulate(cycle.epochs for cycle in self.cycles))

    @property
    def epochs(self) -> int:
        return self.cycle_ends[-1]

    def learning_rates(self, batches: int) -> list[float]:
        """The learning rate of every step, at `batches` an epoch."""
        rates: list[float] = []
        for cycle in self.cycles:
            steps = cycle.epochs * batches
            for step in range(steps):
                rise = (step + 1) / steps / self.warmup_share
                fall = (1 - step / steps) / (1 - self.warmup_share)
                rates.append(cycle.peak_learning_rate * min(rise, fall))
        return rates

    def per_step(self, attribute: str, batches: int) -> list[float]:
        """One of a cycle's settings for every step, at `batches` an epoch."""
        return [
            getattr(cycle, attribute)
            for cycle in self.cycles
            for _ in range(cycle.epochs * batches)
        ]


@dataclass(frozen=True)
class Split:
    images: np.ndarray[Any, Any]
    """uint8 `[N, 32, 32, 3]`."""
    labels: np.ndarray[Any, Any]
    """int32 `[N]`, indices into the sorted class names."""


def read_cifar(source: Path) -> tuple[list[str], Split, Split]:
    """Read class names, training split and test split from a folder or archive."""
    found: dict[str, list[tuple[str, np.ndarray[Any, Any]]]] = {"train": [], "test": []}
    for name, data in jpegs(source):
        split, label = Path(name).parts[-3:-1]
        with Image.open(io.BytesIO(data)) as image:
            found[split].append((label, np.asarray(image.convert("RGB"))))
    classes = sorted({label for label, _ in found["train"]})
    if not classes:
        raise SystemExit(f"{source} holds no train/<class>/*.jpg files.")
    index = {label: number for number, label in enumerate(classes)}
    splits = [
        Split(
            np.stack([pixels for _, pixels in found[split]]),
            np.array([index[label] for label, _ in found[split]], np.int32),
        )
        for split in ("train", "test")
    ]
    return classes, splits[0], splits[1]


def jpegs(source: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every `<split>/<class>/<name>.jpg`, sorted within a folder."""
    if source.is_dir():
        for path in sorted(source.glob("*/*/*.jpg")):
            yield str(path), path.read_bytes()
        return
    with tarfile.open(source) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.name.endswith(".jpg") else None
            if content is not None:
                yield member.name, content.read()


def augment(
    images: network.Tensor,
    settings: TrainSettings,
    strength: network.Tensor,
    sharp: network.Tensor,
    hidden: network.Tensor,
) -> network.Tensor:
    """Return uint8 `[N, 32, 32, 3]` as float pixels, each framed and lit anew."""
    count = tf.shape(images)[0]
    side = network.INPUT_SIDE
    limit = math.log(settings.zoom_limit)
    zoom = tf.exp(
        tf.clip_by_value(tf.random.normal([count]) * settings.zoom_sigma * strength, -limit, limit)
    )
    aspect = tf.exp(tf.random.normal([count]) * settings.aspect_sigma * strength)
    mirror = tf.where(tf.random.uniform([count]) < 0.5, -1.0, 1.0)
    shift = tf.random.uniform([2, count], -1, 1) * settings.shift_pixels * strength
    stays_sharp = tf.random.uniform([count]) < sharp
    zoom = tf.where(stays_sharp, 1.0, zoom)
    aspect = tf.where(stays_sharp, 1.0, aspect)
    shift = tf.where(stays_sharp, tf.round(shift), shift)
    scale_x, scale_y = zoom * aspect * mirror, zoom / aspect
    centre = (side - 1) / 2
    zero = tf.zeros([count])
    transforms = tf.stack(
        [
            scale_x, zero, centre - scale_x * centre + shift[0],
            zero, scale_y, centre - scale_y * centre + shift[1],
            zero, zero,
        ],
        axis=1,
    )  # fmt: skip
    pixels = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=transforms,
        output_shape=[side, side],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    per_image = [count, 1, 1, 1]
    contrast = 1 + tf.random.uniform(per_image, -1, 1) * settings.contrast * strength
    brightness = tf.random.uniform(per_image, -1, 1) * settings.brightness * strength * 255
    mean = tf.reduce_mean(pixels, axis=[1, 2, 3], keepdims=True)
    pixels = tf.clip_by_value((pixels - mean) * contrast + mean + brightness, 0, 255)
    return _with_a_square_hidden(pixels, hidden)


def _with_a_square_hidden(pixels: network.Tensor, hidden: network.Tensor) -> network.Tensor:
    count, side = tf.shape(pixels)[0], network.INPUT_SIDE
    corner = tf.random.uniform([2, count, 1], -hidden / 2, side - hidden / 2)
    places = tf.range(side, dtype=tf.float32)[None]
    rows, columns = ((places >= at) & (places < at + hidden) for at in tf.unstack(corner))
    square = rows[:, :, None, None] & columns[:, None, :, None]
    return tf.where(square, 255 * tf.constant(network.PIXEL_MEAN), pixels)


class NetworkTrainer:
    """Stochastic gradient descent with Nesterov momentum and a cyclic rate."""

    def __init__(self, settings: TrainSettings, class_count: int, batches: int) -> None:
        self.settings = settings
        self.model = network.TrainableNetwork(class_count, settings.seed)
        self.averaged = network.TrainableNetwork(class_count, settings.seed)
        self.velocity = [
            tf.Variable(tf.zeros_like(v), trainable=False) for v in self.model.trainable_variables
        ]
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.rates = tf.constant(settings.learning_rates(batches), tf.float32)
        self.strengths = tf.constant(settings.per_step("augmentation", batches), tf.float32)
        self.sharp = tf.constant(settings.per_step("sharp", batches), tf.float32)
        self.classes = class_count
        self.hidden = tf.constant(settings.per_step("hidden", batches), tf.float32)
        self.train = tf.function(self._train)
        self.settle = tf.function(self._settle)
        self.answer = tf.function(self._answer)

    def _train(self, images: network.Tensor, labels: network.Tensor) -> network.Tensor:
        settings = self.settings
        variables = self.model.trainable_variables
        step = self.step
        framing = (self.strengths[step], self.sharp[step], self.hidden[step])
        pixels = network.normalise(augment(images, settings, *framing))
        targets = tf.one_hot(labels, self.classes)
        targets = targets * (1 - settings.label_smoothing) + settings.label_smoothing / self.classes
        with tf.GradientTape() as tape:
            logits = self.model(pixels, training=True)
            loss = tf.reduce_mean(
                tf.nn.softmax_cross_entropy_with_logits(labels=targets, logits=logits)
            )
        rate = self.rates[self.step]
        gradients = tape.gradient(loss, variables)
        for variable, gradient, velocity in zip(variables, gradients, self.velocity, strict=True):
            if len(variable.shape) > 1:
                gradient += settings.weight_decay * variable
            velocity.assign(settings.momentum * velocity + gradient)
            variable.assign_sub(rate * (gradient + settings.momentum * velocity))
        self.step.assign_add(1)
        decay = tf.minimum(settings.average_decay, tf.cast(self.step, tf.float32) / 1000)
        for average, value in zip(self.averaged.variables, self.model.variables, strict=True):
            average.assign(decay * average + (1 - decay) * value)
        return loss

    def _settle(self, images: network.Tensor) -> None:
        """Let the averaged weights' statistics follow a batch of images as they are.

        Averaged statistics belong to no weights that ever were.
        """
        self.averaged(network.normalise(images), training=True)

    def _answer(self, images: network.Tensor) -> network.Tensor:
        return tf.argmax(self.averaged(network.normalise(images), training=False), axis=1)

    def accuracy(self, split: Split) -> float:
        """Return the share of `split` that the averaged weights get right."""
        right = 0
        for start in range(0, len(split.images), 1000):
            answers = self.answer(split.images[start : start + 1000]).numpy()
            right += int((answers == split.labels[start : start + 1000]).sum())
        return right / len(split.images)


def train(source: Path, out: Path, settings: TrainSettings) -> None:
    """Train on `source`, writing weights, settings, log and checkpoints to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    tf.random.set_seed(settings.seed)
    classes, training, test = read_cifar(source)
    batches = len(training.images) // settings.batch
    trainer = NetworkTrainer(settings, len(classes), batches)
    checkpoint = tf.train.Checkpoint(
        model=trainer.model.variables,
        averaged=trainer.averaged.variables,
        velocity=trainer.velocity,
        step=trainer.step,
    )
    latest = out / "checkpoint" / "latest"
    if latest.with_suffix(".index").exists():
        checkpoint.read(str(latest)).assert_consumed()
    first_epoch = int(trainer.step.numpy()) // batches
    for epoch in range(first_epoch, settings.epochs):
        started = time.monotonic()
        order = np.random.default_rng(settings.seed + epoch).permutation(len(training.images))
        losses = []
        for batch in range(batches):
            chosen = order[batch * settings.batch : (batch + 1) * settings.batch]
            losses.append(trainer.train(training.images[chosen], training.labels[chosen]))
        for batch in range(SETTLING_BATCHES):
            chosen = order[batch * settings.batch : (batch + 1) * settings.batch]
            trainer.settle(training.images[chosen])
        accuracy = trainer.accuracy(test)
        line = {
            "epoch": epoch + 1,
            "loss": round(float(np.mean([loss.numpy() for loss in losses])), 4),
            "test_accuracy": accuracy,
            "seconds": round(time.monotonic() - started, 1),
        }
        with (out / "training.log").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(line, flush=True)
        checkpoint.write(str(latest))
        if epoch + 1 in settings.cycle_ends:
            np.savez(out / f"cycle-{epoch + 1}.npz", *_values(trainer))
    accuracy = _blend(trainer, training, test, out)
    weights: dict[str, Any] = trainer.averaged.folded()
    np.savez(out / "weights.npz", **weights)
    (out / "training.json").write_text(
        json.dumps(
            {"classes": classes, "settings": asdict(settings), "test_accuracy": accuracy}, indent=2
        )
    )


def _values(trainer: NetworkTrainer) -> list[Any]:
    return [variable.numpy() for variable in trainer.averaged.variables]


def _blend(trainer: NetworkTrainer, training: Split, test: Split, out: Path) -> float:
    """Blend the weights that the cycles ended with, and return their accuracy.

    The cycles end in different places of one valley; between them it is flatter,
    and what lies there is right more often on images that were never seen.
    """
    settings = trainer.settings
    ends = [list(np.load(out / f"cycle-{end}.npz").values()) for end in settings.cycle_ends]
    for variable, *values in zip(trainer.averaged.variables, *ends, strict=True):
        variable.assign(sum(s * v for s, v in zip(settings.blend, values, strict=True)))
    order = np.random.default_rng(settings.seed).permutation(len(training.images))
    for batch in range(SETTLING_BATCHES):
        trainer.settle(training.images[order[batch * settings.batch :][: settings.batch]])
    return trainer.accuracy(test)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the starter model on CIFAR-10.")
    parser.add_argument("source", type=Path, help="folder or archive of CIFAR-10 as JPEG files")
    parser.add_argument("out", type=Path, help="folder for weights, log and checkpoints")
    arguments = parser.parse_args()
    train(arguments.source, arguments.out, TrainSettings())


if __name__ == "__main__":
    main()
