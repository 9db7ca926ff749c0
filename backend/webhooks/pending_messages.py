"""Messages that wait to be sent, in a file, so that they outlive the backend.

Several backends may share a workspace. Each has a file of its own and holds a lock on another one
beside it, which the system lets go of when the backend ends, however it does; then the next one
that starts takes the messages over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.webhooks.message import WebhookMessage
from serving.files import write_aside

_SUFFIX, _LOCK_SUFFIX = ".jsonl", ".lock"
MAX_FILE_BYTES = 4 * 2**20
"""Beyond, the file is compacted to the messages that still wait."""
MAX_READ_BYTES = 16 * MAX_FILE_BYTES
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PendingMessage:
    """A message, and the webhooks that it is still to be sent to."""

    message: WebhookMessage
    webhooks: tuple[str, ...]


class PendingMessages:
    """The file of this backend in `folder`, one line for each change.

    Each line is in the system's hands when `add` returns, so it survives a kill of this program;
    a power cut may lose the last ones. A disk that refuses is logged once: messages are then kept
    in memory alone. Blocks, for as long as writing a few kilobytes takes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._waiting: dict[str, PendingMessage] = {}
        self._path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
        self._file: int | None = None
        self._lock: int | None = None
        self._bytes = 0
        self._has_failed = False

    def take_over(self) -> list[PendingMessage]:
        """Return what backends have left that ended; it is in this one's file from now on."""
        found: list[PendingMessage] = []
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if path == self._path:
                continue
            with self._refusals(), _locked(path.with_suffix(_LOCK_SUFFIX)) as is_ours:
                if not is_ours:
                    continue
                left = _read(path)
                for kept in left:
                    self.add(kept.message, kept.webhooks)
                found += left
                # Only now: a kill in between leaves them twice, not never.
                if not self._has_failed:
                    path.unlink(missing_ok=True)
                    path.with_suffix(_LOCK_SUFFIX).unlink(missing_ok=True)
        return found

    def add(self, message: WebhookMessage, webhooks: Sequence[str]) -> None:
        """Keep a message until it is `done` for each of the webhooks."""
        self._waiting[message.id] = PendingMessage(message, tuple(webhooks))
        self._write(_line(self._waiting[message.id]))

    def done(self, message: str, webhook: str) -> None:
        """Forget that a message is to be sent to a webhook."""
        if message not in self._waiting:
            return
        _remove_webhook(self._waiting, message, webhook)
        self._write(json.dumps({"done": message, "webhook": webhook}) + "\n")

    def close(self) -> None:
        """Leave what still waits to the next backend; without anything, remove the file."""
        if self._lock is None or self._file is None:
            return
        os.close(self._file)
        if not self._waiting:
            self._path.unlink(missing_ok=True)
            self._path.with_suffix(_LOCK_SUFFIX).unlink(missing_ok=True)
        os.close(self._lock)
        self._file = self._lock = None

    def _write(self, line: str) -> None:
        with self._refusals():
            if self._file is None:
                self._open()
            assert self._file is not None
            if not self._waiting:  # nothing that is in the file is needed any more
                os.ftruncate(self._file, 0)
                self._bytes = 0
                return
            content = line.encode()
            if os.write(self._file, content) < len(content):
                os.ftruncate(self._file, self._bytes)  # a cut line would spoil the next one
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
            self._bytes += len(content)
            if self._bytes > MAX_FILE_BYTES:
                self._compact()

    def _open(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = _open_lock(self._path.with_suffix(_LOCK_SUFFIX))
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)

    def _compact(self) -> None:
        """Replace the file by one with the messages alone that still wait."""
        assert self._file is not None
        content = "".join(map(_line, self._waiting.values()))
        write_aside(self._path, content)
        os.close(self._file)
        self._file = os.open(self._path, os.O_APPEND | os.O_WRONLY)
        self._bytes = len(content.encode())

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not self._has_failed:
                _log.error("Messages for webhooks would not survive an end now: %s", error)
            self._has_failed = True


def _remove_webhook(waiting: dict[str, PendingMessage], message: str, webhook: str) -> None:
    kept = waiting[message]
    left = tuple(each for each in kept.webhooks if each != webhook)
    if left:
        waiting[message] = PendingMessage(kept.message, left)  # in its place
    else:
        del waiting[message]


def _line(kept: PendingMessage) -> str:
    body = b64encode(kept.message.body).decode()
    return json.dumps({"add": kept.message.id, "body": body, "webhooks": kept.webhooks}) + "\n"


def _read(path: Path) -> list[PendingMessage]:
    """Return what still waits by a file; lines that are cut off or damaged are passed over."""
    if not path.is_file() or path.stat().st_size > MAX_READ_BYTES:
        return []
    waiting: dict[str, PendingMessage] = {}
    for line in path.read_bytes().splitlines():
        try:
            change = json.loads(line)
            if "add" in change:
                message = WebhookMessage(str(change["add"]), b64decode(change["body"]))
                webhooks = tuple(map(str, change["webhooks"]))
                waiting[message.id] = PendingMessage(message, webhooks)
            elif change["done"] in waiting:
                _remove_webhook(waiting, change["done"], change["webhook"])
        except (ValueError, KeyError, TypeError):
            _log.warning("A line of %s is damaged.", path)
    return list(waiting.values())


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock for the length of the block, if nobody else does; says whether."""
    lock = _open_lock(path)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)


def _open_lock(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
