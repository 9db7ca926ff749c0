"""Below the photo: which class its parts are shown for, what the colors mean, and how much."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QLinearGradient, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop import theme
from desktop.classify.explain.heat import MAX_ALPHA
from desktop.translation import tr
from desktop.widgets import build
from desktop.widgets.combo_box import ComboBox
from desktop.widgets.plain_label import PlainLabel
from serving.predict.prediction import Score

AGAINST, FOR = tr("Against it"), tr("For it")
_BAR = 8


class HeatLegend(QWidget):
    """The colors, from what speaks against the class to what speaks for it."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(tr("Legend: against it in blue, for it in orange"))

    def sizeHint(self) -> QSize:
        return QSize(200, QFontMetrics(theme.font(theme.Size.SMALL)).height())

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        paint_legend(painter, self.rect().toRectF(), theme.color("muted"))


def paint_legend(painter: QPainter, area: QRectF, ink: QColor) -> None:
    """Paint the words at both ends of `area`, which is a line high, and the colors between."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setFont(theme.font(theme.Size.SMALL))
    metrics = painter.fontMetrics()
    painter.setPen(ink)
    middle = Qt.AlignmentFlag.AlignVCenter
    painter.drawText(area, middle | Qt.AlignmentFlag.AlignLeft, AGAINST)
    painter.drawText(area, middle | Qt.AlignmentFlag.AlignRight, FOR)
    left = area.left() + metrics.horizontalAdvance(AGAINST) + theme.S
    right = area.right() - metrics.horizontalAdvance(FOR) - theme.S
    bar = QRectF(left, area.center().y() - _BAR / 2, max(0.0, right - left), _BAR)
    colors = QLinearGradient(bar.topLeft(), bar.topRight())
    for place, token in ((0.0, "heat_against"), (1.0, "heat_for")):
        strong, faint = theme.color(token), theme.color(token)
        strong.setAlpha(MAX_ALPHA)
        faint.setAlpha(0)
        colors.setColorAt(place, strong)
        colors.setColorAt(0.499 if place == 0 else 0.501, faint)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(theme.color("sunken"))
    painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)
    painter.setBrush(colors)
    painter.drawRoundedRect(bar, _BAR / 2, _BAR / 2)


class ExplainPanel(QWidget):
    """Shown while the photo shows what its answer depends on."""

    class_chosen = Signal(str)
    """Show what speaks for this class."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = ComboBox(tr("What speaks for this class"))
        self.classes.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.close_button = build.icon_button("close", tr("Show the photo as it is (E)"), "muted")
        self.legend = HeatLegend()
        self.sentence = PlainLabel("", "small", wrap=True)
        build.column(
            build.row(
                PlainLabel(tr("What speaks for"), "small"),
                (self.classes, 1),
                self.close_button,
                spacing=theme.S,
            ),
            self.legend,
            self.sentence,
            parent=self,
            spacing=theme.XS,
        )
        self.classes.activated.connect(
            lambda: self.class_chosen.emit(str(self.classes.currentData()))
        )

    def show_classes(self, scores: Sequence[Score], chosen: str) -> None:
        """Offer the classes of `scores`, with `chosen` selected."""
        self.classes.clear()
        for score in scores:
            self.classes.add(score.name, score.name)
        self.classes.select(chosen)

    def show_sentence(self, sentence: str, *, failed: bool = False) -> None:
        """Say how far it is, what was found, or why nothing was."""
        theme.set_role(self.sentence, "error" if failed else "small")
        self.sentence.setText(sentence)
        self.setAccessibleName(
            tr(
                "What speaks for {class_name}: {sentence}",
                class_name=self.classes.currentText(),
                sentence=sentence,
            )
        )
