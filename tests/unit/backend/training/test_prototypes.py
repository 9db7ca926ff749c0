"""Prototypes are what a head answers with its classes, as confidently as asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.head import Head, softmax
from backend.training.prototypes import (
    CONFIDENCES,
    EMBEDDING_MEAN_PATH,
    prototypes,
    read_embedding_mean,
)

SIZE, CLASSES = 512, 30
MEAN = np.full(SIZE, 0.5, np.float32)


def head(scale: float, unit_scale: float = 0.0) -> Head:
    generator = np.random.default_rng(1)
    kernel = generator.normal(size=(2 * SIZE, CLASSES)).astype(np.float32)
    kernel[:SIZE] *= scale
    kernel[SIZE:] *= unit_scale
    names = tuple(f"{number}" for number in range(CLASSES))
    return Head(kernel, np.zeros(CLASSES, np.float32), names)


@pytest.mark.parametrize("scale", [0.05, 0.1, 0.2])
def test_each_is_answered_with_its_class_at_about_the_confidence(scale: float) -> None:
    made = prototypes(head(scale), MEAN)
    assert made.embeddings.shape == (CLASSES * len(CONFIDENCES), SIZE)
    assert (made.embeddings >= 0).all()
    assert np.allclose(made.logits, head(scale).logits(made.embeddings), atol=1e-3)
    scores = softmax(made.logits).reshape(len(CONFIDENCES), CLASSES, CLASSES)
    assert np.mean(scores[0].argmax(axis=1) == np.arange(CLASSES)) > 0.9
    for confidence, part in zip(CONFIDENCES, scores, strict=True):
        own = np.diagonal(part)
        assert np.median(np.abs(own - confidence)) < 0.07


def test_weights_on_unit_embeddings_count_too() -> None:
    made = prototypes(head(0.0, unit_scale=8.0), MEAN)
    own = softmax(made.logits)[np.arange(CLASSES), np.arange(CLASSES)]
    assert np.median(own) > 0.5


def test_the_mean_is_read_or_else_that_of_the_embeddings(tmp_path: Path) -> None:
    embeddings = np.array([[1, 2], [3, 4]], np.float32)
    assert read_embedding_mean(tmp_path, embeddings).tolist() == [2, 3]
    path = tmp_path / EMBEDDING_MEAN_PATH
    path.parent.mkdir()
    np.save(path, np.array([5, 6], np.float32))
    assert read_embedding_mean(tmp_path, embeddings).tolist() == [5, 6]
    np.save(path, np.ones(3, np.float32))
    assert read_embedding_mean(tmp_path, embeddings).tolist() == [2, 3]
    path.write_bytes(b"nonsense")
    assert read_embedding_mean(tmp_path, embeddings).tolist() == [2, 3]
