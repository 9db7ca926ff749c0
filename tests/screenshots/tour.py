"""Uses the application as a person would, and saves a picture of every page."""

from __future__ import annotations

import asyncio
from pathlib import Path

from backend.contract import NewCanary
from desktop.app import App
from desktop.learn.page import LearnPage, LearnView
from desktop.main_window import PageName
from desktop.models.folder_sheet import FolderSheet
from desktop.models.page import ModelsPage
from desktop.theme import Appearance
from serving.models.canary import CanaryPhase
from serving.normalize_image import read_normalized_image
from tests.screenshots.adding import save_adding
from tests.screenshots.classifying import save_classifying
from tests.screenshots.waiting import all_answered, is_learning, is_looking, save
from tests.support.drag_and_drop import drop_files
from tests.support.keras_file import write_keras_file
from tests.support.waiting import wait_until


async def tour(
    app: App,
    out: Path,
    photos: list[Path],
    size: tuple[int, int],
    classes: Path | None,
    model_files: Path,
) -> None:
    """Use a running application as a person would, then save every page to `out`.

    A model to import is written into the folder `model_files`.
    """
    file = await asyncio.to_thread(write_keras_file, model_files)
    window, page = app.window, app.classify_page
    window.resize(*size)
    fleet = await app.fleet
    await wait_until(lambda: fleet.view.ready == fleet.view.desired_count > 0)
    await save(window, out / "classify-empty.png")
    if photos:
        assert drop_files(page, photos)
        await wait_until(lambda: len(page.gallery.photos) == len(photos))
        await wait_until(lambda: all_answered(app))
        await _teach(app, photos[: len(photos) * 2 // 3])
        await _try_canary(app)
        await _disagree(app, photos[1])
        page.select(str(photos[0]))
    if classes is not None:
        await _make_model(app, classes, out)
    while window.notices.close_newest():
        pass
    for appearance in (Appearance.LIGHT, Appearance.DARK):
        app.theme.set_appearance(appearance)
        for page_name in PageName:
            window.show_page(page_name)
            await save(window, out / f"{page_name}-{appearance.value}.png")
            if page_name is PageName.CLASSIFY and photos:
                await save_classifying(app, out, appearance.value)
            if page_name is PageName.LEARN:
                await _save_labelling(app, out, appearance)
                await _save_versions(app, out, appearance)
        if classes is not None:
            models = window.page(PageName.MODELS)
            assert isinstance(models, ModelsPage)
            window.show_page(PageName.MODELS)
            models.open_model(classes.name)
            await save(window, out / f"model-{appearance.value}.png")
            models.close_model()
        await save_adding(app, out, appearance, file)


async def _save_labelling(app: App, out: Path, appearance: Appearance) -> None:
    """Show each way to label on the Learn page, and the classes, once they have something."""
    learn = app.window.page(PageName.LEARN)
    assert isinstance(learn, LearnPage)
    before = learn.view
    for view in (LearnView.LABEL, LearnView.GROUPS, LearnView.DOUBTS, LearnView.CLASSES):
        learn.show_view(view)
        await wait_until(lambda: not is_looking(learn))
        await save(app.window, out / f"learn-{view.name.lower()}-{appearance.value}.png")
    learn.show_view(LearnView.LABEL)
    learn.label_view.picker.field.setText("c")
    learn.when.setChecked(True)
    await save(app.window, out / f"learn-typing-{appearance.value}.png")
    learn.label_view.picker.field.clear()
    learn.when.setChecked(False)
    learn.show_view(before)


async def _disagree(app: App, photo: Path) -> None:
    """Have somebody else say of a labelled photo that it shows another class."""
    backend = await app.backend
    jpeg = await asyncio.to_thread(read_normalized_image, photo)
    await backend.label(jpeg, "something else", by="anna")


async def _save_versions(app: App, out: Path, appearance: Appearance) -> None:
    """Show the versions on the Learn page, with each kind of detail."""
    learn = app.window.page(PageName.LEARN)
    assert isinstance(learn, LearnPage)
    before = learn.view
    learn.show_view(LearnView.VERSIONS)
    versions = learn.versions
    assert versions.summary is not None
    versions.select(versions.summary.live_version)
    for name, view in (("report", versions.report), ("history", versions.history)):
        versions.tabs.setCurrentWidget(view)
        await save(app.window, out / f"versions-{name}-{appearance.value}.png")
    learn.show_view(before)


async def _try_canary(app: App) -> None:
    """Let another version than the live one answer half of the requests, and ask it."""
    backend = await app.backend
    model = (await backend.models())[0]
    others = [each.number for each in model.versions if not each.live]
    if not others:
        return
    await backend.start_canary(model.name, others[0], NewCanary(share=0.5))

    async def is_running() -> bool:
        canary = (await backend.model(model.name)).canary
        return canary is None or canary.phase is CanaryPhase.RUNNING

    await wait_until(is_running)
    app.classify.reclassify([str(photo.path) for photo in app.gallery.photos])
    await wait_until(lambda: all_answered(app))


async def _make_model(app: App, classes: Path, out: Path) -> None:
    """Drop a folder with one folder a class on the Models page and see it through."""
    await app.backend
    window = app.window
    models = window.page(PageName.MODELS)
    assert isinstance(models, ModelsPage)
    window.show_page(PageName.MODELS)
    await wait_until(models.new.isEnabled)
    await save(window, out / "models-first.png")
    assert drop_files(models, [classes])
    sheet = await wait_until(lambda: models.findChild(FolderSheet))
    assert sheet is not None
    await save(sheet, out / "models-sheet.png")
    sheet.start.click()
    await wait_until(lambda: any(not job.background for job in app.jobs.running))
    await asyncio.sleep(2)
    models.select(classes.name)
    await save(window, out / "models-learning.png")
    await wait_until(lambda: models.opened_model == classes.name, 600)
    await save(window, out / "models-report.png")
    models.close_model()
    models.pane.use_requested.emit(classes.name)
    await wait_until(lambda: app.answering.name == classes.name)
    await wait_until(lambda: bool(app.gallery.outdated()) or not app.gallery.photos)
    app.classify.reclassify(app.gallery.outdated())
    await wait_until(lambda: all_answered(app))


async def _teach(app: App, photos: list[Path]) -> None:
    """Label photos with the class in their file name, learn, and look at all of them again."""
    await app.backend
    for photo in photos:
        _, _, name = photo.stem.partition("_")
        await app.classify.label([str(photo)], name.replace("_", " ").lower()).result()
    learn = app.window.page(PageName.LEARN)
    assert isinstance(learn, LearnPage)
    app.window.show_page(PageName.LEARN)
    await wait_until(learn.learn.isEnabled)
    learn.learn.click()
    await wait_until(lambda: is_learning(app))
    await wait_until(lambda: not is_learning(app))
    await asyncio.sleep(2)  # for the instances to load a new version, if there is one
    app.classify.reclassify(app.classify_page.gallery.outdated())
    await wait_until(lambda: all_answered(app))
