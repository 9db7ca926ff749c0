"""Paths and queries of requests to the backend."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from serving.errors import BackendError


def query(**parameters: str | int | None) -> dict[str, str | int]:
    return {name: value for name, value in parameters.items() if value is not None}


def quoted(name: str) -> str:
    """Return a name as one segment of a path; names may have spaces, `%`, `?` and `#`."""
    quoted = quote(name, safe="")
    # These two would lead to another address.
    return quoted.replace(".", "%2E") if name in (".", "..") else quoted


def model_path(model: str, action: str = "") -> str:
    path = f"/models/{quoted(model)}"
    return f"{path}/{action}" if action else path


def version_path(model: str, number: int, action: str = "") -> str:
    path = model_path(model, f"versions/{number}")
    return f"{path}/{action}" if action else path


def checked_text(folder: Path) -> str:
    """Return a folder's path as JSON can have it; raises BackendError."""
    if not is_text(str(folder)):
        raise BackendError(
            f"The name of the folder {folder} is not text in UTF-8.",
            "Rename it, and the folders around it, then try again.",
        )
    return str(folder)


def is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
