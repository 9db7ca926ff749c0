"""The graph that every exported version answers with."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from serving.models.servable import (
    TOP_K,
    decode_square,
    write_servable,
)
from serving.tf.messages import saved_model_pb2
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, IMAGES, SERVE_TAG
from serving.tf.session import Session
from serving.tf.tensors import string_tensor

SIDE = 32


def jpeg(pixels: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(out, "JPEG", **options)
    return out.getvalue()


def smooth(height: int, width: int) -> Any:
    """A picture of slow waves, so that scaling it has one right answer."""
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(3 * x / width + shift) * np.cos(2 * y / height) for shift in (0, 1, 2)]
    return np.stack(waves, axis=-1) * 100 + 128


def mean_colours(pixels: Any) -> Any:
    """An embedding that anyone can compute: mean red, green, blue, 0 to 1."""
    return tf.reduce_mean(pixels, axis=[1, 2]) / 255


class LoadedServable:
    """A version, loaded as an instance loads it."""

    def __init__(self, folder: Path) -> None:
        self._session = Session(folder, [SERVE_TAG], 0, 0)

    def run(self, signature: str, images: Sequence[bytes]) -> dict[str, Any]:
        """Run one batch; returns the signature's outputs by name."""
        definition = self._session.signatures[signature]
        fetches = [output.name for output in definition.outputs.values()]
        compute = self._session.computation([definition.inputs[IMAGES].name], fetches)
        answers = compute([string_tensor(images)], None)
        return {name: each.array for name, each in zip(definition.outputs, answers, strict=True)}


@pytest.fixture(scope="module")
def servable(tmp_path_factory: pytest.TempPathFactory) -> LoadedServable:
    folder = tmp_path_factory.mktemp("models") / "1"
    folder.mkdir()
    write_servable(
        folder,
        side=SIDE,
        embed=mean_colours,
        head_kernel=np.eye(3, dtype=np.float32) * 10,
        head_bias=np.zeros(3, np.float32),
        classes=["red", "grün", "blue"],
    )
    assert sorted(entry.name for entry in folder.iterdir()) == ["assets.extra", "saved_model.pb"]
    return LoadedServable(folder)


def test_classes_come_ranked_with_probabilities(servable: LoadedServable) -> None:
    green = jpeg(np.full((50, 80, 3), (0, 255, 0)))
    blue = jpeg(np.full((32, 32, 3), (0, 0, 255)))
    for signature in ("predict_images", "serving_default"):
        answer = servable.run(signature, [green, blue])
        assert [name.decode() for name in answer["classes"][:, 0]] == ["grün", "blue"]
        assert answer["classes"].shape == answer["scores"].shape == (2, 3)
        np.testing.assert_allclose(answer["scores"].sum(axis=1), 1, atol=1e-5)
        assert (np.diff(answer["scores"], axis=1) <= 0).all()


def test_the_embedding_is_what_the_head_sees(servable: LoadedServable) -> None:
    embedding = servable.run("embed", [jpeg(np.full((40, 40, 3), (255, 0, 255)))])["embedding"]
    np.testing.assert_allclose(embedding, [[1, 0, 1]], atol=0.02)


def test_an_empty_batch_has_an_empty_answer(servable: LoadedServable) -> None:
    assert servable.run("predict_images", [])["scores"].shape == (0, 3)


def test_a_grey_jpeg_is_answered(servable: LoadedServable) -> None:
    assert servable.run("predict_images", [jpeg(np.full((40, 40), 90))])["scores"].shape == (1, 3)


def test_an_image_of_the_models_size_is_left_as_it_is() -> None:
    data = jpeg(smooth(SIDE, SIDE), quality=95)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image, np.float32)
    np.testing.assert_array_equal(decode_square(tf.constant(data), SIDE).numpy(), expected)


