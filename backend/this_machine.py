"""Requests that name files and folders of the machine that the backend runs on."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from fastapi import Request

from backend.http_errors import HttpError


def require_this_machine(request: Request, what: str, advice: str) -> None:
    """Refuse a request from another machine with a 403; `what` are "Files" or "Folders"."""
    if not _is_on_this_machine(request):
        raise HttpError(403, f"{what} of this machine can only be named on it.", advice)


def absolute_path(text: str, kind: str) -> Path:
    """Return the path in a request; `kind` is "file" or "folder". Raises HttpError."""
    path = Path(text)
    if not path.is_absolute() or "\0" in text:
        raise HttpError(
            400, f"The {kind} {path} is not an absolute path.", "Give the whole path to it."
        )
    return path


def _is_on_this_machine(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
