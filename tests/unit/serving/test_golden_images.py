"""What becomes of each file of the golden set, compared with what the file was made to show."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from serving.normalize_image import normalize_image
from tests.support.golden_images import GoldenImage, golden_images


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.float64)


def test_the_set_is_large_and_every_file_is_a_kind_of_its_own() -> None:
    images = golden_images()
    assert len({image.name for image in images}) == len(images) >= 50
    assert len({image.data for image in images}) == len(images)
    assert 25 <= sum(image.untouched for image in images) <= len(images) - 25


@pytest.mark.parametrize("golden", golden_images(), ids=lambda golden: golden.name)
def test_a_file_becomes_the_picture_that_it_was_made_to_show(golden: GoldenImage) -> None:
    normalized = normalize_image(golden.data)
    assert (normalized == golden.data) is golden.untouched
    assert normalize_image(normalized) == normalized
    with Image.open(io.BytesIO(normalized)) as image:
        assert image.size == golden.shows.size
        assert image.mode in ("RGB", "L")
        difference = np.abs(levels(image) - levels(golden.shows)).mean()
    assert difference <= golden.tolerance
