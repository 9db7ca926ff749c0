"""Makes scores mean what they say: of answers with 80%, four of five are right.

A model that is fitted to few labels is too modest or too certain. All its logits are divided
by one number, the temperature, under which the scores that labelled photos got while they were
left out are the most probable (Guo et al. 2017, On Calibration of Modern Neural Networks). No
answer changes. The number is multiplied into the head, so that a version serves nothing more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from backend.training.features import Integers
from backend.training.head import Floats, softmax
from backend.training.minimum import minimum_between

BINS = 15
"""Of the expected calibration error: the number that most papers use."""
_MIN_PROBABILITY = 6e-8
"""Smaller probabilities count as this one: the half precision that they are kept in cannot tell
them from 0."""
_MAX_LOG_TEMPERATURE = math.log(8.0)
"""Bound of the logarithm of the temperature, in both directions."""
_TOLERANCE = 1e-4
"""Of the logarithm of the temperature."""
_PRIOR = 4.0
"""Temperature 1 counts as much as this many photos would that ask for it."""
_DRAWS = 200


@dataclass(frozen=True)
class Calibration:
    """The temperature, and how wrong scores of photos that were left out are by how much.

    Errors are expected calibration errors, 0 to 1.
    """

    temperature: float
    error_before: float
    error: float
    """With the temperature, which was fitted to the other half of the photos."""
    error_by_chance: float
    """What scores that are exactly right would have: so few photos tell no less apart."""
    photos: int


def calibrate(probabilities: Floats, truth: Integers, *, fixed: bool = False) -> Calibration | None:
    """Return the calibration of probabilities [N, C] for photos of the classes `truth` [N].

    Each photo got its probabilities from a head that did not learn from it; those without any
    do not count. With `fixed` the temperature is 1. Returns None if fewer than two photos count,
    or there is one class.
    """
    counted = probabilities.max(axis=1, initial=0) > 0
    found, shown = probabilities[counted].astype(np.float32), truth[counted]
    if len(found) < 2 or found.shape[1] < 2:
        return None
    before = expected_calibration_error(found, shown)
    if fixed:
        return Calibration(1.0, before, before, error_by_chance(found), len(found))
    logits: Floats = np.log(np.maximum(found, np.float32(_MIN_PROBABILITY)))
    temperature = _temperature(logits, shown)
    # Honest about the temperature too: each half is measured with that of the other one.
    half = np.arange(len(found)) % 2 == 0
    cooled = np.empty_like(logits)
    cooled[half] = logits[half] / _temperature(logits[~half], shown[~half])
    cooled[~half] = logits[~half] / _temperature(logits[half], shown[half])
    return Calibration(
        temperature,
        before,
        expected_calibration_error(softmax(cooled), shown),
        error_by_chance(with_temperature(found, temperature)),
        len(found),
    )


def with_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return probabilities [N, C] as they are when logits are divided by `temperature`."""
    logits: Floats = np.log(
        np.maximum(probabilities.astype(np.float32), np.float32(_MIN_PROBABILITY))
    )
    return softmax(logits / np.float32(temperature))


def expected_calibration_error(probabilities: Floats, truth: Integers) -> float:
    """Return by how much best scores and the share of right answers differ, 0 to 1.

    The mean over `BINS` equal ranges of scores, weighed by their photos.
    """
    scores = probabilities.max(axis=1)
    return _error(scores, probabilities.argmax(axis=1) == truth, _bins(scores))


def error_by_chance(probabilities: Floats) -> float:
    """Return the mean error of as many photos whose scores are exactly right.

    Whether each is answered rightly is drawn `_DRAWS` times, with its score as probability.
    """
    scores = probabilities.max(axis=1)
    bins, random = _bins(scores), np.random.default_rng(0)
    draws = (random.random((_DRAWS, len(scores))) < scores).astype(np.float64)
    return float(np.mean([_error(scores, right, bins) for right in draws]))


def _temperature(logits: Floats, truth: Integers) -> float:
    rows = np.arange(len(logits))

    def loss(logarithm: float) -> float:
        scaled = logits / math.exp(logarithm)
        largest = scaled.max(axis=1)
        total = largest + np.log(np.exp(scaled - largest[:, None]).sum(axis=1))
        return float((total - scaled[rows, truth]).sum() + _PRIOR / 2 * logarithm**2)

    return math.exp(minimum_between(loss, -_MAX_LOG_TEMPERATURE, _MAX_LOG_TEMPERATURE, _TOLERANCE))


def _bins(scores: Floats) -> Integers:
    return np.minimum((scores * BINS).astype(np.int64), BINS - 1)


def _error(scores: Floats, right: Floats, bins: Integers) -> float:
    surplus = np.bincount(bins, weights=right - scores, minlength=BINS)
    return float(np.abs(surplus).sum() / len(scores))
