"""The whole loop in a real window: drop, look, lose an instance, teach, look again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtTest import QTest

from desktop.app import App, Options, run
from desktop.classify.photo import PhotoState
from desktop.learn.page import LearnPage
from desktop.main_window import PageName
from serving.engines.protocol import InstanceState
from serving.workspace import Workspace
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import drawings
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.gui, pytest.mark.timeout(240)]

NEW_CLASS = "smiley"
LEARNING = 90.0
"""Seconds; on a machine that does nothing else it takes a few."""


def test_a_person_drops_photos_loses_an_instance_and_teaches_a_class(
    workspace: Workspace, tmp_path: Path
) -> None:
    first = drawings(tmp_path / "first", "striped", "stripes", 3)
    many = drawings(tmp_path / "many", "more", "stripes", 50)
    lessons = drawings(tmp_path / "lessons", "lesson", NEW_CLASS, 12)
    unseen = drawings(tmp_path / "unseen", "another", NEW_CLASS, 1)

    async def person(app: App) -> None:
        await two_instances_ready(app)
        await sees_charts_of_dropped_photos(app, first)
        await loses_no_photo_with_an_instance(app, many)
        await sees(app, unseen)
        assert shown_class(app) != NEW_CLASS
        await teaches(app, lessons, NEW_CLASS)
        await finds_the_new_class_first(app, unseen[0])

    run(Options(workspace, engine="process"), person)


async def two_instances_ready(app: App) -> None:
    assert app.window.isVisible()
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.ready >= 1)
    await fleet.scale(2)
    await wait_until(lambda: fleet.view.ready == 2)


async def sees(app: App, photos: list[Path]) -> None:
    """Drop photos and wait until each has an answer; the first one is then in the pane."""
    assert drop_files(app.classify_page, photos)
    await answered(app, photos)
    app.classify_page.select(str(photos[0]))


async def answered(app: App, photos: list[Path]) -> None:
    def done() -> bool:
        found = [app.classify_page.gallery.photo(str(path)) for path in photos]
        return all(photo is not None and not photo.waiting for photo in found)

    await wait_until(done)


async def sees_charts_of_dropped_photos(app: App, photos: list[Path]) -> None:
    broken = photos[0].with_name("broken.jpg")
    broken.write_bytes(photos[0].read_bytes()[:900])
    await sees(app, [*photos, broken])
    chart = app.classify_page.pane.chart
    await wait_until(lambda: len(chart.scores) == 5)
    assert chart.isVisible()
    assert chart.scores[0].name in chart.accessibleName()
    spoilt = app.classify_page.gallery.photo(str(broken))
    assert spoilt is not None
    assert spoilt.state(0.5) is PhotoState.FAILED
    assert spoilt.failure is not None
    assert "damaged" in spoilt.failure.what


async def loses_no_photo_with_an_instance(app: App, photos: list[Path]) -> None:
    fleet = await app.fleet
    before = {view.instance.id for view in fleet.view.instances}
    assert drop_files(app.classify_page, photos)

    def answers() -> int:
        found = (app.classify_page.gallery.photo(str(path)) for path in photos)
        return sum(photo is not None and photo.prediction is not None for photo in found)

    await wait_until(lambda: answers() >= 2)
    assert answers() < len(photos)
    victim = fleet.view.instances[0].instance
    assert victim.process is not None
    os.kill(victim.process, signal.SIGKILL)
    await answered(app, photos)
    assert answers() == len(photos)
    await wait_until(lambda: fleet.view.ready == 2)
    ready = {view.instance.id for view in fleet.view.instances if view.state is InstanceState.READY}
    assert victim.id not in ready
    assert len(ready & before) == 1


async def teaches(app: App, photos: list[Path], class_name: str) -> None:
    """Select the photos, type the class, press Label, go to Learn, press Learn now."""
    page = app.classify_page
    await sees(app, photos)
    grid = page.grid
    page.view_menu.stacking.setChecked(False)  # the drawings are much alike
    grid.clearSelection()
    for row in range(grid.model().rowCount()):
        index = grid.model().index(row, 0)
        if any(path.name in str(index.data()) for path in photos):
            grid.selectionModel().select(index, QItemSelectionModel.SelectionFlag.Select)
    assert len(grid.selected_photos) == len(photos)
    field = page.pane.label_box.chooser.field
    field.setFocus()
    QTest.keyClicks(field, class_name)
    QTest.mouseClick(page.pane.label_box.chooser.button, Qt.MouseButton.LeftButton)

    def all_labelled() -> bool:
        found = [page.gallery.photo(str(path)) for path in photos]
        return all(photo is not None and photo.label == class_name for photo in found)

    await wait_until(all_labelled)
    app.window.show_page(PageName.LEARN)
    learn = app.window.page(PageName.LEARN)
    assert isinstance(learn, LearnPage)
    await wait_until(lambda: learn.learn.isEnabled())
    QTest.mouseClick(learn.learn, Qt.MouseButton.LeftButton)
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.live_version == 2, LEARNING)


async def finds_the_new_class_first(app: App, photo: Path) -> None:
    app.window.show_page(PageName.CLASSIFY)
    app.classify_page.select(str(photo))
    await wait_until(lambda: shown_class(app) == NEW_CLASS, LEARNING)
    shown = app.classify_page.gallery.photo(str(photo))
    assert shown is not None
    assert shown.prediction is not None
    assert shown.prediction.version == 2


def shown_class(app: App) -> str:
    scores = app.classify_page.pane.chart.scores
    return scores[0].name if scores else ""
