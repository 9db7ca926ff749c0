"""The icons of `resources/icons`, drawn in the colours of the scheme."""

from __future__ import annotations

from functools import lru_cache

from PySide6.QtCore import QEvent, QObject, QPointF, QSize, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QLabel

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
    image = QPixmap(QSize(round(side * ratio), round(side * ratio)))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    image.setDevicePixelRatio(ratio)
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
    following = next((each for each in widget.children() if isinstance(each, _FollowingIcon)), None)
    (following or _FollowingIcon(widget)).show(name, token, checked, side)


class _FollowingIcon(QObject):
    """Redraws its parent's icon whenever the parent's palette changes."""

    def __init__(self, parent: QAbstractButton | QLabel) -> None:
        super().__init__(parent)
        self._widget = parent
        self._drawn: tuple[object, ...] = ()
        parent.installEventFilter(self)

    def show(self, name: str, token: str, checked: str | None, side: int) -> None:
        self._icon = (name, token, checked, side)
        self._draw()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw()
        return False

    def _draw(self) -> None:
        name, token, checked, side = self._icon
        ratio = self._widget.devicePixelRatioF()
        drawn = (*self._icon, tokens(), ratio)
        if drawn == self._drawn:  # setting an icon changes the style, which comes back here
            return
        self._drawn = drawn
        if isinstance(self._widget, QLabel):
            self._widget.setPixmap(pixmap(name, token, side, ratio))
        else:
            self._widget.setIconSize(QSize(side, side))
            self._widget.setIcon(_icon(name, token, checked))
