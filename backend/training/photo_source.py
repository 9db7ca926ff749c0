"""Photos that a training run reads before it learns."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PhotoSource:
    """Where a training run reads photos before it learns: a folder with one folder a class."""

    folder: Path
    name: str
    """For people to read: the folder, or the file that it was unpacked from."""
    temporary: bool = False
    """The folder is removed at the end of the run."""
    by: str = ""
    """Who imports them, and so says what they show; empty if that is not known."""

    def remove(self) -> None:
        if self.temporary:
            shutil.rmtree(self.folder, ignore_errors=True)
