"""Commands that a person copies into a shell."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Iterable

from serving.text.visible import is_spelled_out, visible


def quoted(word: str) -> str:
    """Return `word` so that a shell takes it for one word, with nothing in it that acts."""
    shown = visible(word)
    if shown == word:
        return shlex.quote(word)
    # What cannot be shown is spelled out in a way that bash and others read.
    return f"$'{''.join(map(_spelled, word))}'"


def _spelled(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    if not is_spelled_out(char) and not unicodedata.combining(char):
        return char
    code = ord(char)
    if code < 0x80 or 0xDC80 <= code <= 0xDCFF:  # what shells take for a byte
        return visible(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def joined(words: Iterable[str]) -> str:
    """Return a command line of `words`."""
    return " ".join(map(quoted, words))
