"""One QApplication that looks like Servery, and a way to run coroutines on its loop."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QWidget

from desktop.event_loop import EventLoop
from desktop.qt_translation import keep_system_errors_english
from desktop.theme import Appearance, Theme
from tests.support.waiting import TIMEOUT_SECONDS

W = TypeVar("W", bound=QWidget)
Run = Callable[[Callable[[], Awaitable[object]]], None]


def show(widget: W, width: int, height: int) -> W:
    """Show a widget as a window, and return it once the screen has it."""
    widget.resize(width, height)
    widget.show()
    assert QTest.qWaitForWindowExposed(widget, int(TIMEOUT_SECONDS * 1000))
    return widget


@pytest.fixture(scope="module", autouse=True)
def _freeze() -> None:
    """Keep what the tests before left for good out of the collection after each of these.

    Files of tests that ran before in this process keep large caches, trees of all sources for one,
    which would be looked through a thousand times.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def _theme() -> Theme:
    existing = QApplication.instance()
    made = existing if isinstance(existing, QApplication) else QApplication([])
    keep_system_errors_english()
    return Theme(made, Appearance.LIGHT)


@pytest.fixture
def application(_theme: Theme) -> Iterator[QApplication]:
    """The application, in the light scheme; windows that a test leaves open are closed after it.

    Lists that pop up belong to what they pop up from, and end with that. What the
    test leaves as garbage ends here, not on some thread of a later test. So do the themes of
    whole windows, which would go on applying what their settings said, and what was copied:
    off screen, Qt would delete it once Python has ended, and crash.
    """
    made = _theme.parent()
    assert isinstance(made, QApplication)
    yield made
    for window in made.topLevelWidgets():
        window.close()
        if window.parent() is None and window.windowType() is not Qt.WindowType.Popup:
            window.deleteLater()
    for theme in made.findChildren(Theme):
        if theme is not _theme:
            theme.deleteLater()
    made.clipboard().clear()
    made.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    _theme.set_appearance(Appearance.LIGHT)
    gc.collect()
    gc.freeze()  # again: an application that ended has looked through everything


@pytest.fixture
def run(application: QApplication) -> Run:
    """Run a coroutine function on the loop that Qt and asyncio share in the application."""

    def run_on_qt(main: Callable[[], Awaitable[object]]) -> None:
        async def with_exit_code() -> int:
            await main()
            return 0

        errors: list[BaseException] = []
        loop = EventLoop(application)
        loop.on_error = errors.append
        loop.run(with_exit_code)
        assert not errors, errors

    return run_on_qt
