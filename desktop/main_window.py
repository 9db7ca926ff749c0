"""The one window: a sidebar, the page that is shown, and the status bar."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from functools import partial

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QIcon, QKeySequence, QPaintEvent, QShortcut
from PySide6.QtWidgets import (
    QHBoxLayout,
    QMainWindow,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from desktop.jobs import Jobs
from desktop.notifications import Notifications
from desktop.theme.tokens import RESOURCES
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
    (PageName.CLASSIFY, "Classify", "Ctrl+1", False),
    (PageName.LEARN, "Learn", "Ctrl+2", False),
    (PageName.MODELS, "Models", "Ctrl+3", False),
    (PageName.FLEET, "Fleet", "Ctrl+4", False),
    (PageName.SETTINGS, "Settings", "Ctrl+,", True),
    (PageName.HELP, "Help", "F1", True),
)
MIN_SIZE = (720, 480)
DEFAULT_SIZE = (1200, 780)


class MainWindow(QMainWindow):
    """Shows pages; holds no logic."""

    painted = Signal()
    """The window is on the screen; emitted once."""
    close_requested = Signal()
    """A person wants to close it; it stays open until `close_now`."""

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
        for name, title, keys, foot in _PAGES:
            shortcut = QKeySequence(keys)
            self.sidebar.add(name, title, name, shortcut, foot=foot)  # icons are named alike
            self.set_page(name, QWidget())
            self._bind(shortcut, partial(self.show_page, name))
        self._bind(QKeySequence("?"), lambda: self.show_page(PageName.HELP))
        self._bind(QKeySequence(QKeySequence.StandardKey.Quit), self.close)
        self._bind(QKeySequence(Qt.Key.Key_Escape), self._on_escape)
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
        self._pages[name].setFocus(Qt.FocusReason.OtherFocusReason)

    def saved_geometry(self) -> str:
        """Return size and position for `restore_saved_geometry`."""
        return bytes(self.saveGeometry().toBase64().data()).decode()

    def restore_saved_geometry(self, saved_geometry: str) -> None:
        """Restore what `saved_geometry()` returned; an invalid value is ignored."""
        self.restoreGeometry(QByteArray.fromBase64(saved_geometry.encode()))

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
            QTimer.singleShot(0, self.painted.emit)

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

    def _bind(self, keys: QKeySequence, act: Callable[[], object]) -> None:
        QShortcut(keys, self).activated.connect(act)
