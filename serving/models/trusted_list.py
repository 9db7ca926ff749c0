"""The list of the versions that a person trusts, read without believing what is in its place."""

from __future__ import annotations

from pathlib import Path

from serving.state_files import DamagedFile, read_object
from serving.tf.trust import MAX_TRUSTED_BYTES


def read_trusted_list(path: Path) -> dict[str, str]:
    """Return what the list says of each version, by digest; nothing if there is none.

    Raises DamagedFile, where `serving.tf.trust.read_trusted` trusts nothing, and UnreadableFile.
    """
    listed = read_object(path, MAX_TRUSTED_BYTES) or {}
    if not all(isinstance(about, str) for about in listed.values()):
        raise DamagedFile(path, "it does not say which versions are trusted")
    return listed
