"""Writes an export beside its target, then renames it into place: whole, or not there."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.errors import ModelError, storage_error
from serving.exporting.formats import is_zip
from serving.files import flush_file, flush_folder, flush_tree
from serving.leftovers import sweep, writer_tag

_PACKED_ALREADY = frozenset({".jpg", ".npz", ".zip"})


@contextmanager
def staged_target(target: Path) -> Iterator[Path]:
    """Yield an empty folder to write the export into; at the end it is in place, or packed.

    What is at `target` then, an earlier export, is replaced. Nothing is left of it if the block
    raises. What was left beside `target` by processes that were killed is removed.
    Raises ModelError if the disk refuses it.
    """
    sweep([target.parent])
    folder = _aside(target)
    try:
        try:
            folder.mkdir()
            yield folder
            if is_zip(target):
                _place_zip(folder, target)
            else:
                flush_tree(folder)
                _rename(folder, target)
        except OSError as error:
            what = f"The export cannot be written to {target}"
            raise storage_error(error, target.parent, what, ModelError) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file's content with the rights of the umask; raises OSError."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def copy_folder(source: Path, target: Path, on_file: Callable[[], None]) -> None:
    """Copy a folder, with the rights of the umask; `on_file` is called after each file."""
    for path in sorted(source.rglob("*")):
        if path.is_file():
            copy_file(path, target / path.relative_to(source))
            on_file()


def _place_zip(folder: Path, target: Path) -> None:
    aside = _aside(target)
    try:
        with zipfile.ZipFile(aside, "x", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    packed = path.suffix.lower() in _PACKED_ALREADY
                    how = zipfile.ZIP_STORED if packed else zipfile.ZIP_DEFLATED
                    archive.write(path, path.relative_to(folder).as_posix(), how)
        flush_file(aside)
        _rename(aside, target)
    finally:
        aside.unlink(missing_ok=True)


def _rename(written: Path, target: Path) -> None:
    if written.is_file() and not target.is_dir():
        written.replace(target)
    elif target.exists():
        # Nothing can be renamed over a folder that has files in it.
        former = _aside(target)
        target.rename(former)
        try:
            written.rename(target)
        except OSError:
            former.rename(target)
            raise
        _remove(former)
    else:
        written.rename(target)
    flush_folder(target.parent)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _aside(target: Path) -> Path:
    return target.with_name(f".{target.name}.{writer_tag()}")
