"""The tokens as a palette and as a style sheet, and the roles that the style sheet knows."""

from __future__ import annotations

from dataclasses import asdict
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QWidget

from desktop.theme.fonts import Size
from desktop.theme.tokens import CORNER, DARK, RESOURCES, Tokens


def set_role(widget: QWidget, role: str) -> None:
    """Tell the style sheet what `widget` is.

    Labels: `title`, `heading`, `muted`, `small`, `number`, `mono`, `error`, and
    `state` with a token that is the colour of a state, such as `state failed`.
    Buttons: `primary`, `quiet`, `danger`. Frames: `panel`, `sidebar`, `bar`, `pane`,
    `notice`. Tool buttons: `status`, `segment`, `page`, `choice`.
    """
    widget.setProperty("role", role)
    style = widget.style()
    style.unpolish(widget)
    style.polish(widget)


def palette(scheme: Tokens) -> QPalette:
    """Return the palette for what Qt paints without the style sheet."""
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


def style_sheet(scheme: Tokens, body: QFont) -> str:
    """Return `resources/style/servery.qss` with the tokens filled in."""
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
