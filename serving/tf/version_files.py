"""Whether a version's files lie where its model server may read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from serving.tf.status import Code, ServingError, unreadable


def check_files(folder: Path, root: Path) -> None:
    """Raise ServingError (PERMISSION_DENIED) if loading `folder` would read anything else.

    All of it, by whatever links and `..`, must lie in `root` and be a file or a folder: a pipe
    or a device would be waited for, or read, without an end. A link that leads nowhere is
    ignored.
    """
    inside = os.path.realpath(root)
    for path in _paths(os.path.realpath(folder), {os.path.realpath(folder)}):
        real = os.path.realpath(path)
        if os.path.commonpath((inside, real)) != inside:
            raise ServingError(
                Code.PERMISSION_DENIED,
                f"{path} leads to {real}, outside of {inside}, the only folder that models are "
                "loaded from. Copy the model into it.",
            )
        try:
            mode = Path(real).stat().st_mode
        except FileNotFoundError:
            continue
        except OSError as error:
            raise unreadable(path, error) from error
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise ServingError(
                Code.PERMISSION_DENIED, f"{path} is neither a file nor a folder. Remove it."
            )


def _paths(folder: str, seen: set[str]) -> Iterator[str]:
    """Yield a folder and all in it, by way of links too, each folder once."""
    yield folder
    waiting = [folder]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            yield entry.path
            if entry.is_dir():
                real = os.path.realpath(entry.path)
                if real not in seen:
                    seen.add(real)
                    waiting.append(entry.path)
