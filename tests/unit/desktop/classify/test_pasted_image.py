"""Pasted pictures are kept as files, of which there are only so many."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from desktop.classify import pasted_image
from desktop.classify.pasted_image import save_pasted_image
from serving.errors import ImageError
from tests.support.small_disk import small_disk


def picture(shade: int) -> QImage:
    image = QImage(8, 8, QImage.Format.Format_RGB32)
    image.fill(shade)
    return image


def paste(folder: Path, shade: int, keep: tuple[Path, ...] = ()) -> Path:
    path = save_pasted_image(picture(shade), folder, keep)
    # Each one second after the one before.
    os.utime(path, (1000 + shade, 1000 + shade))
    return path


def test_the_oldest_are_removed_except_labelled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pasted_image, "MAX_PASTED", 3)
    other = tmp_path / "holiday.png"
    other.write_bytes(b"not pasted")
    labelled = paste(tmp_path, 1)
    pasted = [paste(tmp_path, shade, (labelled,)) for shade in range(2, 8)]
    assert {*tmp_path.iterdir()} == {other, labelled, *pasted[-3:]}


def test_their_bytes_are_limited_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = paste(tmp_path, 1)
    monkeypatch.setattr(pasted_image, "MAX_PASTED_BYTES", first.stat().st_size)
    second = paste(tmp_path, 2)
    assert list(tmp_path.iterdir()) == [second]
    assert paste(tmp_path, 2) == second


def test_a_clock_that_was_set_back_does_not_make_the_newest_the_oldest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pasted_image, "MAX_PASTED", 2)
    for shade in (1, 2):
        os.utime(save_pasted_image(picture(shade), tmp_path), (2**33 + shade, 2**33 + shade))
    newer = [save_pasted_image(picture(shade), tmp_path) for shade in (3, 4)]
    assert {*tmp_path.iterdir()} == {*newer}


def test_nothing_is_left_of_a_picture_for_which_there_is_no_room(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2**20) as disk:
        disk.fill()
        with pytest.raises(ImageError, match=r"could not be saved: the disk is full\. Make room"):
            save_pasted_image(picture(1), disk.folder)
        disk.make_room()
        with disk.read_only(), pytest.raises(ImageError, match="the disk can only be read"):
            save_pasted_image(picture(1), disk.folder)
        saved = save_pasted_image(picture(1), disk.folder)
        assert QImage(str(saved)) == picture(1)
        assert list(disk.folder.iterdir()) == [saved]
