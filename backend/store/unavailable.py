"""The error of everything that the backend keeps on disk."""

from __future__ import annotations

from serving.errors import BackendError


class StorageUnavailable(BackendError):
    """The disk refuses to keep or to return something now; it can be tried again later."""
