"""`servery label`: says what image files show."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from backend.client import BackendClient, BackendRefused
from backend.contract import Label, LabelKind
from desktop.commands import options, photo_files
from desktop.commands.options import BackendTarget
from desktop.commands.photo_files import PhotoFiles, exists, is_file
from desktop.commands.terminal import print_json, print_line, print_message
from desktop.formats import plural
from serving.class_names import ClassNameError, checked_class_name
from serving.errors import ImageError, ServeryError
from serving.image_file import IMAGE_SUFFIXES

_ORDER = "The files come first and the class last: `servery label FILE... CLASS`."
_WORDS = {LabelKind.NONE: "none of the classes", LabelKind.SKIP: "nothing for now"}
_OF_ONE_PHOTO = (400, 413, 415, 422)
"""What the backend refuses a photo with; its other refusals concern all photos alike."""


@dataclass(frozen=True)
class _Said:
    """What is said of every photo."""

    class_name: str
    kind: LabelKind
    by: str
    settles: bool

    @property
    def text(self) -> str:
        return _WORDS.get(self.kind, self.class_name)


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE... CLASS", type=click.Path())
@click.option("--none", is_flag=True, help="They show none of the classes; CLASS is left out.")
@click.option("--skip", is_flag=True, help="Say nothing of them for now; CLASS is left out.")
@click.option("--by", default="", metavar="NAME", help="Who says so.  [default: you]")
@click.option("--settle", is_flag=True, help="Outweigh what others have said of these photos.")
@options.model
@options.backend
@options.as_json_lines
def label(
    target: BackendTarget,
    words: Sequence[str],
    none: bool,
    skip: bool,
    by: str,
    settle: bool,
    model: str | None,
    as_json: bool,
) -> None:
    """Label image files as CLASS.

    FILE may be - for standard input. CLASS is one that the model knows, or a new one. A file
    that cannot be labelled is reported on stderr; the exit code is then 1. The files are labelled
    at once: `servery labels undo` takes all of it back.
    """
    if none and skip:
        raise click.UsageError("Give --none or --skip, not both.")
    kind = LabelKind.NONE if none else LabelKind.SKIP if skip else LabelKind.CLASS
    files = words if none or skip else words[:-1]
    class_name = "" if none or skip else words[-1]
    if kind is LabelKind.CLASS:
        checked_class_name(class_name)
        _check_is_no_file(class_name, files)
    if not files:
        raise click.UsageError(f"The photos are missing. {_ORDER}")
    said = _Said(class_name, kind, by, settle)
    labelling = _Labelling(PhotoFiles(files), said, model, as_json)
    # No backend is started where there is nothing to label.
    if (first := labelling.read_next()) is not None:
        target.run(lambda client: labelling.send(client, first))
    if labelling.failed:
        raise click.exceptions.Exit(1)


class _Labelling:
    """Labels one photo after the other; a bad one costs no other."""

    def __init__(self, photos: PhotoFiles, said: _Said, model: str | None, as_json: bool) -> None:
        self.failed = False
        self._photos = photos
        self._left = list(photos.paths)
        self._said = said
        self._batch = secrets.token_hex(16)
        self._model = model
        self._as_json = as_json

    def read_next(self) -> tuple[str, bytes] | None:
        """Return the next photo that can be read, and how it was named; None after the last."""
        while self._left:
            path = self._left.pop(0)
            word = self._photos.word(path)
            try:
                if not exists(path):
                    raise ImageError(
                        f"There is no file {word} to label as {self._said.text}.",
                        "Check where the file is now.",
                    )
                return word, self._photos.read(path)
            except ImageError as error:
                self._fail(word, error)
        return None

    async def send(self, client: BackendClient, first: tuple[str, bytes]) -> None:
        """Label `first` and all that comes after it; raises ServeryError if nothing can be."""
        photo: tuple[str, bytes] | None = first
        while photo is not None:
            word, image = photo
            try:
                kept = await client.label(
                    image,
                    self._said.class_name,
                    kind=self._said.kind,
                    by=self._said.by,
                    settles=self._said.settles,
                    batch=self._batch,
                    model=self._model,
                )
            except BackendRefused as error:
                if error.status not in _OF_ONE_PHOTO:
                    raise self._stopped(word, error) from error
                self._fail(word, error)
            except ServeryError as error:
                raise self._stopped(word, error) from error
            else:
                if self._as_json:
                    print_json({"file": word, **asdict(kept)})
                else:
                    print_line(f"{word}: {_taken_as(kept)}")
            photo = await asyncio.to_thread(self.read_next)

    def _fail(self, word: str, error: ServeryError) -> None:
        self.failed = True
        if self._as_json:
            print_json({"file": word, "error": error.what, "advice": error.advice})
        print_message(f"{word} was not labelled. {error}")

    def _stopped(self, word: str, error: ServeryError) -> ServeryError:
        others = f", nor the {plural(len(self._left), 'file')} after it" if self._left else ""
        return ServeryError(f"{word} was not labelled{others}. {error.what}", error.advice)


def _check_is_no_file(class_name: str, files: Sequence[str]) -> None:
    """Raise ServeryError if the class is named like a file: it was forgotten, or comes first."""
    path = Path(class_name)
    if is_file(path):
        what = f"{class_name} is a file"
        advice = f"{_ORDER} If a class is called so, label the photos from another folder."
    elif path.suffix.lower() in IMAGE_SUFFIXES:
        what, advice = f"{class_name} is the name of a photo", _ORDER
    else:
        return
    missing = next((file for file in files if not exists(Path(file))), None)
    if missing is not None and missing != photo_files.STANDARD_INPUT:
        raise ImageError(f"There is no file {missing} to label as {class_name}.", _ORDER)
    raise ClassNameError(f"{what}, so the class is missing.", advice)


def _taken_as(label: Label) -> str:
    """Return what a label says, and which class may have been meant instead."""
    if label.kind is not LabelKind.CLASS:
        return _WORDS[label.kind]
    if label.known_as:
        return f"{label.class_name} (another name of the class {label.known_as})"
    return f"{label.class_name} (a new class)" if label.new_class else label.class_name
