"""Writes files that other programs read, and shares those that never change."""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from serving.leftovers import writer_tag
from serving.private import persons_umask
from serving.state_files import set_aside

_FLUSHES = 8
"""Files that are flushed at the same time: the disk does that in one go."""


def write_aside(path: Path, data: bytes | str) -> None:
    """Write `data` beside `path`, flush it to disk, rename it into place, and flush that too.

    A reader sees the old content or the new content, never a part of it, after a power cut
    as well. Nobody but the person can read it (0600).
    """
    _write_aside(path, data, mode=0o600)
    flush_folder(path.parent)


def write_in_place_of(old: Path, path: Path, data: bytes | str, damaged: Path) -> Path:
    """Write `data` to `path` as `write_aside`, and move `old`, which is damaged, into `damaged`.

    `old`, usually `path` itself, is moved once the new file is on disk: where there is no room
    for that, everything stays as it is. Returns where `old` is kept; raises OSError.
    """
    kept: list[Path] = []
    _write_aside(path, data, 0o600, lambda: kept.append(set_aside(old, damaged)))
    flush_folder(path.parent)
    return kept[0]


def flush_folder(folder: Path) -> None:
    """Make what was renamed or made in `folder` survive a power cut; raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(folder: Path) -> None:
    """Make every file and folder below survive a power cut, and the folder's own name.

    Costs little where all of it is on disk already. Raises OSError.
    """
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    with ThreadPoolExecutor(_FLUSHES) as pool:
        list(pool.map(flush_file, files))
    for each in (*(path for path in folder.rglob("*") if path.is_dir()), folder, folder.parent):
        flush_folder(each)


def flush_file(path: Path) -> None:
    """Make the content of a file survive a power cut; raises OSError."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def write_export(path: Path, data: bytes | str) -> None:
    """Write a file that people asked for, as `write_aside`, with the rights of their umask.

    Those who cannot enter the folder, such as the workspace, get none.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.stat().st_mode
    with persons_umask() as umask:
        mode = 0o666 & ~umask
    for enter, rights in ((stat.S_IXGRP, stat.S_IRWXG), (stat.S_IXOTH, stat.S_IRWXO)):
        if not folder & enter:
            mode &= ~rights
    _write_aside(path, data, mode)


def _write_aside(
    path: Path, data: bytes | str, mode: int, on_written: Callable[[], None] = lambda: None
) -> None:
    content = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{writer_tag()}")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        with os.fdopen(os.open(aside, flags, 0o600), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        on_written()
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def copy_tree(
    source: Path,
    target: Path,
    *,
    copy: Callable[[str, str], object] = shutil.copy2,
    ignore: Callable[[str, list[str]], Iterable[str]] | None = None,
    may_exist: bool = False,
) -> None:
    """Copy a folder; raises OSError, with the number and the path of what failed first.

    `shutil.copytree` goes on after that, and then raises an OSError that has neither.
    """
    try:
        shutil.copytree(source, target, copy_function=copy, ignore=ignore, dirs_exist_ok=may_exist)
    except shutil.Error as error:
        for _, path, reason in error.args[0]:
            if found := re.match(r"\[Errno (\d+)\]", str(reason)):
                number = int(found[1])
                raise OSError(number, os.strerror(number), str(path)) from error
        raise


def mark_newest(path: Path, others: Iterable[Path]) -> None:
    """Give a file, which was just written, a later time of change than `others` have.

    Where the oldest are removed, the clock may have been set back since others were written.
    Raises OSError.
    """
    newest = max(map(changed_at, others), default=0)
    if changed_at(path) <= newest:
        os.utime(path, ns=(newest + 1, newest + 1))


def changed_at(path: Path) -> int:
    """Return when a file was last changed, in ns since 1970; 0 for one that is gone."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def link_or_copy(source: str, target: str) -> str:
    """Make `target` the same file on disk as `source`, or a copy where that is impossible.

    Only for files that are never written again. Returns `target`; raises OSError.
    """
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
    return target
