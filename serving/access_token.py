"""The secret by which callers show that they act for the person."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from serving.errors import ServeryError, storage_error
from serving.files import write_aside
from serving.secret_setting import secret_setting
from serving.state_files import DamagedFile, UnreadableFile, read_file, set_aside
from serving.workspace import DAMAGED_NAME

TOKEN_VARIABLE = "SERVERY_TOKEN"
"""The environment variable with a token that several machines share."""
_TOKEN_BYTES = 32
_USABLE = re.compile(r"[!-~]{20,500}")
"""Printable, without spaces, and too long to be guessed."""
_MAX_BYTES = 2**12


class TokenError(ServeryError):
    """The file of the token cannot be used."""


@dataclass(frozen=True)
class AccessToken:
    """The token in a file that only the person can read. A change of the file holds at once.

    One that the environment gives, as `environment_token` says, is used in its place.
    """

    path: Path

    def read(self) -> str | None:
        """Return the token; None if there is none, or the file cannot be used."""
        try:
            return environment_token() or read_token(self.path)
        except (UnreadableFile, ServeryError):
            return None

    def read_or_make(self) -> str:
        """Return the token; makes one if there is no file. Raises TokenError."""
        if given := environment_token():
            return given
        try:
            token = read_token(self.path)
        except UnreadableFile as error:
            if self._is_empty():  # as a full disk leaves it
                return self.renew()
            raise TokenError(error.what, "Make a new one with `servery token --renew`.") from error
        return self.renew() if token is None else token

    def renew(self) -> str:
        """Make another token, which holds from now on, and return it. Raises TokenError."""
        if environment_token():
            raise TokenError(
                f"The token is the one that {TOKEN_VARIABLE} gives.",
                "Change it there, for all programs that use it.",
            )
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


def environment_token() -> str | None:
    """Return the token in SERVERY_TOKEN, or in the file that SERVERY_TOKEN_FILE names.

    None if neither is set. Raises TokenError if it cannot be one, and SettingError.
    """
    token = secret_setting(TOKEN_VARIABLE)
    if token and not _USABLE.fullmatch(token):
        raise TokenError(
            f"What {TOKEN_VARIABLE} gives can be no token.",
            "Use at least 20 letters, digits and signs without spaces: `openssl rand -hex 32`.",
        )
    return token or None


def read_token(path: Path) -> str | None:
    """Return the token in a file; None if there is no file. Raises DamagedFile, UnreadableFile."""
    content = read_file(path, _MAX_BYTES)
    if content is None:
        return None
    text = content.decode("ascii", errors="replace").strip()
    if not _USABLE.fullmatch(text):
        raise DamagedFile(path, "it holds no token" if content else "it is empty")
    return text
