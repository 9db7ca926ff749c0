"""How Servery looks: every colour, size, state mark and icon comes from here.

One table of tokens for each colour scheme, applied to the whole application as
a palette and a style sheet, and followed live when the system turns dark.
Widgets that paint themselves call `color()` and `tokens()` while they paint, so
they are not notified: Qt repaints them when the application's palette changes.
"""

from desktop.preferences import Appearance
from desktop.theme.appearance import Theme
from desktop.theme.fonts import Size, font, monospace
from desktop.theme.icons import paint_icon, pixmap, set_icon, set_mark
from desktop.theme.marks import paint_mark, state_mark
from desktop.theme.style_sheet import set_role
from desktop.theme.tokens import CONTROL_HEIGHT, CORNER, XL, XS, L, M, S, color, map_color, tokens

__all__ = [
    "CONTROL_HEIGHT",
    "CORNER",
    "XL",
    "XS",
    "Appearance",
    "L",
    "M",
    "S",
    "Size",
    "Theme",
    "color",
    "font",
    "map_color",
    "monospace",
    "paint_icon",
    "paint_mark",
    "pixmap",
    "set_icon",
    "set_mark",
    "set_role",
    "state_mark",
    "tokens",
]