@pytest.mark.parametrize("size", [(64, 64), (100, 150), (700, 500), (33, 400), (1200, 1600)])
def test_a_large_photo_looks_like_its_middle_square_scaled_down(size: tuple[int, int]) -> None:
    height, width = size
    picture = smooth(height, width)
    edge = min(size)
    top, left = (height - edge) // 2, (width - edge) // 2
    square = Image.fromarray(picture[top : top + edge, left : left + edge].astype(np.uint8))
    expected = np.asarray(square.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32)
    got = decode_square(tf.constant(jpeg(picture, quality=95)), SIDE).numpy()
    assert np.abs(got - expected).mean() < 2.5


def test_with_a_zoom_the_middle_is_cut_out() -> None:
    picture = smooth(600, 900)
    shown = Image.fromarray(picture.astype(np.uint8)).resize((60, 40), Image.Resampling.BICUBIC)
    expected = np.asarray(shown.crop((14, 4, 14 + SIDE, 4 + SIDE)), np.float32)
    got = decode_square(tf.constant(jpeg(picture, quality=95)), SIDE, zoom=40 / SIDE).numpy()
    assert np.abs(got - expected).mean() < 1


def test_decoding_at_a_reduced_scale_keeps_the_detail_that_a_score_depends_on() -> None:
    side, edge = 224, 2000
    detail = np.random.default_rng(1).integers(0, 256, (edge // 8, edge // 8, 3), np.uint8)
    data = jpeg(detail.repeat(8, axis=0).repeat(8, axis=1), quality=92)
    with Image.open(io.BytesIO(data)) as whole:
        scaled = whole.resize((side, side), Image.Resampling.BICUBIC)
    got = decode_square(tf.constant(data), side).numpy()
    assert np.abs(got - np.asarray(scaled, np.float32)).mean() < 1.4


def test_the_head_can_be_found_by_name(tmp_path: Path) -> None:
    write_servable(
        tmp_path,
        side=SIDE,
        embed=mean_colours,
        head_kernel=np.zeros((3, 30), np.float32),
        head_bias=np.arange(30, dtype=np.float32),
        classes=[f"class {number}" for number in range(30)],
    )
    answer = LoadedServable(tmp_path).run("predict_images", [jpeg(smooth(32, 32))])
    assert answer["classes"].shape == (1, TOP_K)
    assert answer["classes"][0, 0] == b"class 29"
    graph = saved_model_pb2.SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    names = [node.name for node in graph.meta_graphs[0].graph_def.node if node.op == "Const"]
    assert all(names.count(name) == 1 for name in (HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES))


def test_the_head_sees_the_embedding_and_the_same_at_unit_length(tmp_path: Path) -> None:
    kernel = np.zeros((6, 3), np.float32)
    kernel[:3] = np.eye(3)
    kernel[3:] = 2 * np.eye(3)
    write_servable(
        tmp_path,
        side=SIDE,
        embed=mean_colours,
        head_kernel=kernel,
        head_bias=np.zeros(3, np.float32),
        classes=["red", "green", "blue"],
    )
    loaded = LoadedServable(tmp_path)
    photos = [jpeg(np.full((40, 40, 3), color)) for color in ((60, 120, 30), (0, 0, 0))]
    embedding = loaded.run("embed", photos)["embedding"]
    length = np.linalg.norm(embedding, axis=1, keepdims=True)
    exponentials = np.exp(embedding + 2 * embedding / np.maximum(length, 1e-6))
    expected = np.sort(exponentials / exponentials.sum(axis=1, keepdims=True), axis=1)[:, ::-1]
    np.testing.assert_allclose(loaded.run("predict_images", photos)["scores"], expected, atol=1e-6)


def test_a_head_without_classes_answers_none(tmp_path: Path) -> None:
    write_servable(
        tmp_path,
        side=SIDE,
        embed=mean_colours,
        head_kernel=np.zeros((6, 0), np.float32),
        head_bias=np.zeros(0, np.float32),
        classes=[],
    )
    loaded = LoadedServable(tmp_path)
    photos = [jpeg(smooth(40, 40))] * 2
    answer = loaded.run("predict_images", photos)
    assert answer["classes"].shape == answer["scores"].shape == (2, 0)
    assert loaded.run("embed", photos)["embedding"].shape == (2, 3)
