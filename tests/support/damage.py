"""What can happen to a file that a program relies on, each as a function that does it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

Damage = Callable[[Path], None]


def _replaced_by(make: Damage) -> Damage:
    def damage(path: Path) -> None:
        remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)

    return damage


def remove(path: Path) -> None:
    """Remove whatever has this name."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _folder(path: Path) -> None:
    path.mkdir()
    (path / "kept").write_text("kept")


def _huge(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


def _writes(content: bytes) -> Damage:
    def write(path: Path) -> None:
        path.write_bytes(content)

    return _replaced_by(write)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def _one_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


IN_ITS_PLACE: dict[str, Damage] = {
    "a folder": _replaced_by(_folder),
    "a pipe": _replaced_by(os.mkfifo),
    "a link to nothing": _replaced_by(lambda path: path.symlink_to("nowhere")),
    "a link to itself": _replaced_by(lambda path: path.symlink_to(path.name)),
    "a link to a device": _replaced_by(lambda path: path.symlink_to("/dev/zero")),
}
"""Something else than a file."""
NO_TEXT: dict[str, Damage] = {
    "garbage": _writes(bytes(range(256)) * 16),
    "zeros": _writes(bytes(4096)),
    "UTF-16": _writes('{"a": 1}'.encode("utf-16")),
    "Latin-1": _writes('{"Käfer": "müde"}'.encode("latin-1")),
    "a huge file": _replaced_by(_huge),
}
"""What is no text in UTF-8."""
NO_OBJECT: dict[str, Damage] = {
    "empty": _writes(b""),
    "words": _writes(b"not what it was"),
    "half of it": _writes(b'{"current": "pe'),
    "a list": _writes(b"[1, 2]"),
    "a number": _writes(b"12"),
    "null": _writes(b"null"),
    "not a number": _writes(b'{"wanted": NaN, "pid": NaN, "current": NaN, "classes": NaN}'),
    "infinity": _writes(b'{"wanted": 1e999, "pid": 1e999, "current": 1e999, "classes": 1e999}'),
    "many digits": _writes(b'{"wanted": ' + b"9" * 5000 + b"}"),
    "deep nesting": _writes(b"[" * 100_000),
    "deep objects": _writes(b'{"wanted":' * 50_000),
    "half a character": _writes(b'{"current": "\\ud800", "name": "\\ud800"}'),
    "numbers as text": _writes(b'{"wanted": "2", "pid": "2", "current": 2, "classes": "2"}'),
    "nulls": _writes(b'{"wanted": null, "pid": null, "current": null, "classes": null}'),
}
"""Text that does not say what a JSON file of Servery says."""
DAMAGES = {**IN_ITS_PLACE, **NO_TEXT, **NO_OBJECT}
OF_A_PHOTO: dict[str, Damage] = {
    **IN_ITS_PLACE,
    "empty": NO_OBJECT["empty"],
    "garbage": NO_TEXT["garbage"],
    "a huge file": NO_TEXT["a huge file"],
    "cut": _cut,
    "one byte": _one_byte,
    "gone": remove,
}
"""What can happen to a stored photo."""
