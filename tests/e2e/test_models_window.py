"""A model of one's own in a real window, from an empty workspace, while others classify."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from desktop.app import App, Options, run
from desktop.main_window import PageName
from desktop.models.folder_sheet import FolderSheet
from desktop.models.page import ModelsPage
from serving.models.builtin.catalog import DEFAULT_BUILT_IN
from serving.predict.prediction import Prediction
from serving.workspace import Workspace
from tests.e2e.test_window import sees, shown_class
from tests.support.drag_and_drop import drop_files
from tests.support.load_generator import LoadGenerator
from tests.support.waiting import wait_until
from tests.support.waste_photos import WASTE, unseen_photos, waste_folder

pytestmark = [pytest.mark.gui, pytest.mark.slow, pytest.mark.timeout(300)]

LEARNING = 120.0
"""Seconds; on a machine that does nothing else it takes a few."""
PHOTOS = 8
"""Of each class."""


def test_a_person_drops_a_folder_of_folders_and_uses_the_model(
    workspace: Workspace, photos: list[Path], shared_data: Path, tmp_path: Path
) -> None:
    known = {path.stem.partition("_")[2]: path for path in photos}
    folder = waste_folder(shared_data, tmp_path / "waste", PHOTOS)
    unseen = unseen_photos(shared_data, 2)

    async def person(app: App) -> None:
        fleet = await app.fleet
        await wait_until(lambda: fleet.view.ready >= 1)
        jpeg = await asyncio.to_thread(known["giant_panda"].read_bytes)
        # Few callers that wait, since the training yields to all of them.
        async with LoadGenerator(await app.client, jpeg, 4, pause=1.0) as load:
            await looks_at(app, [known["giant_panda"]])
            assert shown_class(app) == "giant panda"
            await teaches_a_folder(app, folder)
            await uses(app, "waste")
            await wait_until(lambda: load.models["waste"] > 4)
            await finds_waste(app, unseen)
            await uses(app, DEFAULT_BUILT_IN)
            await looks_at(app, [known["hotdog"]])
            assert prediction(app, known["hotdog"]).model == DEFAULT_BUILT_IN
            assert shown_class(app) == "hotdog"
        assert load.failures == []
        assert load.models.keys() == {DEFAULT_BUILT_IN, "waste"}

    run(Options(workspace, engine="process"), person)


async def looks_at(app: App, photos: list[Path]) -> None:
    """Drop photos on the Classify page; the first one is then in the pane."""
    app.window.show_page(PageName.CLASSIFY)
    await sees(app, photos)


async def models_page(app: App) -> ModelsPage:
    app.window.show_page(PageName.MODELS)
    page = app.window.page(PageName.MODELS)
    assert isinstance(page, ModelsPage)
    return page


async def teaches_a_folder(app: App, folder: Path) -> None:
    """Drop the folder, press Start learning, and wait until its version is live."""
    page = await models_page(app)
    await wait_until(lambda: page.names() == [DEFAULT_BUILT_IN])
    assert drop_files(page, [folder])
    sheet = (await wait_until(lambda: page.findChildren(FolderSheet)))[0]
    proposed = sheet.form.model()
    assert proposed is not None
    assert proposed.name == folder.name
    QTest.mouseClick(sheet.start, Qt.MouseButton.LeftButton)

    def learned() -> bool:
        entry = page.entry(folder.name)
        model = None if entry is None else entry.model
        return model is not None and (model.live_version, model.class_count) == (2, len(WASTE))

    await wait_until(learned, LEARNING)


async def uses(app: App, name: str) -> None:
    """Select a model, press Use this model, and wait until it is the current one."""
    page = await models_page(app)
    page.select(name)
    await wait_until(page.pane.use.isEnabled)
    QTest.mouseClick(page.pane.use, Qt.MouseButton.LeftButton)
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.model == name)


async def finds_waste(app: App, unseen: dict[Path, str]) -> None:
    await looks_at(app, list(unseen))
    found = {photo: prediction(app, photo) for photo in unseen}
    assert {each.model for each in found.values()} == {"waste"}
    right = sum(found[photo].scores[0].name == name for photo, name in unseen.items())
    assert right > len(unseen) / 2


def prediction(app: App, path: Path) -> Prediction:
    photo = app.classify_page.gallery.photo(str(path))
    assert photo is not None
    assert photo.prediction is not None
    return photo.prediction
