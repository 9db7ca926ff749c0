"""The system font in three sizes, and the fixed-width font."""

from __future__ import annotations

from enum import Enum

from PySide6.QtGui import QFont, QFontDatabase
from PySide6.QtWidgets import QApplication

_PREFERRED = ("Inter", "Adwaita Sans", "Cantarell", "Noto Sans", "Open Sans", "Liberation Sans")
"""The first of these that is installed is used if the desktop names no font of its own."""

_MIN_BODY_POINTS = 10.0
"""Some systems name a font too small for a window full of numbers."""


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


def system_font(named: QFont) -> QFont:
    """Return the font that the whole application uses, made from the one the system names."""
    made = QFont(named)
    if named.family() in ("Sans Serif", "Sans", ""):
        installed = set(QFontDatabase.families())
        family = next((name for name in _PREFERRED if name in installed), None)
        if family:
            made.setFamily(family)
    made.setPointSizeF(max(made.pointSizeF(), _MIN_BODY_POINTS))
    made.setHintingPreference(QFont.HintingPreference.PreferVerticalHinting)
    return made
