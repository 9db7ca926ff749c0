"""Light, dark, or as the system has it: applies a scheme to the whole application."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication

from desktop.preferences import Appearance
from desktop.theme.fonts import system_font
from desktop.theme.style_sheet import palette, style_sheet
from desktop.theme.tokens import DARK, LIGHT, Tokens, set_tokens, tokens


class Theme(QObject):
    """Applies the tokens to the application and follows the system's colour scheme."""

    def __init__(self, application: QApplication, appearance: Appearance = Appearance.SYSTEM):
        super().__init__(application)
        self._application = application
        # Read before the first palette of our own hides what the system had.
        window = QGuiApplication.palette().color(QPalette.ColorRole.Window)
        self._system_is_dark = window.lightness() < 128
        self._applied: Tokens | None = None
        application.setStyle("Fusion")
        application.setFont(system_font(application.font()))
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply)
        self.set_appearance(appearance)

    def set_appearance(self, appearance: Appearance) -> None:
        """Follow the system, or keep one scheme whatever the system does."""
        self._appearance = appearance
        hints = QGuiApplication.styleHints()
        if appearance is Appearance.SYSTEM:
            hints.unsetColorScheme()
        else:
            dark = appearance is Appearance.DARK
            hints.setColorScheme(Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light)
        self._apply()

    def _apply(self) -> None:
        scheme = DARK if self._is_dark() else LIGHT
        # A second Theme in the same process may have shown the other scheme meanwhile.
        if scheme is self._applied and scheme is tokens():
            return
        self._applied = scheme
        set_tokens(scheme)
        self._application.setPalette(palette(scheme))
        self._application.setStyleSheet(style_sheet(scheme, self._application.font()))

    def _is_dark(self) -> bool:
        if self._appearance is not Appearance.SYSTEM:
            return self._appearance is Appearance.DARK
        scheme = QGuiApplication.styleHints().colorScheme()
        if scheme is Qt.ColorScheme.Unknown:  # the platform does not say, like `offscreen`
            return self._system_is_dark
        return scheme is Qt.ColorScheme.Dark
