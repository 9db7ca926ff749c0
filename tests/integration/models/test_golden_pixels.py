"""The pixels that a graph makes of each file of the golden set, compared with Pillow's."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from serving.model_server.graph_cut import find_cut
from serving.models.builtin.catalog import DEFAULT_BUILT_IN, ZOOM, built_in_model
from serving.models.builtin.install import write_built_in
from serving.normalize_image import normalize_image
from serving.tf.messages import saved_model_pb2
from serving.tf.names import EMBED_SIGNATURE, EMBEDDING_NODE, IMAGES, SAVED_MODEL_FILE, SERVE_TAG
from serving.tf.session import Session
from serving.tf.tensors import string_tensor
from tests.support import tiny_network
from tests.support.golden_images import golden_images
from tests.support.tiny_model import write_tiny

_REDUCED_FROM = 8
"""Times the input's side: a shorter side of this may be decoded at a reduced scale."""


def write_default_model(folder: Path) -> None:
    write_built_in(folder, built_in_model(DEFAULT_BUILT_IN))


@pytest.mark.parametrize(
    ("write", "side", "zoom"),
    [
        (write_tiny, tiny_network.SIDE, 1.0),
        (write_default_model, built_in_model(DEFAULT_BUILT_IN).input_side, ZOOM),
    ],
    ids=["tiny", "default"],
)
def test_the_network_sees_what_each_file_was_made_to_show(
    tmp_path: Path, write: Callable[[Path], None], side: int, zoom: float
) -> None:
    write(tmp_path)
    wrong = {}
    for golden, pixels in zip(golden_images(), decoded(tmp_path), strict=True):
        with Image.open(io.BytesIO(normalize_image(golden.data))) as image:
            by_pillow = scaled(image.convert("RGB"), side, zoom)
        shown = np.abs(pixels - scaled(golden.shows, side, zoom)).mean()
        difference = np.abs(pixels - by_pillow)
        # Pillow rounds to whole levels. At a reduced scale, other pixels are averaged first.
        reduced = min(golden.shows.size) >= _REDUCED_FROM * side
        limits = (1.5, 30.0) if reduced else (0.5, 6.0)
        if (
            shown > max(golden.tolerance, 1.0)
            or difference.mean() > limits[0]
            or difference.max() > limits[1]
        ):
            wrong[golden.name] = (shown, difference.mean(), difference.max())
    assert not wrong


def decoded(version_folder: Path) -> list[Any]:
    """Return what the graph decodes each file of the set to, float [side, side, 3]."""
    saved = saved_model_pb2.SavedModel.FromString((version_folder / SAVED_MODEL_FILE).read_bytes())
    cut = find_cut(saved.meta_graphs[0].graph_def, [EMBEDDING_NODE])
    assert cut is not None
    session = Session(version_folder, [SERVE_TAG], 0, 0)
    try:
        feed = session.signatures[EMBED_SIGNATURE].inputs[IMAGES].name
        decode = session.computation([feed], [cut.pixels])
        images = [string_tensor([normalize_image(golden.data)]) for golden in golden_images()]
        return [decode([image], None)[0].array[0] for image in images]
    finally:
        session.close()


def scaled(image: Image.Image, side: int, zoom: float) -> Any:
    """Return the middle square of the picture as floats, scaled by Pillow."""
    half = min(image.size) / zoom / 2
    x, y = image.width / 2, image.height / 2
    box = (x - half, y - half, x + half, y + half)
    square = image.resize((side, side), Image.Resampling.BICUBIC, box=box)
    return np.asarray(square, np.float64)
