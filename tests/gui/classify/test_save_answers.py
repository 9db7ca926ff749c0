"""Answers are saved beside photos or into copies, from the menu of the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QAction

from desktop.classify.page import ClassifyPage
from desktop.classify.photo import NONE_OF_THESE
from serving.photo_metadata.keywords import read_keywords
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.sample_images import image_bytes

pytestmark = pytest.mark.gui


def action(page: ClassifyPage, text: str) -> QAction:
    (found,) = [each for each in page.actions() if each.text() == text]
    return found


async def finished(env: ClassifyEnv) -> None:
    for job in env.jobs.running:
        if not job.background:
            await job.result()


def test_answers_are_saved_beside_photos(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        first, second = album[:2]
        await env.presenter.label([str(first)], "lynx").result()
        await env.presenter.label([str(second)], NONE_OF_THESE).result()
        before = first.read_bytes()
        action(env.page, "Save answers beside photos (XMP)").trigger()
        await finished(env)
        assert read_keywords(first).own == ("lynx",)
        assert read_keywords(second).own == ()
        assert {read_keywords(photo).own for photo in album[2:]} == {("cat",)}
        assert first.read_bytes() == before
        (notice,) = [each for each in env.notices if "saved beside the photos" in each.text]
        assert "1 photo without a sure answer left out." in notice.text

    run(lambda: with_classify_env(tmp_path, scenario))


def test_answers_are_saved_into_copies(run: Run, album: list[Path], tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        picture = tmp_path / "picture.png"
        picture.write_bytes(image_bytes(form="PNG"))
        await env.presenter.classify([*album, picture]).result()
        target = tmp_path / "copies"
        env.page.save_requested.emit(target)
        await finished(env)
        copies = sorted(path.name for path in target.iterdir())
        assert copies == sorted(path.name for path in album)
        assert {read_keywords(path).own for path in target.iterdir()} == {("cat",)}
        (error,) = [each for each in env.notices if each.is_error]
        assert "1 answer not saved. picture.png: The photo is no JPEG file." in error.text

    run(lambda: with_classify_env(tmp_path, scenario))
