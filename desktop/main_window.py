"""The one window: a sidebar, the page that is shown, and the status bar."""

from __future__ import annotations

import os
from enum import StrEnum
from functools import partial

from PySide6.QtCore import QByteArray, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QIcon, QPaintEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.shortcuts import Shortcut, bind
from desktop.theme.tokens import RESOURCES
from desktop.widgets.focus import give_focus
from desktop.widgets.notice_stack import NoticeStack
from desktop.widgets.sidebar import Sidebar
from desktop.widgets.status_bar import StatusBar


class PageName(StrEnum):
    """The pages of the window."""

    CLASSIFY = "classify"
    LEARN = "learn"
    MODELS = "models"
    FLEET = "fleet"
    SETTINGS = "settings"
    HELP = "help"


_PAGES = (
    (PageName.CLASSIFY, Shortcut.SHOW_CLASSIFY, False),
    (PageName.LEARN, Shortcut.SHOW_LEARN, False),
    (PageName.MODELS, Shortcut.SHOW_MODELS, False),
    (PageName.FLEET, Shortcut.SHOW_FLEET, False),
    (PageName.SETTINGS, Shortcut.SHOW_SETTINGS, True),
    (PageName.HELP, Shortcut.SHOW_HELP, True),
)
_ACTIVATION_TOKEN = "XDG_ACTIVATION_TOKEN"
MIN_SIZE = (720, 480)
DEFAULT_SIZE = (1200, 780)


class MainWindow(QMainWindow):
    """Shows pages; holds no logic."""

    painted = Signal()
    """The window is on the screen; emitted once."""
    close_requested = Signal()
    """A person wants to close it; it stays open until `close_now`."""
    quit_requested = Signal()
    """A person wants to end the application, and not only to close the window."""

    def __init__(self, jobs: Jobs, notifications: Notifications) -> None:
        super().__init__()
        self.setWindowTitle("Servery")
        self.setWindowIcon(QIcon(str(RESOURCES / "icons" / "servery.svg")))
        self.setMinimumSize(*MIN_SIZE)
        self.setAcceptDrops(True)
        self.resize(*DEFAULT_SIZE)
        self._may_close = self._painted = False
        self.sidebar = Sidebar()
        self.status = StatusBar(jobs)
        self._stack = QStackedWidget()
        self._pages: dict[str, QWidget] = {}
        right = QVBoxLayout()
        right.setContentsMargins(0, 0, 0, 0)
        right.setSpacing(0)
        right.addWidget(self._stack, 1)
        right.addWidget(self.status)
        whole = QWidget()
        layout = QHBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.sidebar)
        layout.addLayout(right, 1)
        self.setCentralWidget(whole)
        self.notices = NoticeStack(notifications, self._stack)
        self._stack.currentChanged.connect(self.notices.raise_)
        for name, shortcut, foot in _PAGES:
            icon = name.value  # icons are named alike
            self.sidebar.add(name, shortcut.meaning, icon, shortcut.text, foot=foot)
            self.set_page(name, QWidget())
            bind(shortcut, self, partial(self.show_page, name))
        bind(Shortcut.QUIT, self, self.quit_requested.emit)
        bind(Shortcut.LEAVE, self, self._on_escape)
        self.sidebar.page_requested.connect(self.show_page)
        self.status.fleet.clicked.connect(lambda: self.show_page(PageName.FLEET))
        self.show_page(PageName.CLASSIFY)

    @property
    def current_page(self) -> str:
        """The name of the page that is shown."""
        shown = self._stack.currentWidget()
        return next(name for name, page in self._pages.items() if page is shown)

    def set_page(self, name: str, page: QWidget) -> None:
        """Show `page` under `name`, in place of the page that had that name."""
        old = self._pages.get(name)
        self._pages[name] = page
        self._stack.addWidget(page)
        if old is not None:
            if self._stack.currentWidget() is old:
                self._stack.setCurrentWidget(page)
            self._stack.removeWidget(old)
            old.deleteLater()

    def page(self, name: str) -> QWidget:
        return self._pages[name]

    def show_page(self, name: str) -> None:
        """Show the page called `name` and give it the keyboard focus."""
        self._stack.setCurrentWidget(self._pages[name])
        self.sidebar.set_current(name)
        give_focus(self._pages[name])

    def saved_geometry(self) -> str:
        """Return size and position for `restore_saved_geometry`."""
        return bytes(self.saveGeometry().toBase64().data()).decode()

    def restore_saved_geometry(self, saved_geometry: str) -> None:
        """Restore what `saved_geometry()` returned; an invalid value is ignored."""
        self.restoreGeometry(QByteArray.fromBase64(saved_geometry.encode()))

    def come_to_front(self, token: str = "") -> None:
        """Show the window above others, also if it is minimized; `token` is what a Wayland desktop
        gave for that."""
        if self.isMinimized():
            self.showNormal()
        if token:
            os.environ[_ACTIVATION_TOKEN] = token  # Qt takes it from there, once
        self.raise_()
        self.activateWindow()

    def close_now(self) -> None:
        """Close without asking."""
        self._may_close = True
        self.close()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Show the Classify page when photos are dragged over one that does not take them."""
        if self.current_page != PageName.CLASSIFY and (
            event.mimeData().hasUrls() or event.mimeData().hasImage()
        ):
            self.show_page(PageName.CLASSIFY)
        # The window takes no drops. Qt asks again as the drag moves on, and then asks the page that
        # is shown by now.
        event.ignore()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            # The pixels are on the screen only after this event.
            QTimer.singleShot(0, self, self.painted.emit)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self._may_close:
            event.accept()
            return
        event.ignore()
        self.close_requested.emit()

    def _on_escape(self) -> None:
        if not self.notices.close_newest() and self.current_page in (
            PageName.SETTINGS,
            PageName.HELP,
        ):
            self.show_page(PageName.CLASSIFY)
