"""What the answer of one photo depends on: shown on request, over the photo."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw, ImageStat
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from desktop.classify.explain.heat import heat_image
from desktop.classify.explain.presenter import ExplainPresenter
from desktop.classify.explain.wording import occlusion_sentence, place_words
from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from desktop.jobs import Jobs
from serving.errors import ModelError, ServeryError
from serving.predict.occlusion import Occlusion
from serving.predict.prediction import Prediction
from tests.gui.conftest import Run, show
from tests.support.predictions import answered_photo, prediction
from tests.support.sample_images import encode, image_file
from tests.support.waiting import wait_until

Key = Qt.Key
LEFT = Qt.MouseButton.LeftButton
SIZE = (100, 80)


class ColorModel:
    """Says how red and how blue a photo is, when it may."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int]] = []
        self.error: ServeryError | None = None
        self.released = asyncio.Event()
        self.released.set()

    async def answer(self, jpeg: bytes, model: str, version: int) -> Prediction:
        self.asked.append((model, version))
        await self.released.wait()
        if self.error is not None:
            raise self.error
        red, _, blue = ImageStat.Stat(Image.open(io.BytesIO(jpeg)).convert("RGB")).mean
        return prediction(("blue", blue / (red + blue)), ("red", red / (red + blue)))


@pytest.fixture
def model() -> ColorModel:
    return ColorModel()


@pytest.fixture
def jobs(application: QApplication) -> Jobs:
    return Jobs()


@pytest.fixture
def page(jobs: Jobs, model: ColorModel, run: Run, tmp_path: Path) -> Iterator[ClassifyPage]:
    image = Image.new("RGB", SIZE, "blue")
    ImageDraw.Draw(image).ellipse((60, 40, 92, 72), fill="red")
    path = tmp_path / "ball.jpg"
    path.write_bytes(encode(image))
    made = ClassifyPage(Gallery(0.5))
    photos = [
        answered_photo(path, ("blue", 0.85), ("red", 0.15), version=3),
        answered_photo(image_file(tmp_path / "other.jpg"), ("blue", 0.9)),
    ]
    made.gallery.add(photos)
    show(made, 1000, 720)
    made.activateWindow()
    run(lambda: wait_until(made.grid.isVisible))
    made.select(photos[0].key)
    made.grid.setFocus()
    presenter = ExplainPresenter(made, model.answer, jobs)
    yield made
    del presenter
    made.thumbnails.close()


def sentence(page: ClassifyPage) -> str:
    return page.pane.explained.sentence.text()


def found(page: ClassifyPage) -> bool:
    return bool(page.pane.view.accessibleDescription())


def test_a_key_shows_which_part_the_answer_depends_on_and_takes_it_away(
    page: ClassifyPage, model: ColorModel, run: Run
) -> None:
    async def scenario() -> None:
        assert not page.pane.explained.isVisible()
        QTest.keyClick(page.grid, Key.Key_E)
        assert page.pane.explained.isVisible()
        assert page.pane.explain.isChecked()
        await wait_until(lambda: found(page))
        assert set(model.asked) == {("pets", 3)}, "the version that gave the answer, no other"
        assert page.pane.explained.classes.currentText() == "blue"
        assert page.pane.view.accessibleDescription() == f"blue: {sentence(page)}"
        assert "blue" in page.pane.explained.accessibleName()
        QTest.keyClick(page.grid, Key.Key_E)
        assert not page.pane.explained.isVisible()
        assert not page.pane.explain.isChecked()
        assert not found(page)

    run(scenario)


def test_any_class_of_the_chart_can_be_asked_about(
    page: ClassifyPage, model: ColorModel, run: Run
) -> None:
    async def scenario() -> None:
        QTest.mouseClick(page.pane.explain, LEFT)
        await wait_until(lambda: found(page))
        classes = page.pane.explained.classes
        classes.setFocus()
        QTest.keyClick(classes, Key.Key_Down)
        await wait_until(lambda: "lower right" in sentence(page))
        asked = len(model.asked)
        QTest.keyClick(classes, Key.Key_Up)
        assert "lower right" not in sentence(page)
        assert len(model.asked) == asked, "it was found before"
        QTest.mouseClick(page.pane.explained.close_button, LEFT)
        # The row of the chart that the arrow keys marked.
        page.pane.chart.setFocus()
        QTest.keyClick(page.pane.chart, Key.Key_Down)
        QTest.keyClick(page.pane.chart, Key.Key_E)
        await wait_until(lambda: found(page))
        assert classes.currentText() == "red"
        assert "lower right" in sentence(page)

    run(scenario)


