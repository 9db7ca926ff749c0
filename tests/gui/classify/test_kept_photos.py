"""The gallery after a restart, what is removed from it, and what is exported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.classify import history, presenter
from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.waiting import wait_until


def test_the_gallery_is_there_again_after_a_restart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(env: ClassifyEnv) -> None:
        await env.presenter.classify(album[:2]).result()
        await env.presenter.label([str(album[0])], "tiger").result()
        env.model.released.clear()
        env.presenter.classify(album[2:])
        await wait_until(lambda: len(env.gallery.photos) == 4)

    async def second(env: ClassifyEnv) -> None:
        assert env.state(album[0]) == "labelled"
        assert env.state(album[1]) == "answered"
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[2:]))

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


def test_a_long_history_comes_page_by_page_and_a_photo_dropped_meanwhile_keeps_its_label(
    run: Run, tmp_path: Path, album: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def first(env: ClassifyEnv) -> None:
        for photo in album:
            await env.presenter.classify([photo]).result()
        await env.presenter.label([str(album[0])], "tiger").result()

    async def second(env: ClassifyEnv) -> None:
        dropped = env.presenter.classify([album[0]])  # while the pages are read
        await wait_until(lambda: len(env.gallery.photos) == 4)
        await dropped.result()
        assert [photo.path for photo in env.gallery.photos] == album[::-1]
        assert env.state(album[0]) == "labelled"
        assert env.notices == []

    async def third(env: ClassifyEnv) -> None:
        assert [photo.path for photo in env.gallery.photos] == album[:1:-1]
        (notice,) = env.notices
        assert notice.what == (
            "The gallery keeps the newest 2 photos, so it left out 2 older ones."
            " Files and labels stay."
        )

    run(lambda: with_classify_env(tmp_path, first))
    monkeypatch.setattr(history, "PAGE", 1)
    monkeypatch.setattr(presenter, "PAGE", 1)
    run(lambda: with_classify_env(tmp_path, second))
    monkeypatch.setattr(history, "PAGE", 100)
    monkeypatch.setattr(presenter, "PAGE", 100)
    monkeypatch.setattr(history, "MAX_PHOTOS", 2)
    monkeypatch.setattr(presenter, "MAX_PHOTOS", 2)
    run(lambda: with_classify_env(tmp_path, third))


def test_removed_photos_stay_away_and_their_files_stay(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def first(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.page.select(str(album[1]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_Delete)
        await wait_until(lambda: len(env.gallery.photos) == 3)
        await wait_until(lambda: not env.jobs.running)

    async def second(env: ClassifyEnv) -> None:
        assert len(env.gallery.photos) == 3
        assert album[1].exists()

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


def test_what_is_shown_is_exported(run: Run, tmp_path: Path, album: list[Path]) -> None:
    target = tmp_path / "answers.json"

    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify(album).result()
        env.page.header.search.setText("gold")
        env.page.export_requested.emit(target)
        await wait_until(target.exists)
        assert [Path(record["file"]).name for record in json.loads(target.read_text())] == [
            "gold.jpg"
        ]

    run(lambda: with_classify_env(tmp_path, scenario))
