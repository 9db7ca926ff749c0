"""The photos that a command line names: files, and `-` for standard input."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from serving.errors import ImageError, reading_error
from serving.normalize_image import MAX_BYTES, normalize_image, read_normalized_image

STANDARD_INPUT = "-"
_PATH = Path("/dev/stdin")
"""Stands for it; a file called `-` is named `./-`."""

argument = click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path())
"""Of a command: the words that `PhotoFiles` takes."""
optional_argument = click.argument("files", nargs=-1, metavar="[FILE...]", type=click.Path())
"""The same, of a command that may take its photos from elsewhere."""


class PhotoFiles:
    """The photos of a command line, and the word that each was named by."""

    def __init__(self, words: Sequence[str]) -> None:
        """Reads standard input to its end if `-` is among the words.

        Not in a thread: Ctrl+C could not end one that waits for a terminal.
        """
        self.paths = [_PATH if word == STANDARD_INPUT else Path(word) for word in words]
        self._words = dict(zip(reversed(self.paths), reversed(words), strict=True))
        self._input: bytes | ImageError = b""
        if _PATH in self.paths:
            self._input = _read_standard_input()

    def word(self, path: Path) -> str:
        """Return how the person named it."""
        return self._words[path]

    def is_standard_input(self, path: Path) -> bool:
        """Whether one of `paths` is no file."""
        return path == _PATH

    def read(self, path: Path) -> bytes:
        """Return the normalized JPEG of one of `paths`; raises ImageError."""
        if path != _PATH:
            return read_normalized_image(path)
        if isinstance(self._input, ImageError):
            raise self._input
        return normalize_image(self._input)


def _read_standard_input() -> bytes | ImageError:
    advice = "Send the photo to it: `servery classify - < FILE`."
    if sys.stdin is None:  # closed by who started the command
        return ImageError("Standard input is closed.", advice)
    try:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    except OSError as error:
        return reading_error(error, "Standard input", advice, ImageError)


def exists(path: Path) -> bool:
    """Whether there is a file; of one that cannot be looked at, its reader says why."""
    try:
        return path.exists()
    except OSError:
        return True


def is_file(path: Path) -> bool:
    """Whether it is a file; what nothing can be called is none."""
    try:
        return path.is_file()
    except OSError:
        return False
