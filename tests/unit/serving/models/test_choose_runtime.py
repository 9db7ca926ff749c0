"""What a version is computed by is chosen when it is made, and stands in its card."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from serving.model_server import openvino_runtime
from serving.model_server.openvino_runtime import CompiledNetwork
from serving.models import choose_runtime
from serving.models.card import ModelCard
from serving.models.choose_runtime import MIN_PHOTOS, Seen, agrees, record_runtime
from serving.models.warm_up import warm_up_photo
from serving.tf.cores import core_count
from serving.tf.names import (
    CLASSES,
    CLASSIFY_SIGNATURE,
    EMBEDDING_NODE,
    IMAGES,
    SCORES,
    WARM_UP_EMBEDDING_FILE,
)
from serving.tf.runtime_choice import BF16, F32, OPENVINO, TENSORFLOW, RuntimeChoice, read_choice
from serving.tf.session import Session
from serving.tf.tensors import Array, string_tensor
from tests.support.sample_images import painting
from tests.support.tiny_model import COLORS, write_tiny

PHOTOS = [painting(list(COLORS.values())[at % len(COLORS)], at) for at in range(MIN_PHOTOS)]
_EMBEDDING = [[0.0, 3.0, 4.0]]


def seen(
    *scores: float, classes: str = "abc", embeddings: list[list[float]] | None = None, rows: int = 1
) -> Seen:
    return Seen(
        np.array((embeddings or _EMBEDDING) * rows, np.float32),
        np.array([[each.encode() for each in classes]] * rows, object),
        np.array([scores] * rows, np.float32),
    )


@pytest.mark.parametrize(
    ("found", "agree"),
    [
        (seen(0.5, 0.3, 0.2), True),
        (seen(0.515, 0.285, 0.2), True),
        (seen(0.53, 0.27, 0.2), False),
        # The order of what is nearly equal may change, but not which class comes first.
        (seen(0.5, 0.29, 0.21, classes="acb"), False),
        (seen(0.5, 0.3, 0.2, classes="bac"), False),
        # A class that is not listed scores at most as much as the last that is.
        (seen(0.5, 0.3, 0.2, classes="abd"), True),
        (seen(0.5, 0.3, 0.2, embeddings=[[0.3, 3.0, 4.0]]), False),
        (seen(0.5, 0.3, 0.2, embeddings=[[0.1, 3.0, 4.0]]), True),
        (seen(0.5, 0.3, 0.2, embeddings=[[float("nan"), 3.0, 4.0]]), False),
        (seen(0.5, 0.3, float("nan")), False),
        (seen(0.5, 0.3, 0.2, embeddings=[[0.0, 0.0, 0.0]]), False),
        (seen(0.5, 0.3, classes="ab"), False),
    ],
)
def test_scores_agree_within_the_tolerance_alone(found: Seen, agree: bool) -> None:
    assert agrees(seen(0.5, 0.3, 0.2), found) is agree


def test_one_photo_of_fifty_may_be_of_another_class() -> None:
    expected, found = seen(0.5, 0.49, rows=50, classes="ab"), seen(0.5, 0.49, rows=50, classes="ab")
    for wrong in (0, 1):
        found.classes[wrong] = found.classes[wrong][::-1]
        assert agrees(expected, found) is (wrong == 0)


def test_what_sees_nothing_agrees_with_itself_and_a_head_without_classes_too() -> None:
    nothing = seen(0.5, 0.3, 0.2, embeddings=[[0.0, 0.0, 0.0]])
    assert agrees(nothing, nothing)
    assert agrees(seen(classes=""), seen(classes=""))


@pytest.fixture
def version(tmp_path: Path) -> Path:
    if not openvino_runtime.is_installed():
        pytest.skip("OpenVINO is not installed.")
    folder = tmp_path / "pets" / "1"
    folder.mkdir(parents=True)
    write_tiny(folder)
    return folder


def recorded(version: Path) -> RuntimeChoice:
    card = ModelCard.read(version)
    choice = read_choice(version)
    assert (card.runtime, card.precision) == (choice.runtime, choice.precision)
    return choice


def test_the_lowest_precision_that_is_fast_here_and_agrees_is_chosen(version: Path) -> None:
    record_runtime(version, PHOTOS)
    assert recorded(version) == RuntimeChoice(OPENVINO, openvino_runtime.fast_precisions()[0])
    session = Session(version, ["serve"], core_count(), core_count(), trusted=True)
    # All that was asked for then: what TensorFlow fuses, and so the last bit, depends on it.
    answers = session.signatures[CLASSIFY_SIGNATURE].outputs
    outputs = [EMBEDDING_NODE, answers[CLASSES].name, answers[SCORES].name]
    expected, *_ = session.computation([IMAGES], outputs)([string_tensor([warm_up_photo()])], None)
    session.close()
    np.testing.assert_array_equal(np.load(version / WARM_UP_EMBEDDING_FILE), expected.array[0])


def test_a_few_photos_are_enough_for_f32_alone_unless_the_network_is_known(version: Path) -> None:
    record_runtime(version, PHOTOS[:4])
    assert recorded(version) == RuntimeChoice(OPENVINO, F32)
    record_runtime(version, PHOTOS)
    chosen = recorded(version)
    record_runtime(version, PHOTOS[:4], has_known_network=True)
    assert recorded(version) == chosen


@pytest.mark.parametrize(
    ("wrong", "choice"),
    [
        ({BF16}, RuntimeChoice(OPENVINO, F32)),
        ({BF16, F32}, RuntimeChoice(TENSORFLOW, F32)),
    ],
)
def test_a_precision_that_does_not_agree_is_not_chosen(
    version: Path, monkeypatch: pytest.MonkeyPatch, wrong: set[str], choice: RuntimeChoice
) -> None:
    build, compute = CompiledNetwork.__init__, CompiledNetwork.compute
    precisions: dict[int, str] = {}

    def remember(self: CompiledNetwork, cut: object, threads: int, precision: str) -> None:
        precisions[id(self)] = precision
        build(self, cut, threads, F32)  # type: ignore[arg-type]

    def off(self: CompiledNetwork, pixels: Array, *, is_alone: bool) -> Array:
        found = compute(self, pixels, is_alone=is_alone)
        return found[:, ::-1] if precisions[id(self)] in wrong else found

    monkeypatch.setattr(CompiledNetwork, "__init__", remember)
    monkeypatch.setattr(CompiledNetwork, "compute", off)
    monkeypatch.setattr(choose_runtime, "fast_precisions", lambda: (BF16, F32))
    record_runtime(version, PHOTOS)
    assert recorded(version) == choice


def test_where_openvino_is_missing_the_card_says_nothing(
    version: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> None:
        raise ImportError("libopenvino.so.1 is missing")

    record_runtime(version, PHOTOS)
    monkeypatch.setattr(choose_runtime, "fast_precisions", missing)
    record_runtime(version, PHOTOS)
    assert (ModelCard.read(version).runtime, ModelCard.read(version).precision) == ("", "")
    assert read_choice(version) == RuntimeChoice(OPENVINO, F32)