def test_the_zoomed_photo_shows_it_too(page: ClassifyPage, run: Run) -> None:
    async def scenario() -> None:
        page.pane.chart.setFocus()
        QTest.keyClick(page.pane.chart, Key.Key_Down)
        QTest.keyClick(page.pane.chart, Key.Key_Z)
        await wait_until(lambda: page.zoomed.scale == 2)  # it is decoded
        QTest.keyClick(page.zoomed, Key.Key_E)
        page.pane.explained.classes.setFocus()
        QTest.keyClick(page.pane.explained.classes, Key.Key_Down)
        await wait_until(lambda: "lower right" in page.zoomed.accessibleDescription())
        picture = page.zoomed.grab().toImage()
        scale = page.zoomed.scale
        left = page.zoomed.width() / 2 - SIZE[0] / 2 * scale
        top = page.zoomed.height() / 2 - SIZE[1] / 2 * scale
        ball = picture.pixelColor(int(left + 76 * scale), int(top + 56 * scale))
        assert ball.red() > ball.blue() + 60, "orange"
        QTest.keyClick(page.zoomed, Key.Key_E)
        assert page.zoomed.accessibleDescription() == ""

    run(scenario)


def test_another_photo_ends_it(page: ClassifyPage, model: ColorModel, jobs: Jobs, run: Run) -> None:
    async def scenario() -> None:
        model.released.clear()
        QTest.keyClick(page.grid, Key.Key_E)
        await wait_until(lambda: model.asked)
        QTest.keyClick(page.grid, Key.Key_Right)
        assert not page.pane.explained.isVisible()
        assert not page.explain_action.isChecked()
        await wait_until(lambda: not jobs.running)
        assert len(model.asked) == 1

    run(scenario)


def test_an_error_is_said_where_the_answer_was_to_be(
    page: ClassifyPage, model: ColorModel, run: Run
) -> None:
    async def scenario() -> None:
        model.error = ModelError("No instance has loaded it.", "Ask the live version.")
        QTest.keyClick(page.grid, Key.Key_E)
        await wait_until(
            lambda: sentence(page) == "No instance has loaded it. Ask the live version."
        )
        assert not found(page)

    run(scenario)


def test_without_an_answer_there_is_nothing_to_explain(page: ClassifyPage, run: Run) -> None:
    async def scenario() -> None:
        page.grid.clearSelection()
        QTest.keyClick(page.grid, Key.Key_E)
        assert not page.explain_action.isChecked()
        assert not page.pane.explained.isVisible()

    run(scenario)


def occlusion(*rows: tuple[float, ...], score: float = 0.8, lowest: float = 0.3) -> Occlusion:
    return Occlusion("cat", score, rows, lowest, "pets", 1)


def test_what_speaks_for_and_against_has_colors_as_strong_as_it_matters() -> None:
    image = heat_image(occlusion((2.0, 0.0, 0.0), (0.0, 0.0, -1.0)))
    image = image.convertToFormat(QImage.Format.Format_ARGB32)

    def at(x: float, y: float) -> QColor:
        return image.pixelColor(int(x * image.width()), int(y * image.height()))

    strong, weak, none = at(0.1, 0.1), at(0.9, 0.9), at(0.5, 0.5)
    assert strong.red() > strong.blue()
    assert weak.blue() > weak.red()
    assert strong.alpha() > weak.alpha() > none.alpha()


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (((0.0, 0.0, 3.0), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), "upper right"),
        (((0.0, 0.0, 0.0), (0.0, 3.0, 0.0), (0.0, 0.0, 0.0)), "middle"),
        (((0.0, 0.0, 0.0), (3.0, 0.0, 0.0), (0.0, 0.0, 0.0)), "middle left"),
    ],
)
def test_the_strongest_part_has_a_name(rows: tuple[tuple[float, ...], ...], words: str) -> None:
    assert place_words(occlusion(*rows)) == words
    assert f"in the {words} covered, 30%" in occlusion_sentence(occlusion(*rows))


@pytest.mark.parametrize(
    ("lowest", "words"), [(0.78, "80% falls to 78% at most"), (0.801, "it stays 80%")]
)
def test_it_says_so_if_no_part_decides(lowest: float, words: str) -> None:
    said = occlusion_sentence(occlusion((0.1, 0.0), (0.0, 0.0), lowest=lowest))
    assert said == f"No single part decides: with any one covered, {words}."
