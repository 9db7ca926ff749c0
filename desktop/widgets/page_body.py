"""What is below the header of a page: it scrolls in a window too low for all of it.

Qt would press the parts together instead, until they overlap.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QSizePolicy, QStackedWidget, QTabWidget, QWidget

from desktop.widgets import build
from desktop.widgets.wheel import leave_wheel_to_page


class PageBody(QScrollArea):
    """Parts from top to bottom, as high as the page or, if that is too low, as they can be."""

    def __init__(self, *parts: QWidget | tuple[QWidget, int]) -> None:
        """A pair has a stretch factor."""
        super().__init__()
        self._inner = _Inner()
        build.column(*parts, parent=self._inner, spacing=0)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWidgetResizable(True)
        # The parts take the keys; the area follows the focus.
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWidget(self._inner)
        leave_wheel_to_page(self._inner)
        # The area would paint the palette's window colour over the page's background.
        self._inner.setAutoFillBackground(False)
        self.viewport().setAutoFillBackground(False)

    def minimumSizeHint(self) -> QSize:
        return QSize(0, 0)


class _Inner(QWidget):
    """Asks for the minimum height of its parts, not for the one that they like."""

    def minimumSizeHint(self) -> QSize:
        # Where the height depends on the width, the area asks for that.
        layout = self.layout()
        fixed = layout is not None and not layout.hasHeightForWidth()
        return QSize(0, min_height(self, self.width()) if fixed else 0)

    def heightForWidth(self, width: int) -> int:
        return min_height(self, width)


class CurrentStack(QWidget):
    """Pages of which the hidden ones take no room; used as a QStackedWidget is."""

    def __init__(self) -> None:
        super().__init__()
        # Not in a layout, which would ask the hidden ones, too.
        self._stack = QStackedWidget(self)
        _follow_width(self)
        self._stack.currentChanged.connect(self.updateGeometry)

    def addWidget(self, page: QWidget) -> None:
        self._stack.addWidget(page)

    def currentWidget(self) -> QWidget | None:
        return self._stack.currentWidget()

    def setCurrentIndex(self, index: int) -> None:
        self._stack.setCurrentIndex(index)

    def setCurrentWidget(self, page: QWidget) -> None:
        self._stack.setCurrentWidget(page)

    def sizeHint(self) -> QSize:
        return self._stack.sizeHint()

    def minimumSizeHint(self) -> QSize:
        return QSize(self._stack.minimumSizeHint().width(), 0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return min_height(self.currentWidget(), width)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._stack.setGeometry(self.rect())

    def event(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.LayoutRequest:  # a page has another size
            self.updateGeometry()
        return super().event(event)


class CurrentTabs(QTabWidget):
    """Tabs of which the hidden ones take no room."""

    def __init__(self) -> None:
        super().__init__()
        _follow_width(self)
        self.currentChanged.connect(self.updateGeometry)

    def minimumSizeHint(self) -> QSize:
        return QSize(super().minimumSizeHint().width(), 0)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self.tabBar().sizeHint().height() + min_height(self.currentWidget(), width)


def min_height(widget: QWidget | None, width: int) -> int:
    """Return the height in pixels below which `widget`, so wide, is pressed together."""
    if widget is None:
        return 0
    layout = widget.layout()
    if layout is not None:
        height = (
            layout.totalMinimumHeightForWidth(width)
            if layout.hasHeightForWidth()
            else layout.totalMinimumSize().height()
        )
    elif widget.hasHeightForWidth():
        height = widget.heightForWidth(width)
    else:
        height = widget.minimumSizeHint().height()
    return min(max(height, widget.minimumHeight()), widget.maximumHeight())


def _follow_width(widget: QWidget) -> None:
    policy = widget.sizePolicy()
    policy.setHeightForWidth(True)
    policy.setVerticalPolicy(QSizePolicy.Policy.Expanding)
    widget.setSizePolicy(policy)
