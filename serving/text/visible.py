"""Text from outside as it may be shown: nothing in it acts, hides or turns what is around it."""

from __future__ import annotations

import re
import unicodedata

_SPELLED_OUT = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's control and format characters, halves of pairs, and separators of lines."""
_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols by their category, but blank."""
_JOINERS = frozenset("\u200c\u200d")
"""Invisible, but some scripts and emoji are spelled with them."""
_FIRST_JOINED = 0x300
"""No character below this is spelled with joiners."""
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MAX_MARKS = 4
"""Combining marks on one letter; more is no spelling of any language."""
_STACKED = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def visible(text: str, *, keep: str = "") -> str:
    r"""Return `text` with every control and format character spelled out, as `\x1b` or `\u202e`.

    Those in `keep` stay. A name that a file system could not decode comes back as the
    bytes that it has, and stacks of combining marks are cut, so that they stay on their line.
    """
    if text.isascii() and text.isprintable():
        return text
    parts = []
    for position, char in enumerate(text):
        if (
            char in keep
            or char == " "
            or not is_spelled_out(char)
            or (char in _JOINERS and _is_spelling(text, position))
        ):
            parts.append(char)
        else:
            parts.append(_spelled(char))
    return _STACKED.sub(lambda marks: marks.group()[:_MAX_MARKS], "".join(parts))


def display_width(text: str) -> int:
    """Return how many columns of a terminal `text` takes."""
    return sum(_columns(char) for char in text)


def shortened(text: str, limit: int) -> str:
    """Return at most `limit` characters of `text`, the last one an ellipsis if some are missing."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def is_spelled_out(char: str) -> bool:
    """Whether `visible` spells out a character; joiners stay where a script is spelled so."""
    return unicodedata.category(char) in _SPELLED_OUT or char in _FILLERS


def _is_spelling(text: str, position: int) -> bool:
    """Whether the joiner at `position` stands between letters that are spelled with it."""
    around = text[position - 1 : position] + text[position + 1 : position + 2]
    return len(around) == 2 and all(
        ord(char) >= _FIRST_JOINED and not is_spelled_out(char) and not char.isspace()
        for char in around
    )


def _spelled(char: str) -> str:
    code = ord(char)
    if char in _NAMED:
        return _NAMED[char]
    if 0xDC80 <= code <= 0xDCFF:  # a byte that Python kept of a name that it could not decode
        return f"\\x{code - 0xDC00:02x}"
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
