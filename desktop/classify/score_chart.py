"""The scores of one photo as horizontal bars."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import formats, theme
from desktop.widgets.plain_text import one_line
from serving.predict.prediction import Score

ROWS = 5
_BAR = 6
_MIN_SPACING = 0.5
"""Share of the full space in and between the rows that is left in a low window."""


class ScoreChart(QWidget):
    """A row for each class: name, percentage and bar; the best one in the accent colour.

    It is always as high as five rows, which move closer in a low window, so that
    nothing jumps when an answer comes. The accessible name says the same as the bars.
    """

    def __init__(self) -> None:
        super().__init__()
        self._scores: tuple[Score, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_scores(())

    @property
    def scores(self) -> tuple[Score, ...]:
        """What is shown, best first."""
        return self._scores

    def show_scores(self, scores: Sequence[Score]) -> None:
        """Show the first five of `scores`, which come best first."""
        self._scores = tuple(scores[:ROWS])
        self.setAccessibleName(self.text() or "No scores yet")
        self.update()

    def text(self) -> str:
        """Return the facts of the chart as a line of text."""
        return ", ".join(f"{score.name} {formats.percent(score.score)}" for score in self._scores)

    def sizeHint(self) -> QSize:
        return QSize(240, _height(1))

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _height(_MIN_SPACING))

    def row_rects(self, row: int) -> tuple[QRectF, QRectF]:
        """Return where `row` has its line of text, and what its bar fills at 100%."""
        # Both spaces shrink alike, so that each name stays closer to its own bar.
        spacing = min(1.0, (self.height() - _height(0)) / (_height(1) - _height(0)))
        text_height, below_text = QFontMetrics(theme.font()).height(), spacing * theme.XS
        top = row * (text_height + below_text + _BAR + spacing * theme.M)
        line = QRectF(0, top, self.width(), text_height)
        return line, QRectF(0, line.bottom() + below_text, self.width(), _BAR)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus():
            painter.setPen(theme.color("accent"))
            frame = self.rect().toRectF().adjusted(0.5, 0.5, -0.5, -0.5)
            painter.drawRoundedRect(frame, theme.CORNER, theme.CORNER)
        # Empty rows stand for an answer on its way; one of few classes has no others.
        for row in range(len(self._scores) or ROWS):
            self._paint_row(painter, row)

    def _paint_row(self, painter: QPainter, row: int) -> None:
        body, numbers = theme.font(strong=row == 0), theme.font(numbers=True, strong=row == 0)
        line, track = self.row_rects(row)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("sunken"))
        painter.drawRoundedRect(track, _BAR / 2, _BAR / 2)
        if row >= len(self._scores):
            return
        score = self._scores[row]
        painter.setBrush(theme.color("accent" if row == 0 else "line_strong"))
        share = max(0.0, min(1.0, score.score))
        bar = QRectF(track)
        bar.setWidth(max(_BAR, track.width() * share) if share >= 0.005 else 0)
        painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
        painter.setPen(theme.color("text" if row == 0 else "muted"))
        percentage = formats.percent(score.score)
        space = line.adjusted(0, 0, -QFontMetrics(numbers).horizontalAdvance(percentage) - 8, 0)
        painter.setFont(body)
        name = QFontMetrics(body).elidedText(
            one_line(score.name), Qt.TextElideMode.ElideRight, int(space.width())
        )
        painter.drawText(space, Qt.AlignmentFlag.AlignLeft, name)
        painter.setFont(numbers)
        painter.drawText(line, Qt.AlignmentFlag.AlignRight, percentage)


def _height(spacing: float) -> int:
    """Return the height of all rows with this share of the full space in and between them."""
    row = QFontMetrics(theme.font()).height() + _BAR
    return round(ROWS * row + spacing * (ROWS * theme.XS + (ROWS - 1) * theme.M)) + theme.XS
