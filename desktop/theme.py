"""How Servery looks: every colour, size, state mark and icon comes from here.

One table of tokens for each colour scheme, applied to the whole application as
a palette and a style sheet, and followed live when the system turns dark.
Widgets that paint themselves ask `tokens()` while they paint, so they need no
telling: Qt repaints them when the application's palette changes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from pathlib import Path
from string import Template

from PySide6.QtCore import QEvent, QObject, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFont,
    QFontDatabase,
    QGuiApplication,
    QIcon,
    QPainter,
    QPalette,
    QPen,
    QPixmap,
    QPolygonF,
)
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

RESOURCES = Path(__file__).resolve().parent.parent / "resources"

XS, S, M, L, XL, XXL = 4, 8, 12, 16, 24, 32
"""Spacing and margins, in device-independent pixels; nothing in between."""

CORNER = 6
CONTROL_HEIGHT = 32
ICON = 20


@dataclass(frozen=True)
class Tokens:
    """The colours of one scheme, as `#rrggbb`.

    Every text colour has a contrast of at least 4.5 to 1 on `window`, `surface`
    and `raised`; a test holds this.
    """

    window: str
    """Behind everything; the sidebar."""
    surface: str
    """Where the content of a place lies."""
    raised: str
    """Cards, tiles, fields and menus."""
    sunken: str
    """Empty part of a bar or a picture's frame."""
    hover: str
    pressed: str
    line: str
    line_strong: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_soft: str
    """Behind what is selected."""
    on_accent: str
    ready: str
    """Green, and only for ready."""
    waiting: str
    draining: str
    failed: str
    neutral: str


LIGHT = Tokens(
    window="#f3f4f6",
    surface="#fafbfc",
    raised="#ffffff",
    sunken="#e9ebef",
    hover="#e8eaee",
    pressed="#dcdfe5",
    line="#dfe2e7",
    line_strong="#b9bfc9",
    text="#191c21",
    muted="#5a626e",
    accent="#3d56c5",
    accent_hover="#3248aa",
    accent_soft="#e3e8fa",
    on_accent="#ffffff",
    ready="#14743a",
    waiting="#8a5a00",
    draining="#7442b8",
    failed="#b9261f",
    neutral="#5a626e",
)

DARK = Tokens(
    window="#16181c",
    surface="#1b1e23",
    raised="#23272e",
    sunken="#2f343d",
    hover="#292e36",
    pressed="#343a44",
    line="#30353e",
    line_strong="#515965",
    text="#eceef2",
    muted="#a2aab6",
    accent="#93a8ff",
    accent_hover="#abbcff",
    accent_soft="#2c3764",
    on_accent="#10142a",
    ready="#58c983",
    waiting="#e2b04a",
    draining="#c09bf5",
    failed="#ff8a80",
    neutral="#a2aab6",
)


class Appearance(StrEnum):
    """Which scheme a person wants."""

    SYSTEM = "system"
    LIGHT = "light"
    DARK = "dark"


_shown = LIGHT
"""What `Theme` applied last; asked for with every stroke that is painted."""


def is_dark() -> bool:
    """Whether the application shows the dark scheme now."""
    return _shown is DARK


def tokens() -> Tokens:
    """Return the colours of the scheme that the application shows now."""
    return _shown


def color(name: str) -> QColor:
    """Return the token called `name` in the scheme that the application shows now."""
    return QColor(getattr(tokens(), name))


class Shape(Enum):
    """What a state mark looks like without its colour."""

    RING = "ring"
    HALF = "half"
    DISC = "disc"
    CHECK = "check"
    TRIANGLE = "triangle"
    SQUARE = "square"
    DIAMOND = "diamond"
    CROSS = "cross"
    TAG = "tag"


@dataclass(frozen=True)
class StateMark:
    """How a state is told: a word, a shape, and the name of a colour token."""

    word: str
    shape: Shape
    token: str

    @property
    def color(self) -> QColor:
        return color(self.token)


