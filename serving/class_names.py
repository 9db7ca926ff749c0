"""The one rule for class names, whichever way they come in; light to import."""

from __future__ import annotations

import unicodedata

from serving.errors import ServeryError

MAX_CLASS_NAME = 100
"""Characters."""
_JOINERS = "\u200c\u200d"
"""Invisible, but some scripts and emoji are spelled with them."""


class ClassNameError(ServeryError):
    """The text cannot be the name of a class."""


def checked_class_name(text: str) -> str:
    """Return a class name as it is kept: trimmed, single spaces inside, composed (NFC).

    Raises ClassNameError if nothing is left, if it is longer than MAX_CLASS_NAME, or
    if it has characters that cannot be shown.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise ClassNameError("The class has no name.", "Say in a word or two what the photo shows.")
    if len(name) > MAX_CLASS_NAME:
        raise ClassNameError(
            f"The class name is longer than {MAX_CLASS_NAME} characters.", "Choose a shorter name."
        )
    if not all(char.isprintable() or char in _JOINERS for char in name):
        raise ClassNameError(
            "The class name has characters that cannot be shown.", "Use letters and digits."
        )
    return name
