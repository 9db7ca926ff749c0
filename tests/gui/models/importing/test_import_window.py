"""A model file is dropped on the Models page, corrected, and imported, in real widgets."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from backend.client import BackendClient
from backend.contract import ImportState, ModelFileQuery, ModelImport, ModelSummary
from desktop.jobs import Jobs
from desktop.models.entries import model_entries
from desktop.models.importing import wording
from desktop.models.importing.catalogue_dialog import CatalogueDialog
from desktop.models.importing.flow import ImportFlow
from desktop.models.importing.import_dialog import ImportDialog
from desktop.models.page import ModelsPage
from desktop.notifications import Notice, Notifications
from desktop.widgets.question import Question
from serving.errors import ModelError
from serving.exporting.formats import MANIFEST_NAME, ExportFormat
from serving.importing.interface import ModelInspection, ValueRange
from tests.gui.conftest import Run
from tests.support.drag_and_drop import drop_files
from tests.support.fake_model_files import FakeModelFiles, catalogue_entry, inspection, interface
from tests.support.sample_images import image_file
from tests.support.sample_summaries import model
from tests.support.waiting import wait_until

DONE = ModelImport("7", "pets", ImportState.SUCCEEDED, 1.0, version=1)
RUNNING = ModelImport("7", "pets", ImportState.RUNNING, 0.5, "Writing and checking.")


@dataclass
class Window:
    """A Models page with a fake backend, and what was reported."""

    page: ModelsPage
    jobs: Jobs
    flow: ImportFlow
    models: list[ModelSummary]
    used: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    folders: list[list[Path]] = field(default_factory=list)

    def dialog(self) -> ImportDialog | None:
        found = [each for each in self.page.findChildren(ImportDialog) if each.isVisible()]
        return found[0] if found else None

    async def dropped(self, *paths: Path) -> ImportDialog:
        """Drop a model on the page, and return the dialog once the model was looked at."""
        assert drop_files(self.page, paths)
        dialog = await wait_until(self.dialog)
        assert dialog is not None
        await wait_until(lambda: not dialog.step.text())
        return dialog


@asynccontextmanager
async def open_window(backend: FakeModelFiles, *photos: Path) -> AsyncIterator[Window]:
    page, jobs, notifications = ModelsPage(), Jobs(), Notifications()
    models = [model("big", current=True)]
    page.resize(1000, 700)
    page.show()
    page.show_entries(model_entries(models, []))
    page.pictures.start(_no_photo, jobs)

    async def refresh() -> None:
        page.show_entries(model_entries(models, []))

    flow = ImportFlow(
        page,
        cast("BackendClient", backend),
        jobs,
        notifications,
        refresh=refresh,
        use=lambda name: window.used.append(name),
        history=lambda: list(photos),
    )
    window = Window(page, jobs, flow, models)
    notifications.posted.connect(window.notices.append)

    async def take(paths: list[Path]) -> None:
        if not await flow.take(paths):
            window.folders.append(paths)

    page.folder_requested.connect(
        lambda paths, model: jobs.start("Take", lambda report: take(paths))
    )
    try:
        yield window
    finally:
        await jobs.close()


async def _no_photo(image: str) -> bytes:
    return b""


@pytest.fixture
def keras_file(tmp_path: Path) -> Path:
    path = tmp_path / "pets.keras"
    path.write_bytes(b"")
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return image_file(tmp_path / "photo.jpg")


def in_window(run: Run, backend: FakeModelFiles, scenario: Any, *photos: Path) -> None:
    async def main() -> None:
        async with open_window(backend, *photos) as window:
            await scenario(window)

    run(main)


def test_a_model_is_dropped_and_its_facts_are_shown(
    run: Run, keras_file: Path, photo: Path
) -> None:
    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        assert dialog.windowTitle() == "Import pets.keras"
        assert dialog.kind.text() == "A Keras file, 123 kB."
        assert dialog.safety.text() == wording.NO_CODE
        facts = dialog.facts
        assert facts.classes.text() == "3 scores, 3 labels from labels.txt"
        assert facts.labels.text() == "zebra, cat, t-shirt"
        assert facts.input.text() == "32 by 32 pixels"
        assert facts.choices["value_range"].currentData() == ValueRange.UNIT
        assert facts.origin("value_range") == "guessed"
        assert facts.origin("gives") == "in the file"
        assert not facts.signature.isVisible()
        assert dialog.name.name == "pets"
        assert [tile.text for tile in dialog.photos.grid.tiles] == ["cat by 0..1 90%, zebra 10%"]
        assert dialog.start.isEnabled()

    in_window(run, FakeModelFiles(), scenario, photo)


def test_a_correction_with_the_keyboard_asks_again(run: Run, keras_file: Path, photo: Path) -> None:
    backend = FakeModelFiles()

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        combo = dialog.facts.choices["value_range"]
        combo.setFocus()
        QTest.keyClick(combo, Qt.Key.Key_Down)
        await wait_until(lambda: len(backend.previewed) == 2)
        await wait_until(lambda: not dialog.step.text())
        said = backend.previewed[-1].source.corrections.value_range
        assert said is ValueRange.SIGNED
        assert dialog.facts.origin("value_range") == "as you say"
        assert combo.accessibleName() == "Values of pixels, as you say"
        assert dialog.photos.grid.tiles[0].text.startswith(f"cat by {said.value}")

    in_window(run, backend, scenario, photo)


def test_photos_and_labels_are_dropped_on_the_dialog_and_taken_out(
    run: Run, keras_file: Path, photo: Path, tmp_path: Path
) -> None:
    backend = FakeModelFiles()
    labels = tmp_path / "names.txt"
    labels.write_text("a\nb\nc\n")
    mine = image_file(tmp_path / "mine.jpg", color="red")

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        assert not drop_files(dialog, [keras_file])
        assert drop_files(dialog, [mine, labels])
        await wait_until(lambda: len(backend.inspected) == 2 and not dialog.step.text())
        assert backend.inspected[-1].source.labels_path == str(labels)
        grid = dialog.photos.grid
        assert [tile.image for tile in grid.tiles] == [mine, photo]
        grid.setCurrentIndex(grid.model().index(0, 0))
        QTest.keyClick(grid, Qt.Key.Key_Delete)
        assert [tile.image for tile in grid.tiles] == [photo]

    in_window(run, backend, scenario, photo)


def test_it_is_imported_selected_and_offered_for_use(run: Run, keras_file: Path) -> None:
    backend = FakeModelFiles(states=[RUNNING, DONE])

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        dialog.name.field.setText("big")
        assert not dialog.start.isEnabled()
        dialog.name.field.setText("pets")
        window.models.append(model("pets", classes=("zebra", "cat", "t-shirt")))
        QTest.keyClick(dialog.name.field, Qt.Key.Key_Return)
        await wait_until(lambda: dialog.step.text() == RUNNING.step)
        assert dialog.progress.value() == 500
        assert not dialog.name.isEnabled()
        assert dialog.close_button.text() == "Hide"
        assert [job.title for job in window.jobs.running if not job.background] == ["Import pets"]
        await wait_until(lambda: bool(window.notices))
        (notice,) = window.notices
        assert (notice.what, notice.action) == ("pets is there, with 3 classes.", "Use it")
        selected = window.page.cards.selected
        assert selected is not None
        assert selected.name == "pets"
        assert notice.act is not None
        notice.act()
        assert window.used == ["pets"]
        assert window.dialog() is None

    in_window(run, backend, scenario)


def test_an_import_is_cancelled_and_nothing_that_was_said_is_lost(
    run: Run, keras_file: Path
) -> None:
    backend = FakeModelFiles(states=[RUNNING])

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        dialog.start.click()
        await wait_until(lambda: dialog.progress.value() == 500)
        dialog.cancel.click()
        await wait_until(dialog.start.isEnabled)
        assert backend.cancelled == ["7"]
        assert dialog.isVisible()
        assert dialog.close_button.text() == "Cancel"
        assert window.notices == []

    in_window(run, backend, scenario)


def test_a_hidden_import_that_fails_can_be_shown_again(run: Run, keras_file: Path) -> None:
    failed = ModelImport("7", "pets", ImportState.FAILED, error="It failed.", advice="Do this.")
    backend = FakeModelFiles(states=[RUNNING])

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        dialog.start.click()
        await wait_until(lambda: dialog.progress.value() == 500)
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        assert not dialog.isVisible()
        backend.states = [failed]
        await wait_until(lambda: bool(window.notices))
        (notice,) = window.notices
        assert notice.text == "It failed. Do this."
        assert notice.act is not None
        notice.act()
        assert dialog.isVisible()
        assert dialog.problem.text() == "It failed. Do this."
        assert dialog.start.isEnabled()

    in_window(run, backend, scenario)


def test_a_model_is_trusted_after_reading_what_it_can_do(run: Run, keras_file: Path) -> None:
    def found(query: ModelFileQuery) -> ModelInspection:
        if query.source.trust:
            return inspection(unsafe_operations=("ReadFile",))
        return inspection(interface=None, unsafe_operations=("ReadFile",), problems=("Unsafe.",))

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        assert "uses ReadFile" in dialog.trust_text.text()
        assert not dialog.start.isEnabled()
        assert not dialog.facts.isVisible()
        dialog.trust.click()
        (question,) = dialog.findChildren(Question)
        assert "uses ReadFile" in question.informativeText()
        assert question.defaultButton().text() == "Cancel"
        next(each for each in question.buttons() if each.text() == "Trust it").click()
        await wait_until(dialog.start.isEnabled)
        assert dialog.safety.text() == wording.TRUSTED
        assert not dialog.trust.isVisible()

    in_window(run, FakeModelFiles(found=found), scenario)


def test_what_is_no_model_is_refused_and_looked_at_again(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "pets.onnx"
    path.write_bytes(b"")
    works = asyncio.Event()

    def found(query: ModelFileQuery) -> ModelInspection:
        if works.is_set():
            return inspection()
        raise ModelError("pets.onnx is an ONNX file.", "Export it as .keras.")

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(path)
        assert dialog.problem.text() == "pets.onnx is an ONNX file. Export it as .keras."
        assert not dialog.start.isEnabled()
        works.set()
        dialog.again.click()
        await wait_until(dialog.start.isEnabled)
        assert not dialog.problem.isVisible()

    in_window(run, FakeModelFiles(found=found), scenario)


def test_too_few_labels_are_marked_and_a_file_mends_it(
    run: Run, keras_file: Path, tmp_path: Path
) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("a\nb\nc\n")
    problem = "labels.txt has 2 names, and the model has 3 classes."

    def found(query: ModelFileQuery) -> ModelInspection:
        if query.source.labels_path:
            return inspection(labels_from="names.txt")
        return inspection(labels=("zebra", "cat"), problems=(problem,))

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        assert dialog.problem.text() == problem
        assert dialog.facts.classes.text() == "3 scores, 2 labels from labels.txt"
        assert not dialog.start.isEnabled()
        dialog.labels_chosen.emit(labels)
        await wait_until(dialog.start.isEnabled)

    in_window(run, FakeModelFiles(found=found), scenario)


def test_a_model_of_any_size_and_one_with_signatures(run: Run, keras_file: Path) -> None:
    guessed = interface(height=224, width=224, guessed=("height", "width"))
    backend = FakeModelFiles(
        found=lambda query: inspection(interface=guessed, choices=("serving_default", "raw"))
    )

    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        facts = dialog.facts
        assert facts.width_box.value() == 224
        facts.width_box.setValue(96)
        await wait_until(lambda: not dialog.step.text())
        assert facts.width_box.value() == 96
        assert facts.signature.isVisible()
        facts.signature.select("raw")
        facts.signature.activated.emit(facts.signature.currentIndex())
        await wait_until(lambda: len(backend.inspected) == 2)
        said = backend.inspected[-1].source.corrections
        assert (said.signature, said.width, said.height) == ("raw", 96, 224)

    in_window(run, backend, scenario)


def test_a_folder_of_photos_is_told_from_a_model_folder(run: Run, tmp_path: Path) -> None:
    flowers, saved = tmp_path / "flowers", tmp_path / "saved"
    (flowers / "rose").mkdir(parents=True)
    image_file(flowers / "rose" / "1.jpg")
    saved.mkdir()
    (saved / "saved_model.pb").write_bytes(b"")
    labels = tmp_path / "names.txt"
    labels.write_text("a\n")
    backend = FakeModelFiles()

    async def scenario(window: Window) -> None:
        assert drop_files(window.page, [flowers])
        await wait_until(lambda: window.folders == [[flowers]])
        assert window.dialog() is None
        await window.dropped(saved, labels)
        assert backend.inspected[0].source.path == str(saved)
        assert backend.inspected[0].source.labels_path == str(labels)

    in_window(run, backend, scenario)


def test_what_another_servery_exported_needs_no_dialog(run: Run, tmp_path: Path) -> None:
    archive = tmp_path / "pets.zip"
    manifest = {"format": ExportFormat.SERVERY.value}
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr(MANIFEST_NAME, json.dumps(manifest))
        file.writestr("photos/1.jpg", b"")

    async def scenario(window: Window) -> None:
        window.models.append(model("pets"))
        assert drop_files(window.page, [archive])
        await wait_until(lambda: bool(window.notices))
        assert window.notices[0].text == "pets is there, with 12 labels."
        assert window.notices[0].action == "Use it"
        assert window.dialog() is None
        assert window.folders == []

    in_window(run, FakeModelFiles(), scenario)


def test_closing_the_dialog_ends_what_was_asked(run: Run, keras_file: Path, photo: Path) -> None:
    async def scenario(window: Window) -> None:
        assert drop_files(window.page, [keras_file])
        await wait_until(lambda: bool(backend.previewed))
        dialog = window.dialog()
        assert dialog is not None
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        await wait_until(lambda: backend.ended_early == 1)

    backend = FakeModelFiles(preview_gate=asyncio.Event())
    in_window(run, backend, scenario, photo)


def test_the_catalogue_downloads_in_place(run: Run) -> None:
    entries = [catalogue_entry("small"), catalogue_entry("large", installed=True)]
    step = "Downloading 6 MB of 14 MB, 1 MB/s, 8 s left."
    backend = FakeModelFiles(
        entries=entries, states=[ModelImport("7", "small", ImportState.RUNNING, 0.4, step)]
    )

    async def scenario(window: Window) -> None:
        window.page.add.click()
        (dialog,) = window.page.findChildren(CatalogueDialog)
        await wait_until(lambda: list(dialog.rows) == ["small", "large"])
        small, large = dialog.rows.values()
        assert [each.text() for each in small.facts] == ["71%", "14.0 MB", "224 px", "Apache-2.0"]
        assert large.added.isVisible()
        assert not large.action.isVisible()
        dialog.mirror.setText(" http://mirror ")
        small.action.click()
        await wait_until(lambda: small.step.text() == step)
        assert small.progress.value() == 400
        assert small.action.accessibleName() == "Cancel: Small"
        assert backend.downloads == [("small", "http://mirror")]
        small.action.click()
        await wait_until(lambda: small.action.text() == "Continue")
        backend.states = [
            ModelImport("7", "small", ImportState.FAILED, error="No network.", advice="Look.")
        ]
        small.action.click()
        await wait_until(lambda: small.action.text() == "Try again")
        assert small.problem.text() == "No network. Look."
        assert window.notices == []  # it stands in the dialog
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        backend.states = [ModelImport("7", "small", ImportState.SUCCEEDED, 1.0, version=1)]
        window.models.append(model("small"))
        window.page.add.click()
        (again,) = [each for each in window.page.findChildren(CatalogueDialog) if each.isVisible()]
        await wait_until(lambda: "small" in again.rows)
        assert again.rows["small"].problem.text() == "No network. Look."
        again.rows["small"].action.click()
        await wait_until(again.rows["small"].added.isVisible)
        await wait_until(lambda: bool(window.notices))
        assert window.notices[0].action == "Use it"

    in_window(run, backend, scenario)


def test_a_download_that_fails_unseen_is_told_and_tried_again(run: Run) -> None:
    backend = FakeModelFiles(entries=[catalogue_entry("small")], states=[RUNNING])

    async def scenario(window: Window) -> None:
        window.page.add.click()
        (dialog,) = window.page.findChildren(CatalogueDialog)
        await wait_until(lambda: "small" in dialog.rows)
        dialog.rows["small"].action.click()
        await wait_until(lambda: dialog.rows["small"].progress.value() == 500)
        dialog.close_button.click()
        backend.states = [
            ModelImport("7", "small", ImportState.FAILED, error="No network.", advice="Look.")
        ]
        await wait_until(lambda: bool(window.notices))
        (notice,) = window.notices
        assert (notice.text, notice.action) == ("No network. Look.", "Try again")
        assert notice.act is not None
        notice.act()
        await wait_until(lambda: len(backend.downloads) == 2)

    in_window(run, backend, scenario)


def test_every_control_has_a_name(run: Run, keras_file: Path, photo: Path) -> None:
    async def scenario(window: Window) -> None:
        dialog = await window.dropped(keras_file)
        chain, widget = [], dialog.name.field
        for _ in range(40):
            QTest.keyClick(widget, Qt.Key.Key_Tab)
            focused = QApplication.focusWidget()
            assert focused is not None
            if focused in chain:
                break
            chain.append(focused)
            widget = focused  # type: ignore[assignment]
        named = [each.accessibleName() or getattr(each, "text", str)() for each in chain]
        assert all(named), named
        assert {dialog.start, dialog.facts.choose_labels, dialog.photos.grid} <= set(chain)

    in_window(run, FakeModelFiles(), scenario, photo)
