"""The state of the Classify page: its photos, who answers now, and what is outdated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from desktop.classify.photo import Photo, PhotoFailure, PhotoState
from serving.errors import FleetUnavailable, ServeryError
from serving.predict.prediction import Prediction


class GalleryListener(Protocol):
    """Gets every change, right after it; rows count from the newest photo."""

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        """`photos` begin at `row`; `restored` ones are from the history."""

    def photo_changed(self, row: int, photo: Photo) -> None: ...

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        """As `photo_changed` for each row and photo, all at once."""

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        """`photos` began at `row`."""

    def states_changed(self) -> None:
        """Any photo may be in another state, though nothing else about it changed."""


class Gallery:
    """The photos, newest first, and what makes their answers unsure or outdated."""

    def __init__(self, unsure_below: float) -> None:
        self._photos: list[Photo] = []
        self._numbers: dict[str, int] = {}
        """A number for each photo, higher for newer ones: to add some renumbers no other."""
        self._newest_number = 0
        self._outdated: set[str] = set()
        self._listeners: list[GalleryListener] = []
        self._unsure_below = unsure_below
        self._answering: tuple[str, int] | None = None
        self._canary: int | None = None

    def subscribe(self, listener: GalleryListener) -> None:
        self._listeners.append(listener)

    @property
    def photos(self) -> Sequence[Photo]:
        return self._photos

    @property
    def unsure_below(self) -> float:
        """That of `Prediction.is_unsure`."""
        return self._unsure_below

    @property
    def answering(self) -> tuple[str, int] | None:
        """The model that answers photos now, and its live version; None until it is known."""
        return self._answering

    def photo(self, key: str) -> Photo | None:
        """Return the photo with `key`; None if it is not in the gallery."""
        row = self.row(key)
        return None if row is None else self._photos[row]

    def row(self, key: str) -> int | None:
        number = self._numbers.get(key)
        return None if number is None else self._newest_number - number

    def state(self, photo: Photo) -> PhotoState:
        return photo.state(self._unsure_below)

    def is_outdated(self, photo: Photo) -> bool:
        """Whether its answer came from another model or version than answers now."""
        if self._answering is None or photo.prediction is None or photo.waiting:
            return False
        model, version = self._answering
        return photo.prediction.model != model or (
            photo.prediction.version not in (version, self._canary)
        )

    def outdated(self) -> list[str]:
        """Keys of the photos whose answer came from another model or version than answers now,
        newest first."""
        return sorted(self._outdated, key=self._numbers.__getitem__, reverse=True)

    @property
    def outdated_count(self) -> int:
        """How many photos are outdated; known without looking at each."""
        return len(self._outdated)

    def transient_failures(self) -> list[str]:
        """Keys of the photos that failed through no fault of their own."""
        return [photo.key for photo in self._photos if photo.failure and photo.failure.transient]

    @property
    def canary(self) -> int | None:
        """The version that answers a share of the photos, if one does."""
        return self._canary

    def set_answering(self, model: str, version: int, canary: int | None = None) -> None:
        """Say who answers photos now, and which version answers a share of them."""
        self._answering, self._canary = (model, version), canary
        self._outdated = {photo.key for photo in self._photos if self.is_outdated(photo)}
        self._states_changed()

    def set_unsure_below(self, share: float) -> None:
        self._unsure_below = share
        self._states_changed()

    def add(self, photos: Sequence[Photo], after: str = "") -> None:
        """Put new photos before the others, in their order; or right after the one with the key
        `after`, if that is still there."""
        before = self.row(after)
        self._insert(0 if before is None else before + 1, photos, restored=False)

    def restore(self, photos: Iterable[Photo]) -> list[Photo]:
        """Put photos from the history after the others; returns those that were not there."""
        missing = [photo for photo in photos if photo.key not in self._numbers]
        self._insert(len(self._photos), missing, restored=True)
        return missing

    def queue(self, paths: Iterable[Path], now: float, after: str = "") -> str:
        """Have photos wait for an answer, new ones and known ones; old answers stay until then.

        `now` is in seconds since the epoch. New ones come as `add` puts them; returns the key of
        the last one, after which further ones of the same drop belong.
        """
        new: list[Photo] = []
        again: list[Photo] = []
        for path in dict.fromkeys(paths):  # each is one photo, however often it is named
            known = self.photo(str(path))
            if known is None:
                # A microsecond apart, so that the history can sort them into this order.
                new.append(Photo(path, path.name, now - len(new) * 1e-6))
            else:
                again.append(replace(known, failure=None, waiting=True))
        self.update_all(again)
        self.add(new, after)
        return new[-1].key if new else after

    def set_result(self, path: Path, result: Prediction | ServeryError) -> None:
        """Show the answer of a photo, or why there is none; a removed photo is ignored."""
        photo = self.photo(str(path))
        if photo is None:
            return
        if isinstance(result, Prediction):
            self.update(replace(photo, prediction=result, failure=None, waiting=False))
        else:
            transient = isinstance(result, FleetUnavailable)
            failure = PhotoFailure(result.what, result.advice, transient)
            self.update(replace(photo, failure=failure, waiting=False))

    def stop_waiting(self, paths: Iterable[Path], failure: PhotoFailure) -> None:
        """End the wait of those that still wait; without an older answer, they fail."""
        ended: list[Photo] = []
        for path in paths:
            photo = self.photo(str(path))
            if photo is not None and photo.waiting:
                why = None if photo.prediction else failure
                ended.append(replace(photo, waiting=False, failure=why))
        self.update_all(ended)

    def set_label(self, key: str, model: str, label: str, *, can_be_undone: bool) -> None:
        """Show the label of a photo for a model, empty for none; a removed photo is ignored."""
        photo = self.photo(key)
        if photo is not None:
            others = {name: each for name, each in photo.labels.items() if name != model}
            labels = {**others, model: label} if label else others
            undoable = photo.undoable - {model}
            if can_be_undone:
                undoable |= {model}
            self.update(replace(photo, labels=labels, undoable=undoable))

    def update(self, photo: Photo) -> None:
        """Replace what is known about a photo; a removed photo is ignored."""
        row = self.row(photo.key)
        if row is not None:
            self._photos[row] = photo
            self._note_whether_outdated(photo)
            for listener in self._listeners:
                listener.photo_changed(row, photo)

    def update_all(self, photos: Iterable[Photo]) -> None:
        """Replace what is known about photos, in one step; removed ones are ignored."""
        changes = [(row, photo) for photo in photos if (row := self.row(photo.key)) is not None]
        for row, photo in changes:
            self._photos[row] = photo
            self._note_whether_outdated(photo)
        if changes:
            for listener in self._listeners:
                listener.photos_changed(changes)

    def remove(self, keys: Iterable[str]) -> None:
        """Take photos out of the gallery, neighbours in one step."""
        rows = sorted(row for key in set(keys) if (row := self.row(key)) is not None)
        are_oldest = bool(rows) and rows[0] + len(rows) == len(self._photos)
        removed: list[tuple[int, list[Photo]]] = []
        for first, last in reversed(runs(rows)):
            removed.append((first, self._photos[first : last + 1]))
            del self._photos[first : last + 1]
        for _, photos in removed:
            for photo in photos:
                del self._numbers[photo.key]
                self._outdated.discard(photo.key)
        if not are_oldest:  # behind which there is none that has another row now
            self._number_all()
        # From the last row up, so that each row counts what is still before it.
        for first, photos in removed:
            for listener in self._listeners:
                listener.photos_removed(first, photos)

    def _insert(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        if not photos:
            return
        at_the_end = row == len(self._photos)
        self._photos[row:row] = photos
        if not at_the_end:
            self._newest_number += len(photos)
            newest = self._newest_number
            self._numbers.update(
                (photo.key, newest - place) for place, photo in enumerate(self._photos[:row])
            )
        first = self._newest_number - row
        self._numbers.update((photo.key, first - place) for place, photo in enumerate(photos))
        for photo in photos:
            self._note_whether_outdated(photo)
        for listener in self._listeners:
            listener.photos_added(row, photos, restored=restored)

    def _note_whether_outdated(self, photo: Photo) -> None:
        if self.is_outdated(photo):
            self._outdated.add(photo.key)
        else:
            self._outdated.discard(photo.key)

    def _number_all(self) -> None:
        newest = self._newest_number
        self._numbers = {photo.key: newest - row for row, photo in enumerate(self._photos)}

    def _states_changed(self) -> None:
        for listener in self._listeners:
            listener.states_changed()


def runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """Return sorted numbers as first and last of each run without gaps."""
    found: list[tuple[int, int]] = []
    for place in places:
        if found and found[-1][1] == place - 1:
            found[-1] = (found[-1][0], place)
        else:
            found.append((place, place))
    return found
