"""The scores of one photo as horizontal bars."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QMimeData, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QContextMenuEvent,
    QFontMetrics,
    QGuiApplication,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from desktop import formats, theme
from desktop.classify.charts import score_table
from desktop.translation import tr
from desktop.widgets.plain_text import one_line, tooltip
from serving.predict.prediction import Score

ROWS = 5
_BAR = 6
_MIN_SPACING = 0.2
"""Share of the full space in and between the rows that is left in a low window."""


class ScoreChart(QWidget):
    """A row for each class: name, percentage and bar; the best one in the accent colour.

    It is always as high as five rows, which move closer in a low window, so that
    nothing jumps when an answer comes. The best bar of an unsure answer is hatched, and the
    class that a person gave has a tag. The accessible name says the same as the bars.
    A click on a row, or Enter on the one that the arrow keys marked, chooses its class. The
    menu of the chart copies it.
    """

    class_chosen = Signal(str)
    """Show the photos of this class."""

    def __init__(self) -> None:
        super().__init__()
        self._scores: tuple[Score, ...] = ()
        self._marked = 0
        self._label = ""
        self._unsure = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Maximum)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_scores(())

    @property
    def scores(self) -> tuple[Score, ...]:
        """What is shown, best first."""
        return self._scores

    @property
    def marked_class(self) -> str:
        """The class that the arrow keys marked; empty unless the chart has the focus."""
        return self._scores[self._marked].name if self._scores and self.hasFocus() else ""

    def show_scores(
        self, scores: Sequence[Score], *, label: str = "", unsure: bool = False
    ) -> None:
        """Show the first five of `scores`, which come best first, and the class `label` among
        them as what a person said."""
        self._scores = tuple(scores[:ROWS])
        self._label, self._unsure = label, unsure and bool(scores)
        self._marked = 0
        if self._scores:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()
        self.setAccessibleName(self.text() or tr("No scores yet"))
        self.update()

    def text(self) -> str:
        """Return the facts of the chart as a line of text."""
        parts = [self._row_words(score) for score in self._scores]
        return ", ".join([*([tr("Unsure")] if self._unsure else []), *parts])

    def _row_words(self, score: Score) -> str:
        words = f"{score.name} {formats.percent(score.score)}"
        return tr("{score} (your label)", score=words) if score.name == self._label else words

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

    def _score_at(self, point: QPointF) -> Score | None:
        for row, score in enumerate(self._scores):
            line, track = self.row_rects(row)
            if line.united(track).contains(point):
                return score
        return None

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent):
            score = self._score_at(QPointF(event.pos()))
            if score is not None:
                words = tr("{score}\nClick to show its photos", score=self._row_words(score))
                QToolTip.showText(event.globalPos(), tooltip(words), self)
            else:
                QToolTip.hideText()
            return True
        return super().event(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        score = self._score_at(event.position())
        if score is not None and event.button() is Qt.MouseButton.LeftButton:
            self.class_chosen.emit(score.name)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(tr("Copy picture")).triggered.connect(self._copy_picture)
        menu.addAction(tr("Copy table")).triggered.connect(self._copy_table)
        menu.setEnabled(bool(self._scores))
        menu.popup(event.globalPos())

    def _copy_picture(self) -> None:
        QGuiApplication.clipboard().setPixmap(self.grab())

    def _copy_table(self) -> None:
        data = QMimeData()
        data.setText(score_table(self._scores, self._label))
        QGuiApplication.clipboard().setMimeData(data)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        steps = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}
        step = steps.get(Qt.Key(event.key()))
        if self._scores and step is not None:
            self._marked = min(max(0, self._marked + step), len(self._scores) - 1)
            score = self._scores[self._marked]
            self.setAccessibleDescription(self._row_words(score))
            self.update()
        elif self._scores and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.class_chosen.emit(self._scores[self._marked].name)
        else:
            super().keyPressEvent(event)

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
        if row == self._marked and self.hasFocus():
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(line, theme.CORNER, theme.CORNER)
        score = self._scores[row]
        painter.setBrush(theme.color("accent" if row == 0 else "bar"))
        share = max(0.0, min(1.0, score.score))
        bar = QRectF(track)
        bar.setWidth(max(_BAR, track.width() * share) if share >= 0.005 else 0)
        if row == 0 and self._unsure:
            painter.setBrush(theme.color("raised"))
            painter.setPen(QPen(theme.color("waiting"), 1))
            painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
            painter.setBrush(QBrush(theme.color("waiting"), Qt.BrushStyle.BDiagPattern))
        painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
        painter.setPen(theme.color("text" if row == 0 else "muted"))
        percentage = formats.percent(score.score)
        space = line.adjusted(0, 0, -QFontMetrics(numbers).horizontalAdvance(percentage) - 8, 0)
        if score.name == self._label:
            side = line.height() * 0.75
            mark = QRectF(space.left(), line.center().y() - side / 2, side, side)
            theme.paint_mark(painter, mark, theme.state_mark("labelled"))
            space.setLeft(mark.right() + theme.XS)
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
