"""The settings: what a person can select, each with what it means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QSpinBox, QWidget

from desktop import theme
from desktop.settings import OnQuit, Preferences, Settings
from desktop.theme import Appearance
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.scroll_page import ScrollPage
from serving.engines.names import AUTO, DOCKER, PROCESS
from serving.errors import ServeryError
from serving.private import persons_umask

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


class SettingsPage(ScrollPage):
    """Shows the preferences and changes them as soon as a control is used."""

    def __init__(
        self, settings: Settings, workspace: Path, on_error: Callable[[ServeryError], object]
    ) -> None:
        super().__init__("Settings")
        self._settings = settings
        self.appearance = ComboBox(options=_APPEARANCES)
        self.on_quit = ComboBox(options=_ENDINGS)
        self.engine = ComboBox(options=_ENGINES)
        self.unsure = QSpinBox()
        self.unsure.setRange(0, 100)
        self.unsure.setSingleStep(5)
        self.unsure.setSuffix("%")
        self.unsure.lineEdit().setTextMargins(theme.S, 0, 0, 0)
        folder = build.button("Open the folder", "folder")
        folder.clicked.connect(lambda: _open_folder(workspace, on_error))
        self._add("Appearance", "Light or dark.", self.appearance)
        self._add(
            "Unsure below",
            "A photo whose best score is lower is marked unsure, if the version that answered has"
            " not learned by itself when it is.",
            self.unsure,
        )
        self._add(
            "When the window is closed",
            "A fleet that keeps running answers the command line and other programs.",
            self.on_quit,
        )
        self._add(
            "Engine",
            "What the instances run on; automatic uses the first that works here."
            " Fleet suggests moving those that already run.",
            self.engine,
        )
        self._add("Workspace", f"All your data is kept in {workspace}.", folder)
        self.setFocusProxy(self.appearance)
        self._show(settings.preferences)
        settings.subscribe(self._show)
        self.appearance.activated.connect(
            lambda: settings.change(appearance=self.appearance.currentData())
        )
        self.on_quit.activated.connect(lambda: settings.change(on_quit=self.on_quit.currentData()))
        self.engine.activated.connect(
            lambda: settings.change(engine=self.engine.currentData(), dismissed_action="")
        )
        self.unsure.valueChanged.connect(
            lambda percent: settings.change(unsure_below=percent / 100)
        )

    def _add(self, title: str, sentence: str, control: QWidget) -> None:
        control.setAccessibleName(title)
        control.setAccessibleDescription(sentence)
        control.setMinimumWidth(200)
        name, meaning = PlainLabel(title, "heading"), PlainLabel(sentence, "muted", wrap=True)
        words = build.column(name, meaning, spacing=theme.XS)
        self.add_panel(build.row((words, 1), control, spacing=theme.L))

    def _show(self, preferences: Preferences) -> None:
        self.appearance.select(preferences.appearance)
        self.on_quit.select(preferences.on_quit)
        self.engine.select(preferences.engine)
        # Silent, because the rounded percentage must not be written back as the setting.
        self.unsure.blockSignals(True)
        self.unsure.setValue(round(preferences.unsure_below * 100))
        self.unsure.blockSignals(False)


def _open_folder(folder: Path, on_error: Callable[[ServeryError], object]) -> None:
    # The file manager that starts makes files elsewhere too.
    with persons_umask():
        opened = QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder)))
    if not opened:
        on_error(
            ServeryError(
                f"No program opens the folder {folder}.",
                "Install a file manager, and `xdg-open`, or go to the folder yourself.",
            )
        )
