"""Texts for Qt that Qt takes for nothing but text, however long and whatever is in them.

Qt guesses whether a tooltip is HTML, takes an ampersand on a button or in a menu for the mark of
a shortcut, and makes a window as wide as its longest button.
"""

from __future__ import annotations

import re

from PySide6.QtGui import QFontMetrics, Qt

from serving.text.visible import shortened, visible

MAX_LINE = 200
"""Characters of what is shown in one line; what does not fit is cut off with an ellipsis anyway."""
MAX_TEXT = 400
"""Characters of what is shown in several lines."""
MAX_CAPTION = 40
"""Characters on a button, or of an entry of a menu or a list that drops down."""
_MAX_TIP = 1200
_MAX_TIP_LINES = 30
_WORD = 16
"""Characters; a longer word may be broken anywhere, as Qt would widen the window for it."""
_LONG_WORD = re.compile(rf"\S{{{_WORD}}}(?=\S)")
_WORD_JOINER = "\u2060"
_ZERO_WIDTH_SPACE = "\u200b"


def one_line(text: str, limit: int = MAX_LINE) -> str:
    """Return `text` as one line of at most `limit` characters, without anything that acts."""
    return shortened(visible(text[: limit + 1]), limit)


def several_lines(text: str, limit: int = MAX_TEXT, lines: int = 1) -> str:
    """Return at most `limit` characters of `text`, to be broken into lines where it has to be.

    Long words can be broken. Of the line breaks in the text as many are kept as `lines` need;
    without any, one is spelled out like every other control character.
    """
    keep = "\n" if lines > 1 else ""
    kept = shortened(visible(text[: limit + 1], keep=keep), limit).split("\n")
    if len(kept) > lines:
        kept[lines - 1 :] = [f"{kept[lines - 1]}…"]
    return _LONG_WORD.sub(lambda part: part.group() + _ZERO_WIDTH_SPACE, "\n".join(kept))


def caption(text: str, limit: int = MAX_CAPTION) -> str:
    """Return `text` for a button or a menu: short, and an ampersand is an ampersand."""
    return one_line(text, limit).replace("&", "&&")


def fitted(text: str, metrics: QFontMetrics, pixels: int) -> str:
    """Return `text` for a button whose text is at most so wide."""
    shown = metrics.elidedText(one_line(text), Qt.TextElideMode.ElideMiddle, pixels)
    return shown.replace("&", "&&")


def tooltip(text: str) -> str:
    """Return `text` for a tooltip, which shows it as it is, with its line breaks."""
    shown = several_lines(text, _MAX_TIP, _MAX_TIP_LINES)
    while Qt.mightBeRichText(shown):
        # What Qt looks for is a tag, an entity or the head of an XML file in the first line.
        # With a word joiner behind its first character, which nobody sees, it is none of these.
        shown = re.sub(rf"([<&])(?!{_WORD_JOINER})", rf"\1{_WORD_JOINER}", shown, count=1)
    return shown
