"""Two versions on the same photos, in the window."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAccessible, QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from backend.contract import FilePrediction
from desktop.classify.compare.answers import VersionChoice
from desktop.classify.compare.overlay import CompareOverlay
from desktop.classify.compare.presenter import ComparePresenter
from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from desktop.jobs import Jobs
from serving.errors import BackendError, ModelError, ServeryError
from serving.predict.prediction import Prediction, Score
from serving.progress import Report
from tests.gui.conftest import Run, show
from tests.support.predictions import answered_photo, prediction
from tests.support.sample_images import image_file
from tests.support.waiting import wait_until

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton
CONTROL_SHIFT = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
LIVE, OLD = VersionChoice("pets", 2, served=True), VersionChoice("pets", 1)


class Versions:
    """The live version is known to the photos; the stored one answers all of them with cat."""

    def __init__(self) -> None:
        self.choices: Sequence[VersionChoice] = (LIVE, OLD)
        self.error: ServeryError | None = None
        self.asked: list[Sequence[Path]] = []
        self.released = asyncio.Event()
        self.released.set()

    async def list(self) -> Sequence[VersionChoice]:
        if isinstance(self.error, BackendError):
            raise self.error
        return self.choices

    async def predict_served(self, jpeg: bytes, model: str, version: int) -> Prediction:
        return prediction(("dog", 1.0))

    async def predict_stored(
        self, model: str, version: int, files: Sequence[Path], report: Report
    ) -> Sequence[FilePrediction]:
        self.asked.append(files)
        await self.released.wait()
        if self.error is not None:
            raise self.error
        return [FilePrediction(str(file), [Score("cat", 0.9), Score("dog", 0.1)]) for file in files]


@pytest.fixture
def versions() -> Versions:
    return Versions()


@pytest.fixture
def page(application: QApplication, run: Run, tmp_path: Path) -> Iterator[ClassifyPage]:
    made = ClassifyPage(Gallery(0.5))
    answers = {"a": ("cat", ""), "b": ("dog", "dog"), "c": ("dog", "")}
    made.gallery.add(
        [
            answered_photo(
                image_file(tmp_path / f"{name}.jpg"), (best, 0.8), label=label, version=2
            )
            for name, (best, label) in answers.items()
        ]
    )
    made.gallery.set_answering("pets", 2)
    show(made, 1000, 720)
    made.activateWindow()
    run(lambda: wait_until(made.grid.isVisible))
    made.grid.setFocus()
    yield made
    made.thumbnails.close()


@pytest.fixture
def jobs(application: QApplication) -> Jobs:
    return Jobs()


@pytest.fixture
def view(page: ClassifyPage, versions: Versions, jobs: Jobs) -> Iterator[CompareOverlay]:
    presenter = ComparePresenter(
        page,
        jobs,
        choices=versions.list,
        predict_served=versions.predict_served,
        predict_stored=versions.predict_stored,
    )
    yield presenter.view
    del presenter


def names(view: CompareOverlay) -> list[str]:
    return [each.path.stem for each in view.rows.shown]


async def opened(page: ClassifyPage, view: CompareOverlay) -> None:
    QTest.keyClick(page.grid, Key.Key_C, CONTROL_SHIFT)
    assert view.isVisible()
    await wait_until(lambda: view.first.count() > 0)


def test_answers_that_changed_are_shown_first_and_all_on_request(
    page: ClassifyPage, view: CompareOverlay, versions: Versions, run: Run
) -> None:
    async def scenario() -> None:
        await opened(page, view)
        assert view.photos.text() == "on 3 photos"
        assert (view.first.currentText(), view.second.currentText()) == ("pets v1", "pets v2, live")
        QTest.mouseClick(view.compare, LEFT)
        await wait_until(lambda: names(view) == ["b", "c"])
        assert view.only_changed.text() == "Only answers that changed (2)"
        assert view.sentence.text() == ("2 of 3 answers changed. Of 1 labelled, 0 and 1 are right.")
        row = view.rows.model().index(0, 0)
        assert row.data(Qt.ItemDataRole.AccessibleTextRole) == (
            "b.jpg, changed; pets v1: cat 90%, dog 10%; pets v2, live: dog 80%; labelled dog"
        )
        spoken = QAccessible.queryAccessibleInterface(view.rows).child(0)
        assert spoken.text(QAccessible.Text.Name).startswith("b.jpg, changed;")
        QTest.keyClick(view.only_changed, Key.Key_Space)
        assert names(view) == ["a", "b", "c"]
        QTest.mouseClick(view.copy_table, LEFT)
        assert len(QGuiApplication.clipboard().text().splitlines()) == 4
        view.grab()  # every row is painted

    run(scenario)


def test_several_selected_photos_are_compared_alone_and_a_row_leads_to_its_photo(
    page: ClassifyPage, view: CompareOverlay, versions: Versions, run: Run
) -> None:
    async def scenario() -> None:
        QTest.keyClick(page.grid, Key.Key_Home)
        QTest.keyClick(page.grid, Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        await opened(page, view)
        assert view.photos.text() == "on 2 photos"
        QTest.mouseClick(view.compare, LEFT)
        await wait_until(lambda: names(view) == ["b"])
        assert len(versions.asked[0]) == 2
        QTest.keyClick(view.rows, Key.Key_Down)
        QTest.keyClick(view.rows, Key.Key_Return)
        assert not view.isVisible()
        shown = page.shown_photo()
        assert shown is not None
        assert shown.name == "b.jpg"

    run(scenario)


def test_a_comparison_can_be_cancelled_and_left(
    page: ClassifyPage, view: CompareOverlay, versions: Versions, jobs: Jobs, run: Run
) -> None:
    async def scenario() -> None:
        versions.released.clear()
        await opened(page, view)
        QTest.mouseClick(view.compare, LEFT)
        await wait_until(lambda: versions.asked)
        assert not view.compare.isVisible()
        QTest.mouseClick(view.cancel, LEFT)
        await wait_until(lambda: view.compare.isVisible() and not jobs.running)
        assert view.note.text() == "Comparing ended before all photos were answered."
        QTest.mouseClick(view.compare, LEFT)
        await wait_until(lambda: len(versions.asked) == 2)
        QTest.keyClick(view.rows, Key.Key_Escape)
        assert not view.isVisible()
        await wait_until(lambda: not jobs.running)

    run(scenario)


@pytest.mark.parametrize(
    "error",
    [
        BackendError("The backend is not running.", "Start Servery again."),
        ModelError("Version 1 cannot be loaded.", "Compare others."),
    ],
)
def test_an_error_is_said_in_place_of_the_photos(
    page: ClassifyPage, view: CompareOverlay, versions: Versions, error: ServeryError, run: Run
) -> None:
    async def scenario() -> None:
        versions.error = error
        QTest.keyClick(page.grid, Key.Key_C, CONTROL_SHIFT)
        if isinstance(error, ModelError):
            await wait_until(lambda: view.compare.isEnabled())
            QTest.mouseClick(view.compare, LEFT)
        await wait_until(lambda: view.note.text() == str(error))
        assert view.note.isVisible()

    run(scenario)


def test_one_version_cannot_be_compared(
    page: ClassifyPage, view: CompareOverlay, versions: Versions, run: Run
) -> None:
    async def scenario() -> None:
        versions.choices = (LIVE,)
        await opened(page, view)
        await wait_until(lambda: "There is one version of one model." in view.note.text())
        assert not view.compare.isEnabled()

    run(scenario)
