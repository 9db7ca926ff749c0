"""Folders that people asked for: written aside, and renamed into place when they are whole."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import ServeryError, storage_error
from serving.files import flush_tree
from serving.leftovers import sweep, writer_tag
from serving.private import persons_umask


class ExportRefused(ServeryError):
    """The folder that was named cannot be written."""


@contextmanager
def export_folder(target: Path) -> Iterator[Path]:
    """Yield an empty folder beside `target`, which takes its place when the block ends.

    `target` is there afterwards with all that was written, on disk, with the rights of the
    person's umask; if the block raises, nothing is. It may be an empty folder before. Raises
    ExportRefused if there is something in it, and for what the disk refuses.
    """
    target = target.absolute()
    check_is_free(target)
    aside = target.with_name(f".{target.name}.{writer_tag()}")
    what = f"The folder {target} could not be written"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep([target.parent])  # what an export that was killed left there
        aside.mkdir()
        yield aside
        _give_rights(aside, target.parent)
        flush_tree(aside)
        check_is_free(target)
        aside.rename(target)
    except OSError as error:
        raise storage_error(error, target, what, ExportRefused) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def check_is_free(target: Path) -> None:
    """Raise ExportRefused unless `target` is new, or an empty folder."""
    advice = "Name a folder that is new or empty; nothing that is there is ever replaced."
    try:
        with os.scandir(target) as entries:
            if next(entries, None) is not None:
                raise ExportRefused(f"There is something in the folder {target} already.", advice)
    except FileNotFoundError:
        if target.is_symlink():
            raise ExportRefused(f"{target} is a link to nothing.", advice) from None
    except NotADirectoryError:
        raise ExportRefused(f"{target} cannot be a folder: there is a file.", advice) from None
    except OSError as error:
        what = f"The folder {target} could not be written"
        raise storage_error(error, target, what, ExportRefused) from error
    if target.is_symlink():
        raise ExportRefused(f"{target} is a link.", advice)


def _give_rights(folder: Path, parent: Path) -> None:
    """Give all below `folder` what the person's umask allows to those who can enter `parent`."""
    with persons_umask() as umask:
        mode = 0o777 & ~umask
    rights = parent.stat().st_mode
    for enter, those in ((stat.S_IXGRP, stat.S_IRWXG), (stat.S_IXOTH, stat.S_IRWXO)):
        if not rights & enter:
            mode &= ~those
    for path in (folder, *folder.rglob("*")):
        path.chmod(mode if path.is_dir() else mode & 0o666)
