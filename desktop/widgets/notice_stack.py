"""Notices, floating over the lower left of a page, away from its controls."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFrame, QSizePolicy, QWidget

from desktop import theme
from desktop.notifications import Notice, Notifications
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.plain_label import PlainLabel
from desktop.widgets.timers import single_shot_timer

MAX_NOTICES = 3
INFO_MILLISECONDS = 6000
_MAX_WIDTH = 520
_MAX_BESIDE = 40
"""Characters of a notice with its action beside its sentence; of a longer one it is below."""
_MAX_TEXT = 300
"""Characters of a sentence; the tooltip and the details have the rest."""


class NoticeStack(QWidget):
    """The newest notices over the foot of `over`, each until it is closed.

    News without an action disappears by itself; an error stays. The same notice again is counted
    instead of shown twice.
    """

    def __init__(self, notifications: Notifications, over: QWidget) -> None:
        super().__init__(over)
        self._over = over
        self._column = build.column(parent=self)
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
        self._column.addWidget(bar)
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
        # Half of the page: what it shows at its top, such as what is running, stays to be seen.
        room = self._over.height() // 2
        height = -theme.S
        for bar in reversed(bars):
            height += theme.S + bar.heightForWidth(width)
            # Those without room wait until a newer one is closed.
            bar.setVisible(height <= room or bar is bars[-1])
        height = sum(bar.heightForWidth(width) + theme.S for bar in bars if not bar.isHidden())
        height -= theme.S
        self.setGeometry(theme.L, self._over.height() - height - theme.L, width, height)
        self.raise_()


class NoticeBar(QFrame):
    """One notice: its mark, its sentences, "Copy details" if there are any, and a close."""

    dismissed = Signal()

    def __init__(self, notice: Notice, parent: QWidget) -> None:
        super().__init__(parent)
        theme.set_role(self, "notice")
        self.notice = notice
        self.closed = False
        self._times = 1
        name, token = ("error", "failed") if notice.is_error else ("info", "accent")
        mark = build.icon(name, token, side=20)
        self._what = _text(notice.what)
        words = build.column(self._what, spacing=0)
        if notice.advice:
            words.addWidget(_text(notice.advice, "muted"))
        margins = (theme.M, theme.S, theme.S, theme.S)
        line = build.row(mark, (words, 1), parent=self, spacing=theme.M, margins=margins)
        is_long = len(notice.text) + len(notice.action) > _MAX_BESIDE
        if notice.action:
            self.action = build.button(notice.action, role="" if is_long else "quiet")
            self.action.clicked.connect(self._act)
            if is_long:
                below = build.row(self.action, None, margins=(0, theme.S, 0, 0))
                words.addLayout(below)
            else:
                line.addWidget(self.action)
        buttons = build.row(spacing=0)
        line.addLayout(buttons)
        if notice.is_error and notice.details:
            copy = build.icon_button("copy", tr("Copy details"), "muted")
            copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(notice.details))
            buttons.addWidget(copy)
        close = build.icon_button("close", tr("Close this notice"), "muted")
        close.setToolTip(tr("Close (Esc)"))
        close.clicked.connect(self.close_notice)
        buttons.addWidget(close)
        if is_long:
            line.setAlignment(mark, Qt.AlignmentFlag.AlignTop)
            line.setAlignment(buttons, Qt.AlignmentFlag.AlignTop)
        self.setAccessibleName(notice.text)
        self._timer = single_shot_timer(INFO_MILLISECONDS, self.close_notice, self)
        if not (notice.is_error or notice.action or notice.stays):
            self._timer.start()

    def count_up(self) -> None:
        """Say that it happened once more."""
        self._times += 1
        self._what.setText(tr("{what} ({times} times)", what=self.notice.what, times=self._times))
        if self._timer.isActive():
            self._timer.start()

    def _act(self) -> None:
        self.close_notice()
        if self.notice.act is not None:
            self.notice.act()

    def close_notice(self) -> None:
        self.closed = True
        self.hide()
        self.deleteLater()
        self.dismissed.emit()


def _text(words: str, role: str = "") -> PlainLabel:
    label = PlainLabel(words, role, wrap=True, limit=_MAX_TEXT)
    label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    return label
