"""Requests that name files and folders of the machine that the backend runs on."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Callable
from pathlib import Path

from fastapi import Request

from backend.http_errors import HttpError
from backend.peer import Address

_ROOT = 0


PeerOwner = Callable[[Address, Address], int | None]
"""Returns the user id at the client's end of a connection, from both ends; None if unknown."""


def require_own_user(request: Request, owner_of: PeerOwner, what: str, advice: str) -> None:
    """Refuse a request from another machine or another user of this one with a 403.

    The backend reads such files with the rights of the person it runs as, which nobody else
    may borrow. `what` are "Files" or "Folders".
    """
    if not _is_on_this_machine(request):
        raise HttpError(403, f"{what} of this machine can only be named on it.", advice)
    if not is_own_user(request, owner_of):
        raise HttpError(
            403, f"{what} can only be named by the user who runs Servery on this machine.", advice
        )


def is_own_user(request: Request, owner_of: PeerOwner) -> bool:
    """Whether a request is known to come from the user that this process runs as, or root."""
    client, server = request.scope["client"], request.scope.get("server")
    if not _is_on_this_machine(request) or server is None:
        return False
    return owner_of(tuple(client), tuple(server)) in (os.getuid(), _ROOT)


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
