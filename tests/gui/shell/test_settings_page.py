"""What can be set is on one page, and what a desktop lacks is said there."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QSignalSpy, QTest
from PySide6.QtWidgets import QAbstractButton, QApplication

from desktop.autostart import starts_at_login
from desktop.jobs import Jobs
from desktop.main_window import MainWindow
from desktop.notifications import Notifications
from desktop.settings import Settings
from desktop.settings_page import SettingsPage
from desktop.translation import SYSTEM
from desktop.tray import Tray
from serving.errors import ServeryError
from serving.workspace import Workspace
from tests.gui.conftest import show


@pytest.fixture(autouse=True)
def _config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


@pytest.fixture
def settings(workspace: Workspace) -> Settings:
    return Settings(workspace.settings)


def opened(settings: Settings, workspace: Workspace, *, has_tray: bool) -> SettingsPage:
    errors: list[ServeryError] = []
    page = SettingsPage(settings, workspace, errors.append, lambda: has_tray)
    return show(page, 900, 900)


def press(button: QAbstractButton) -> None:
    QTest.keyClick(button, Qt.Key.Key_Space)


def test_both_are_off_and_each_is_one_key(
    application: QApplication, settings: Settings, workspace: Workspace
) -> None:
    page = opened(settings, workspace, has_tray=True)
    assert not page.close_to_tray.isChecked()
    assert not page.at_login.isChecked()
    press(page.close_to_tray)
    assert Settings(workspace.settings).preferences.close_to_tray
    press(page.at_login)
    assert starts_at_login()
    press(page.at_login)
    assert not starts_at_login()


def test_the_language_is_kept_for_the_next_start(
    application: QApplication, settings: Settings, workspace: Workspace
) -> None:
    page = opened(settings, workspace, has_tray=True)
    assert page.language.currentData() == SYSTEM
    QTest.keyClicks(page.language, "D")
    assert page.language.currentText() == "Deutsch"
    assert Settings(workspace.settings).preferences.language == "de"
    settings.change(language=SYSTEM)
    assert page.language.currentData() == SYSTEM


def test_a_desktop_without_a_tray_says_so(
    application: QApplication, settings: Settings, workspace: Workspace
) -> None:
    page = opened(settings, workspace, has_tray=False)
    assert not page.close_to_tray.isEnabled()
    assert "no tray" in page.close_to_tray.accessibleDescription()


def test_what_has_a_dialog_elsewhere_is_opened_from_here_once_there_is_a_fleet(
    application: QApplication, settings: Settings, workspace: Workspace
) -> None:
    page = opened(settings, workspace, has_tray=True)
    limits, engine = QSignalSpy(page.limits_requested), QSignalSpy(page.engine_address_requested)
    press(page.limits)
    assert limits.count() == 0
    page.set_fleet_ready(True)
    press(page.limits)
    press(page.engine_address)
    assert (limits.count(), engine.count()) == (1, 1)


def test_a_closed_window_goes_on_in_the_tray_only_where_there_is_one(
    application: QApplication, settings: Settings
) -> None:
    window = show(MainWindow(Jobs(), Notifications()), 900, 600)
    has_tray = True
    tray = Tray(window, settings, lambda: has_tray)
    quits = QSignalSpy(window.quit_requested)
    assert not tray.take_window()
    settings.change(close_to_tray=True)
    assert tray.take_window()
    assert not window.isVisible()
    opens, quits_by_menu = tray.menu.actions()
    opens.trigger()
    assert window.isVisible()
    has_tray = False
    assert not tray.take_window()
    assert window.isVisible()
    quits_by_menu.trigger()
    assert quits.count() == 1
