"""Pictures of photos: what is shown is what the model sees."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QImage

from desktop.widgets.picture import decode_picture
from tests.support.golden_images import TOLERANCE, GoldenImage, golden_images
from tests.support.hostile_images import encoded
from tests.support.odd_images import (
    RAMPS,
    bad_files,
    sideways_with_broken_exif,
    with_broken_metadata,
)

pytestmark = pytest.mark.gui


def levels(image: QImage) -> np.ndarray:
    rgb = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(rgb.constBits(), np.uint8).reshape(rgb.height(), rgb.bytesPerLine())
    return rows[:, : 3 * rgb.width()].reshape(rgb.height(), rgb.width(), 3).astype(np.float64)


@pytest.mark.parametrize("golden", golden_images(), ids=lambda golden: golden.name)
def test_a_photo_is_shown_upright_in_its_colors(golden: GoldenImage, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(golden.data)
    shown = decode_picture(path, 64, cover=False)
    expected = golden.shows.copy()
    share = min(1.0, 64 / max(expected.size))
    size = tuple(max(1, round(side * share)) for side in expected.size)
    assert (shown.width(), shown.height()) == size
    small = np.asarray(expected.resize(size, Image.Resampling.LANCZOS), np.float64)
    # Of a strip that becomes one pixel high, decoding at a reduced scale mixes fewer rows.
    tolerance = max(golden.tolerance, TOLERANCE, 10 if min(size) == 1 else 0)
    assert np.abs(levels(shown) - small).mean() <= tolerance


@pytest.mark.parametrize("name", with_broken_metadata())
def test_a_photo_with_broken_metadata_is_shown(name: str) -> None:
    assert not decode_picture(with_broken_metadata()[name], 64).isNull()


@pytest.mark.parametrize("name", sideways_with_broken_exif())
def test_a_photo_is_turned_whatever_else_its_metadata_say(name: str) -> None:
    shown = decode_picture(sideways_with_broken_exif()[name], 64)
    assert shown.width() < shown.height()


@pytest.mark.parametrize("name", RAMPS)
def test_grey_of_many_levels_is_shown_from_black_to_white(name: str) -> None:
    make, form = RAMPS[name]
    row = levels(decode_picture(encoded(make(), form), 64))[32, :, 0]
    assert row.min() <= 4
    assert row.max() >= 251
    assert abs(row.mean() - 127.5) <= 4


@pytest.mark.parametrize("name", bad_files())
def test_what_gets_no_answer_has_no_picture(name: str) -> None:
    assert decode_picture(bad_files()[name][0], 64).isNull()


def test_a_pipe_has_no_picture_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert decode_picture(tmp_path / "pipe.jpg", 64).isNull()


def test_a_file_that_is_gone_or_no_image_has_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("these are words")
    for path in (text, tmp_path / "gone.jpg", tmp_path):
        assert decode_picture(path, 64).isNull()
