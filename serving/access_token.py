"""The secret by which callers show that they act for the person."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServeryError
from serving.files import write_aside

_TOKEN_BYTES = 32
_USABLE = re.compile(r"[!-~]{20,500}")
"""Printable, without spaces, and too long to be guessed."""


class TokenError(ServeryError):
    """The file of the token cannot be used."""


@dataclass(frozen=True)
class AccessToken:
    """The token in a file that only the person can read. A change of the file holds at once."""

    path: Path

    def read(self) -> str | None:
        """Return the token; None if there is none, or the file cannot be used."""
        try:
            text = self.path.read_bytes().decode("ascii").strip()
        except (OSError, UnicodeDecodeError):
            return None
        return text if _USABLE.fullmatch(text) else None

    def read_or_make(self) -> str:
        """Return the token; makes one if there is no file. Raises TokenError."""
        token = self.read()
        if token is not None:
            return token
        if self.path.exists() and (not self.path.is_file() or self.path.stat().st_size):
            raise TokenError(
                f"The file {self.path} holds no token.",
                "Make a new one with `servery token --renew`.",
            )
        return self.renew()

    def renew(self) -> str:
        """Make another token, which holds from now on, and return it. Raises TokenError."""
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        try:
            write_aside(self.path, f"{token}\n")
        except OSError as error:
            raise TokenError(
                f"The token cannot be written to {self.path}: {error.strerror or error}.",
                "Move away what is there, or make room on the disk, then try again.",
            ) from error
        return token

    def matches(self, text: str) -> bool:
        """Whether `text` is the token; takes as long for every text of one length."""
        token = self.read()
        return token is not None and hmac.compare_digest(token.encode(), text.encode())
