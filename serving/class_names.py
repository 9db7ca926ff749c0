"""The one rule for class names, whichever way they come in; light to import."""

from __future__ import annotations

import re
import unicodedata

from serving.errors import ServeryError
from serving.text.visible import is_hidden

MAX_CLASS_NAME = 100
"""Characters."""
_REPEATED_JOINER = re.compile("([\u200c\u200d])\\1+")
_JOINER_AT_END = re.compile("(?<!\\S)[\u200c\u200d]+|[\u200c\u200d](?!\\S)")
"""Typed by habit between the parts of a word, also where none follows."""
_REPLACEMENT = "\ufffd"
"""What a program wrote in place of letters that it could not read."""
_NEVER_SEEN = frozenset("\u034f\u17b4\u17b5")
"""Marks by their category, but without a form."""
_SELECTORS = (
    # Selectors of a form, and how the names of the characters begin that have several.
    (range(0xFE00, 0xFE10), ("CJK", "MYANMAR", "PHAGS-PA", "MANICHAEAN")),
    (range(0xE0100, 0xE01F0), ("CJK",)),
    (range(0x180B, 0x1810), ("MONGOLIAN",)),
)
_KEYCAPS, _KEYCAP = frozenset("0123456789#*"), "\u20e3"
_PICTURES = frozenset("\u00a9\u00ae\u203c\u2049\u3030")
"""Emoji that are no symbols by their category."""
_FIRST_SYMBOL = 0x2000


class ClassNameError(ServeryError):
    """The text cannot be the name of a class."""


def checked_class_name(text: str) -> str:
    """Return a class name as it is kept: trimmed, single spaces inside, composed (NFC).

    Joiners at the ends of words and repeated ones are left out. Raises ClassNameError if
    nothing is left, if it is longer than MAX_CLASS_NAME, or if it has characters that cannot
    be seen: another name would look the same.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    name = " ".join(_without_idle_joiners(name).split())
    if not name:
        raise ClassNameError("The class has no name.", "Say in a word or two what the photo shows.")
    if len(name) > MAX_CLASS_NAME:
        raise ClassNameError(
            f"The class name is longer than {MAX_CLASS_NAME} characters.", "Choose a shorter name."
        )
    unseen = next((at for at in range(len(name)) if not _is_seen(name, at)), None)
    if unseen is not None:
        raise ClassNameError(
            f"The class name has a character that cannot be shown, U+{ord(name[unseen]):04X},"
            f" at position {unseen + 1}.",
            "Type the name again, in letters and digits, instead of pasting it.",
        )
    return name


def _without_idle_joiners(name: str) -> str:
    name = _REPEATED_JOINER.sub(r"\1", name)
    return _JOINER_AT_END.sub(
        lambda found: "" if is_hidden(name, found.start()) else found.group(), name
    )


def _is_seen(name: str, position: int) -> bool:
    char = name[position]
    if char in _NEVER_SEEN or char == _REPLACEMENT or is_hidden(name, position):
        return False
    for selectors, characters in _SELECTORS:
        if ord(char) in selectors:
            return _has_forms(name, position, characters)
    # What Unicode has not assigned, and what each font draws as it likes. Joiners and tags that
    # are not hidden are no printable characters to Python.
    return char.isprintable() or unicodedata.category(char) == "Cf"


def _has_forms(name: str, position: int, characters: tuple[str, ...]) -> bool:
    """Whether the selector at `position` comes after a character that it gives another form."""
    before, after = name[position - 1 : position], name[position + 1 : position + 2]
    if not before:
        return False
    if before in _KEYCAPS:
        return after == _KEYCAP
    is_symbol = ord(before) >= _FIRST_SYMBOL and unicodedata.category(before).startswith("S")
    return before in _PICTURES or is_symbol or unicodedata.name(before, "").startswith(characters)
