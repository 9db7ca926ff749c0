"""The map of photos by likeness: places, colours, lasso, keys and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.gallery_query import Query
from desktop.classify.likeness import map_presenter
from desktop.classify.likeness.map_points import Coloring
from desktop.classify.likeness.map_view import MapView
from tests.gui.classify.likeness_env import LikenessEnv, photos_of, with_likeness_env
from tests.gui.conftest import Run
from tests.support.waiting import wait_until

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier

RED = ["red", "crimson", "firebrick", "darkred"]
BLUE = ["blue", "navy", "mediumblue", "darkblue"]


async def show_map(env: LikenessEnv) -> MapView:
    await env.press(Key.Key_M, CONTROL)
    view = env.likeness.map.panel.view
    await wait_until(lambda: not env.classify.jobs.running)
    await wait_until(lambda: len(view._points) > 0)
    assert view.isVisible()
    assert view.hasFocus()
    return view


def lasso(view: MapView, rows: list[int], modifier: Qt.KeyboardModifier | None = None) -> None:
    """Draw a lasso close around some points."""
    modifiers = modifier or Qt.KeyboardModifier.NoModifier
    places = [view.position(row) for row in rows]
    left, right = min(p.x() for p in places) - 15, max(p.x() for p in places) + 15
    top, bottom = min(p.y() for p in places) - 15, max(p.y() for p in places) + 15
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    path = [QPoint(round(x), round(y)) for x, y in corners]
    QTest.mousePress(view, LEFT, modifiers, path[0])
    for corner in path[1:]:
        QTest.mouseMove(view, corner)
        QTest.qWait(1)
    QTest.mouseRelease(view, LEFT, modifiers, path[-1])


def test_photos_that_are_alike_are_near_each_other_and_a_lasso_labels_them(
    run: Run, tmp_path: Path
) -> None:
    photos = photos_of(tmp_path / "album", *RED, *BLUE)

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos)
        assert len(env.names) < 8, "there are stacks"
        view = await show_map(env)
        assert len(view._points) == 8, "each photo has its place"
        row_of = {photo.name: row for row, photo in enumerate(env.likeness.map._photos)}
        red = [row_of[path.name] for path in photos[:4]]
        lasso(view, red)
        assert set(env.page.selected_keys()) == set(map(str, photos[:4]))
        assert "Label 4 photos: 1 cat, 0 none of these" in env.likeness.map.panel.sentence.text()
        QTest.keyClick(view, Key.Key_1)
        await wait_until(lambda: not env.classify.jobs.running)
        labels = {photo.name: photo.label for photo in env.classify.gallery.photos}
        assert [labels[path.name] for path in photos] == ["cat"] * 4 + [""] * 4
        env.likeness.map.panel.coloring.select(Coloring.CORRECT)
        assert view.accessibleDescription() == "8 photos: right 4, not labelled 4"
        QTest.keyClick(view, Key.Key_0)
        await wait_until(lambda: not env.classify.jobs.running)
        await wait_until(
            lambda: view.accessibleDescription() == "8 photos: wrong 4, not labelled 4"
        )
        QTest.keyClick(view, Key.Key_Escape)
        assert env.page.selected_keys() == []
        QTest.keyClick(view, Key.Key_Escape)
        assert env.grid.isVisible()
        assert env.grid.hasFocus()
        assert len(env.names) < 8, "stacks are shown again"

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_keys_go_from_photo_to_photo_and_zoom(run: Run, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "album", *RED, *BLUE)

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos)
        view = await show_map(env)
        env.page.grid.clearSelection()
        QTest.keyClick(view, Key.Key_Right)
        assert len(env.page.selected_keys()) == 1
        start = view.current
        assert start is not None
        for key in (Key.Key_Right, Key.Key_Left, Key.Key_Down, Key.Key_Up):
            QTest.keyClick(view, key, SHIFT)
        assert len(env.page.selected_keys()) > 1
        QTest.keyClick(view, Key.Key_G)
        assert len(env.page.selected_keys()) == 8
        before = view.position(start)
        wheel = QWheelEvent(
            before,
            view.mapToGlobal(before),
            QPoint(),
            QPoint(0, 240),
            Qt.MouseButton.NoButton,
            Qt.KeyboardModifier.NoModifier,
            Qt.ScrollPhase.NoScrollPhase,
            False,
        )
        other = next(row for row in range(8) if row != start)
        apart = (view.position(other) - before).manhattanLength()
        QApplication.sendEvent(view, wheel)
        assert (view.position(start) - before).manhattanLength() < 1, "what is under the pointer"
        assert (view.position(other) - view.position(start)).manhattanLength() > 1.5 * apart
        QTest.keyClick(view, Key.Key_Home)
        assert (view.position(start) - before).manhattanLength() < 1
        QTest.keyClick(view, Key.Key_Right, CONTROL)
        assert view.position(start).x() < before.x()
        env.page.set_query(Query().with_text("blue"))
        await wait_until(lambda: len(view._points) == 3)
        QTest.mouseClick(view, LEFT, pos=view.position(1).toPoint())
        [clicked] = env.page.selected_keys()  # of several in one place, one
        assert "blue" in clicked

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_photos_without_a_place_are_offered_to_be_classified_again(
    run: Run, tmp_path: Path
) -> None:
    photos = photos_of(tmp_path / "album", *RED)

    async def scenario(env: LikenessEnv) -> None:
        embed = env.classify.model.embed
        env.classify.model.embed = lambda jpeg: b""
        await env.classify_photos(photos[:1])
        env.classify.model.embed = embed
        await env.classify_photos(photos[1:])
        view = await show_map(env)
        compare = env.likeness.map.panel.compare
        assert (len(view._points), compare.text()) == (3, "Place 1 more")
        QTest.mouseClick(compare, LEFT)
        await wait_until(lambda: len(view._points) == 4)
        await wait_until(lambda: not compare.isVisible())

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_the_map_tells_colors_apart(run: Run, tmp_path: Path) -> None:
    photos = photos_of(tmp_path / "album", *RED)

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos[:2])
        env.classify.model.scores = (("dog", 0.9), ("cat", 0.1))
        await env.classify_photos(photos[2:])
        view = await show_map(env)
        assert view.accessibleDescription() == "4 photos: cat 2, dog 2"
        picture, ratio = view.grab().toImage(), view.devicePixelRatioF()
        frames = set()
        for row in range(4):
            side: QPointF = view.position(row) - QPointF(28, 0)
            frames.add(picture.pixelColor((side * ratio).toPoint()).name())
        assert {"#0072b2", "#e69f00"} <= frames

    run(lambda: with_likeness_env(tmp_path, scenario))


def test_of_more_photos_than_fit_the_map_says_which_it_shows(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(map_presenter, "MAX_PHOTOS", 4)
    photos = photos_of(tmp_path / "album", *RED, *BLUE)

    async def scenario(env: LikenessEnv) -> None:
        await env.classify_photos(photos)
        panel = env.likeness.map.panel

        def on_map() -> set[str]:
            return {photo.key for photo in env.likeness.map._photos}

        env.grid.clearSelection()
        await show_map(env)
        newest = {photo.key for photo in env.page.gallery.photos[:4]}
        assert on_map() == newest
        assert panel.limit.isVisible()
        assert panel.limit.text() == (
            "4 of 8 photos are on the map: the newest. A filter shows others."
        )
        env.page.set_query(Query().with_text("blue"))
        await wait_until(lambda: on_map() == {str(path) for path in photos if "blue" in path.name})
        assert not panel.limit.isVisible()
        env.page.view_menu.leave_map()
        env.page.set_query(Query())
        env.page.view_menu.stacking.setChecked(False)
        oldest = [photo.key for photo in env.page.gallery.photos[-2:]]
        env.grid.select_all(oldest)
        await show_map(env)
        await wait_until(lambda: on_map() >= set(oldest))
        assert len(on_map()) == 4
        assert "the selected ones, then the newest" in panel.limit.text()

    run(lambda: with_likeness_env(tmp_path, scenario))
