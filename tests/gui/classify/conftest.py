from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.sample_images import image_file


@pytest.fixture
def album(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "album"
    folder.mkdir()
    colors = ("red", "green", "blue", "gold")
    return [image_file(folder / f"{color}.jpg", color=color) for color in colors]
