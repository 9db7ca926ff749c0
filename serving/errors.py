"""The errors that a person can meet: what happened, and what can be done."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TypeVar


class ServeryError(Exception):
    """Something failed in a way that a person should know about.

    `what` says what happened and `advice` what to do, both as sentences.
    Adapters translate library errors into subclasses of this, so that nothing
    above an adapter sees an exception of `grpc`, `docker`, `httpx` or `sqlite3`.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(f"{what} {advice}".strip())
        self.what = what
        self.advice = advice


class ImageError(ServeryError):
    """The bytes are not an image that can be classified."""


class ModelError(ServeryError):
    """A model, version or model card is missing or unusable."""


class ModelNotServed(ModelError):
    """The model that was named is not loaded by the instances."""


class EngineError(ServeryError):
    """The engine that runs instances refused or failed."""


class FleetUnavailable(ServeryError):
    """No ready instance could answer."""


class BackendError(ServeryError):
    """The backend refused, failed or cannot be reached."""


class StorageUnavailable(BackendError):
    """The disk refuses to keep or to return something now; it can be tried again later."""


E = TypeVar("E", bound=ServeryError)

_STORAGE = {
    errno.ENOSPC: ("the disk is full", "Make room on the disk that holds {path}, then try again."),
    errno.EDQUOT: (
        "your share of the disk is full",
        "Remove files of yours from the disk that holds {path}, then try again.",
    ),
    errno.EROFS: (
        "the disk can only be read",
        "Make the disk that holds {path} writable, then try again.",
    ),
    errno.EACCES: (
        "you may not write there",
        "Give yourself the right to read and write {path}, then try again.",
    ),
    errno.EIO: ("the disk failed", "Check the disk that holds {path}, and keep a copy of it."),
    errno.EMFILE: ("too many files are open", "Close other programs, then try again."),
    errno.ENAMETOOLONG: ("its name is too long", "Choose a shorter name or another folder."),
    errno.ENOTDIR: (
        "a file is in the place of one of its folders",
        "Run `servery doctor`, which says which file to move away from {path}.",
    ),
}
_STORAGE[errno.EPERM] = _STORAGE[errno.EACCES]
_STORAGE[errno.ENFILE] = _STORAGE[errno.EMFILE]
_STORAGE[errno.EISDIR] = _STORAGE[errno.EEXIST] = (
    "something else is in its place",
    "Run `servery doctor`, which says what to move away from {path}.",
)

DISK_ERRORS = frozenset(_STORAGE)
"""The errors of the operating system that say what a disk refused."""

REFUSALS = DISK_ERRORS - {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}
"""Those of them that have nothing to do with the name that was asked for."""


def storage_fault(error: OSError) -> str:
    """Say why the disk refused, as the rest of a sentence: "the disk is full"."""
    known = _STORAGE.get(error.errno or 0)
    return known[0] if known else _lower(error.strerror or os.strerror(error.errno or errno.EIO))


def storage_error(error: OSError, path: Path, what: str, kind: type[E]) -> E:
    """Return the ServeryError, of class `kind`, for what a disk refused.

    `path` is what it was asked for, and `what` says, without a full stop, what could not be
    done with it: "The label could not be saved".
    """
    known = _STORAGE.get(error.errno or 0)
    advice = known[1] if known else "Check the disk that holds {path}, then try again."
    return kind(f"{what}: {storage_fault(error)}.", advice.format(path=path))


def reading_error(error: OSError, what: str, advice: str, kind: type[E]) -> E:
    """Return the ServeryError, of class `kind`, for what a person chose and nobody can read.

    `what` names it as the subject of the sentence: "The file /a/b". Servery's own files are
    read by `serving.state_files`.
    """
    return kind(reading_fault(error, what), advice)


def reading_fault(error: OSError, what: str) -> str:
    """Say that `what`, the subject of the sentence, cannot be read, and why."""
    return f"{what} cannot be read: {error.strerror or error}."


def system_error(error: BaseException) -> ServeryError | None:
    """Return what the operating system refused a program; None for any other exception.

    For the outermost level of a program, where nothing said it better.
    """
    if isinstance(error, MemoryError) or _errno(error) == errno.ENOMEM:
        return ServeryError("There is not enough memory.", "Close other programs, then try again.")
    # Python has no class of its own for this one.
    if _errno(error) == errno.EAGAIN or str(error) == "can't start new thread":
        return ServeryError(
            "The system starts no more processes and threads.",
            "Close other programs, or raise the limit that `ulimit -u` shows, then try again.",
        )
    if not isinstance(error, OSError) or error.errno in (None, errno.EPIPE):
        return None
    if error.filename:
        path = Path(os.fsdecode(error.filename)) if not isinstance(error.filename, int) else Path()
        return storage_error(error, path, f"{path} cannot be used", ServeryError)
    if error.errno in (errno.EMFILE, errno.ENFILE):
        return ServeryError(
            "The system opens no more files and connections.",
            "Close other programs, or raise the limit that `ulimit -n` shows, then try again.",
        )
    return ServeryError(
        f"The system refused it: {storage_fault(error)}.",
        "Run `servery doctor`, which says what is wrong with the workspace.",
    )


def _errno(error: BaseException) -> int | None:
    return error.errno if isinstance(error, OSError) else None


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
