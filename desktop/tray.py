"""Keeps Servery in the desktop's tray while its window is closed, if the person wants that."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu, QSystemTrayIcon

from desktop.main_window import MainWindow
from desktop.settings import Preferences, Settings
from desktop.translation import tr


class Tray(QObject):
    """An icon with a menu, as long as the settings ask for it and the desktop has a tray."""

    def __init__(
        self,
        window: MainWindow,
        settings: Settings,
        is_available: Callable[[], bool] = QSystemTrayIcon.isSystemTrayAvailable,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._settings = settings
        self._is_available = is_available
        self._has_said = False
        self.menu = QMenu(window)
        self.menu.addAction(tr("Open Servery")).triggered.connect(self.open_window)
        self.menu.addAction(tr("Quit")).triggered.connect(self._quit)
        self.icon = QSystemTrayIcon(window.windowIcon(), self)
        self.icon.setToolTip("Servery")
        self.icon.setContextMenu(self.menu)
        self.icon.activated.connect(self._on_activated)
        settings.subscribe(self._show)
        self._show(settings.preferences)

    def take_window(self) -> bool:
        """Hide the window if it closes to the tray; returns whether it did.

        Without a tray there would be no way back to a window that is hidden.
        """
        if not self._settings.preferences.close_to_tray or not self._is_available():
            return False
        self.icon.show()
        self._window.hide()
        if not self._has_said:
            self._has_said = True
            self.icon.showMessage("Servery", tr("It goes on here. Quit it from this icon's menu."))
        return True

    def open_window(self) -> None:
        self._window.show()
        self._window.raise_()
        self._window.activateWindow()

    def _quit(self) -> None:
        self.open_window()  # which asks what happens to the fleet
        self._window.quit_requested.emit()

    def _on_activated(self, reason: QSystemTrayIcon.ActivationReason) -> None:
        if reason is QSystemTrayIcon.ActivationReason.Trigger:
            self.open_window()

    def _show(self, preferences: Preferences) -> None:
        self.icon.setVisible(preferences.close_to_tray and self._is_available())
