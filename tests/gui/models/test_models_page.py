"""The Models page on a real (offscreen) screen, fed with what the backend sends."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QMenu

from backend.contract import DeletedModel, NewModel, RunState, TrainingRun
from desktop.models.entries import model_entries
from desktop.models.page import ModelsPage
from tests.gui.conftest import show
from tests.support.drag_and_drop import drop_files
from tests.support.sample_summaries import built_in, model

BUILT_IN = [built_in("big", installed=True), built_in("small", installed=False)]
THOUSAND = [f"c{number}" for number in range(1000)]
MODELS = [
    model("big", classes=THOUSAND, current=True, memory=180_000_000),
    model("birds", labels=120, versions=3, served=True, backbone="big"),
    model("empty", classes=(), backbone="big"),
]
RUN = TrainingRun("r", "empty", RunState.RUNNING, "2026", progress=0.42, step="Reading photos")


@pytest.fixture
def page(application: QApplication) -> ModelsPage:
    page = show(ModelsPage(), 1000, 680)
    page.show_entries(model_entries(MODELS, BUILT_IN))
    return page


def texts(menu: QMenu) -> list[str]:
    menu.aboutToShow.emit()
    shown = (action for action in menu.actions() if not action.isSeparator())
    return [action.text().partition("\t")[0] for action in shown]


def trigger(menu: QMenu, text: str) -> None:
    menu.aboutToShow.emit()
    next(action for action in menu.actions() if action.text().startswith(text)).trigger()


def test_before_anything_is_known_it_says_what_it_waits_for(application: QApplication) -> None:
    page = show(ModelsPage(), 900, 600)
    page.show_unavailable("The backend cannot be reached. It is tried again.")
    assert page.waiting.isVisible()
    assert page.waiting.text() == "The backend cannot be reached. It is tried again."
    assert not page.new.isEnabled()


def test_a_workspace_without_models_invites_to_make_one(page: ModelsPage) -> None:
    page.show_entries([])
    assert page.empty.isVisible()


def test_the_current_model_is_selected_first_and_its_facts_are_beside_it(page: ModelsPage) -> None:
    assert page.cards.selected is not None
    assert page.cards.selected.name == "big"
    assert (page.pane.name.text(), page.pane.badge.text) == ("big", "Current")
    assert not page.pane.use.isVisible()
    assert page.header.sentence.text() == "3 models, 2 loaded"


def test_cards_are_read_aloud_with_their_facts(page: ModelsPage) -> None:
    described = page.cards.model().index(1, 0).data(Qt.ItemDataRole.AccessibleTextRole)
    assert described == "birds, Served, 2 classes, 120 photos, accuracy 91.4% ± 1.2, 75.0 MB"


def test_a_click_on_a_card_selects_it_and_its_buttons_act_on_it(page: ModelsPage) -> None:
    place = page.cards.visualRect(page.cards.model().index(1, 0)).center()
    QTest.mouseClick(page.cards.viewport(), Qt.MouseButton.LeftButton, pos=place)
    used, unserved = QSignalSpy(page.pane.use_requested), QSignalSpy(page.pane.unserve_requested)
    QTest.mouseClick(page.pane.use, Qt.MouseButton.LeftButton)
    assert page.pane.keep.text() == "Unload"
    QTest.mouseClick(page.pane.keep, Qt.MouseButton.LeftButton)
    assert (used.at(0), unserved.at(0)) == (["birds"], ["birds"])


def test_a_model_that_is_not_served_can_be_kept_loaded(page: ModelsPage) -> None:
    page.select("empty")
    served = QSignalSpy(page.pane.serve_requested)
    page.pane.keep.click()
    assert served.at(0) == ["empty"]
    page.show_entries(model_entries(MODELS, BUILT_IN, loading={"empty"}))
    assert not page.pane.keep.isEnabled()
    assert page.pane.badge.text == "Loading"


def test_a_built_in_model_is_one_click_away(page: ModelsPage) -> None:
    page.select("small")
    added = QSignalSpy(page.pane.add_requested)
    assert not page.pane.open.isVisible()
    page.pane.add.click()
    assert added.at(0) == ["small"]


def test_a_run_shows_its_progress_on_the_card_and_can_be_cancelled(page: ModelsPage) -> None:
    page.show_entries(model_entries(MODELS, BUILT_IN, [RUN]))
    page.select("empty")
    assert page.pane.step.text() == "Reading photos"
    assert page.pane.progress.value() == 420
    cancelled = QSignalSpy(page.pane.cancel_requested)
    page.pane.cancel.click()
    assert cancelled.at(0) == ["r"]


def test_a_card_that_stays_keeps_selection_and_place(page: ModelsPage) -> None:
    page.select("birds")
    changed = [MODELS[1], model("new"), MODELS[0]]
    page.show_entries(model_entries(changed, BUILT_IN))
    names = [page.cards.model().index(row, 0).data() for row in range(4)]
    assert names == ["birds", "new", "big", "small"]
    assert page.cards.selected is not None
    assert page.cards.selected.name == "birds"


def test_keys_on_a_card_open_rename_and_delete(page: ModelsPage) -> None:
    page.select("birds")
    deleted, renamed = QSignalSpy(page.delete_requested), QSignalSpy(page.rename_requested)
    QTest.keyClick(page.cards, Qt.Key.Key_Delete)
    assert deleted.at(0) == ["birds"]
    QTest.keyClick(page.cards, Qt.Key.Key_Return)
    assert page.opened_model == "birds"
    QTest.keyClick(page.one, Qt.Key.Key_Escape)
    assert page.opened_model == ""
    dialog = page.open_rename_dialog("birds")
    dialog.name.field.setText("BIG")
    assert not dialog.apply.isEnabled()
    assert dialog.name.problem.text() == "There is a model called big. Choose another name."
    dialog.name.field.setText("Birds")
    dialog.apply.click()
    assert renamed.at(0) == ["birds", "Birds"]


def test_the_current_model_is_not_deleted(page: ModelsPage) -> None:
    page.select("big")
    deleted = QSignalSpy(page.delete_requested)
    QTest.keyClick(page.cards, Qt.Key.Key_Delete)
    assert deleted.count() == 0
    assert "Delete (use another model first)" in texts(page.pane.more.menu())


def test_the_menu_says_what_is_deleted_along(page: ModelsPage) -> None:
    page.select("birds")
    assert "Delete, with 3 versions and 120 labels" in texts(page.pane.more.menu())


def test_deleted_models_can_be_restored_from_the_menu(page: ModelsPage) -> None:
    page.show_deleted([DeletedModel("fish", "token", 1, 2)])
    restored, added = QSignalSpy(page.restore_requested), QSignalSpy(page.pane.add_requested)
    assert texts(page.more.menu()) == ["Add Small", "Restore fish"]
    trigger(page.more.menu(), "Restore fish")
    trigger(page.more.menu(), "Add Small")
    assert (restored.at(0), added.at(0)) == (["token"], ["small"])


def test_how_many_versions_stay_is_chosen_in_the_menu(page: ModelsPage) -> None:
    page.select("birds")
    texts(page.pane.more.menu())
    submenu = page.pane.more.menu().findChild(QMenu)
    assert submenu is not None
    kept = QSignalSpy(page.keep_requested)
    checked = [action.text() for action in submenu.actions() if action.isChecked()]
    assert checked == ["The newest 10"]
    next(action for action in submenu.actions() if action.text() == "The newest 3").trigger()
    assert kept.at(0) == ["birds", 3]


def test_a_new_model_has_a_checked_name_a_network_and_classes(page: ModelsPage) -> None:
    dialog = page.open_new_dialog()
    assert dialog is not None
    made: list[NewModel] = []
    dialog.model_requested.connect(made.append)
    assert not dialog.make.isEnabled()
    assert dialog.form.name.problem.text() == ""
    QTest.keyClicks(dialog.form.name.field, "a/b")
    assert dialog.form.name.problem.text().startswith("A model's name cannot contain /.")
    dialog.form.name.field.setText("  My   fish ")
    networks = [
        dialog.form.backbone.itemText(index) for index in range(dialog.form.backbone.count())
    ]
    assert networks == ["Big", "Small", "birds", "empty"]
    assert dialog.form.with_foundation_classes.text() == "The 1,000 classes of Big and mine"
    dialog.form.with_foundation_classes.click()
    QTest.mouseClick(dialog.make, Qt.MouseButton.LeftButton)
    assert made == [NewModel("My fish", "big", keep_classes=True)]


def test_enter_makes_the_model_only_with_a_name(page: ModelsPage) -> None:
    dialog = page.open_new_dialog()
    assert dialog is not None
    made: list[NewModel] = []
    dialog.model_requested.connect(made.append)
    QTest.keyClick(dialog.form.name.field, Qt.Key.Key_Return)
    assert not made
    QTest.keyClicks(dialog.form.name.field, "fish")
    QTest.keyClick(dialog.form.name.field, Qt.Key.Key_Return)
    assert made == [NewModel("fish", "big")]


def test_a_folder_that_is_dropped_is_learned_from(page: ModelsPage, tmp_path: Path) -> None:
    dropped = QSignalSpy(page.folder_requested)
    assert drop_files(page, [tmp_path])
    assert dropped.at(0) == [[tmp_path], ""]


def test_photos_alone_are_for_the_classify_page(page: ModelsPage, tmp_path: Path) -> None:
    dropped = QSignalSpy(page.folder_requested)
    assert not drop_files(page, [tmp_path / "photo.jpg"])
    assert drop_files(page, [tmp_path / "photos.zip"])
    assert dropped.count() == 1


def test_thirty_models_scroll(page: ModelsPage) -> None:
    many = [model(f"model {number:02}", labels=number) for number in range(30)]
    page.show_entries(model_entries(many, []))
    QApplication.processEvents()
    assert page.cards.model().rowCount() == 30
    QTest.keyClick(page.cards, Qt.Key.Key_End)
    assert page.pane.name.text() == "model 29"
    assert page.cards.indexAt(QPoint(60, page.cards.viewport().height() - 40)).row() > 20


@pytest.mark.parametrize("width", [680, 900, 1500])
def test_nothing_needs_scrolling_sideways(page: ModelsPage, width: int) -> None:
    page.resize(width, 520)
    QApplication.processEvents()
    assert page.width() == width
    assert page.cards.horizontalScrollBar().maximum() == 0
