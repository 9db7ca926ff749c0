"""The real application with a folder in which files of every fault lie among good photos."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from desktop.app import App, Options, run
from desktop.classify.photo import Photo
from desktop.classify.photo_tiles import PhotoTiles
from desktop.classify.thumbnails import ThumbnailKey
from serving.models.repository import ModelRepository
from serving.workspace import Workspace
from tests.support.drag_and_drop import drop_files
from tests.support.odd_images import bad_files, sideways_with_broken_exif, with_broken_metadata
from tests.support.tiny_model import install_tiny
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(180)]

GOOD = 100


def test_each_file_gets_its_answer_or_its_sentence_and_its_tile(
    workspace: Workspace, tmp_path: Path
) -> None:
    install_tiny(ModelRepository(workspace.models))
    folder = tmp_path / "card"
    folder.mkdir()
    good = write(folder, "good", {**sideways_with_broken_exif(), **with_broken_metadata()}.values())
    assert len(good) == GOOD
    sentences = dict(
        zip(
            write(folder, "bad", [data for data, _ in bad_files().values()]),
            [what for _, what in bad_files().values()],
            strict=True,
        )
    )
    os.mkfifo(folder / "pipe.jpg")
    sentences[folder / "pipe.jpg"] = "This is a named pipe, not a file."
    assert len(sentences) == 40

    async def person(app: App) -> None:
        page = app.classify_page
        fleet = await app.fleet
        await wait_until(lambda: fleet.view.ready >= 1)
        assert drop_files(page, [folder])
        await wait_until(lambda: len(page.gallery.photos) == GOOD + len(sentences))
        await wait_until(lambda: not any(photo.waiting for photo in page.gallery.photos))
        by_path = {photo.path: photo for photo in page.gallery.photos}
        failures = {path: photo.failure for path, photo in by_path.items() if photo.failure}
        assert {path: failure.what for path, failure in failures.items()} == sentences
        assert all(by_path[path].prediction is not None for path in good)
        tiles = page.grid.itemDelegate()
        assert isinstance(tiles, PhotoTiles)
        pictures = await shown(app, page.gallery.photos, tiles)
        assert {path for path, is_broken in pictures.items() if is_broken} == set(sentences)
        for photo in page.gallery.photos:  # which nobody waits for when the window closes
            page.thumbnails.get(ThumbnailKey(photo.path, 333))

    run(Options(workspace, engine="process"), person)


def write(folder: Path, name: str, contents: Iterable[bytes]) -> list[Path]:
    paths = []
    for number, content in enumerate(itertools.islice(contents, GOOD)):
        paths.append(folder / f"{name}-{number:03}.jpg")
        paths[-1].write_bytes(content)
    return paths


async def shown(app: App, photos: Iterable[Photo], tiles: PhotoTiles) -> dict[Path, bool]:
    """Wait for the pictures of all tiles; returns of each whether it is the broken one."""
    keys = [tiles.thumbnail_key(photo) for photo in photos]

    def pictures() -> dict[Path, bool] | None:
        found = {key.path: app.classify_page.thumbnails.get(key) for key in keys}
        if any(picture is None for picture in found.values()):
            return None
        return {path: picture.isNull() for path, picture in found.items() if picture is not None}

    result = await wait_until(pictures)
    assert result is not None
    return result
