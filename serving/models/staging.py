"""Folders in which versions and models are written before they are renamed into place."""

from __future__ import annotations

from serving.leftovers import writer_tag

STAGING_PREFIX = ".staging-"


def staging_name() -> str:
    """Return a new name for a folder that this process writes; see `serving.leftovers`."""
    return f"{STAGING_PREFIX}{writer_tag()}"
