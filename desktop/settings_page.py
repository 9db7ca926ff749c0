"""The settings: what a person can choose, each with what it means."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import (
    QComboBox,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.settings import OnQuit, Preferences, Settings
from desktop.theme import Appearance
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.page_header import PageHeader
from serving.engines.names import AUTO, DOCKER, PROCESS

_MAX_WIDTH = 680
_APPEARANCES = (
    (Appearance.SYSTEM, "Follow the system"),
    (Appearance.LIGHT, "Light"),
    (Appearance.DARK, "Dark"),
)
_ENDINGS = (
    (OnQuit.ASK, "Ask"),
    (OnQuit.STOP, "Stop the fleet"),
    (OnQuit.KEEP, "Keep the fleet running"),
)
_ENGINES = ((AUTO, "Automatic"), (DOCKER, "Docker"), (PROCESS, "Processes"))


class SettingsPage(QWidget):
    """Shows the choices of `settings` and changes them as soon as a control is used."""

    def __init__(self, settings: Settings, workspace: Path, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings = settings
        self.appearance = _choice(_APPEARANCES)
        self.on_quit = _choice(_ENDINGS)
        self.engine = _choice(_ENGINES)
        self.unsure = QSpinBox()
        self.unsure.setRange(0, 100)
        self.unsure.setSingleStep(5)
        self.unsure.setSuffix("%")
        self.unsure.lineEdit().setTextMargins(theme.S, 0, 0, 0)
        self._rows = QVBoxLayout()
        self._rows.setSpacing(theme.M)
        self._rows.setContentsMargins(theme.L, theme.S, theme.L, theme.L)
        self._add("Appearance", "Light or dark.", self.appearance)
        self._add(
            "Unsure below", "A photo whose best score is lower is marked unsure.", self.unsure
        )
        self._add(
            "When the window is closed",
            "A fleet that keeps running answers the command line and other programs.",
            self.on_quit,
        )
        self._add(
            "Engine",
            "What the instances run on; automatic takes the first that works here."
            " Fleet offers to move those that run already.",
            self.engine,
        )
        folder = QPushButton("Open the folder")
        theme.set_icon(folder, "folder", side=16)
        folder.clicked.connect(lambda: QDesktopServices.openUrl(QUrl.fromLocalFile(str(workspace))))
        self._add("Workspace", f"Everything of yours is kept in {workspace}.", folder)
        self._rows.addStretch(1)
        self._lay_out()
        self._show(settings.preferences)
        settings.subscribe(self._show)
        self.appearance.activated.connect(
            lambda: settings.change(appearance=self.appearance.currentData())
        )
        self.on_quit.activated.connect(lambda: settings.change(on_quit=self.on_quit.currentData()))
        self.engine.activated.connect(
            lambda: settings.change(engine=self.engine.currentData(), dismissed_action="")
        )
        self.unsure.valueChanged.connect(self._change_unsure)

    def _lay_out(self) -> None:
        inner = QWidget()
        inner.setMaximumWidth(_MAX_WIDTH)
        inner.setLayout(self._rows)
        area = QScrollArea()
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setAlignment(Qt.AlignmentFlag.AlignLeft)
        area.setWidget(inner)
        inner.setAutoFillBackground(False)
        area.viewport().setAutoFillBackground(False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(PageHeader("Settings"))
        layout.addWidget(area, 1)
        self.setFocusProxy(self.appearance)

    def _add(self, title: str, sentence: str, control: QWidget) -> None:
        panel = QFrame()
        theme.set_role(panel, "panel")
        name, meaning = QLabel(title), QLabel(sentence)
        theme.set_role(name, "heading")
        theme.set_role(meaning, "muted")
        meaning.setWordWrap(True)
        control.setAccessibleName(title)
        control.setAccessibleDescription(sentence)
        control.setMinimumWidth(200)
        words = QVBoxLayout()
        words.setSpacing(theme.XS)
        words.addWidget(name)
        words.addWidget(meaning)
        line = QHBoxLayout(panel)
        line.setContentsMargins(theme.L, theme.M, theme.L, theme.M)
        line.setSpacing(theme.L)
        line.addLayout(words, 1)
        line.addWidget(control)
        self._rows.addWidget(panel)

    def _show(self, preferences: Preferences) -> None:
        _select(self.appearance, preferences.appearance)
        _select(self.on_quit, preferences.on_quit)
        _select(self.engine, preferences.engine)
        self.unsure.blockSignals(True)
        self.unsure.setValue(round(preferences.unsure_below * 100))
        self.unsure.blockSignals(False)

    def _change_unsure(self, percent: int) -> None:
        self._settings.change(unsure_below=percent / 100)


def _choice(options: tuple[tuple[str, str], ...]) -> QComboBox:
    box = ComboBox()
    for value, words in options:
        box.addItem(words, value)
    return box


def _select(box: QComboBox, value: str) -> None:
    box.setCurrentIndex(max(0, box.findData(value)))
