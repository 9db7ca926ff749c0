"""What is on the screen within the first second: the window, before there is a fleet."""

from __future__ import annotations

import asyncio

from PySide6.QtWidgets import QApplication

from desktop import main_window as pages
from desktop.classify.gallery import Gallery
from desktop.classify.page import ClassifyPage
from desktop.help_page import HelpPage
from desktop.jobs import Job, Jobs
from desktop.main_window import MainWindow
from desktop.notifications import Notifications
from desktop.quit_dialog import ask_what_to_keep
from desktop.settings import OnQuit, Preferences, Settings
from desktop.settings_page import SettingsPage
from desktop.theme import Theme
from serving.workspace import Workspace


class Shell:
    """The window with its Classify page, and everything a place is built on.

    Light on purpose: nothing here imports what talks to instances or the backend.
    """

    def __init__(self, application: QApplication, workspace: Workspace) -> None:
        self.workspace = workspace.create()
        self.settings = Settings(workspace.settings)
        self.theme = Theme(application, self.settings.preferences.appearance)
        self.notifications = Notifications()
        self.jobs = Jobs()
        self.jobs.failed.connect(self._tell)
        self.window = MainWindow(self.jobs, self.notifications)
        self.gallery = Gallery(self.settings.preferences.unsure_below)
        self.classify_page = ClassifyPage(self.gallery)
        self.window.set_page(pages.CLASSIFY, self.classify_page)
        self.settings_page = SettingsPage(self.settings, workspace.root)
        self.window.set_page(pages.SETTINGS, self.settings_page)
        self.window.set_page(pages.HELP, HelpPage())
        self.window.restore_saved_geometry(self.settings.preferences.window)
        self.window.show_page(pages.CLASSIFY)
        self.window.close_requested.connect(self._on_close_requested)
        self.settings.subscribe(self._apply)
        self.quit_requested = asyncio.Event()
        """Set once the application is to end."""
        self.has_fleet = False
        """There is something that could go on running without the window."""
        self.on_quit = OnQuit.STOP
        """What is to become of it; decided when `left` is set."""

    async def show(self) -> None:
        """Show the window and return when it has been painted."""
        painted = asyncio.Event()
        self.window.painted.connect(painted.set)
        self.window.show()
        await painted.wait()

    def quit(self, on_quit: OnQuit = OnQuit.STOP) -> None:
        """End the application, asking nobody."""
        self.on_quit = on_quit
        self.settings.change(window=self.window.saved_geometry())
        self.window.hide()
        self.quit_requested.set()

    def _on_close_requested(self) -> None:
        remembered = self.settings.preferences.on_quit
        if not self.has_fleet:
            self.quit()
        elif remembered is not OnQuit.ASK:
            self.quit(remembered)
        elif all(job.title != _LEAVING for job in self.jobs.running):
            self.jobs.start(_LEAVING, lambda report: self._decide(), quiet=True)

    async def _decide(self) -> None:
        chosen = await ask_what_to_keep(self.window)
        if chosen is not None:
            self.settings.change(on_quit=chosen)
            self.quit(chosen)

    def _apply(self, preferences: Preferences) -> None:
        self.theme.set_appearance(preferences.appearance)
        self.gallery.set_unsure_below(preferences.unsure_below)

    def _tell(self, job: Job[object]) -> None:
        if job.error is not None:
            self.notifications.error(job.error)


_LEAVING = "Quit"
