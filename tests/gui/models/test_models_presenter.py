"""The Models page against a real backend: what changes there is seen here, and the reverse."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pytest

from backend.client import BackendClient
from backend.contract import LabeledPhoto, NewModel
from backend.store.images import ImageFolder
from backend.training.photo_answers import write_answers
from backend.training.worker_protocol import REPORT_PATH
from desktop.jobs import Jobs
from desktop.models.folder_sheet import FolderSheet
from desktop.models.page import ModelsPage
from desktop.models.presenter import ModelsPresenter
from desktop.notifications import Notice, Notifications
from desktop.versions.export_dialog import ExportDialog
from desktop.widgets.question import Question
from serving.models.repository import ModelRepository
from serving.models.staging import commit_version, staged_version
from serving.workspace import Workspace
from tests.gui.conftest import Run
from tests.support.backend_env import backend_on_thread, write_worker
from tests.support.drag_and_drop import drop_files
from tests.support.sample_images import image_bytes, image_file
from tests.support.sample_summaries import report
from tests.support.tiny_model import install_tiny, write_tiny
from tests.support.waiting import wait_until

GOOD = """
shutil.copytree(spec.base_folder, Path(spec.staging_folder), dirs_exist_ok=True)
send(TrainingResult(Evaluation(50, 0.85, 0.8, 50, 0.85, 0.8), 1, 0))
"""
ENDLESS = "send(TrainingProgress(0.42, 'Reading photos'))\ntime.sleep(600)\n"
TINY = "tiny"
OTHER = "other"


@dataclass
class ModelsEnv:
    """A Models page that is connected to a backend, and what it reported."""

    page: ModelsPage
    client: BackendClient
    presenter: ModelsPresenter
    jobs: Jobs
    milliseconds: dict[str, float]
    """How long the models take for a photo."""
    history: list[Path]
    """The files of the photos of the window."""
    notices: list[Notice] = field(default_factory=list)

    def states(self) -> dict[str, str]:
        """Return the state of each model of the workspace, in the order of the cards."""
        entries = self.page.cards.cards.entries
        return {
            each.name: "current" if each.model.current else "served" if each.model.served else ""
            for each in entries
            if each.model is not None
        }

    def versions(self) -> list[tuple[int, str]]:
        return [(row.version.number, row.state.text()) for row in self.page.one.versions.rows]


Scenario = Callable[[ModelsEnv], Awaitable[None]]
RunWithBackend = Callable[[Scenario], None]


@asynccontextmanager
async def open_models_env(url: str) -> AsyncIterator[ModelsEnv]:
    page, jobs, notifications = ModelsPage(), Jobs(), Notifications()
    page.resize(1000, 700)
    page.show()
    async with BackendClient(url) as client:
        jobs.failed.connect(lambda job: notifications.error(job.error))
        milliseconds: dict[str, float] = {}
        history: list[Path] = []
        presenter = ModelsPresenter(
            page,
            client,
            jobs,
            notifications,
            milliseconds=lambda: milliseconds,
            history=lambda: history,
        )
        env = ModelsEnv(page, client, presenter, jobs, milliseconds, history)
        notifications.posted.connect(env.notices.append)
        try:
            await wait_until(lambda: bool(env.states()))
            yield env
        finally:
            await jobs.close()


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    """Two models; `tiny` is the current one."""
    made = ModelRepository(workspace.models)
    install_tiny(made, OTHER)
    install_tiny(made, TINY)
    return made


@pytest.fixture
def run_with_backend(
    run: Run, workspace: Workspace, repository: ModelRepository, worker_script: Path
) -> RunWithBackend:
    """Run a coroutine function with a ModelsEnv, while a backend serves the workspace."""

    def run_scenario(scenario: Scenario) -> None:
        async def main(url: str) -> None:
            async with open_models_env(url) as env:
                await scenario(env)

        with backend_on_thread(workspace, worker_script) as url:
            run(lambda: main(url))

    return run_scenario


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    folder = tmp_path / "flowers"
    for name in ("rose", "tulip"):
        (folder / name).mkdir(parents=True)
        for index in range(3):
            image_file(folder / name / f"{index}.jpg", color="red" if name == "rose" else "blue")
    return folder


def test_models_are_listed_and_another_is_used(run_with_backend: RunWithBackend) -> None:
    async def scenario(env: ModelsEnv) -> None:
        assert env.states() == {TINY: "current", OTHER: ""}
        env.page.select(OTHER)
        env.page.pane.use.click()
        await wait_until(lambda: env.states() == {OTHER: "current", TINY: ""})
        assert [each.text for each in env.notices] == [f"{OTHER} answers now."]

    run_with_backend(scenario)


def test_the_speed_is_that_of_when_the_page_is_shown(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: ModelsEnv) -> None:
        env.milliseconds[TINY] = 24.0
        env.page.hide()
        env.page.show()
        entry = env.page.entry(TINY)
        assert entry is not None
        assert entry.milliseconds == 24.0

    run_with_backend(scenario)


def test_a_model_is_kept_loaded_beside_the_current_one(run_with_backend: RunWithBackend) -> None:
    async def scenario(env: ModelsEnv) -> None:
        env.page.select(OTHER)
        env.page.pane.keep.click()
        await wait_until(lambda: env.states()[OTHER] == "served")
        env.page.pane.keep.click()
        await wait_until(lambda: env.states()[OTHER] == "")

    run_with_backend(scenario)


def test_a_new_model_knows_nothing_and_says_what_to_do(run_with_backend: RunWithBackend) -> None:
    async def scenario(env: ModelsEnv) -> None:
        dialog = env.page.open_new_dialog()
        assert dialog is not None
        dialog.form.name.field.setText("fish")
        dialog.form.backbone.select(TINY)
        dialog.make.click()
        await wait_until(lambda: env.page.pane.name.text() == "fish")
        assert env.page.pane.description.text().endswith(
            "Label photos, or drop a folder of folders."
        )
        model = await env.client.model("fish")
        assert (model.class_count, model.keeps_backbone_classes) == (0, False)

    run_with_backend(scenario)


def test_a_model_is_renamed_duplicated_deleted_and_restored(
    run_with_backend: RunWithBackend,
) -> None:
    async def scenario(env: ModelsEnv) -> None:
        await env.client.label(image_bytes(), "zebra", model=OTHER)
        rename = env.page.open_rename_dialog(OTHER)
        rename.name.field.setText("birds")
        rename.apply.click()
        await wait_until(lambda: "birds" in env.states())
        duplicate = env.page.open_duplicate_dialog("birds")
        assert duplicate.name.field.text() == "birds copy"
        duplicate.apply.click()
        await wait_until(lambda: "birds copy" in env.states())
        env.page.delete_requested.emit("birds")
        await wait_until(lambda: "birds" not in env.states())
        await wait_until(lambda: bool(env.notices))
        (notice,) = env.notices
        assert notice.text == "birds was deleted, with 1 version and 1 label."
        assert (notice.action, notice.act is not None) == ("Undo", True)
        if notice.act is not None:
            notice.act()
        await wait_until(lambda: "birds" in env.states())
        assert (await env.client.labels("birds")).total == 1

    run_with_backend(scenario)


def test_a_model_that_is_deleted_before_its_photos_came_fails_nothing(
    run_with_backend: RunWithBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    async def scenario(env: ModelsEnv) -> None:
        photos = env.client.photos

        async def deleted_first(name: str, limit: int) -> list[LabeledPhoto]:
            if name == OTHER and OTHER in [each.name for each in await env.client.models()]:
                await env.client.delete_model(OTHER)
            return await photos(name, limit)

        monkeypatch.setattr(env.page, "show_unavailable", shown.append)
        monkeypatch.setattr(env.client, "photos", deleted_first)
        await env.client.label(image_bytes(), "zebra", model=OTHER)
        await env.presenter.duplicate(TINY, "copy").result()
        await wait_until(lambda: env.states().keys() == {TINY, "copy"})
        assert (shown, env.notices) == ([], [])

    run_with_backend(scenario)


def test_photos_of_what_a_model_knows_are_on_its_card(run_with_backend: RunWithBackend) -> None:
    async def scenario(env: ModelsEnv) -> None:
        await env.client.label(image_bytes(), "zebra", model=TINY)

        def photos() -> int:
            entry = env.page.entry(TINY)
            return len(entry.photos) if entry is not None else 0

        await wait_until(lambda: photos() == 1)
        entry = env.page.entry(TINY)
        assert entry is not None
        image = entry.photos[0].image
        await wait_until(lambda: env.page.pictures.get(image, 64) is not None)
        picture = env.page.pictures.get(image, 64)
        assert picture is not None
        assert not picture.isNull()
        assert env.page.pictures.get("00" * 32, 64) is None
        await wait_until(lambda: env.page.pictures.get("00" * 32, 64) is not None)

    run_with_backend(scenario)


def test_versions_are_used_pinned_verified_and_deleted(
    run_with_backend: RunWithBackend, repository: ModelRepository
) -> None:
    for _ in range(2):
        install_tiny(repository, TINY)

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        one = env.page.one.versions
        await wait_until(lambda: env.versions() == [(3, "Live"), (2, ""), (1, "")])
        await wait_until(lambda: "has no report" in one.report.sentence.text())
        one.rows[2].promote.click()
        await wait_until(lambda: env.versions() == [(3, ""), (2, ""), (1, "Live")])
        one.pin_requested.emit(3, True)
        await wait_until(lambda: env.versions()[0] == (3, "Pinned"))
        one.delete_requested.emit(2)
        await wait_until(lambda: env.versions() == [(3, "Pinned"), (1, "Live")])
        one.verify_requested.emit(3)
        await wait_until(lambda: "Every file of tiny v3" in env.notices[-1].text)
        repository.version(TINY, 3).path.joinpath("saved_model.pb").write_bytes(b"other")
        one.verify_requested.emit(3)
        await wait_until(lambda: env.notices[-1].is_error)
        assert env.notices[-1].text == "1 file of tiny v3 changed: saved_model.pb."
        one.delete_requested.emit(1)
        await wait_until(lambda: len([each for each in env.notices if each.is_error]) == 2)

    run_with_backend(scenario)


def test_a_version_is_exported_and_an_export_replaced_on_request(
    run_with_backend: RunWithBackend, tmp_path: Path
) -> None:
    target = tmp_path / "out"

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        one = env.page.one.versions
        await wait_until(lambda: env.versions() == [(1, "Live")])

        async def export() -> None:
            menu = one.rows[0].menu.menu()
            menu.aboutToShow.emit()
            (action,) = (each for each in menu.actions() if each.text() == "Export…")
            action.trigger()
            await wait_until(lambda: bool(one.findChildren(ExportDialog)))
            (dialog,) = one.findChildren(ExportDialog)
            dialog.target.setText(str(target))
            dialog.export.click()
            await wait_until(lambda: not one.findChildren(ExportDialog))

        await export()
        await wait_until(lambda: bool(env.notices))
        assert "Version 1 of tiny is in" in env.notices[0].text
        assert (target / "1" / "saved_model.pb").is_file()
        (target / "labels.txt").write_text("old")
        await export()
        await wait_until(lambda: bool(one.findChildren(Question)))
        (box,) = one.findChildren(Question)
        (replace,) = (each for each in box.buttons() if each.text() == "Replace")
        replace.click()
        await wait_until(lambda: len(env.notices) == 2)
        assert (target / "labels.txt").read_text().startswith("red")

    run_with_backend(scenario)


def test_two_versions_are_compared_on_the_photos_of_the_history(
    run_with_backend: RunWithBackend, repository: ModelRepository, tmp_path: Path
) -> None:
    install_tiny(repository, TINY, {"scarlet": "red", "blue": "blue"})
    red = image_file(tmp_path / "red.png", "red", "PNG")
    blue = image_file(tmp_path / "blue.jpg", "blue")

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        compare = env.page.one.versions.compare
        env.page.one.versions.tabs.setCurrentWidget(compare)
        await wait_until(compare.compare.isEnabled)
        compare.photos.select(True)
        compare.compare.click()
        await wait_until(lambda: "no photo in the history" in compare.note.text())
        env.history += [blue, tmp_path / "gone.jpg", red]
        compare.compare.click()
        await wait_until(lambda: bool(compare.sentence.text()))
        assert compare.sentence.text() == "1 of 2 answers changed. 1 photo cannot be read."
        (tile,) = compare.grid.tiles
        assert tile.image == red
        assert "v1 red" in tile.text
        assert "v2 scarlet" in tile.text
        await wait_until(lambda: env.page.pictures.get(red, 64) is not None)
        picture = env.page.pictures.get(red, 64)
        assert picture is not None
        assert picture.toImage().pixelColor(5, 5).name() == "#ff0000"

    run_with_backend(scenario)


def test_the_newest_photos_of_a_long_history_are_compared(
    run_with_backend: RunWithBackend, repository: ModelRepository, tmp_path: Path
) -> None:
    install_tiny(repository, TINY)
    photo = image_file(tmp_path / "photo.jpg", "blue")

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        compare = env.page.one.versions.compare
        await wait_until(compare.compare.isEnabled)
        compare.photos.select(True)
        env.history += [photo, *(tmp_path / f"{number}.jpg" for number in range(1_000))]
        compare.compare.click()
        await wait_until(lambda: bool(compare.sentence.text()))
        assert compare.sentence.text() == "0 of 1 answer changed. 999 photos cannot be read."
        assert compare.note.text() == "Both versions answer every photo alike."

    run_with_backend(scenario)


def test_a_folder_that_is_dropped_becomes_a_model(
    run_with_backend: RunWithBackend, worker_script: Path, flowers: Path
) -> None:
    write_worker(worker_script, GOOD)

    async def scenario(env: ModelsEnv) -> None:
        assert drop_files(env.page, [flowers])
        sheet = await wait_until(lambda: env.page.findChild(FolderSheet))
        assert sheet is not None
        assert sheet.form.name.name == "flowers"
        sheet.form.backbone.select(TINY)
        sheet.start.click()
        await wait_until(lambda: env.page.opened_model == "flowers")
        assert env.versions() == [(2, "Live"), (1, "")]
        assert env.notices[-1].action == "Use it"
        assert env.notices[-1].act is not None
        env.notices[-1].act()
        await wait_until(lambda: env.states()["flowers"] == "current")

    run_with_backend(scenario)


def test_an_import_shows_its_progress_and_is_cancelled(
    run_with_backend: RunWithBackend, worker_script: Path, flowers: Path
) -> None:
    write_worker(worker_script, ENDLESS)

    async def scenario(env: ModelsEnv) -> None:
        job = env.presenter.learn(flowers, NewModel("flowers", TINY))
        await wait_until(lambda: env.page.entry("flowers") is not None)
        env.page.select("flowers")
        await wait_until(lambda: env.page.pane.step.text() == "Reading photos")
        assert env.page.pane.progress.value() == 420
        env.page.pane.cancel.click()
        await wait_until(lambda: not job.running)
        await wait_until(lambda: env.page.pane.badge.text == "Not served")

    run_with_backend(scenario)


def test_what_is_no_folder_of_folders_is_explained_with_what_was_found(
    run_with_backend: RunWithBackend, tmp_path: Path, flowers: Path
) -> None:
    (tmp_path / "photos").mkdir()
    image_file(tmp_path / "photos" / "one.jpg")

    async def scenario(env: ModelsEnv) -> None:
        assert drop_files(env.page, [tmp_path / "photos"])
        await wait_until(lambda: len(env.notices) == 1)
        assert env.notices[0].is_error
        assert "photos" in env.notices[0].text
        assert drop_files(env.page, [flowers / "rose", flowers / "tulip"])
        await wait_until(lambda: len(env.notices) == 2)
        assert env.notices[1].text == (
            "2 files and folders were dropped."
            " Drop the one folder that has a folder for each class."
        )
        assert env.page.findChild(FolderSheet) is None

    run_with_backend(scenario)


def test_a_version_is_tried_ended_and_has_a_history(
    run_with_backend: RunWithBackend, repository: ModelRepository
) -> None:
    install_tiny(repository, TINY)
    repository.promote(TINY, 1)

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        one = env.page.one.versions
        await wait_until(lambda: env.versions() == [(2, ""), (1, "Live")])
        assert one.canary.isHidden()
        one.canary_requested.emit(2)
        await wait_until(lambda: env.versions()[0] == (2, "Canary, 10%"))
        assert one.canary.isVisible()
        # There is no instance that could load it.
        assert one.canary.sentence.text() == "Waiting until version 2 is loaded."
        await wait_until(one.canary.end.isEnabled)
        one.canary.end.click()
        await wait_until(lambda: env.versions()[0] == (2, "Held back"))
        await wait_until(one.canary.isHidden)
        await wait_until(lambda: len(one.history.texts) == 2)
        ended, began = one.history.texts
        assert began == "Version 2 became a canary."
        assert ended.startswith("Version 2 was held back. ")
        await wait_until(one.rows[0].promote.isEnabled)
        assert one.rows[0].promote.text() == "Use it anyway"
        one.rows[0].promote.click()
        await wait_until(lambda: env.versions() == [(2, "Live"), (1, "")])
        await wait_until(lambda: one.history.texts[0] == "Version 2 went live.")

    run_with_backend(scenario)


def test_a_cell_of_the_confusion_matrix_opens_its_photos(
    run_with_backend: RunWithBackend, repository: ModelRepository, workspace: Workspace
) -> None:
    images = ImageFolder(workspace.images)
    photos = [images.put(image_bytes(color)) for color in ("red", "darkred", "maroon")]
    measured = report(["red", "blue"], [[1, 2], [0, 0]])
    with staged_version(repository, TINY) as staged:
        write_tiny(staged, TINY)
        (staged / REPORT_PATH).write_text(json.dumps(asdict(measured)))
        write_answers(staged, photos, ["red"] * 3, ["red", "blue", "blue"], [0.9, 0.6, 0.8])
        number = commit_version(repository, TINY, staged).number
    repository.promote(TINY, number)

    async def scenario(env: ModelsEnv) -> None:
        env.page.open_model(TINY)
        shown = env.page.one.versions.report
        await wait_until(lambda: shown.matrix.isVisible())
        shown.matrix.cell_selected.emit("red", "blue")
        await wait_until(lambda: len(shown.cell_photos.tiles) == 2)
        assert [tile.image for tile in shown.cell_photos.tiles] == [photos[2], photos[1]]
        shown.matrix.cell_selected.emit("red", "red")
        await wait_until(lambda: [tile.image for tile in shown.cell_photos.tiles] == photos[:1])

    run_with_backend(scenario)
