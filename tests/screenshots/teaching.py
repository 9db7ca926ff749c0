"""Teaches the application the classes of a folder, and saves every view of the Learn page.

The labels hold what a person meets in time: wrong ones, two people who disagree, a dark photo, the
same photo twice with different labels, a version that is held back, and a canary.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageEnhance
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from backend.client import BackendClient
from backend.contract import NewCanary
from desktop.app import App
from desktop.learn.labelling.doubts import Doubt
from desktop.learn.page import LearnPage, LearnView
from desktop.main_window import PageName
from desktop.theme import Appearance
from serving.models.canary import CanaryPhase
from serving.normalize_image import read_normalized_image
from tests.screenshots.waiting import all_answered, is_learning, is_looking, save_window
from tests.support.drag_and_drop import drop_files
from tests.support.waiting import wait_until

PHOTOS_PER_CLASS = 42
"""Dropped; most of them stay without a label."""
FIRST_LABELS, MORE_LABELS = 5, 15
"""Labels a class for the first version, and then for the next."""
_LARGE_GROUP = 8
"""Photos of a look-alike group from which two are taken out for its picture."""
_SECONDS = 600.0
"""How long training or embedding a few hundred photos may take on a slow machine."""

Size = tuple[int, int]


async def teaching_tour(
    app: App, out: Path, folder: Path, scratch: Path, sizes: Sequence[Size]
) -> None:
    """Teach a running application the classes of `folder`, then save the Learn page to `out`.

    `scratch` is a folder for copies of photos. Each picture is taken in every size, light and dark.
    """
    app.window.resize(*sizes[0])
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.ready == fleet.view.desired_count > 0)
    backend, page = await app.backend, app.window.page(PageName.LEARN)
    assert isinstance(page, LearnPage)
    photos = _photos_by_class(folder)
    odd = _odd_photos(photos, scratch)
    every = [path for paths in photos.values() for path in paths]
    await _classify(app, [*every, *odd])

    model = (await backend.models())[0].name
    by_hand = replace(await backend.training_settings(model), automatic=False)
    await backend.change_training_settings(model, by_hand)

    await _label(app, {name: paths[:FIRST_LABELS] for name, paths in photos.items()})
    await _learn(app, page)
    await _label(app, {name: paths[FIRST_LABELS:MORE_LABELS] for name, paths in photos.items()})
    await _learn(app, page)
    await _hold_back(app, page, photos)
    await _mislabel(app, backend, photos, odd)
    await _try_canary(app, backend, page)
    while app.window.notices.close_newest():
        pass
    for width, height in sizes:
        app.window.resize(width, height)
        for appearance in (Appearance.LIGHT, Appearance.DARK):
            app.theme.set_appearance(appearance)
            ending = f"{width}x{height}-{appearance.value}.png"
            await _save_labelling(app, page, out, ending)
            await _save_versions(app, page, out, ending)


def _photos_by_class(folder: Path) -> dict[str, list[Path]]:
    """Return the first photos of each class, by the name of its folder."""
    classes = sorted(each for each in folder.iterdir() if each.is_dir())
    return {each.name: sorted(each.iterdir())[:PHOTOS_PER_CLASS] for each in classes}


def _odd_photos(photos: Mapping[str, Sequence[Path]], scratch: Path) -> list[Path]:
    """Make a dark photo, and one that is nearly the same as another; in this order."""
    first, second, *_ = photos.values()
    dark, again = scratch / "dark.jpg", scratch / "again.jpg"
    with Image.open(first[-1]) as picture:
        ImageEnhance.Brightness(picture).enhance(0.12).save(dark)
    with Image.open(second[0]) as picture:
        picture.save(again, quality=50)
    return [dark, again]


async def _classify(app: App, photos: Sequence[Path]) -> None:
    """Drop photos, and wait until the backend has them for its pool."""
    page = app.classify_page
    assert drop_files(page, list(photos))
    await wait_until(lambda: len(page.gallery.photos) == len(photos), _SECONDS)
    await wait_until(lambda: all_answered(app), _SECONDS)
    await wait_until(lambda: not app.pool_queue, _SECONDS)


async def _label(app: App, photos: Mapping[str, Sequence[Path]]) -> None:
    for name, paths in photos.items():
        await app.classify.label([str(path) for path in paths], name).result()


async def _learn(app: App, page: LearnPage) -> None:
    """Press the button, and wait until the run has ended and every photo is answered again."""
    app.window.show_page(PageName.LEARN)
    await wait_until(page.learn.isEnabled)
    page.learn.click()
    await wait_until(lambda: is_learning(app))
    await wait_until(lambda: not is_learning(app), _SECONDS)
    await asyncio.sleep(2)  # for the instances to load a new version, if there is one
    app.classify.reclassify(app.classify_page.gallery.outdated())
    await wait_until(lambda: all_answered(app), _SECONDS)
    await wait_until(lambda: not app.pool_queue, _SECONDS)


async def _mislabel(
    app: App, backend: BackendClient, photos: Mapping[str, Sequence[Path]], odd: Sequence[Path]
) -> None:
    """Add labels that are wrong or that people disagree on."""
    names = list(photos)
    dark, again = odd
    await _label(app, {names[0]: [dark], names[2]: [again]})
    for number, name in enumerate(names):
        wrong = names[(number + 1) % len(names)]
        await _label(app, {wrong: [photos[name][MORE_LABELS]]})
    jpeg = await asyncio.to_thread(read_normalized_image, photos[names[0]][0])
    await backend.label(jpeg, names[1], by="anna")


async def _hold_back(app: App, page: LearnPage, photos: Mapping[str, Sequence[Path]]) -> None:
    """Teach two classes that no photo tells apart, so that a version is held back; undo that."""
    mixed = [path for paths in photos.values() for path in paths[-6:]]
    await _label(app, {"recycled": mixed[::2], "not recycled": mixed[1::2]})
    await _learn(app, page)
    for _ in range(2):
        undone = app.classify.undo()
        assert undone is not None
        await undone.result()


async def _try_canary(app: App, backend: BackendClient, page: LearnPage) -> None:
    """Let the version before the live one answer half of the requests, and ask it."""
    summary = page.versions.summary
    assert summary is not None
    assert summary.live_version is not None
    model, live = summary.name, summary.live_version
    await backend.start_canary(model, live - 1, NewCanary(share=0.5))

    async def is_running() -> bool:
        canary = (await backend.model(model)).canary
        return canary is None or canary.phase is CanaryPhase.RUNNING

    await wait_until(is_running)
    app.classify.reclassify([str(photo.path) for photo in app.gallery.photos[:60]])
    await wait_until(lambda: all_answered(app), _SECONDS)


async def _save_labelling(app: App, page: LearnPage, out: Path, ending: str) -> None:
    """Show each way to label, and the classes."""
    app.window.show_page(PageName.LEARN)
    page.show_view(LearnView.LABEL)
    await wait_until(lambda: page.label_view.can_answer, _SECONDS)
    await save_window(app, out / f"label-{ending}")
    page.label_view.picker.field.setText("p")
    await save_window(app, out / f"label-typing-{ending}")
    page.label_view.picker.field.clear()
    page.show_view(LearnView.GROUPS)
    await wait_until(lambda: not is_looking(page), _SECONDS)
    await save_window(app, out / f"groups-{ending}")
    groups = page.groups_view
    forward = 0
    while groups.group is not None and len(groups.group.images) < _LARGE_GROUP and forward < 40:
        groups.forward.click()
        forward += 1
    if groups.group is not None:
        taken_out = groups.group.images[1:3]
        for image in taken_out:
            groups.toggled.emit(image)
        await save_window(app, out / f"groups-taken-out-{ending}")
        for image in taken_out:
            groups.toggled.emit(image)
    for _ in range(forward):
        groups.back.click()
    await _save_doubts(app, page, out, ending)
    page.show_view(LearnView.CLASSES)
    await wait_until(lambda: page.classes.bars.model().rowCount() > 0)
    page.classes.bars.setCurrentIndex(page.classes.bars.model().index(0, 0))
    await save_window(app, out / f"classes-{ending}")
    page.classes.rename.click()
    await save_window(app, out / f"classes-rename-{ending}")
    page.classes.strip.cancel.click()


async def _save_doubts(app: App, page: LearnPage, out: Path, ending: str) -> None:
    """Show a doubt of each kind."""
    page.show_view(LearnView.DOUBTS)
    await wait_until(lambda: not is_looking(page), _SECONDS)
    view = page.doubts_view
    seen: set[str] = set()
    for number in range(view.list.model().rowCount()):
        view.selected.emit(number)
        if view.doubt is not None and (kind := _kind(view.doubt)) not in seen:
            seen.add(kind)
            await save_window(app, out / f"doubts-{kind}-{ending}")
    view.selected.emit(0)


def _kind(doubt: Doubt) -> str:
    if doubt.disputed:
        return "disputed"
    return "twice" if doubt.other else "flawed" if doubt.flaw else "contradicted"


async def _save_versions(app: App, page: LearnPage, out: Path, ending: str) -> None:
    """Show the timeline with every kind of detail."""
    page.show_view(LearnView.VERSIONS)
    versions, report = page.versions, page.versions.report
    summary = versions.summary
    assert summary is not None
    assert summary.live_version is not None
    live = summary.live_version
    versions.select(live)
    versions.tabs.setCurrentWidget(report)
    await wait_until(lambda: bool(report.matrix.classes))
    await save_window(app, out / f"report-{ending}")
    _open_worst_cell(page)
    await wait_until(lambda: bool(report.cell_photos.tiles))
    await save_window(app, out / f"report-cell-{ending}")
    report.ensureWidgetVisible(report.mistakes)
    await save_window(app, out / f"report-mistakes-{ending}")
    newest = summary.versions[0].number
    versions.select(newest)
    versions.report.scroll_to_confused()
    await save_window(app, out / f"report-held-back-{ending}")
    versions.tabs.setCurrentWidget(versions.compare)
    versions.compare.select(live - 1, live)
    versions.compare.compare.click()
    await wait_until(versions.compare.compare.isEnabled, _SECONDS)
    await save_window(app, out / f"compare-{ending}")
    versions.tabs.setCurrentWidget(versions.history)
    await save_window(app, out / f"history-{ending}")
    versions.select(live)
    page.versions.tabs.setCurrentWidget(report)


def _open_worst_cell(page: LearnPage) -> None:
    """Click the cell with the mistake that is made most."""
    matrix = page.versions.report.matrix
    _, shown, answered = matrix.mistakes[0]
    row, column = matrix.classes.index(shown), matrix.classes.index(answered)
    at = matrix.cell_rect(row, column).center().toPoint()
    QTest.mouseClick(matrix, Qt.MouseButton.LeftButton, pos=at)