_MARKS = {
    mark.word: mark
    for mark in (
        StateMark("queued", Shape.RING, "neutral"),
        StateMark("starting", Shape.HALF, "waiting"),
        StateMark("ready", Shape.DISC, "ready"),
        StateMark("draining", Shape.TRIANGLE, "draining"),
        StateMark("stopped", Shape.SQUARE, "neutral"),
        StateMark("failed", Shape.CROSS, "failed"),
        StateMark("answered", Shape.CHECK, "neutral"),
        StateMark("unsure", Shape.DIAMOND, "waiting"),
        StateMark("labelled", Shape.TAG, "accent"),
        StateMark("running", Shape.HALF, "accent"),
        StateMark("succeeded", Shape.CHECK, "accent"),
        StateMark("cancelled", Shape.SQUARE, "neutral"),
        StateMark("live", Shape.DISC, "ready"),
    )
}


def state_mark(state: str) -> StateMark:
    """Return the mark of `state`: queued, starting, ready, draining, stopped, failed,
    answered, unsure, labelled, running, succeeded, cancelled or live.

    Raises KeyError for any other word: one state, one name.
    """
    return _MARKS[str(state)]


def paint_mark(painter: QPainter, rect: QRectF, mark: StateMark) -> None:
    """Paint the shape of `mark` in its colour, as large as fits a square in `rect`."""
    side = min(rect.width(), rect.height())
    box = QRectF(0, 0, side, side)
    box.moveCenter(rect.center())
    inner = box.adjusted(side * 0.12, side * 0.12, -side * 0.12, -side * 0.12)
    pen = QPen(mark.color, max(1.5, side * 0.14))
    pen.setCapStyle(Qt.PenCapStyle.RoundCap)
    pen.setJoinStyle(Qt.PenJoinStyle.RoundJoin)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    _SHAPES[mark.shape](painter, inner, mark.color)
    painter.restore()


