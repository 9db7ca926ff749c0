"""Pictures of photos: what is shown is what the model sees."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PySide6.QtGui import QImage

from desktop.widgets.picture import decode_picture
from tests.support.golden_images import TOLERANCE, GoldenImage, golden_images

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


def test_a_file_that_is_gone_or_no_image_has_no_picture(tmp_path: Path) -> None:
    text = tmp_path / "text.jpg"
    text.write_text("these are words")
    for path in (text, tmp_path / "gone.jpg", tmp_path):
        assert decode_picture(path, 64).isNull()
