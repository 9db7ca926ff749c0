"""Sorts copies of photos, or the photos themselves, into a folder for each class; no Qt.

Nothing is ever overwritten: a file with the same content is there already, and for any other the
copy gets a number. Each copy is whole before it has its name.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import filecmp
import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from desktop.classify.move_records import MoveRecord
from desktop.formats import plural, size
from desktop.translation import tr
from serving.errors import ServeryError, storage_error
from serving.leftovers import writer_tag
from serving.progress import Report
from serving.text.class_folders import class_folders

_SPARE_BYTES = 64 * 2**20
"""Of the disk that stay free."""


class SortError(ServeryError):
    """A photo could not be copied or moved, or there is no room for any."""


@dataclass
class SortedFiles:
    """What became of each photo."""

    copied: dict[Path, Path] = field(default_factory=dict)
    """The new file of each photo that was copied or moved."""
    present: dict[Path, Path] = field(default_factory=dict)
    """A file of the same content that was there already, which the photo was left out for."""
    failed: dict[Path, SortError] = field(default_factory=dict)


async def sort_files(
    classes: Mapping[Path, str],
    target: Path,
    report: Report,
    done: SortedFiles,
    *,
    moves: MoveRecord | None = None,
) -> None:
    """Put a copy of each photo into the folder of its class in `target`; with `moves`, the photo
    itself, which is noted there before.

    `done` says what became of each, also of a part of them if this is cancelled. One that fails
    costs no other. Raises SortError, with nothing done, if the disk has no room for all.
    """
    await _on_thread(lambda stop: _sort(classes, target, report, done, moves, stop))


async def move_back(record: MoveRecord, report: Report, done: SortedFiles) -> None:
    """Undo the moves of a record, which still has those that are left if this is cancelled or one
    fails; `done` says what becomes of each photo.

    What was put in the place of a photo since stays, and the photo gets a number.
    """

    def work(stop: threading.Event) -> None:
        moves = record.moves()
        for number, move in enumerate(moves):
            if stop.is_set():
                break
            report(number, len(moves), tr("Moving {name} back", name=move.photo.name))
            if not move.has_two_names:
                _put(move.file, move.photo, done, is_move=True, key=move.photo)
                continue
            with contextlib.suppress(OSError):
                move.file.unlink()
                done.copied[move.photo] = move.photo
        for folder in {move.file.parent for move in moves}:
            with contextlib.suppress(OSError):
                folder.rmdir()  # of a class, if nothing else is in it
        if not stop.is_set() and not done.failed:
            record.forget()

    await _on_thread(work)


async def _on_thread(work: Callable[[threading.Event], None]) -> None:
    stop = threading.Event()  # cancelling a coroutine does not stop its thread
    working = asyncio.get_running_loop().run_in_executor(None, work, stop)
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait([working])  # for the photo that is under way, so that it is in `done`
        raise


def _sort(
    classes: Mapping[Path, str],
    target: Path,
    report: Report,
    done: SortedFiles,
    moves: MoveRecord | None,
    stop: threading.Event,
) -> None:
    _check_room(list(classes), target, moves is not None)
    folders = class_folders(classes.values())
    for number, (photo, name) in enumerate(classes.items()):
        if stop.is_set():
            break
        report(number, len(classes), _under_way(photo, moves is not None))
        place = target / folders[name] / photo.name
        _put(photo, place, done, is_move=moves is not None, key=photo, record=moves)


def _under_way(photo: Path, move: bool) -> str:
    return tr("Moving {name}", name=photo.name) if move else tr("Copying {name}", name=photo.name)


def _put(
    source: Path,
    target: Path,
    done: SortedFiles,
    *,
    is_move: bool,
    key: Path,
    record: MoveRecord | None = None,
) -> None:
    try:
        if not source.is_file():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(source))
    except OSError as error:
        done.failed[key] = SortError(
            tr(
                "{name} cannot be read: {reason}.", name=source.name, reason=error.strerror or error
            ),
            tr("Bring it back to where it was, then try again."),
        )
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        place = target
        while os.path.lexists(place):
            if place.is_file() and filecmp.cmp(source, place, shallow=False):
                done.present[key] = place
                return
            number += 1
            place = target.with_name(f"{target.stem}-{number}{target.suffix}")
        if record is not None:
            record.note(source, place)
        _write(source, place, is_move)
        done.copied[key] = place
    except FileExistsError:  # another program was faster: look again
        _put(source, target, done, is_move=is_move, key=key, record=record)
    except OSError as error:
        what = (
            tr("{name} could not be moved", name=source.name)
            if is_move
            else tr("{name} could not be copied", name=source.name)
        )
        done.failed[key] = storage_error(error, target.parent, what, SortError)


def _write(source: Path, place: Path, move: bool) -> None:
    """Make `place` a copy of `source`, or `source` itself; raises FileExistsError."""
    if move:
        try:
            os.link(source, place, follow_symlinks=False)  # unlike a rename, it replaces nothing
        except FileExistsError:
            raise
        except OSError:
            pass  # another disk, or one without links
        else:
            source.unlink()
            return
    aside = place.with_name(f".{place.name}.{writer_tag()}")
    try:
        shutil.copy2(source, aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        try:
            os.link(aside, place)
        except FileExistsError:
            raise
        except OSError:
            if os.path.lexists(place):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from None
            aside.rename(place)
    finally:
        aside.unlink(missing_ok=True)
    if move:
        source.unlink()


def _check_room(photos: Sequence[Path], target: Path, move: bool) -> None:
    """Raise SortError if the disk of `target` has no room for what is to be written to it."""
    disk = next(folder for folder in (target, *target.parents) if folder.exists())
    try:
        device, free = disk.stat().st_dev, shutil.disk_usage(disk).free
    except OSError as error:
        raise storage_error(
            error, target, tr("{name} cannot be used", name=target.name), SortError
        ) from error
    needed = 0
    for photo in photos:
        with contextlib.suppress(OSError):
            status = photo.stat()
            if not (move and status.st_dev == device):
                needed += status.st_size
    if needed and needed + _SPARE_BYTES > free:
        raise SortError(
            tr(
                "The photos take {needed}, and the disk of {target} has {free} free.",
                needed=size(needed),
                target=target,
                free=size(free),
            ),
            tr("Make room there, or choose a folder on another disk."),
        )


def sorted_sentence(done: SortedFiles, target: Path, without: int, *, move: bool) -> str:
    """Say what was sorted; `without` photos had no sure answer."""
    photos = plural(len(done.copied), "photo")
    folders = plural(len({file.parent for file in done.copied.values()}), "folder")
    sentences = [
        tr(
            "{photos} moved into {folders} in {name}.",
            photos=photos,
            folders=folders,
            name=target.name,
        )
        if move
        else tr(
            "{photos} copied into {folders} in {name}.",
            photos=photos,
            folders=folders,
            name=target.name,
        )
    ]
    if done.present:
        sentences.append(tr("{photos} there already.", photos=plural(len(done.present), "photo")))
    if without:
        sentences.append(unanswered_sentence(without))
    return " ".join(sentences)


def unanswered_sentence(photos: int) -> str:
    """Say that so many photos had no sure answer."""
    return tr("{photos} without a sure answer left out.", photos=plural(photos, "photo"))
