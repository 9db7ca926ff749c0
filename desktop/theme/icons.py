"""The icons of `resources/icons`, drawn in the colours of the scheme."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget

from desktop.theme.marks import paint_mark, state_mark
from desktop.theme.tokens import RESOURCES, tokens

_SIDE = 20
_SCREENS = [(side, ratio) for side in (16, _SIDE, 24) for ratio in (1.0, 1.5, 2.0, 3.0)]
"""Sides and pixel ratios that icons of buttons are made for."""


def pixmap(name: str, token: str, side: int, ratio: float) -> QPixmap:
    """Return `resources/icons/<name>.svg` in a token's colour, `side` pixels at `ratio`."""
    return _render(name, getattr(tokens(), token), side, ratio)


@lru_cache(maxsize=1024)
def _render(name: str, ink: str, side: int, ratio: float) -> QPixmap:
    text = (RESOURCES / "icons" / f"{name}.svg").read_text()
    renderer = QSvgRenderer(text.replace("currentColor", ink).encode())
    image = _empty(side, ratio)
    painter = QPainter(image)
    renderer.render(painter, QRectF(0, 0, side, side))
    painter.end()
    return image


def _empty(side: int, ratio: float) -> QPixmap:
    image = QPixmap(round(side * ratio), round(side * ratio))
    image.setDevicePixelRatio(ratio)
    image.fill(Qt.GlobalColor.transparent)
    return image


def paint_icon(
    painter: QPainter, center: QPointF, name: str, token: str, side: int, ratio: float
) -> None:
    """Paint an icon around `center`."""
    left, top = round(center.x() - side / 2), round(center.y() - side / 2)
    painter.drawPixmap(left, top, pixmap(name, token, side, ratio))


def _icon(name: str, token: str, checked: str | None) -> QIcon:
    made = QIcon()
    for side, ratio in _SCREENS:
        for mode, off, on in (
            (QIcon.Mode.Normal, token, checked or token),
            (QIcon.Mode.Disabled, "line_strong", "line_strong"),
        ):
            made.addPixmap(pixmap(name, off, side, ratio), mode, QIcon.State.Off)
            made.addPixmap(pixmap(name, on, side, ratio), mode, QIcon.State.On)
    return made


def set_icon(
    widget: QAbstractButton | QLabel,
    name: str,
    token: str = "text",
    *,
    checked: str | None = None,
    side: int = _SIDE,
) -> None:
    """Give a button or a label an icon that follows the colour scheme.

    `checked` names the colour while its button is checked. Calling it again
    replaces the icon.
    """

    def draw() -> None:
        if isinstance(widget, QLabel):
            widget.setPixmap(pixmap(name, token, side, widget.devicePixelRatioF()))
        else:
            widget.setIconSize(QSize(side, side))
            widget.setIcon(_icon(name, token, checked))

    _follow_scheme(widget, draw)


def set_mark(widget: QAbstractButton, state: str, side: int) -> None:
    """Give a button the mark of a state as its icon, in the way of `set_icon`."""

    def draw() -> None:
        image = _empty(side, widget.devicePixelRatioF())
        painter = QPainter(image)
        paint_mark(painter, QRectF(0, 0, side, side), state_mark(state))
        painter.end()
        widget.setIconSize(QSize(side, side))
        widget.setIcon(QIcon(image))

    _follow_scheme(widget, draw)


def _follow_scheme(widget: QWidget, draw: Callable[[], None]) -> None:
    following = next((each for each in widget.children() if isinstance(each, _Follower)), None)
    (following or _Follower(widget)).follow(draw)


class _Follower(QObject):
    """Draws its parent's icon again whenever the parent's palette changes."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._widget = parent
        parent.installEventFilter(self)

    def follow(self, draw: Callable[[], None]) -> None:
        self._draw = draw
        self._drawn: object = None
        self._refresh()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._refresh()
        return False

    def _refresh(self) -> None:
        appearance = (tokens(), self._widget.devicePixelRatioF())
        if appearance != self._drawn:  # setting an icon changes the style, which comes back here
            self._drawn = appearance
            self._draw()
