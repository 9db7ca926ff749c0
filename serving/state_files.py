"""Reads the files in which Servery keeps its state, without believing what is in their place.

Any program may have written there, and any disk may have lost it: a folder, a pipe or a link to
nothing can have the name of a file, and its content can be anything.
"""

from __future__ import annotations

import errno
import json
import math
import os
import stat
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

from serving.errors import ServeryError

MAX_BYTES = 2**20
"""Of a small file. One that is larger was not written by Servery."""
REPAIR_ADVICE = "Run `servery doctor --repair`: it moves it to the folder damaged, and goes on."
_OF_THE_MOMENT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN))
"""What keeps a file from being read that has nothing to do with the file."""


class UnreadableFile(ServeryError):
    """A file cannot be read at the moment; it may be as it should be."""

    def __init__(self, path: Path, fault: str, advice: str) -> None:
        super().__init__(f"The file {path} cannot be read: {fault}.", advice)
        self.path = path
        self.fault = fault


class DamagedFile(UnreadableFile):
    """What is in the place of a file is not what Servery wrote there."""

    def __init__(self, path: Path, fault: str) -> None:
        super().__init__(path, fault, REPAIR_ADVICE)
        self.what = f"The file {path} is damaged: {fault}."
        self.args = (f"{self.what} {self.advice}",)


def is_plain_name(name: str) -> bool:
    """Say whether a name that was read or typed is that of a file or folder, and no path."""
    return bool(name) and not name.startswith(".") and "/" not in name and name.isprintable()


def open_file(path: Path) -> BufferedReader:
    """Open a file to read; the caller closes it. Never waits, as opening a pipe does.

    Raises FileNotFoundError if there is nothing of this name, DamagedFile for what is not a
    file or may not be read, UnreadableFile if this process can open no more files.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError) as error:
        if path.is_symlink():
            raise DamagedFile(path, "it is a link to nothing") from error
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from error
    except (OSError, ValueError) as error:
        raise _failure(path, error) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        raise DamagedFile(path, _kind(mode))
    return os.fdopen(descriptor, "rb")


def read_file(path: Path, limit: int = MAX_BYTES) -> bytes | None:
    """Return the content of a file; None if there is none of this name.

    Raises DamagedFile also for one with more than `limit` bytes, and as `open_file` does.
    """
    try:
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            content = file.read(limit + 1) if size <= limit else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _failure(path, error) from error
    if size > limit or len(content) > limit:
        raise DamagedFile(path, f"it has {max(size, len(content)):,} bytes")
    return content


def read_text(path: Path, limit: int = MAX_BYTES) -> str | None:
    """Return the text of a UTF-8 file; None if there is none. Raises as `read_file` does.

    The mark that some editors put before the text is not part of it. An empty file is damaged:
    Servery writes none, but a full disk leaves them.
    """
    content = read_file(path, limit)
    return None if content is None else text_of(content, path)


def text_of(content: bytes, path: Path) -> str:
    """Return the text of a file's content; raises DamagedFile if it is not UTF-8, or is empty."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DamagedFile(path, "it is not text in UTF-8") from None
    if not text.strip("\0 \r\n\t"):
        raise DamagedFile(path, "it is empty" if not content else "nothing is written in it")
    return text


def read_object(path: Path, limit: int = MAX_BYTES) -> dict[str, Any] | None:
    """Return the object in a JSON file; None if there is no such file.

    Raises DamagedFile also for anything but an object, and for one with numbers that are none,
    text that cannot be written again or more nesting than Python reads.
    """
    text = read_text(path, limit)
    return None if text is None else parse_object(text, path)


def parse_object(text: str, path: Path) -> dict[str, Any]:
    """Return the object in the JSON text of the file `path`; raises DamagedFile."""
    try:
        raw = json.loads(text, parse_float=_finite, parse_constant=_finite)
        # Half a character, which JSON can say and no file can hold.
        json.dumps(raw, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise DamagedFile(path, "it is not JSON") from None
    if not isinstance(raw, dict):
        raise DamagedFile(path, "it does not hold an object")
    return raw


def set_aside(path: Path, damaged: Path) -> Path:
    """Move a damaged file, folder or link into the folder `damaged`; returns where it is now.

    Its name begins with the time, in UTC. Raises OSError.
    """
    damaged.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    name = f"{stamp}-{path.parent.name}-{path.name}"[-200:]
    target = damaged / name
    number = 1
    while os.path.lexists(target):  # `rename` would replace it
        number += 1
        target = damaged / f"{name}-{number}"
    path.rename(target)
    return target


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is not a number")
    return value


def _failure(path: Path, error: OSError | ValueError) -> UnreadableFile:
    code = error.errno if isinstance(error, OSError) else None
    if code in _OF_THE_MOMENT:
        return UnreadableFile(path, os.strerror(code or 0), "Close other programs, then try again.")
    if code == errno.ELOOP:
        return DamagedFile(path, "it is a link that leads back to itself")
    if code in (errno.EACCES, errno.EPERM):
        return DamagedFile(path, "you may not read it")
    if code == errno.ENXIO:
        return DamagedFile(path, "it is a socket")
    return DamagedFile(path, os.strerror(code) if code else str(error))


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return f"it is {kinds.get(stat.S_IFMT(mode), 'a device')}"
