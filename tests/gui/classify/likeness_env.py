"""A Classify page whose photos are compared by their color."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.likeness.presenter import LikenessPresenter
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.support.sample_images import image_file
from tests.support.waiting import TIMEOUT_SECONDS, wait_until


class LikenessEnv:
    """The page of `classify`, where the embedding of a photo is its mean color."""

    def __init__(self, classify: ClassifyEnv, folder: Path) -> None:
        self.classify = classify
        self.page = classify.page
        self.grid = classify.page.grid
        classify.model.embed = color_of
        self.likeness = LikenessPresenter(
            classify.page,
            folder / "likeness",
            folder / "models",
            classify.jobs,
            classify.notifications,
            classify.presenter.reclassify,
            classify.presenter.label,
        )
        classify.on_answer = self.likeness.offer

    async def classify_photos(self, photos: Sequence[Path]) -> None:
        """Classify photos, and wait until they are compared."""
        await self.classify.presenter.classify(photos).result()
        await wait_until(lambda: not self.likeness.likeness.has_waiting)
        await wait_until(lambda: not self.classify.jobs.running)

    async def press(
        self, key: Qt.Key, modifier: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier
    ) -> None:
        """Press a key on the gallery, once the window is the active one: shortcuts need that."""

        def is_active() -> bool:
            # Asked for again: the end of the window of an earlier test may come after the first.
            self.page.activateWindow()
            self.grid.setFocus()
            return self.grid.hasFocus() and QApplication.activeWindow() is self.page

        await wait_until(is_active)
        QTest.keyClick(self.grid, key, modifier)

    @property
    def names(self) -> list[str]:
        """The names of the photos that have a tile."""
        return [self.grid.shown.photo_at(row).name for row in range(len(self.grid.shown))]


def color_of(jpeg: bytes) -> bytes:
    mean = np.asarray(Image.open(io.BytesIO(jpeg))).reshape(-1, 3).mean(axis=0)
    return bytes(mean.astype("<f4").data)


def photos_of(folder: Path, *colors: str) -> list[Path]:
    """Make a photo of each color; those of one color are near-duplicates."""
    folder.mkdir(exist_ok=True)
    return [
        image_file(folder / f"{color}-{number}.jpg", color=color)
        for number, color in enumerate(colors)
    ]


async def with_likeness_env(
    folder: Path, scenario: Callable[[LikenessEnv], Awaitable[None]]
) -> None:
    """Run `scenario` on a page over `folder`, and close it as the application does."""

    async def on_page(classify: ClassifyEnv) -> None:
        env = LikenessEnv(classify, folder)
        await env.likeness.load()
        assert QTest.qWaitForWindowExposed(env.page, int(TIMEOUT_SECONDS * 1000))
        env.page.activateWindow()
        env.grid.setFocus()
        # Or Qt goes on to believe in the modifier of the last key that a test pressed.
        QTest.keyRelease(env.grid, Qt.Key.Key_Shift)
        try:
            await scenario(env)
        finally:
            await classify.jobs.close()
            await env.likeness.close()

    await with_classify_env(folder, on_page)
