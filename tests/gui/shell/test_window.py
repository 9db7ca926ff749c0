from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QAction, QGuiApplication
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QApplication, QMessageBox, QPushButton, QToolButton

from desktop import theme
from desktop.app import App, Options
from desktop.main_window import MIN_SIZE, PageName
from desktop.notifications import Notifications
from desktop.settings import OnQuit, Settings
from desktop.theme import Appearance, tokens
from desktop.theme.tokens import DARK, LIGHT
from desktop.widgets.notice_stack import MAX_NOTICES
from desktop.widgets.plain_label import PlainLabel
from serving.errors import EngineError
from serving.fleet.rollout import Rollout
from serving.models.served import ServedModels
from serving.workspace import Workspace
from tests.gui.conftest import Run, show
from tests.support.drag_and_drop import drop_files
from tests.support.sample_summaries import model
from tests.support.waiting import wait_until


@pytest.fixture
def app(application: QApplication, workspace: Workspace) -> App:
    return App(application, Options(workspace))


def press(app: App, key: Qt.Key, modifier: Qt.KeyboardModifier) -> None:
    QTest.keyClick(app.window, key, modifier)


def test_every_page_has_a_shortcut(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.window.activateWindow()
        assert app.window.current_page == PageName.CLASSIFY
        for key, page_name in (
            (Qt.Key.Key_2, PageName.LEARN),
            (Qt.Key.Key_3, PageName.MODELS),
            (Qt.Key.Key_4, PageName.FLEET),
            (Qt.Key.Key_Comma, PageName.SETTINGS),
            (Qt.Key.Key_1, PageName.CLASSIFY),
        ):
            press(app, key, Qt.KeyboardModifier.ControlModifier)
            assert app.window.current_page == page_name
        press(app, Qt.Key.Key_F1, Qt.KeyboardModifier.NoModifier)
        assert app.window.current_page == PageName.HELP
        press(app, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
        assert app.window.current_page == PageName.CLASSIFY

    run(main)


def test_whether_near_duplicates_are_stacked_is_kept(
    app: App, application: QApplication, workspace: Workspace
) -> None:
    stacking = app.classify_page.view_menu.stacking
    assert stacking.isChecked()
    stacking.setChecked(False)  # as the map does, for as long as it is shown
    assert app.settings.preferences.stack_near_duplicates
    stacking.setChecked(True)
    stacking.trigger()
    again = App(application, Options(workspace)).classify_page
    assert not again.view_menu.stacking.isChecked()


def test_every_button_has_an_accessible_name(app: App) -> None:
    buttons = [
        *app.window.findChildren(QToolButton),
        *app.window.findChildren(QPushButton),
    ]
    nameless = [
        button
        for button in buttons
        if not (button.accessibleName() or button.text()) and not button.isHidden()
    ]
    own = [button for button in nameless if not button.objectName().startswith("qt_")]
    assert not own


def test_the_status_bar_shows_the_fleet_and_leads_there(app: App) -> None:
    status = app.window.status
    assert status.fleet.text().strip() == "Fleet: starting"
    status.show_fleet(1, 2)
    status.show_model("pets", None)
    assert status.fleet.text().strip() == "Fleet: 1 of 2 ready"
    status.show_fleet(2, 2)
    status.show_model("pets", 7)
    assert (status.fleet.text().strip(), status.model.text()) == ("Fleet: 2 ready", "pets v7")
    status.show_fleet(2, 2, "Version 8 of pets cannot be served. Version 7 answers.")
    assert status.fleet.text().strip() == "Fleet: 2 ready, the live version has a fault"
    assert "Version 7 answers." in status.fleet.toolTip()
    status.show_model("pets", 7, 8)
    assert status.model.text() == "pets v7, canary v8"
    on_its_way = Rollout("pets", 8, ("a",), ("b",))
    status.show_fleet(2, 2, rollout=on_its_way)
    assert status.fleet.text().strip() == "Fleet: v8 on 1 of 2"
    status.show_fleet(2, 2, rollout=replace(on_its_way, late=("b",), reasons=("No memory.",)))
    assert status.fleet.text().strip() == "Fleet: 2 ready, 1 without v8"
    assert "No memory." in status.fleet.toolTip()
    status.show_fleet(2, 2, rollout=Rollout("pets", 8, ("a", "b")))
    assert status.fleet.text().strip() == "Fleet: 2 ready"
    status.show_fleet(0, 0)
    assert status.fleet.text().strip() == "Fleet: stopped"
    assert "Version 7" not in status.fleet.toolTip()
    status.fleet.click()
    assert app.window.current_page == PageName.FLEET


def test_the_model_that_answers_is_chosen_in_the_status_bar(app: App) -> None:
    button = app.window.status.model
    app.answering.set_served(ServedModels("pets", ("birds",)))
    app.answering.set_models([model("pets", current=True), model("fish", classes=())])
    used = QSignalSpy(button.use_requested)

    def actions() -> dict[str, QAction]:
        button.menu().aboutToShow.emit()
        return {each.text(): each for each in button.menu().actions() if each.text()}

    offered = actions()
    assert list(offered) == [
        "pets    2 classes, current",
        "birds",
        "Load and use",
        "fish    no class yet",
        "Show all models",
    ]
    assert offered["pets    2 classes, current"].isChecked()
    assert (app.answering.name, app.answering.requested or "") == ("pets", "")
    offered["birds"].trigger()
    assert (app.answering.name, app.answering.requested or "") == ("birds", "birds")
    assert actions()["birds"].isChecked()
    actions()["fish    no class yet"].trigger()
    assert used.at(0) == ["fish"]
    actions()["Show all models"].trigger()
    assert app.window.current_page == PageName.MODELS
    app.answering.set_served(ServedModels("pets"))
    assert app.answering.name == "pets"


def test_a_page_that_comes_later_replaces_the_one_on_show(app: App) -> None:
    app.window.show_page(PageName.FLEET)
    page = QPushButton("Fleet")
    app.window.set_page(PageName.FLEET, page)
    assert app.window.current_page == PageName.FLEET
    assert app.window.page(PageName.FLEET) is page


def test_dragging_photos_over_another_page_shows_the_one_that_takes_them(
    app: App, tmp_path: Path
) -> None:
    app.window.show_page(PageName.FLEET)
    assert not drop_files(app.window, [tmp_path / "photo.jpg"])
    assert app.window.current_page == PageName.CLASSIFY


def test_only_the_engines_that_there_are_can_be_chosen(app: App) -> None:
    app.settings.change(engine="process")
    box = app.settings_page.engine
    titles = [box.itemText(index) for index in range(box.count())]
    assert titles == ["Automatic", "Docker", "Docker Swarm", "Processes"]
    assert box.currentData() == "process"


def test_notices_count_up_instead_of_piling_up(app: App) -> None:
    notices, notifications = app.window.notices, app.notifications
    for _ in range(3):
        notifications.error(EngineError("The engine is gone.", "Start it again."))
    assert len(notices.bars) == 1
    for number in range(MAX_NOTICES + 2):
        notifications.info(f"News {number}")
    assert len(notices.bars) == MAX_NOTICES


def test_notices_stay_above_the_page_that_is_shown(app: App) -> None:
    app.notifications.error("First.")
    app.window.show_page(PageName.FLEET)
    app.window.show_page(PageName.CLASSIFY)
    stack = app.window.notices.parentWidget()
    assert stack is not None
    assert [each for each in stack.children() if each.isWidgetType()][-1] is app.window.notices


@pytest.mark.parametrize("size", [MIN_SIZE, (760, 520)])
def test_notices_fit_the_window_and_wait_for_room(app: App, size: tuple[int, int]) -> None:
    window, notices = app.window, app.window.notices
    show(window, *size)
    for number in range(MAX_NOTICES):
        long = f"The process ended with exit status {number}. " + "It had no memory. " * 40
        app.notifications.error(EngineError(f"Instance {number} failed.", long), "log")
    QApplication.processEvents()
    assert notices.y() >= 0
    newest = notices.bars[-1]
    assert newest.isVisible()
    seen = [bar for bar in notices.bars if bar.isVisible()]
    for bar in seen:
        assert bar.height() >= bar.heightForWidth(bar.width())
        assert all(bar.rect().contains(each.geometry()) for each in bar.findChildren(QPushButton))
    assert len(seen) < MAX_NOTICES
    while notices.close_newest():
        assert all(bar.isVisible() for bar in notices.bars[-1:])
    assert not notices.isVisible()


def test_notices_leave_the_upper_half_of_a_page(app: App) -> None:
    window, notices = app.window, app.window.notices
    show(window, *MIN_SIZE)
    for number in range(MAX_NOTICES):
        what = f"The file holiday-{number}.jpg could not be read: it is damaged."
        app.notifications.error(EngineError(what, "Open it in a viewer, and save it again. " * 2))
    QApplication.processEvents()
    page = notices.parentWidget()
    assert page is not None
    assert len([bar for bar in notices.bars if bar.isVisible()]) >= 2
    assert notices.y() + theme.L >= page.height() // 2


def test_news_that_stays_is_there_until_it_is_closed(app: App) -> None:
    app.notifications.info("It was moved.", stays=True)
    app.notifications.info("It is live.")
    stays, goes = app.window.notices.bars
    assert [bar.findChildren(QTimer)[0].isActive() for bar in (stays, goes)] == [False, True]
    assert stays.findChildren(QPushButton) == []


def test_the_details_of_an_error_can_be_copied(app: App) -> None:
    app.notifications.error(EngineError("The engine is gone.", "Start it again."))
    (bar,) = app.window.notices.bars
    buttons = {each.accessibleName(): each for each in bar.findChildren(QToolButton)}
    buttons["Copy details"].click()
    assert "EngineError" in QGuiApplication.clipboard().text()


def test_news_with_an_action_stays_until_it_is_done_or_closed(app: App) -> None:
    undone: list[str] = []
    app.notifications.info("birds was deleted.", "Undo", lambda: undone.append("birds"))
    (bar,) = app.window.notices.bars
    next(each for each in bar.findChildren(QPushButton) if each.text() == "Undo").click()
    assert undone == ["birds"]
    assert app.window.notices.bars == []


def test_escape_closes_the_newest_notice_first(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.notifications.error("First.")
        app.notifications.error("Second.")
        press(app, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
        assert [bar.notice.what for bar in app.window.notices.bars] == ["First."]

    run(main)


def test_a_failed_job_is_reported(app: App, run: Run) -> None:
    async def fail(report: object) -> None:
        raise EngineError("The engine is gone.")

    async def main() -> None:
        app.jobs.start("Start", fail)
        await wait_until(lambda: bool(app.window.notices.bars))

    run(main)


def test_settings_take_effect_and_last(app: App, workspace: Workspace) -> None:
    app.settings.change(appearance=Appearance.DARK, unsure_below=0.8)
    assert tokens() is DARK
    assert app.gallery.unsure_below == 0.8
    app.settings.change(appearance=Appearance.LIGHT)
    assert tokens() is LIGHT
    assert Settings(workspace.settings).preferences.unsure_below == 0.8


def questions() -> list[QMessageBox]:
    return [each for each in QApplication.topLevelWidgets() if isinstance(each, QMessageBox)]


async def close_with(answer: str | None) -> None:
    """Close the window's one question with the button called `answer`, or with Escape."""
    await wait_until(lambda: bool(questions()))
    (box,) = questions()
    if answer is None:
        box.reject()
    else:
        next(button for button in box.buttons() if button.text() == answer).click()


def test_return_gives_the_first_answer_of_a_question(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.quit_flow.has_fleet = True
        app.window.close()
        await wait_until(lambda: bool(questions()))
        (box,) = questions()
        focused = await wait_until(box.focusWidget)
        assert isinstance(focused, QPushButton)
        assert focused.text() == "Stop the fleet"
        QTest.keyClick(focused, Qt.Key.Key_Return)
        await app.quit_flow.quit_requested.wait()
        assert app.quit_flow.on_quit is OnQuit.STOP

    run(main)


def test_the_text_of_a_notice_is_wide_beside_its_buttons(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        what = "An answer of a length that once stood beside it."
        for advice in ("", "Do this.", "Do this, and wait until that has been done, and so on."):
            app.notifications.error(EngineError(what, advice), "details")
            (bar,) = app.window.notices.bars
            QApplication.processEvents()
            texts = [each for each in bar.findChildren(PlainLabel) if each.text().startswith(what)]
            assert texts[0].width() > bar.width() * 3 / 4
            bar.close_notice()

    run(main)


@pytest.mark.parametrize(
    ("answer", "expected"), [("Stop the fleet", OnQuit.STOP), ("Keep it running", OnQuit.KEEP)]
)
def test_closing_asks_once_about_the_fleet_and_remembers(
    app: App, run: Run, answer: str, expected: OnQuit
) -> None:
    async def main() -> None:
        await app.show()
        app.quit_flow.has_fleet = True
        app.window.close()
        app.window.close()
        assert not app.quit_flow.quit_requested.is_set()
        await close_with(answer)
        await asyncio.wait_for(app.quit_flow.quit_requested.wait(), 5)
        assert app.quit_flow.on_quit is expected
        assert app.settings.preferences.on_quit is expected

    run(main)


def test_quitting_can_be_cancelled(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.quit_flow.has_fleet = True
        app.window.close()
        await close_with(None)
        await wait_until(lambda: not app.jobs.running)
        assert not app.quit_flow.quit_requested.is_set()
        assert app.window.isVisible()
        assert app.settings.preferences.on_quit is OnQuit.ASK

    run(main)


def test_no_dialog_if_the_answer_is_remembered_or_nothing_runs(app: App, run: Run) -> None:
    async def main() -> None:
        await app.show()
        app.settings.change(on_quit=OnQuit.KEEP)
        app.quit_flow.has_fleet = True
        app.window.close()
        assert app.quit_flow.quit_requested.is_set()
        assert app.quit_flow.on_quit is OnQuit.KEEP

    run(main)


def test_the_window_comes_back_where_it_was(
    application: QApplication, tmp_path: Path, run: Run
) -> None:
    async def main() -> None:
        first = App(application, Options(Workspace(tmp_path)))
        await first.show()
        first.window.resize(760, 520)
        first.quit_flow.quit()
        second = App(application, Options(Workspace(tmp_path)))
        assert second.window.size().width() == 760

    run(main)


def test_notifications_are_not_delivered_twice(application: QApplication) -> None:
    received: list[object] = []
    notifications = Notifications()
    notifications.posted.connect(received.append)
    notifications.info("Once.")
    assert len(received) == 1
