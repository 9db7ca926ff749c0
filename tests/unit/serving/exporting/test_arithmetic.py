"""What of a version is exported, how photos are read for it, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.errors import ModelError
from serving.exporting.arithmetic import arithmetic_of
from serving.exporting.check import check_difference, find_reading, version_scores
from serving.exporting.check_photos import check_photos
from serving.exporting.reading import PhotoReading
from serving.models.graph_template import with_constants
from serving.models.servable import write_servable
from serving.tf.messages import saved_model_pb2
from serving.tf.names import HEAD_CLASSES, SAVED_MODEL_FILE, SCORES_NODE
from serving.tf.tensors import string_tensor
from tests.support.sample_images import gradient
from tests.support.tiny_model import COLORS, write_tiny
from tests.support.tiny_network import SIDE


@pytest.fixture
def version(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "pets" / "1"
    folder.mkdir(parents=True)
    write_tiny(folder)
    return folder


def change(version: Path, node_name: str, **fields: Any) -> None:
    """Change fields of a node of a version's graph."""
    path = version / SAVED_MODEL_FILE
    message = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for node in message.meta_graphs[0].graph_def.node:
        if node.name == node_name:
            for field, value in fields.items():
                setattr(node, field, value)
    path.write_bytes(message.SerializeToString())


def test_the_scores_are_those_of_all_classes_in_order(version: Path) -> None:
    arithmetic = arithmetic_of(version)
    assert arithmetic.classes == tuple(COLORS)
    assert (arithmetic.height, arithmetic.width) == (SIDE, SIDE)
    assert {node.op for node in arithmetic.graph.node}.isdisjoint({"PlaceholderWithDefault"})
    made = version_scores(version, arithmetic, [gradient()])
    assert made.scores.shape == (1, len(COLORS))
    assert made.scores.sum() == pytest.approx(1)
    assert made.pixels[0].shape == (SIDE, SIDE, 3)


def test_a_version_without_classes_is_refused(version: Path) -> None:
    write_tiny(version, classes={})
    with pytest.raises(ModelError, match="knows no class yet"):
        arithmetic_of(version)


def test_a_graph_that_cannot_be_read_is_refused(version: Path) -> None:
    (version / SAVED_MODEL_FILE).write_bytes(b"graph")
    with pytest.raises(ModelError, match="its graph cannot be read"):
        arithmetic_of(version)


def test_a_graph_of_another_form_is_refused(version: Path) -> None:
    path = version / SAVED_MODEL_FILE
    whole = path.read_bytes()
    change(version, "servery/embedding", name="elsewhere")
    with pytest.raises(ModelError, match="cannot be told apart"):
        arithmetic_of(version)
    path.write_bytes(whole)
    change(version, SCORES_NODE, op="Softmax")
    with pytest.raises(ModelError, match="scores of all classes cannot be found"):
        arithmetic_of(version)


def test_weights_that_are_no_constants_are_refused(version: Path) -> None:
    change(version, "servery/head/kernel", op="VarHandleOp")
    with pytest.raises(ModelError, match=r"no constants \(VarHandleOp\)"):
        arithmetic_of(version)


def test_names_of_classes_that_are_not_text_are_refused(version: Path) -> None:
    path = version / SAVED_MODEL_FILE
    path.write_bytes(with_constants(path.read_bytes(), {HEAD_CLASSES: string_tensor([b"\xff"])}))
    with pytest.raises(ModelError, match="scores of all classes cannot be found"):
        arithmetic_of(version)


@pytest.mark.parametrize("zoom", [1.0, 1.15])
def test_the_reader_makes_the_pixels_that_the_graph_makes(tmp_path: Path, zoom: float) -> None:
    version = tmp_path / "models" / "pets" / "1"
    version.mkdir(parents=True)
    write_zoomed(version, zoom)
    arithmetic = arithmetic_of(version)
    photos = check_photos()
    made = version_scores(version, arithmetic, photos).pixels
    reading = find_reading(arithmetic, photos, made)
    assert reading == PhotoReading(40, 40, zoom=zoom)
    read = reading.reader()
    for photo, pixels in zip(photos, made, strict=True):
        found = read(io.BytesIO(photo))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found[0], pixels, atol=0.05)


def test_a_way_of_reading_that_is_not_known_is_refused(tmp_path: Path) -> None:
    version = tmp_path / "models" / "pets" / "1"
    version.mkdir(parents=True)
    write_zoomed(version, 1.5)
    arithmetic = arithmetic_of(version)
    photos = check_photos()
    made = version_scores(version, arithmetic, photos).pixels
    with pytest.raises(ModelError, match="does not know"):
        find_reading(arithmetic, photos, made)


def test_a_stretched_photo_is_read_whole() -> None:
    picture = Image.new("RGB", (80, 20), "red")
    picture.paste("blue", (0, 0, 10, 20))
    jpeg = io.BytesIO()
    picture.save(jpeg, "PNG")
    pixels = PhotoReading(8, 8, stretches=True).reader()(jpeg)[0]
    assert pixels[:, 0, 2].min() > 200
    assert pixels[:, -1, 0].min() > 200


def test_an_upright_photo_is_read_however_the_camera_was_held() -> None:
    picture = Image.new("RGB", (40, 40), "red")
    picture.paste("blue", (0, 0, 40, 20))
    jpeg, turned = io.BytesIO(), io.BytesIO()
    picture.save(jpeg, "JPEG", quality=95)
    exif = Image.Exif()
    exif[0x0112] = 3
    picture.rotate(180).save(turned, "JPEG", quality=95, exif=exif)
    read = PhotoReading(8, 8).reader()
    np.testing.assert_allclose(read(jpeg), read(turned), atol=8)


@pytest.mark.parametrize("difference", [0.0011, 1.0, float("nan")])
def test_scores_that_differ_are_refused_with_the_difference(difference: float) -> None:
    with pytest.raises(ModelError, match=f"{difference:.4g}"):
        check_difference(difference, "tflite file")


def test_scores_within_the_limit_are_accepted() -> None:
    check_difference(0.001, "tflite file")


def write_zoomed(version: Path, zoom: float) -> None:
    import tensorflow as tf

    write_servable(
        version,
        side=40,
        embed=lambda pixels: tf.reduce_mean(pixels, axis=[1, 2]) / 255,
        head_kernel=np.eye(3, dtype=np.float32),
        head_bias=np.zeros(3, np.float32),
        classes=["red", "green", "blue"],
        zoom=zoom,
    )
