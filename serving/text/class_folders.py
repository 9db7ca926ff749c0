"""Names of folders for classes, whatever they are called, on every file system."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable

NO_CLASS = ".no-class"
"""The folder of photos that have no class: programs that look for classes pass over it."""
_MAX_BYTES = 120
"""Of a name, far less than file systems take: paths have limits too."""
_UNUSABLE = re.compile(r'[<>:"/\\|?*%\x00-\x1f\x7f]|^[.~ ]|[. ]$')
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])(?:\.|$)", re.IGNORECASE)
"""Names of devices on Windows."""


def class_folders(classes: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return the name of a folder for each class, all different on file systems without capitals.

    It is the name of the class if that is possible. Characters that are not possible are
    written like in web addresses: `%2F` for a slash. What is too long, or the same as
    another but for capitals, ends in a tilde and eight digits of a hash. None is one of `taken`.
    """
    used = {_without_capitals(name) for name in taken}
    names = {}
    for name in sorted(set(classes)):
        folder = _shortened(_encoded(name), name)
        if _without_capitals(folder) in used:
            folder = _with_hash(folder, name)
        used.add(_without_capitals(folder))
        names[name] = folder
    return names


def _encoded(name: str) -> str:
    text = _UNUSABLE.sub(lambda found: _percent(found[0]), name)
    if _RESERVED.match(text):
        text = _percent(text[0]) + text[1:]
    return text or "%"


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


def _shortened(folder: str, name: str) -> str:
    return folder if len(folder.encode()) <= _MAX_BYTES else _with_hash(folder, name)


def _with_hash(folder: str, name: str) -> str:
    digits = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = folder.encode()[: _MAX_BYTES - 9].decode(errors="ignore")
    return f"{kept}~{digits}"


def _without_capitals(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
