"""The count of a stack, in the corner of the picture that stands for it."""

from __future__ import annotations

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPen

from desktop import formats, theme
from desktop.classify.likeness.shown_stacks import ShownStack
from desktop.widgets.tile_grid import Face

_SHEET = 8
"""Pixels of the side of the sheets beside the count."""
_STRIPE = 3


def badge_rect(picture: QRectF, stack: ShownStack, face: Face) -> QRectF:
    """Return where in `picture` the count of a stack is painted and takes clicks."""
    words = formats.count(stack.photos)
    width = face.metrics.horizontalAdvance(words) + _SHEET + 3 + 3 * theme.XS
    height = face.height + 4
    inset = theme.XS if picture.width() > 2 * width else 0
    right, top = picture.right() - inset, picture.top() + inset
    return QRectF(max(picture.left(), right - width), top, width, height)


def paint_stack(painter: QPainter, picture: QRectF, stack: ShownStack, face: Face) -> None:
    """Paint the count on the first photo, and a line below each photo of an open stack."""
    if stack.is_open:
        line = QRectF(picture.left(), picture.bottom() - _STRIPE, picture.width(), _STRIPE)
        painter.fillRect(line, theme.color("accent"))
    if not stack.is_cover:
        return
    badge = badge_rect(picture, stack, face)
    fill, ink = ("accent", "on_accent") if stack.is_open else ("raised", "text")
    painter.save()
    painter.setPen(QPen(theme.color("line_strong"), 1))
    painter.setBrush(theme.color(fill))
    painter.drawRoundedRect(badge.adjusted(0.5, 0.5, -0.5, -0.5), theme.XS, theme.XS)
    painter.setPen(QPen(theme.color(ink), 1))
    sheet = QRectF(badge.x() + theme.XS, badge.center().y() - _SHEET / 2 + 1, _SHEET, _SHEET - 1)
    painter.drawRect(sheet.translated(2, -2))
    painter.setBrush(theme.color(fill))
    painter.drawRect(sheet)
    painter.setFont(face.font)
    words = badge.adjusted(2 * theme.XS + _SHEET + 3, 0, 0, 0)
    painter.drawText(words, Qt.AlignmentFlag.AlignVCenter, formats.count(stack.photos))
    painter.restore()
