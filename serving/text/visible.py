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
_JOINED_SCRIPTS = (
    *("ARABIC", "EXTENDED ARABIC", "SYRIAC", "MANDAIC", "NKO", "MONGOLIAN", "PHAGS-PA", "ADLAM"),
    *("HANIFI", "DEVANAGARI", "BENGALI", "GURMUKHI", "GUJARATI", "ORIYA", "TAMIL", "TELUGU"),
    *("KANNADA", "MALAYALAM", "SINHALA", "MYANMAR", "KHMER", "BALINESE", "JAVANESE", "SUNDANESE"),
    "TIFINAGH",
)
"""How the names of the characters begin between which a joiner changes what one sees."""
_VIRAMA = 9
"""The combining class of the sign that a consonant has no vowel; a joiner says how it looks."""
_EMOJI_STYLE = "\ufe0f"
_FIRST_PICTURE = 0x2190
_TAGS = range(0xE0020, 0xE0080)
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
"""Of England, Scotland and Wales: a black flag, and which one it is in characters of no width."""
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
        hidden = char not in keep and char != " " and is_hidden(text, position)
        parts.append(_spelled(char) if hidden else char)
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


def is_hidden(text: str, position: int) -> bool:
    """Whether the character at `position` acts or cannot be seen, where it stands.

    Joiners and tags can be seen where a script or an emoji is spelled with them.
    """
    char = text[position]
    if not is_spelled_out(char):
        return False
    if char in _JOINERS:
        return not _joins(text, position)
    if ord(char) in _TAGS:
        begin = max(0, position - 7)
        flags = _FLAG.finditer(text, begin, position + 8)
        return not any(flag.start() < position < flag.end() for flag in flags)
    return True


def _joins(text: str, position: int) -> bool:
    """Whether the joiner at `position` changes how what is around it looks."""
    before, after = text[position - 1 : position], text[position + 1 : position + 2]
    if before and unicodedata.combining(before) == _VIRAMA:
        return True
    if not before or not after:
        return False
    if _is_of_joined_script(before) and _is_of_joined_script(after):
        return True
    # A person, and what this person does; a flag, and its colors.
    return _is_picture(after) and (before == _EMOJI_STYLE or _is_picture(before))


def _is_of_joined_script(char: str) -> bool:
    return unicodedata.name(char, "").startswith(_JOINED_SCRIPTS)


def _is_picture(char: str) -> bool:
    """Whether it is an emoji, or the color of one's skin."""
    return ord(char) >= _FIRST_PICTURE and unicodedata.category(char) in ("So", "Sk")


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
