"""The one rule for the names of models, whichever way they come in; light to import."""

from __future__ import annotations

import unicodedata

from serving.errors import ServeryError

MAX_MODEL_NAME = 64
"""Characters."""
_FORBIDDEN = frozenset('/\\:?#%"*<>|')
"""A model's name is a folder's name and a part of TensorFlow Serving's URLs."""


class ModelNameError(ServeryError):
    """The text cannot be the name of a model."""


def checked_model_name(text: str) -> str:
    """Return a model's name as it is kept: trimmed, single spaces inside, composed (NFC).

    Raises ModelNameError if nothing is left, if it is longer than MAX_MODEL_NAME, or if it
    could not be the name of a folder or a part of a URL.
    """
    name = unicodedata.normalize("NFC", " ".join(text.split()))
    if not name:
        raise ModelNameError("The model has no name.", "Say in a word or two what it tells apart.")
    if len(name) > MAX_MODEL_NAME or len(name.encode(errors="surrogatepass")) > 200:
        raise ModelNameError(
            f"The name is longer than {MAX_MODEL_NAME} characters.", "Choose a shorter name."
        )
    if name.startswith((".", "-")):
        # Folders that begin with a dot are hidden; a command takes a dash for an option.
        raise ModelNameError(
            "A model's name cannot begin with a dot or a dash.", "Choose another name."
        )
    found = next((char for char in name if char in _FORBIDDEN or not char.isprintable()), None)
    if found is not None:
        shown = found if found.isprintable() else "a character that cannot be shown"
        raise ModelNameError(
            f"A model's name cannot contain {shown}.", "Use letters, digits, spaces, - and _."
        )
    return name


def same_name(one: str, other: str) -> bool:
    """Whether two names are the same but for capitals, as some file systems see it."""
    return one.casefold() == other.casefold()
