"""The settings: what a person can select, each with what it means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import QCheckBox, QSpinBox, QSystemTrayIcon, QWidget

from desktop import theme
from desktop.autostart import autostart_file, set_starts_at_login, starts_at_login
from desktop.settings import OnQuit, Preferences, Settings
from desktop.theme import Appearance
from desktop.translation import LANGUAGES, SYSTEM, tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.focus import delegate_focus
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.scroll_page import ScrollPage
from serving.engines.names import AUTO, DOCKER, PROCESS, SWARM
from serving.errors import ServeryError
from serving.private import persons_umask
from serving.workspace import Workspace

_APPEARANCES = (
    (Appearance.SYSTEM, tr("Follow the system")),
    (Appearance.LIGHT, tr("Light")),
    (Appearance.DARK, tr("Dark")),
)
_ENDINGS = (
    (OnQuit.ASK, tr("Ask")),
    (OnQuit.STOP, tr("Stop the fleet")),
    (OnQuit.KEEP, tr("Keep the fleet running")),
)
_ENGINES = (
    (AUTO, tr("Automatic")),
    (DOCKER, "Docker"),
    (SWARM, "Docker Swarm"),
    (PROCESS, tr("Processes")),
)


_TRAY = tr("The window goes on from an icon in the tray, and Ctrl+Q or the icon's menu quits.")
_NO_TRAY = tr(
    "This desktop has no tray, so a closed window quits. GNOME gets one by"
    " its AppIndicator extension."
)


class SettingsPage(ScrollPage):
    """Shows all that can be set, and changes it as soon as a control is used.

    What has a dialog elsewhere is opened from here too, by the same signal.
    """

    engine_address_requested = Signal()
    limits_requested = Signal()
    learning_requested = Signal()
    """What a model does by itself is set on the Learn page, for each model."""

    def __init__(
        self,
        settings: Settings,
        workspace: Workspace,
        on_error: Callable[[ServeryError], object],
        has_tray: Callable[[], bool] = QSystemTrayIcon.isSystemTrayAvailable,
    ) -> None:
        super().__init__(tr("Settings"))
        self._settings = settings
        self.appearance = ComboBox(options=_APPEARANCES)
        self.language = ComboBox(options=[(SYSTEM, tr("Follow the system")), *LANGUAGES.items()])
        self.on_quit = ComboBox(options=_ENDINGS)
        self.engine = ComboBox(options=_ENGINES)
        self.unsure = QSpinBox()
        self.unsure.setRange(0, 100)
        self.unsure.setSingleStep(5)
        self.unsure.setSuffix(tr("%"))
        self.unsure.lineEdit().setTextMargins(theme.S, 0, 0, 0)
        folder = build.button(tr("Open the folder"), "folder")
        folder.clicked.connect(lambda: _open_folder(workspace.root, on_error))
        self._workspace = workspace
        self._on_error = on_error
        self._has_tray = has_tray
        self.close_to_tray = QCheckBox(tr("Close to the tray"))
        self.at_login = QCheckBox(tr("Start at login"))
        self.engine_address = build.button(tr("Choose…"))
        self.limits = build.button(tr("Change…"))
        self.learning = build.button(tr("Show on Learn"))
        self._add(tr("Appearance"), tr("Light or dark."), self.appearance)
        self._add(
            tr("Language"),
            tr("Servery speaks it from its next start on. Commands always speak English."),
            self.language,
        )
        self._add(
            tr("Unsure below"),
            tr(
                "A photo whose best score is lower is marked unsure, if the"
                " version that answered has not learned by itself when it is."
            ),
            self.unsure,
        )
        self._add(
            tr("When Servery quits"),
            tr("A fleet that keeps running answers the command line and other programs."),
            self.on_quit,
        )
        self._tray_words = self._add(tr("When the window is closed"), _TRAY, self.close_to_tray)
        self._add(
            tr("When you log in"),
            tr(
                "Servery opens with this workspace. The file {file} does it.",
                file=autostart_file(),
            ),
            self.at_login,
        )
        self._add(
            tr("Engine"),
            tr(
                "What the instances run on; automatic uses the first that works"
                " here. Fleet suggests moving those that already run."
            ),
            self.engine,
        )
        self._add(
            tr("Container engine"),
            tr(
                "Which Docker engine runs containers: this machine's, a context,"
                " or one at an address."
            ),
            self.engine_address,
        )
        self._add(
            tr("Limits of each instance"),
            tr(
                "Memory, processor cores, the image, whether it sleeps, and whether it opens ports."
            ),
            self.limits,
        )
        self._add(
            tr("Learning"),
            tr(
                "Each model has its own: when it learns by itself, and whether"
                " the result goes live."
            ),
            self.learning,
        )
        self._add(
            tr("Workspace"), tr("All your data is kept in {folder}.", folder=workspace.root), folder
        )
        delegate_focus(self, self.appearance)
        self._show(settings.preferences)
        settings.subscribe(self._show)
        self.appearance.activated.connect(
            lambda: settings.change(appearance=self.appearance.currentData())
        )
        self.language.activated.connect(
            lambda: settings.change(language=self.language.currentData())
        )
        self.on_quit.activated.connect(lambda: settings.change(on_quit=self.on_quit.currentData()))
        self.engine.activated.connect(
            lambda: settings.change(engine=self.engine.currentData(), dismissed_action="")
        )
        self.unsure.valueChanged.connect(
            lambda percent: settings.change(unsure_below=percent / 100)
        )

        self.close_to_tray.toggled.connect(lambda on: settings.change(close_to_tray=on))
        self.at_login.toggled.connect(self._set_at_login)
        self.engine_address.clicked.connect(self.engine_address_requested)
        self.limits.clicked.connect(self.limits_requested)
        self.learning.clicked.connect(self.learning_requested)
        self.set_fleet_ready(False)

    def set_fleet_ready(self, ready: bool) -> None:
        """Offer what needs a fleet."""
        for control in (self.engine_address, self.limits):
            control.setEnabled(ready)
            control.setToolTip("" if ready else tr("The fleet is not there yet."))

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        # Both are the desktop's, and may have changed since the page was shown last.
        self._show_at_login()
        has_tray = self._has_tray()
        self.close_to_tray.setEnabled(has_tray)
        self._tray_words.setText(_TRAY if has_tray else _NO_TRAY)
        self.close_to_tray.setAccessibleDescription(self._tray_words.text())

    def _set_at_login(self, starts: bool) -> None:
        try:
            set_starts_at_login(starts, self._workspace)
        except ServeryError as error:
            self._on_error(error)
            self._show_at_login()

    def _show_at_login(self) -> None:
        self.at_login.blockSignals(True)
        self.at_login.setChecked(starts_at_login())
        self.at_login.blockSignals(False)

    def _add(self, title: str, sentence: str, control: QWidget) -> PlainLabel:
        control.setAccessibleName(title)
        control.setAccessibleDescription(sentence)
        control.setMinimumWidth(200)
        name, meaning = PlainLabel(title, "heading"), PlainLabel(sentence, "muted", wrap=True)
        words = build.column(name, meaning, spacing=theme.XS)
        self.add_panel(build.row((words, 1), control, spacing=theme.L))
        return meaning

    def _show(self, preferences: Preferences) -> None:
        self.appearance.select(preferences.appearance)
        self.language.select(preferences.language)
        self.on_quit.select(preferences.on_quit)
        self.engine.select(preferences.engine)
        self.close_to_tray.blockSignals(True)
        self.close_to_tray.setChecked(preferences.close_to_tray)
        self.close_to_tray.blockSignals(False)
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
                tr("No program opens the folder {folder}.", folder=folder),
                tr("Install a file manager, and `xdg-open`, or go to the folder yourself."),
            )
        )
