"""Requests that name files and folders of the machine that the backend runs on."""

from __future__ import annotations

import os
from pathlib import Path

from fastapi import Request

from backend.access import has_named_token, is_forwarded
from backend.http_errors import HttpError
from backend.peer import is_loopback


def require_this_machine(request: Request, what: str, advice: str) -> None:
    """Refuse a request from another machine with a 403: a path there means other files.

    That it is the person who asks, whose rights the files are read with, is checked for
    every request (backend.access). `what` are "Files" or "Folders".
    """
    if not is_on_this_machine(request):
        raise HttpError(403, f"{what} of this machine can only be named on it.", advice)


def is_on_this_machine(request: Request) -> bool:
    """Whether a request comes from a program of this machine, over loopback.

    What an API hands to the trainer does not: its own caller may be anywhere. Nor does what
    comes with a token for others: another user here must not use files with the person's rights.
    """
    is_local = request.client is not None and is_loopback(request.client.host)
    is_of_others = is_forwarded(request.scope) or has_named_token(request.scope)
    return is_local and not is_of_others


def _is_encodable(text: str) -> bool:
    """Whether a file can have this name; JSON can hold half a character, which none can."""
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def absolute_path(text: str, kind: str) -> Path:
    """Return the path in a request; `kind` is "file" or "folder". Raises HttpError."""
    path = Path(text)
    if not path.is_absolute() or "\0" in text or not _is_encodable(text):
        raise HttpError(
            400, f"The {kind} {path} is not an absolute path.", "Give the whole path to it."
        )
    return path
