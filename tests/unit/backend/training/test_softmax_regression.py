"""What is fitted is the minimum of the penalized loss, whatever is given beside the points."""

from __future__ import annotations

import numpy as np
import pytest

from backend.training.head import Floats, softmax
from backend.training.softmax_regression import Axes, Samples, fit_softmax, plain_samples

PENALTY = 5.0


def points(count: int, size: int = 6, seed: int = 1) -> Floats:
    generator = np.random.default_rng(seed)
    made: Floats = (generator.normal(size=(count, size)) + 2).astype(np.float32)
    return made


def shares(count: int, classes: int, seed: int = 2) -> Floats:
    logits = np.random.default_rng(seed).normal(size=(count, classes)).astype(np.float32)
    return softmax(logits)


@pytest.mark.parametrize("count", [4, 40], ids=["fewer points than numbers", "more of them"])
def test_axes_lose_nothing(count: int) -> None:
    x = points(count)
    axes = Axes.of(x, centred=True)
    assert np.allclose(axes.directions.T @ axes.directions, np.eye(len(axes.spread)), atol=1e-5)
    assert np.allclose(axes.coordinates(x) @ axes.directions.T + axes.centre, x, atol=1e-4)
    assert np.allclose((axes.coordinates(x) ** 2).mean(axis=0), axes.spread, rtol=1e-3, atol=1e-6)
    assert (np.diff(axes.spread) <= 1e-6).all()


def test_soft_labels_and_weights_are_fitted() -> None:
    x, targets = points(40), shares(40, 3)
    weight = np.linspace(0.2, 1.5, 40).astype(np.float32)
    axes = Axes.of(x, centred=True)
    samples = plain_samples(axes.coordinates(x), targets, weight)
    weights, bias = fit_softmax(samples, axes, PENALTY, with_bias=True)
    wrong = (softmax(x @ weights + bias) - targets) * weight[:, None]
    assert np.abs(PENALTY * x.T @ wrong + weights).max() < 0.02
    assert np.abs(wrong.sum(axis=0)).max() < 0.01


def test_given_logits_of_other_classes_compete() -> None:
    """As if all classes were fitted, with the weights of some held where they are."""
    x = points(40)
    given = np.random.default_rng(3).normal(size=(40, 2)).astype(np.float32)
    truth = np.arange(40) % 4  # 0 and 1 get weights, 2 and 3 are given
    axes = Axes.of(x, centred=False)
    targets = np.eye(4, dtype=np.float32)[truth]
    samples = Samples(
        coordinates=axes.coordinates(x),
        targets=targets[:, :2],
        weight=np.ones(40, np.float32),
        offsets=np.tile(np.array([[0.5, -0.5]], np.float32), (40, 1)),
        rest=np.log(np.exp(given).sum(axis=1)),
        own=np.where(truth >= 2, given[np.arange(40), truth - 2], 0).astype(np.float32),
    )
    weights, bias = fit_softmax(samples, axes, PENALTY, with_bias=False)
    assert not bias.any()
    logits = np.concatenate([x @ weights + samples.offsets, given], axis=1)
    wrong = softmax(logits) - targets
    assert np.abs(PENALTY * x.T @ wrong[:, :2] + weights).max() < 0.02


def test_one_class_alone_needs_no_weights() -> None:
    x = points(5)
    axes = Axes.of(x, centred=True)
    alone = plain_samples(axes.coordinates(x), np.ones((5, 1), np.float32), np.ones(5, np.float32))
    weights, _ = fit_softmax(alone, axes, PENALTY, with_bias=True)
    assert np.abs(weights).max() < 1e-6


def test_photos_that_are_all_the_same_have_no_axes() -> None:
    x = np.ones((3, 6), np.float32)
    axes = Axes.of(x, centred=True)
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1]]
    samples = plain_samples(axes.coordinates(x), targets, np.ones(3, np.float32))
    weights, bias = fit_softmax(samples, axes, PENALTY, with_bias=True)
    assert np.allclose(softmax(x @ weights + bias)[:, 1], 1 / 3, atol=0.01)
