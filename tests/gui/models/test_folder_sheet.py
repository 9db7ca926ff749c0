"""What was found in a folder is shown before a model learns from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from backend.contract import NewModel
from desktop.models.entries import model_entries
from desktop.models.page import ModelsPage
from serving.photo_folder import scan_photo_folder
from tests.gui.conftest import show
from tests.support.sample_images import image_file
from tests.support.sample_summaries import built_in, model


@pytest.fixture
def page(application: QApplication) -> ModelsPage:
    page = show(ModelsPage(), 1000, 680)
    page.show_entries(
        model_entries([model("big", current=True)], [built_in("big", installed=True)])
    )
    return page


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    folder = tmp_path / "flowers"
    for part, number in (("train", 3), ("test", 1)):
        for name in ("rose", "tulip"):
            (folder / part / name).mkdir(parents=True)
            for index in range(number):
                image_file(folder / part / name / f"{index}.jpg")
    (folder / "train" / "rose" / "notes.txt").write_text("a text")
    return folder


def test_classes_the_test_part_and_what_is_left_out_are_shown(
    page: ModelsPage, flowers: Path
) -> None:
    sheet = page.open_folder_sheet("flowers", scan_photo_folder(flowers), print)
    assert sheet is not None
    assert sheet.summary is not None
    assert sheet.summary.found.text() == "8 photos of 2 classes in flowers"
    assert sheet.summary.test_part.text() == "6 to learn from, 2 to measure accuracy with."
    listed = sheet.summary.classes.model()
    described = [listed.index(row, 0).data() for row in range(listed.rowCount())]
    assert described == ["rose", "tulip"]
    assert sheet.summary.skipped.text() == "1 file is skipped: not an image."


def test_the_folders_name_is_proposed_and_the_model_is_made_of_its_classes(
    page: ModelsPage, flowers: Path
) -> None:
    started: list[NewModel | str] = []
    sheet = page.open_folder_sheet("flowers", scan_photo_folder(flowers), started.append)
    assert sheet is not None
    assert sheet.form.name.name == "flowers"
    QTest.mouseClick(sheet.start, Qt.MouseButton.LeftButton)
    assert started == [NewModel("flowers", "big")]


def test_a_model_of_that_name_goes_on_learning(page: ModelsPage, flowers: Path) -> None:
    page.show_entries(
        model_entries([model("Flowers"), model("big")], [built_in("big", installed=True)])
    )
    started: list[NewModel | str] = []
    sheet = page.open_folder_sheet("flowers", scan_photo_folder(flowers), started.append)
    assert sheet is not None
    assert sheet.model.currentData() == "Flowers"
    assert not sheet.form.isVisible()
    sheet.model.select("")
    assert sheet.form.isVisible()
    assert not sheet.start.isEnabled()
    sheet.model.select("big")
    sheet.start.click()
    assert started == ["big"]


def test_a_zip_file_is_looked_into_later(page: ModelsPage) -> None:
    sheet = page.open_folder_sheet("flowers", None, print)
    assert sheet is not None
    assert sheet.summary is None
    assert sheet.start.isEnabled()
