"""Thumbnails that are kept on disk: found again, made anew if the photo changed, and bounded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication

from desktop.classify.thumbnail_files import ThumbnailFiles, thumbnail_name
from desktop.classify.thumbnails import ThumbnailKey, Thumbnails
from desktop.widgets.picture import decode_picture
from tests.gui.conftest import Run
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

pytestmark = pytest.mark.gui

Shown = Callable[..., tuple[int, int]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "thumbnails"


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was decoded: paths of photos, and the bytes of kept thumbnails."""
    found: list[object] = []

    def note(file: Path | bytes, side: int, *, cover: bool = True) -> object:
        found.append(file)
        return decode_picture(file, side, cover=cover)

    monkeypatch.setattr("desktop.classify.thumbnails.decode_picture", note)
    return found


@pytest.fixture
def shown(application: QApplication, folder: Path, run: Run) -> Iterator[Shown]:
    """Shows a photo in a new window; returns the size of its thumbnail."""
    opened: list[Thumbnails] = []

    def show(photo: Path, side: int = 64, slow_seconds: float = 0.0) -> tuple[int, int]:
        thumbnails = Thumbnails()
        opened.append(thumbnails)
        thumbnails.files = ThumbnailFiles(folder)
        thumbnails.slow_seconds = slow_seconds
        key = ThumbnailKey(photo, side)
        run(lambda: wait_until(lambda: thumbnails.get(key) is not None))
        picture = thumbnails.get(key)
        assert picture is not None
        return picture.width(), picture.height()

    yield show
    for thumbnails in opened:
        thumbnails.close()


def test_a_slow_thumbnail_is_read_from_disk_the_next_time(
    shown: Shown, decoded: list[object], folder: Path, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "photo.jpg")
    size = shown(photo)
    assert decoded == [photo]
    assert shown(photo) == size
    (kept,) = decoded[1:]
    assert isinstance(kept, bytes)
    assert [each.read_bytes() for each in folder.iterdir()] == [kept]
    assert folder.stat().st_mode & 0o077 == 0


def test_a_fast_one_is_not_kept(
    shown: Shown, decoded: list[object], folder: Path, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "photo.jpg")
    shown(photo, slow_seconds=1e9)
    assert not folder.exists()


def test_a_photo_that_changed_or_a_damaged_file_is_decoded_again(
    shown: Shown, decoded: list[object], folder: Path, tmp_path: Path
) -> None:
    photo = image_file(tmp_path / "photo.jpg")
    size = shown(photo)
    (kept,) = folder.iterdir()
    kept.write_bytes(b"damaged")
    assert shown(photo) == size
    assert decoded == [photo, b"damaged", photo]
    os.utime(photo, ns=(1, 1))
    decoded.clear()
    assert shown(photo) == size
    assert decoded == [photo]


def test_what_was_used_longest_ago_is_removed(folder: Path) -> None:
    files = ThumbnailFiles(folder, max_bytes=1000)
    for number in range(10):
        files.write(f"{number}", bytes(100))
        os.utime(folder / f"{number}", ns=(number, number))
    assert files.read("0") == bytes(100)
    files.write("new", bytes(100))
    left = {path.name for path in folder.iterdir()}
    assert left == {"0", "4", "5", "6", "7", "8", "9", "new"}
    assert files.read("1") is None
    again = ThumbnailFiles(folder, max_bytes=1000)
    for name in ("more", "and more", "too many"):
        again.write(name, bytes(100))
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 1000


def test_a_disk_that_refuses_costs_no_picture(folder: Path, tmp_path: Path) -> None:
    folder.write_text("not a folder")
    ThumbnailFiles(folder).write("name", b"content")
    assert ThumbnailFiles(folder).read("name") is None
    assert thumbnail_name(tmp_path / "nothing.jpg", 64) is None
