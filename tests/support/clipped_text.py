"""Finds text on screen that has less room than it needs."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QSize
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QLineEdit,
    QStyle,
    QStyleOptionFrame,
    QTabBar,
    QWidget,
)

from desktop.widgets.plain_label import PlainLabel


def clipped_texts(window: QWidget) -> list[str]:
    """Return each text that is cut off, or shortened without a tooltip that has all of it."""
    return [
        f"{type(each).__name__} {text!r}: {has.width()}x{has.height()} of {needs.width()}x"
        f"{needs.height()}"
        for each in window.findChildren(QWidget)
        if each.isVisible()
        for text, needs, has in _texts(each)
        if has.width() + 1 < needs.width() or has.height() + 1 < needs.height()
    ]


def _texts(widget: QWidget) -> Iterator[tuple[str, QSize, QSize]]:
    """Yield each text of a widget, the room that it needs, and the room that it has."""
    metrics = widget.fontMetrics()
    if isinstance(widget, QLabel):
        if widget.wordWrap() and widget.text():
            needs = QSize(0, widget.heightForWidth(widget.width()))
            yield widget.text(), needs, widget.size()
        elif isinstance(widget, PlainLabel) and widget.text() and not widget.toolTip():
            wide = metrics.horizontalAdvance(widget.text())
            yield widget.text(), QSize(wide, 0), widget.contentsRect().size()
    elif isinstance(widget, QAbstractButton) and widget.text():
        # The style sheet's heights differ from Qt's hints by a few pixels of padding.
        needs = QSize(widget.minimumSizeHint().width(), metrics.height())
        yield widget.text(), needs, widget.size()
    elif isinstance(widget, QComboBox) and not widget.isEditable():
        text = widget.currentText()
        arrow = widget.style().pixelMetric(QStyle.PixelMetric.PM_MenuButtonIndicator)
        yield text, QSize(metrics.horizontalAdvance(text) + arrow, 0), widget.size()
    elif isinstance(widget, QLineEdit) and widget.placeholderText() and not widget.text():
        option = QStyleOptionFrame()
        widget.initStyleOption(option)
        inside = widget.style().subElementRect(
            QStyle.SubElement.SE_LineEditContents, option, widget
        )
        wide = metrics.horizontalAdvance(widget.placeholderText())
        yield widget.placeholderText(), QSize(wide, 0), inside.size()
    elif isinstance(widget, QTabBar):
        for index in range(widget.count()):
            has = widget.tabRect(index).size()
            wide = metrics.horizontalAdvance(widget.tabText(index))
            yield widget.tabText(index), QSize(wide, 0), has
