"""The design tokens: spacing, sizes, and the colours of the light and the dark scheme."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtGui import QColor

RESOURCES = Path(__file__).parents[2] / "resources"

XS, S, M, L, XL = 4, 8, 12, 16, 24
"""Spacing and margins, in device-independent pixels; use no others."""

CORNER = 6
CONTROL_HEIGHT = 32


@dataclass(frozen=True)
class Tokens:
    """The colours of one scheme, as `#rrggbb`.

    Every text colour has a contrast of at least 4.5 to 1 on `window`, `surface`
    and `raised`, which a test checks.
    """

    window: str
    """Behind everything; the sidebar."""
    surface: str
    """Behind the content of a page."""
    raised: str
    """Panels, tiles, fields and menus."""
    sunken: str
    """The empty part of a bar or of a picture's frame."""
    hover: str
    pressed: str
    line: str
    line_strong: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    accent_soft: str
    """Behind selected items."""
    on_accent: str
    ready: str
    """Green, and only for ready."""
    waiting: str
    draining: str
    failed: str
    neutral: str
    bar: str
    """Bars beside the one in `accent`."""
    heat_for: str
    """Over the parts of a photo that speak for a class; those against it are `heat_against`."""
    heat_against: str


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
    bar="#7f8793",
    heat_for="#d95c00",
    heat_against="#3f51c9",
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
    bar="#828b99",
    heat_for="#ff8c1a",
    heat_against="#7f95ff",
)

_shown = LIGHT
"""A module variable, because it is read with every stroke that is painted."""


_MAP = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
"""Told apart with any color vision, on light and on dark (Okabe and Ito, 2008)."""


def map_color(number: int) -> QColor:
    """Return one of six colours for classes, 0 to 5; for -1 the one of all others."""
    return QColor(_MAP[number]) if number >= 0 else color("line_strong")


def tokens() -> Tokens:
    """Return the colours of the scheme that the application shows now."""
    return _shown


def set_tokens(scheme: Tokens) -> None:
    """Make `scheme` the one that `tokens` returns."""
    global _shown
    _shown = scheme


def color(name: str) -> QColor:
    """Return the token called `name` in the scheme that the application shows now."""
    return QColor(getattr(_shown, name))
