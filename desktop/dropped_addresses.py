"""Which files of this machine the addresses name that a file manager or a browser hands over."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote_to_bytes

from PySide6.QtCore import QMimeData

from desktop.translation import tr
from serving.errors import ImageError

_WEB = frozenset({"http", "https", "ftp", "ftps"})
_TRASH = frozenset({"trash", "recycle"})
_MAX_SHOWN = 120
"""Characters of an address in a sentence."""


@dataclass(frozen=True)
class DroppedAddresses:
    """The files and folders that were dropped, and why others of the addresses are none."""

    files: tuple[Path, ...]
    refused: tuple[ImageError, ...]


def read_addresses(addresses: Iterable[bytes]) -> DroppedAddresses:
    """Sort percent-encoded addresses into files of this machine and others, each with a sentence.

    A file on `localhost`, or on the name of this machine, is this machine's. Names need not be
    UTF-8. Nothing is looked up or fetched from anywhere.
    """
    files: dict[Path, None] = {}
    refused: dict[str, ImageError] = {}
    for address in addresses:
        found = _read(address)
        if isinstance(found, Path):
            files[found] = None
        else:
            refused[str(found)] = found
    return DroppedAddresses(tuple(files), tuple(refused.values()))


def addresses_in(data: QMimeData) -> DroppedAddresses:
    """Return what the addresses in `data` name."""
    # As they are encoded: Qt replaces what is not UTF-8 when it decodes them.
    return read_addresses(bytes(url.toEncoded().data()) for url in data.urls())


def path_in_text(text: str) -> ImageError | None:
    """Return what to say about text that names one file; None for any other text."""
    line = text.strip()
    if "\n" in line or not line.startswith(("/", "~/")):
        return None
    return ImageError(
        tr("{text} is the name of a file, as text.", text=_shown(line)),
        tr("Drop the file itself, or open it with Ctrl+O."),
    )


def _read(address: bytes) -> Path | ImageError:
    scheme, colon, rest = address.partition(b":")
    kind = scheme.decode("ascii", "replace").lower()
    if not colon or b"/" in scheme:
        kind, rest = "file", address
    if kind != "file":
        return _not_a_file(kind, address.decode("utf-8", "replace"))
    host = b""
    if rest.startswith(b"//"):
        host, slash, path = rest[2:].partition(b"/")
        rest = slash + path
    name = unquote_to_bytes(host).decode("utf-8", "replace")
    if not _is_this_machine(name):
        return ImageError(
            tr(
                "The file {name} is on another machine, {machine}.",
                name=_shown(_path(rest).name),
                machine=_shown(name),
            ),
            tr("Copy it to this one, then drop the copy."),
        )
    path_of_file = _path(rest)
    if not path_of_file.is_absolute():
        return ImageError(
            tr("An address without a file was dropped."),
            tr("Drop the file itself, or open it with Ctrl+O."),
        )
    return path_of_file


def _path(quoted: bytes) -> Path:
    raw = unquote_to_bytes(quoted).replace(b"\0", b"\xef\xbf\xbd")  # no file's name has a NUL
    path = os.fsdecode(raw)
    if not os.path.lexists(path):
        # Qt writes a byte that is no UTF-8 as half a character.
        try:
            other = raw.decode("utf-8", "surrogatepass")
            if os.path.lexists(other):
                return Path(other)
        except (UnicodeError, ValueError):
            pass
    return Path(path)


def _is_this_machine(host: str) -> bool:
    name = host.lower().removesuffix(".")
    own = socket.gethostname().lower()
    # With and without its domain: some programs write one, some the other.
    return name in ("", "localhost", "127.0.0.1", "[::1]", own) or (
        own.partition(".")[0] == name.partition(".")[0]
    )


def _not_a_file(kind: str, address: str) -> ImageError:
    shown = _shown(address)
    if kind in _WEB:
        return ImageError(
            tr("{address} is on the web, where Servery fetches nothing from.", address=shown),
            tr("Save the picture to a file, then drop that."),
        )
    if kind in _TRASH:
        return ImageError(
            tr("{address} is in the trash.", address=shown),
            tr("Restore it in the file manager, then drop it."),
        )
    return ImageError(
        tr("{address} is not a file of this machine.", address=shown),
        tr("Copy it into a folder of yours in the file manager, then drop the copy."),
    )


def _shown(text: str) -> str:
    return text if len(text) <= _MAX_SHOWN else f"{text[: _MAX_SHOWN - 1]}…"
