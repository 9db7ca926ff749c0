"""How the application quits: asked by a person, by a signal or by a script."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from desktop.jobs import Job, Jobs
from desktop.main_window import MainWindow
from desktop.quit_dialog import ask_what_to_keep
from desktop.settings import OnQuit, Settings
from serving.signals import on_end_signals


class QuitFlow:
    """Decides whether the application quits, and what happens to fleet and backend then."""

    def __init__(self, window: MainWindow, settings: Settings, jobs: Jobs) -> None:
        self._window = window
        self._settings = settings
        self._jobs = jobs
        self._asking: Job[None] | None = None
        self.quit_requested = asyncio.Event()
        """Set once the application is to quit."""
        self.has_fleet = False
        """Whether there is something that could go on running without the window."""
        self.on_quit = OnQuit.STOP
        """What happens to it; decided when `quit_requested` is set."""
        self.take_window: Callable[[], bool] = lambda: False
        """Hides the window instead of quitting, if that is wanted; returns whether it did."""
        window.close_requested.connect(self._on_close_requested)
        window.quit_requested.connect(self._on_quit_requested)

    @property
    def stops_fleet(self) -> bool:
        """Whether fleet and backend are stopped, as far as they were started here."""
        return self.on_quit is OnQuit.STOP

    def quit(self, on_quit: OnQuit = OnQuit.STOP) -> None:
        """Quit the application without asking."""
        self.on_quit = on_quit
        self._settings.change(window=self._window.saved_geometry())
        self._window.hide()
        self.quit_requested.set()

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Quit at each signal that asks the process to end, a closed terminal's among them."""
        loop = asyncio.get_running_loop()
        with on_end_signals(lambda number: loop.call_soon_threadsafe(self.quit_as_set)):
            yield

    def quit_as_set(self) -> None:
        """Quit without asking, and keep running what the settings say; does nothing twice."""
        if not self.quit_requested.is_set():
            preference = self._settings.preferences.on_quit
            self.quit(OnQuit.STOP if preference is OnQuit.ASK else preference)

    def _on_close_requested(self) -> None:
        if not self.take_window():
            self._on_quit_requested()

    def _on_quit_requested(self) -> None:
        preference = self._settings.preferences.on_quit
        if not self.has_fleet:
            self.quit()
        elif preference is not OnQuit.ASK:
            self.quit(preference)
        elif self._asking is None or not self._asking.running:
            self._asking = self._jobs.start("Quit", lambda report: self._ask(), background=True)

    async def _ask(self) -> None:
        answer = await ask_what_to_keep(self._window)
        if answer is not None:
            self._settings.change(on_quit=answer)
            self.quit(answer)
