"""Photos that are dropped or pasted, and what cannot be."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, Qt, QUrl
from PySide6.QtGui import QColor, QGuiApplication, QImage
from PySide6.QtTest import QTest

from tests.gui.classify.classify_env import ClassifyEnv, with_classify_env
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until


def test_a_dropped_photo_becomes_bars_on_a_chart(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        assert drop_files(env.page, album)
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        shown = env.page.shown_photo()
        assert shown is not None
        assert shown.path == album[0]
        chart = env.page.pane.chart
        await wait_until(lambda: [score.name for score in chart.scores] == ["cat", "dog", "ship"])
        assert chart.accessibleName() == "cat 80%, dog 15%, ship 5%"

    run(lambda: with_classify_env(tmp_path, scenario))


def test_embeddings_are_passed_on_and_not_kept(run: Run, tmp_path: Path, album: list[Path]) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, album[:2])
        await wait_until(lambda: all(env.state(path) == "answered" for path in album[:2]))
        await wait_until(lambda: not env.presenter.is_classifying)
        passed_on = {path: answer.embedding for path, answer in env.answers.items()}
        assert passed_on == dict.fromkeys(album[:2], b"1234")
        kept = [photo.prediction for photo in env.gallery.photos]
        assert [answer.embedding for answer in kept if answer] == [None, None]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_folder_is_dropped_with_one_bad_file(run: Run, tmp_path: Path, album: list[Path]) -> None:
    bad = album[0].parent / "bad.jpg"
    bad.write_bytes(album[0].read_bytes()[:200])
    (album[0].parent / "notes.txt").write_text("hello")

    async def scenario(env: ClassifyEnv) -> None:
        drop_files(env.page, [album[0].parent])
        await wait_until(lambda: env.state(bad) == "failed")
        await wait_until(lambda: all(env.state(path) == "answered" for path in album))
        failure = env.gallery.photo(str(bad))
        assert failure is not None
        assert failure.failure is not None
        assert failure.failure.what == "The image is damaged or cut off."
        assert [notice.what for notice in env.notices] == ["Skipped 1 file: it is not an image."]

    run(lambda: with_classify_env(tmp_path, scenario))


def test_text_that_is_dragged_in_is_not_taken(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        assert not drop_files(env.page, [])

    run(lambda: with_classify_env(tmp_path, scenario))


def test_names_that_are_no_text_are_classified_removed_and_remembered(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    names = (b"caf\xe9.jpg", b"\xff.jpg", b"\x80\x81 b.jpg")
    odd = [image_file(album[0].parent / os.fsdecode(name)) for name in names]

    async def first(env: ClassifyEnv) -> None:
        assert drop_files(env.page, [*odd, album[0]])
        await wait_until(lambda: all(env.state(path) == "answered" for path in (*odd, album[0])))
        env.page.grid.grab()
        env.page.select(str(odd[1]))
        QTest.keyClick(env.page.grid, Qt.Key.Key_Delete)
        await wait_until(lambda: len(env.gallery.photos) == 3)
        assert env.notices == []

    async def second(env: ClassifyEnv) -> None:
        assert {photo.path for photo in env.gallery.photos} == {odd[0], odd[2], album[0]}
        await env.presenter.label([str(odd[0])], "tiger").result()
        assert env.state(odd[0]) == "labelled"

    run(lambda: with_classify_env(tmp_path, first))
    run(lambda: with_classify_env(tmp_path, second))


@pytest.mark.parametrize("count", [1, 3, 5])
def test_locked_folders_cost_no_photo_and_are_said(
    run: Run, tmp_path: Path, album: list[Path], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    scandir = os.scandir
    for number in range(count):
        (album[0].parent / f"locked {number}").mkdir()

    def refuse(path: str | os.PathLike[str]) -> object:
        # Root may read everything, so that no mode locks a folder to the tests there.
        if Path(path).name.startswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)

    async def scenario(env: ClassifyEnv) -> None:
        await env.presenter.classify([album[0].parent]).result()
        assert all(env.state(path) == "answered" for path in album)
        assert len(env.notices) == (count if count <= 3 else 1)
        if count == 5:
            assert env.notices[0].what.startswith("5 folders cannot be read. The folder locked 0 ")
            assert len(env.notices[0].details.splitlines()) == 5

    run(lambda: with_classify_env(tmp_path, scenario))


def test_addresses_that_are_no_files_cost_no_photo_and_are_said(
    run: Run, tmp_path: Path, album: list[Path]
) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        data = QMimeData()
        photo = QUrl(f"file://localhost{album[0]}")
        others = ("https://example.org/a.jpg", "trash:///b.jpg", "file://")
        data.setUrls([photo, *map(QUrl, others)])
        assert env.page.intake.accepts(data)
        assert env.page.intake.take(data)
        await wait_until(lambda: env.state(album[0]) == "answered")
        assert len(env.notices) == 3
        assert all(notice.advice for notice in env.notices)
        text = QMimeData()
        text.setText(str(album[1]))
        assert env.page.intake.take(text)
        assert "as text" in env.notices[-1].what
        assert len(env.gallery.photos) == 1

    run(lambda: with_classify_env(tmp_path, scenario))


def test_a_picture_is_pasted(run: Run, tmp_path: Path) -> None:
    async def scenario(env: ClassifyEnv) -> None:
        image = QImage(32, 24, QImage.Format.Format_RGB32)
        image.fill(QColor("orange"))
        QGuiApplication.clipboard().setImage(image)
        env.page.intake.paste()
        await wait_until(lambda: len(env.gallery.photos) == 1)
        (photo,) = env.gallery.photos
        await wait_until(lambda: env.state(photo.path) == "answered")
        assert photo.path.is_file()

    run(lambda: with_classify_env(tmp_path, scenario))
