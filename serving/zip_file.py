"""Unpacks a zip file that came from anywhere: bounded, and only into its own folder."""

from __future__ import annotations

import io
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from shutil import copyfileobj, disk_usage

from serving.errors import REFUSALS, ServeryError, StorageUnavailable, storage_error
from serving.units import format_bytes

MAX_ENTRIES = 100_000
MAX_UNPACKED_BYTES = 16 * 2**30
MAX_DEPTH = 50
"""Folders within each other, the file included."""
MAX_LIST_BYTES = 32 * 2**20
"""Of the list of files at the end: 100,000 of them with paths of about 200 characters."""
_RESERVE_BYTES = 512 * 2**20
"""Left free on the disk, for what the files are made into."""
_UTF8_NAME = 0x800
_ENCRYPTED = 0x1
_ENTRY = b"PK\x01\x02"
"""What each entry in the list of files begins with."""
# Of the others, `zipfile` unpacks all that it read at once: gigabytes from 64 kB of bzip2.
_METHODS = frozenset((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))


class UnusableZip(ServeryError):
    """The file is not a zip file that can be unpacked."""


class ZipTooLarge(ServeryError):
    """The zip file would unpack to more than is allowed."""


def unpack_zip(archive: Path, folder: Path) -> None:
    """Unpack the files of `archive` into `folder`, which is made.

    Raises UnusableZip for what is no zip file, is damaged or encrypted, or has entries
    that lead out of the folder or are links; ZipTooLarge beyond the limits;
    StorageUnavailable if the disk refuses it. What was unpacked until then is left in `folder`.
    """
    try:
        with _Archive(archive) as raw, zipfile.ZipFile(raw) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
            _check_size(entries, folder)
            # Before anything is written: one bad entry is enough.
            paths = [_relative_path(entry) for entry in entries]
            _check_folders(paths)
            targets = [folder / path for path in paths]
            folder.mkdir(parents=True, exist_ok=True)
            for entry, target in zip(entries, targets, strict=True):
                _unpack(file, entry, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError) as error:
        raise UnusableZip(
            f"The zip file is damaged: {error}.", "Make it again, then send it."
        ) from error
    except (NotImplementedError, RuntimeError) as error:
        raise UnusableZip(
            f"The zip file is of a kind that cannot be read: {error}.",
            "Make it again with the usual compression and without a password.",
        ) from error
    except OSError as error:
        kind = StorageUnavailable if error.errno in REFUSALS else UnusableZip
        raise storage_error(error, folder, "The zip file cannot be unpacked", kind) from error


class _Archive(io.FileIO):
    """Refuses to hand out a list of files that would take far more memory than its bytes.

    How many entries the file declares does not matter to `zipfile`, which makes an object
    of hundreds of bytes for each that is there.
    """

    def read(self, size: int | None = -1) -> bytes:
        """Read as a file does; raises ZipTooLarge."""
        if size is not None and size > MAX_LIST_BYTES:
            raise _long_list()
        content = super().read(-1 if size is None else size)
        if content.count(_ENTRY) > 2 * MAX_ENTRIES:  # files and folders
            raise _long_list()
        return content


def _long_list() -> ZipTooLarge:
    return ZipTooLarge(
        "The zip file has a list of files that is too long to be read.",
        "Unpack it and import the folder.",
    )


def _check_folders(paths: list[PurePosixPath]) -> None:
    """Raise ZipTooLarge if there are more folders than files may be: each takes room on a disk."""
    folders: set[PurePosixPath] = set()
    for path in paths:
        folders.update(path.parents)
        if len(folders) > MAX_ENTRIES:
            raise ZipTooLarge(
                f"The zip file has more than {MAX_ENTRIES:,} folders.",
                "Unpack it and import the folder.",
            )


def _check_size(entries: list[zipfile.ZipInfo], folder: Path) -> None:
    if len(entries) > MAX_ENTRIES:
        raise ZipTooLarge(
            f"The zip file has {len(entries):,} files; {MAX_ENTRIES:,} are allowed.",
            "Unpack it and import the folder.",
        )
    size = sum(entry.file_size for entry in entries)
    if size > MAX_UNPACKED_BYTES:
        raise ZipTooLarge(
            f"The zip file unpacks to {format_bytes(size)};"
            f" {format_bytes(MAX_UNPACKED_BYTES)} are allowed.",
            "Unpack it and import the folder.",
        )
    existing = next(parent for parent in folder.parents if parent.is_dir())
    free = disk_usage(existing).free - _RESERVE_BYTES
    if size > free:
        raise StorageUnavailable(
            f"The zip file unpacks to {format_bytes(size)},"
            f" and {format_bytes(max(0, free))} are free.",
            "Make room on the disk, or import the folder that was zipped.",
        )


def _relative_path(entry: zipfile.ZipInfo) -> PurePosixPath:
    name = _name(entry)
    path = PurePosixPath(name.replace("\\", "/"))
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UnusableZip(
            f"The zip file has a link or a device in it: {path}.",
            "Zip the files themselves.",
        )
    parts = path.parts
    if not parts or path.is_absolute() or ".." in parts or ":" in parts[0]:
        raise UnusableZip(
            f"The zip file has an entry that leads out of it: {path}.",
            "Zip the folder itself, without the path to it.",
        )
    if len(parts) > MAX_DEPTH:
        raise UnusableZip(
            f"The zip file has folders that are nested more than {MAX_DEPTH} deep.",
            "Zip the innermost folder that has all that is needed in it.",
        )
    if entry.compress_type not in _METHODS:
        raise UnusableZip(
            f"The zip file has a file in it that is packed in an unusual way: {path}.",
            "Make it again with the usual compression, which is called deflate.",
        )
    return path


def _name(entry: zipfile.ZipInfo) -> str:
    """Return the name; without the mark for UTF-8 it often is UTF-8 all the same."""
    if entry.flag_bits & _UTF8_NAME:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode("utf-8")
    except UnicodeError:
        return entry.filename


def _unpack(file: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    if entry.flag_bits & _ENCRYPTED:
        raise UnusableZip("The zip file has a password.", "Make it again without one.")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Reads no more than the size that the entry declares, which was checked.
    with file.open(entry) as source, target.open("wb") as out:
        copyfileobj(source, out)