def _ring(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.drawEllipse(box)


def _half(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.drawEllipse(box)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ink)
    painter.drawPie(box, 90 * 16, -180 * 16)


def _disc(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.setBrush(ink)
    painter.drawEllipse(box)


def _check(painter: QPainter, box: QRectF, ink: QColor) -> None:
    _polyline(painter, box, (0.0, 0.55), (0.38, 0.92), (1.0, 0.12))


def _triangle(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.setBrush(ink)
    painter.drawPolygon(_points(box, (0.0, 0.15), (1.0, 0.15), (0.5, 0.95)))


def _square(painter: QPainter, box: QRectF, ink: QColor) -> None:
    inset = box.width() * 0.08
    painter.drawRect(box.adjusted(inset, inset, -inset, -inset))


def _diamond(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.setBrush(ink)
    painter.drawPolygon(_points(box, (0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5)))


def _cross(painter: QPainter, box: QRectF, ink: QColor) -> None:
    _polyline(painter, box, (0.1, 0.1), (0.9, 0.9))
    _polyline(painter, box, (0.9, 0.1), (0.1, 0.9))


def _tag(painter: QPainter, box: QRectF, ink: QColor) -> None:
    painter.setBrush(ink)
    painter.drawPolygon(
        _points(box, (0.0, 0.18), (0.6, 0.18), (1.0, 0.5), (0.6, 0.82), (0.0, 0.82))
    )


def _points(box: QRectF, *fractions: tuple[float, float]) -> QPolygonF:
    return QPolygonF(
        [QPointF(box.x() + x * box.width(), box.y() + y * box.height()) for x, y in fractions]
    )


def _polyline(painter: QPainter, box: QRectF, *fractions: tuple[float, float]) -> None:
    painter.drawPolyline(_points(box, *fractions))


_SHAPES = {
    Shape.RING: _ring,
    Shape.HALF: _half,
    Shape.DISC: _disc,
    Shape.CHECK: _check,
    Shape.TRIANGLE: _triangle,
    Shape.SQUARE: _square,
    Shape.DIAMOND: _diamond,
    Shape.CROSS: _cross,
    Shape.TAG: _tag,
}


class Size(Enum):
    """The three font sizes, as factors of the system font's."""

    SMALL = 0.88
    BODY = 1.0
    TITLE = 1.6


def font(size: Size = Size.BODY, *, strong: bool = False, numbers: bool = False) -> QFont:
    """Return the system font in one of the three sizes.

    With `numbers`, figures are all equally wide, so that changing ones do not jump.
    """
    made = QFont(QApplication.font())
    made.setPointSizeF(made.pointSizeF() * size.value)
    if strong:
        made.setWeight(QFont.Weight.DemiBold)
    if numbers:
        made.setFeature(QFont.Tag("tnum"), 1)
    return made


def monospace(size: Size = Size.BODY) -> QFont:
    """Return the system's fixed-width font, for ports, hashes and ids."""
    made = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    made.setPointSizeF(QApplication.font().pointSizeF() * size.value)
    return made


def set_role(widget: QWidget, role: str) -> None:
    """Say what `widget` is, for the style sheet.

    Labels: `title`, `heading`, `muted`, `small`, `number`, `mono`, `error`.
    Buttons: `primary`, `quiet`, `danger`. Frames: `panel`, `sidebar`, `bar`.
    """
    widget.setProperty("role", role)
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)


@lru_cache(maxsize=1024)
def pixmap(name: str, token: str, side: int, ratio: float, scheme: Tokens) -> QPixmap:
    """Return `resources/icons/<name>.svg` in a token's colour, `side` pixels at `ratio`."""
    text = (RESOURCES / "icons" / f"{name}.svg").read_text()
    renderer = QSvgRenderer(text.replace("currentColor", getattr(scheme, token)).encode())
    image = QPixmap(QSize(round(side * ratio), round(side * ratio)))
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    image.setDevicePixelRatio(ratio)
    return image


def icon(name: str, token: str = "text", checked: str | None = None) -> QIcon:
    """Return the icon called `name` in a token's colour, sharp on any screen.

    `checked` names the colour while its button is checked. The icon keeps the
    colours of the scheme it was made in; `set_icon` makes one that follows.
    """
    made = QIcon()
    scheme = tokens()
    for side in (16, ICON, 24):
        for ratio in (1.0, 1.5, 2.0, 3.0):
            for mode, shade in (
                (QIcon.Mode.Normal, token),
                (QIcon.Mode.Disabled, "line_strong"),
            ):
                made.addPixmap(pixmap(name, shade, side, ratio, scheme), mode, QIcon.State.Off)
                shade = (checked or token) if mode is QIcon.Mode.Normal else shade
                made.addPixmap(pixmap(name, shade, side, ratio, scheme), mode, QIcon.State.On)
    return made


def set_icon(
    widget: QAbstractButton | QLabel,
    name: str,
    token: str = "text",
    *,
    checked: str | None = None,
    side: int = ICON,
) -> None:
    """Give a button or a label an icon that follows the colour scheme.

    Calling it again replaces the icon.
    """
    for child in widget.children():
        if isinstance(child, _FollowingIcon):
            child.show(name, token, checked, side)
            return
    _FollowingIcon(widget).show(name, token, checked, side)


class _FollowingIcon(QObject):
    """Renews its parent's icon whenever the parent's palette changes."""

    def __init__(self, parent: QAbstractButton | QLabel) -> None:
        super().__init__(parent)
        self._widget = parent
        self._drawn: tuple[object, ...] = ()
        parent.installEventFilter(self)

    def show(self, name: str, token: str, checked: str | None, side: int) -> None:
        self._wanted = (name, token, checked, side)
        self._draw()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._draw()
        return False

    def _draw(self) -> None:
        name, token, checked, side = self._wanted
        key = (*self._wanted, tokens(), self._widget.devicePixelRatioF())
        if key == self._drawn:
            return
        self._drawn = key
        if isinstance(self._widget, QLabel):
            ratio = self._widget.devicePixelRatioF()
            self._widget.setPixmap(pixmap(name, token, side, ratio, tokens()))
        else:
            self._widget.setIconSize(QSize(side, side))
            self._widget.setIcon(icon(name, token, checked))


_PREFERRED_FONTS = (
    "Inter",
    "Adwaita Sans",
    "Cantarell",
    "Noto Sans",
    "Open Sans",
    "Liberation Sans",
)
"""Where the desktop names no font of its own, the first of these that is installed."""

_MIN_BODY_POINTS = 10.0
"""Points; some systems name a font too small for a window full of numbers."""


class Theme(QObject):
    """Applies the tokens to the application and follows the system's colour scheme."""

    changed = Signal()
    """The application now shows another scheme."""

    def __init__(self, application: QApplication, appearance: Appearance = Appearance.SYSTEM):
        super().__init__(application)
        self._application = application
        palette = QGuiApplication.palette()
        self._system_is_dark = palette.color(QPalette.ColorRole.Window).lightness() < 128
        self._appearance = appearance
        self._applied: Tokens | None = None
        application.setStyle("Fusion")
        application.setFont(_system_font(application.font()))
        hints = QGuiApplication.styleHints()
        hints.colorSchemeChanged.connect(self._follow)
        self.set_appearance(appearance)

    @property
    def appearance(self) -> Appearance:
        return self._appearance

    def set_appearance(self, appearance: Appearance) -> None:
        """Follow the system, or hold one scheme whatever the system does."""
        self._appearance = appearance
        hints = QGuiApplication.styleHints()
        if appearance is Appearance.SYSTEM:
            hints.unsetColorScheme()
        else:
            dark = appearance is Appearance.DARK
            hints.setColorScheme(Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light)
        self._follow()

    def _follow(self) -> None:
        if self._appearance is Appearance.SYSTEM:
            scheme = QGuiApplication.styleHints().colorScheme()
            if scheme is Qt.ColorScheme.Unknown:
                dark = self._system_is_dark
            else:
                dark = scheme is Qt.ColorScheme.Dark
        else:
            dark = self._appearance is Appearance.DARK
        wanted = DARK if dark else LIGHT
        if wanted is self._applied and wanted is tokens():
            return
        global _shown
        self._applied = _shown = wanted
        self._application.setPalette(_palette(wanted))
        self._application.setStyleSheet(_style_sheet(wanted, self._application.font()))
        self.changed.emit()


def _system_font(named: QFont) -> QFont:
    made = QFont(named)
    if named.family() in ("Sans Serif", "Sans", ""):
        installed = set(QFontDatabase.families())
        family = next((name for name in _PREFERRED_FONTS if name in installed), None)
        if family:
            made.setFamily(family)
    made.setPointSizeF(max(made.pointSizeF(), _MIN_BODY_POINTS))
    made.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    return made


def _palette(scheme: Tokens) -> QPalette:
    made = QPalette()
    role = QPalette.ColorRole
    for target, value in (
        (role.Window, scheme.surface),
        (role.WindowText, scheme.text),
        (role.Base, scheme.raised),
        (role.AlternateBase, scheme.surface),
        (role.Text, scheme.text),
        (role.PlaceholderText, scheme.muted),
        (role.Button, scheme.raised),
        (role.ButtonText, scheme.text),
        (role.BrightText, scheme.failed),
        (role.ToolTipBase, scheme.raised),
        (role.ToolTipText, scheme.text),
        (role.Highlight, scheme.accent),
        (role.HighlightedText, scheme.on_accent),
        (role.Accent, scheme.accent),
        (role.Link, scheme.accent),
        (role.LinkVisited, scheme.accent),
        (role.Light, scheme.raised),
        (role.Midlight, scheme.hover),
        (role.Mid, scheme.line),
        (role.Dark, scheme.line_strong),
        (role.Shadow, scheme.line_strong),
    ):
        made.setColor(target, QColor(value))
    for target in (role.WindowText, role.Text, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, target, QColor(scheme.line_strong))
    return made


def _style_sheet(scheme: Tokens, body: QFont) -> str:
    template = Template((RESOURCES / "style" / "servery.qss").read_text())
    points = body.pointSizeF()
    fixed = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()
    return template.substitute(
        asdict(scheme),
        small=f"{points * Size.SMALL.value:.1f}pt",
        body=f"{points:.1f}pt",
        title=f"{points * Size.TITLE.value:.1f}pt",
        fixed=f'"{fixed}"',
        corner=f"{CORNER}px",
        icons=(RESOURCES / "icons").as_posix(),
        scheme="dark" if scheme is DARK else "light",
    )
