"""Fine-tunes a network several times: for each part of the photos without it, then on all.

What the networks make of the photos that they were not taught says whether tuning pays, and is
what heads are fitted to afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from backend.contract import NetworkComparison
from backend.training.evaluation import answers_of, units_of
from backend.training.features import Integers, Rows
from backend.training.fine_tuning.comparison import Flags, compare_networks
from backend.training.fine_tuning.conditions import PARTS
from backend.training.fine_tuning.graph_cut import UpperPart
from backend.training.fine_tuning.network import (
    RECIPE,
    Activations,
    InitialHead,
    Recipe,
    TrainedPart,
    TrainingData,
    Weights,
)
from backend.training.head import Floats, Head
from backend.training.near_duplicates import group_near_duplicates
from backend.training.regression import Problem

_MIN_BIAS = -10.0
"""Bias with which a class begins to be learned if the head had no photo of it."""

OnBatch = Callable[[str, int], None]
"""Called with what is being done, and with how many photos one more step was done."""


@dataclass(frozen=True)
class TrialResult:
    """What networks make of photos that they were not taught, and how good that is."""

    embeddings: Floats
    """[N, D]"""
    comparison: NetworkComparison


class Tuning:
    """N labelled photos, prepared so that a network can be fine-tuned on any part of them."""

    def __init__(
        self,
        upper: UpperPart,
        start: Weights,
        activations: Activations,
        rows: Rows,
        recipe: Recipe = RECIPE,
    ) -> None:
        """Every training begins with the weights `start`, those of nobody's tuning.

        `rows` are the photos as the network of the live version sees them, in the order of
        `activations`.
        """
        self._upper = upper
        self._start = start
        self._activations = activations
        self._rows = rows
        self._recipe = recipe
        self._names = tuple(sorted(set(rows.classes)))
        self._truth = rows.indices(self._names).astype(np.int64)
        size = rows.embeddings.shape[1]
        nothing = InitialHead(
            np.zeros((size, len(self._names)), np.float32), np.zeros(len(self._names), np.float32)
        )
        plain = TrainedPart(upper, start, nothing)
        # As the network saw photos before anyone tuned it: a tuned one finds most of a class alike.
        self._plain = replace(rows, embeddings=plain.embed(activations[0]))
        groups = group_near_duplicates(self._plain.embeddings)
        # As in cross-validation, a group that is most of a class is none.
        self._units = units_of(rows.classes, groups)

    def try_out(self, on_batch: OnBatch) -> TrialResult:
        """Fine-tune without one part after the other, and compare with the live network."""
        fair = np.zeros_like(self._plain.embeddings)
        before, after = np.zeros((2, len(self._rows)), bool)
        parts = stratified_folds(self._rows.classes, self._units)
        for number, part in enumerate(parts, 1):
            others = np.setdiff1d(np.arange(len(self._rows)), part)
            text = f"Fine-tuning without part {number} of {len(parts)}, to compare"
            network = self._trained(others, partial(on_batch, text))
            fair[part] = network.embed(self._activations[0][part])
        tuned = replace(self._rows, embeddings=fair)
        for part in parts:
            others = np.setdiff1d(np.arange(len(self._rows)), part)
            before[part] = _right(self._rows, others, part)
            after[part] = _right(tuned, others, part)
        return TrialResult(fair, compare_networks(before, after, self._units))

    def on_all(self, on_batch: OnBatch) -> Weights:
        """Return the weights of a network that learned from all photos."""
        every = np.arange(len(self._rows))
        return self._trained(every, partial(on_batch, "Fine-tuning on all photos")).weights

    def _trained(self, chosen: Integers, on_batch: Callable[[int], None]) -> TrainedPart:
        head = _fitted(self._plain, chosen)
        size = self._plain.embeddings.shape[1]
        order = [head.classes.index(name) for name in self._names]
        bias = np.maximum(head.bias[order], _MIN_BIAS)
        network = TrainedPart(
            self._upper, self._start, InitialHead(head.kernel[size:, order], bias)
        )
        data = TrainingData(self._activations, self._truth, len(self._names), self._recipe)
        network.learn(data, chosen, on_batch)
        # Halfway between both networks is better than either, and sees photos more alike from
        # part to part (Wortsman and others, Robust fine-tuning of zero-shot models, 2022).
        network.average_with(self._start)
        return network


def stratified_folds(classes: tuple[str, ...], units: Sequence[Integers]) -> list[Integers]:
    """Return PARTS folds of units of photos, each class evenly; each fold is sorted."""
    ordered = sorted(units, key=lambda unit: (classes[unit[0]], unit[0]))
    return [np.sort(np.concatenate(ordered[part::PARTS])) for part in range(PARTS)]


def _right(rows: Rows, taught: Integers, asked: Integers) -> Flags:
    """Say which of the photos `asked` a head answers rightly that was fitted to `taught`."""
    is_chosen = np.isin(np.arange(len(rows)), asked)
    return np.array(answers_of(_fitted(rows, taught), rows.where(is_chosen)).right)


def _fitted(rows: Rows, chosen: Integers) -> Head:
    size = rows.embeddings.shape[1]
    nothing = Head(np.zeros((2 * size, 0), np.float32), np.zeros(0, np.float32), ())
    return Problem(nothing, rows, rows.embeddings.mean(axis=0)).fit(chosen)
