"""Tokens beyond the person's own: named, with a role and a limit, kept as hashes, revocable."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock, Timeout

from serving.access_token import TokenError
from serving.errors import storage_error
from serving.files import write_aside
from serving.json_decode import decode
from serving.state_files import DamagedFile, UnreadableFile, read_object

TOKEN_PREFIX = "servery_"
"""By which a token is known for what it is, to people and to programs that look for secrets."""
MAX_TOKENS = 200
MAX_REQUESTS_PER_MINUTE = 1_000_000
_TOKEN_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9 ._-]{0,48}[A-Za-z0-9])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LOCK_SECONDS = 10.0


class TokenRole(StrEnum):
    """What the owner of a token may do; each role may do what those before it may."""

    CLASSIFY = "classify"
    LABEL = "label"
    ADMINISTER = "administer"

    def may(self, needed: TokenRole) -> bool:
        """Whether this role covers the one that is `needed`."""
        order = list(TokenRole)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True)
class NamedToken:
    """All that is kept of a token: its text is known to its owner alone."""

    name: str
    role: TokenRole
    digest: str
    """SHA-256 of the text, in hexadecimal. The text is random and long: no salt, no slow hash."""
    created: str
    """The date in UTC, as 2026-11-27."""
    requests_per_minute: int = 0
    """The most that it may be used; 0 for no limit."""


class NamedTokens:
    """The tokens in a file that only the person can read. A change of the file holds at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: tuple[NamedToken, ...] = ()
        self._state: tuple[int, ...] | None = None
        """Of the file when it was read."""
        self._reading = threading.Lock()

    def read(self) -> tuple[NamedToken, ...]:
        """Return the tokens by name; raises DamagedFile, UnreadableFile."""
        return read_tokens(self.path)

    def create(
        self, name: str, role: TokenRole, requests_per_minute: int = 0
    ) -> tuple[NamedToken, str]:
        """Make a token; returns what is kept of it, and its text, which nothing tells again.

        Raises TokenError if the name is taken or none, or the file cannot be written.
        """
        if not _NAME.fullmatch(name):
            raise TokenError(
                f"{name!r} cannot be the name of a token.",
                "Use up to 50 letters, digits, spaces, dots, dashes and underscores.",
            )
        text = TOKEN_PREFIX + secrets.token_urlsafe(_TOKEN_BYTES)
        today = datetime.now(UTC).date().isoformat()
        made = NamedToken(name, role, _digest(text), today, requests_per_minute)
        with self._changing():
            tokens = self._read_to_change()
            if any(each.name.lower() == name.lower() for each in tokens):
                raise TokenError(
                    f"There is a token {name} already.",
                    f"Choose another name, or revoke that one: `servery token revoke {name!r}`.",
                )
            if len(tokens) >= MAX_TOKENS:
                raise TokenError(
                    f"There are {MAX_TOKENS} tokens already, and no more can be made.",
                    "Revoke those that nobody uses: `servery token list` names them.",
                )
            self._write((*tokens, made))
        return made, text

    def revoke(self, name: str) -> NamedToken:
        """Refuse a token from now on; raises TokenError if there is none of this name."""
        with self._changing():
            tokens = self._read_to_change()
            found = next((each for each in tokens if each.name.lower() == name.lower()), None)
            if found is None:
                raise TokenError(
                    f"There is no token {name}.", "`servery token list` names those that there are."
                )
            self._write(tuple(each for each in tokens if each is not found))
        return found

    def find(self, text: str) -> NamedToken | None:
        """Return the token whose text this is; None if there is none, or nobody can tell.

        Takes as long whichever of them it is.
        """
        if not text.startswith(TOKEN_PREFIX):
            return None
        digest = _digest(text)
        found = None
        for each in self._current():
            if hmac.compare_digest(each.digest, digest):
                found = each
        return found

    def _current(self) -> tuple[NamedToken, ...]:
        """Return the tokens in the file, which is read again only once it has changed."""
        with self._reading:
            state = _state(self.path)
            if state != self._state:
                try:
                    self._known = read_tokens(self.path)
                except UnreadableFile:
                    self._known = ()
                self._state = state
            return self._known

    def _read_to_change(self) -> tuple[NamedToken, ...]:
        try:
            return read_tokens(self.path)
        except UnreadableFile as error:
            raise TokenError(error.what, error.advice) from error

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Keep other programs from changing the file during the block; raises TokenError."""
        try:
            with FileLock(self.path.with_suffix(".lock"), timeout=_LOCK_SECONDS):
                yield
        except Timeout as error:
            raise TokenError(
                "Another program is changing the tokens.", "Try again in a moment."
            ) from error
        except OSError as error:
            raise self._not_written(error) from error

    def _write(self, tokens: tuple[NamedToken, ...]) -> None:
        content = {"tokens": [asdict(each) for each in tokens]}
        write_aside(self.path, json.dumps(content, indent=1) + "\n")

    def _not_written(self, error: OSError) -> TokenError:
        what = f"The tokens cannot be written to {self.path}"
        return storage_error(error, self.path, what, TokenError)


def read_tokens(path: Path) -> tuple[NamedToken, ...]:
    """Return the tokens in a file by name; none without it. Raises DamagedFile, UnreadableFile."""
    raw = read_object(path)
    if raw is None:
        return ()
    try:
        tokens = decode(list[NamedToken], raw.get("tokens"))
    except (ValueError, KeyError) as error:
        raise DamagedFile(path, "it holds no list of tokens") from error
    if not all(_is_possible(each) for each in tokens):
        raise DamagedFile(path, "it holds what can be no token")
    return tuple(sorted(tokens, key=lambda each: each.name.lower()))


def _is_possible(token: NamedToken) -> bool:
    return bool(
        _NAME.fullmatch(token.name)
        and _DIGEST.fullmatch(token.digest)
        and 0 <= token.requests_per_minute <= MAX_REQUESTS_PER_MINUTE
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _state(path: Path) -> tuple[int, ...]:
    try:
        found = os.stat(path)  # noqa: PTH116 - it is asked for every request
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_size, found.st_ino
