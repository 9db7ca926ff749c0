"""What Servery has to say, floating over the left foot of a place, away from its controls."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop import theme
from desktop.notifications import Notice, Notifications

MAX_NOTICES = 3
INFO_MILLISECONDS = 6000
_MAX_WIDTH = 440


class NoticeStack(QWidget):
    """The newest notices over the foot of `over`, each until it is closed.

    News goes by itself; an error stays. The same notice again counts up instead
    of piling up.
    """

    def __init__(self, notifications: Notifications, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(theme.S)
        self.hide()
        over.installEventFilter(self)
        notifications.posted.connect(self.post)

    @property
    def bars(self) -> list[NoticeBar]:
        """The notices on screen, oldest first."""
        return [bar for bar in self.findChildren(NoticeBar) if not bar.closed]

    def post(self, notice: Notice) -> None:
        """Show a notice on top of the others."""
        for bar in self.bars:
            if bar.notice.text == notice.text:
                bar.count_up()
                return
        bar = NoticeBar(notice, self)
        bar.dismissed.connect(self._reposition)
        self._layout.addWidget(bar)
        bar.show()
        for oldest in self.bars[:-MAX_NOTICES]:
            oldest.close_notice()
        self._reposition()

    def close_newest(self) -> bool:
        """Close the newest notice, as Escape does; returns whether there was one."""
        bars = self.bars
        if bars:
            bars[-1].close_notice()
        return bool(bars)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() is QEvent.Type.Resize:
            self._reposition()
        return False

    def _reposition(self) -> None:
        bars = self.bars
        self.setVisible(bool(bars))
        if not bars:
            return
        width = min(_MAX_WIDTH, self._over.width() - 2 * theme.L)
        self.setFixedWidth(width)
        height = sum(bar.heightForWidth(width) for bar in bars) + theme.S * (len(bars) - 1)
        self.setGeometry(theme.L, self._over.height() - height - theme.L, width, height)
        self.raise_()


class NoticeBar(QFrame):
    """One notice: its mark, its sentences, "Copy details" where there are some, and a close."""

    dismissed = Signal()

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_role(self, "notice")
        self.notice = notice
        self.closed = False
        self._times = 1
        mark = QLabel()
        if notice.is_error:
            theme.set_icon(mark, "error", "failed")
        else:
            theme.set_icon(mark, "info", "accent")
        self._what = _text(notice.what)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self._what)
        if notice.advice:
            advice = _text(notice.advice)
            theme.set_role(advice, "muted")
            words.addWidget(advice)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(theme.M, theme.S, theme.S, theme.S)
        layout.setSpacing(theme.M)
        top = Qt.AlignmentFlag.AlignVCenter
        layout.addWidget(mark, 0, top)
        layout.addLayout(words, 1)
        if notice.is_error and notice.details:
            copy = QPushButton("Copy details")
            theme.set_role(copy, "quiet")
            copy.clicked.connect(self._copy)
            layout.addWidget(copy, 0, top)
        close = QToolButton()
        theme.set_role(close, "quiet")
        theme.set_icon(close, "close", "muted", side=16)
        close.setToolTip("Close (Esc)")
        close.setAccessibleName("Close this notice")
        close.clicked.connect(self.close_notice)
        layout.addWidget(close, 0, top)
        self.setAccessibleName(notice.text)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.close_notice)
        if not notice.is_error:
            self._timer.start(INFO_MILLISECONDS)

    def count_up(self) -> None:
        """Say that it happened once more."""
        self._times += 1
        self._what.setText(f"{self.notice.what} ({self._times} times)")
        if self._timer.isActive():
            self._timer.start(INFO_MILLISECONDS)

    def close_notice(self) -> None:
        self.closed = True
        self.hide()
        self.deleteLater()
        self.dismissed.emit()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.notice.details)


def _text(words: str) -> QLabel:
    label = QLabel(words)
    label.setWordWrap(True)
    label.setTextFormat(Qt.TextFormat.PlainText)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    return label
