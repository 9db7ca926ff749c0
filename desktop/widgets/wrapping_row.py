"""A row whose parts go below each other where they have no room beside each other."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QObject, QRect, QSize
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme

_MIN_WORDS_WIDTH = 220
"""Pixels that words insist on beside what stands in the same line."""


class WrappingRow(QWidget):
    """Parts from left to right; `words`, one of them, takes what the others of its line leave.

    Lines after that of the words end at the right, as the buttons of a dialog do.
    """

    def __init__(
        self,
        *parts: QWidget,
        words: QWidget | None = None,
        last: QWidget | None = None,
        min_words: int = _MIN_WORDS_WIDTH,
        spacing: int = theme.S,
    ) -> None:
        """`last` stays at the end of the first line. `min_words`: pixels of the words, if they are
        longer, below which others go to a line of their own."""
        super().__init__()
        self._parts = parts
        self._words = words
        self._last = last
        self._min_words = min_words
        self._spacing = spacing
        self._high = 0
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)
        for part in (*parts, *([last] if last else [])):
            part.setParent(self)
            part.installEventFilter(self)

    @property
    def parts(self) -> Sequence[QWidget]:
        return (*self._parts, *self._lasting())

    def sizeHint(self) -> QSize:
        shown = [part.sizeHint() for part in (*self._shown(), *self._lasting())]
        width = sum(size.width() for size in shown) + self._spacing * max(0, len(shown) - 1)
        return QSize(width, max((size.height() for size in shown), default=0))

    def minimumSizeHint(self) -> QSize:
        widths = [_min_width(part) for part in self._shown() if part is not self._words]
        widths += [_min_width(part) for part in self._lasting()]
        width = max(widths, default=0)
        return QSize(width, self.heightForWidth(max(width, self.width())))

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return self._place(width, apply=False)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        high = self._place(self.width(), apply=True)
        if high != self._high:  # which not every kind of parent knows from the width
            self._high = high
            self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        if event.type() is QEvent.Type.LayoutRequest:  # a part has another size
            self._fit()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.ShowToParent, QEvent.Type.HideToParent):
            self._fit()
        return False

    def _fit(self) -> None:
        self.updateGeometry()
        self._place(self.width(), apply=True)

    def _shown(self) -> list[QWidget]:
        return [part for part in self._parts if not part.isHidden()]

    def _needed(self, part: QWidget) -> int:
        """Return how wide a part is, at least."""
        hint = part.sizeHint().expandedTo(part.minimumSize()).boundedTo(part.maximumSize())
        return min(hint.width(), self._min_words) if part is self._words else hint.width()

    def _lines(self, width: int) -> list[list[QWidget]]:
        lines: list[list[QWidget]] = []
        left = 0
        for part in self._shown():
            needed = self._needed(part)
            if not lines or needed + self._spacing > left:
                left = width + self._spacing - (0 if lines else self._last_width())
                lines.append([])
            lines[-1].append(part)
            left -= needed + self._spacing
        return lines

    def _place(self, width: int, *, apply: bool) -> int:
        """Return the height that the lines take; with `apply`, put the parts where they belong."""
        top = 0
        after_words = False
        for number, line in enumerate(self._lines(width)):
            room = width if number else width - self._last_width()
            needed = [min(room, self._needed(part)) for part in line]
            rest = max(0, room - sum(needed) - self._spacing * (len(line) - 1))
            has_words = self._words in line
            if has_words:
                needed[line.index(self._words)] += rest  # type: ignore[arg-type]
            x = rest if after_words and not has_words else 0
            if not number:
                line = [*line, *self._lasting()]
                needed += [part.sizeHint().width() for part in self._lasting()]
            heights = [_height(part, wide) for part, wide in zip(line, needed, strict=True)]
            for part, wide, high in zip(line, needed, heights, strict=True):
                left = width - wide if part is self._last else x
                if apply:
                    box = QRect(left, top + (max(heights) - high) // 2, wide, high)
                    part.setGeometry(self._mirrored(box))
                x += wide + self._spacing
            top += max(heights) + self._spacing
            after_words = after_words or has_words
        return max(0, top - self._spacing)

    def _lasting(self) -> list[QWidget]:
        return [] if self._last is None or self._last.isHidden() else [self._last]

    def _last_width(self) -> int:
        return sum(part.sizeHint().width() + self._spacing for part in self._lasting())

    def _mirrored(self, box: QRect) -> QRect:
        """Return `box` as it is where texts run from right to left."""
        return self.style().visualRect(self.layoutDirection(), self.rect(), box)


def _min_width(part: QWidget) -> int:
    return max(part.minimumSizeHint().width(), part.minimumWidth())


def _height(part: QWidget, width: int) -> int:
    high = part.heightForWidth(width) if part.hasHeightForWidth() else part.sizeHint().height()
    return min(max(high, part.minimumHeight()), part.maximumHeight())
