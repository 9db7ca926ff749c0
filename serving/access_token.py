"""The secret by which callers show that they act for the person."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServeryError, storage_error
from serving.files import write_aside
from serving.state_files import DamagedFile, UnreadableFile, read_file, set_aside
from serving.workspace import DAMAGED_NAME

_TOKEN_BYTES = 32
_USABLE = re.compile(r"[!-~]{20,500}")
"""Printable, without spaces, and too long to be guessed."""
_MAX_BYTES = 2**12


class TokenError(ServeryError):
    """The file of the token cannot be used."""


@dataclass(frozen=True)
class AccessToken:
    """The token in a file that only the person can read. A change of the file holds at once."""

    path: Path

    def read(self) -> str | None:
        """Return the token; None if there is none, or the file cannot be used."""
        try:
            return read_token(self.path)
        except UnreadableFile:
            return None

    def read_or_make(self) -> str:
        """Return the token; makes one if there is no file. Raises TokenError."""
        try:
            token = read_token(self.path)
        except UnreadableFile as error:
            if self._is_empty():  # as a full disk leaves it
                return self.renew()
            raise TokenError(error.what, "Make a new one with `servery token --renew`.") from error
        return self.renew() if token is None else token

    def renew(self) -> str:
        """Make another token, which holds from now on, and return it. Raises TokenError."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            if self.path.is_dir() and not self.path.is_symlink():
                set_aside(self.path, self.path.with_name(DAMAGED_NAME))
            write_aside(self.path, f"{token}\n")
        except OSError as error:
            what = f"The token cannot be written to {self.path}"
            raise storage_error(error, self.path, what, TokenError) from error
        return token

    def _is_empty(self) -> bool:
        return self.path.is_file() and not self.path.stat().st_size

    def matches(self, text: str) -> bool:
        """Whether `text` is the token; takes as long for every text of one length."""
        token = self.read()
        return token is not None and hmac.compare_digest(token.encode(), text.encode())


def read_token(path: Path) -> str | None:
    """Return the token in a file; None if there is no file. Raises DamagedFile, UnreadableFile."""
    content = read_file(path, _MAX_BYTES)
    if content is None:
        return None
    text = content.decode("ascii", errors="replace").strip()
    if not _USABLE.fullmatch(text):
        raise DamagedFile(path, "it holds no token" if content else "it is empty")
    return text
