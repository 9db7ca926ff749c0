"""Labels that a person gives to photos, and taking them back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from desktop.classify.gallery import Gallery
from desktop.classify.photo import NONE_OF_THESE
from desktop.formats import count
from desktop.translation import tr
from serving.class_names import checked_class_name
from serving.errors import ServeryError
from serving.normalize_image import read_normalized_image
from serving.progress import Report

R = TypeVar("R")
"""The receipt: what storing a label returns, and taking it back needs."""


@dataclass(frozen=True)
class StoredLabel(Generic[R]):
    """One label that can be taken back."""

    key: str
    model: str
    """The model that was to learn it."""
    previous: str
    receipt: R


class Labels(Generic[R]):
    """Labels photos of a gallery and remembers how to undo that, step by step."""

    def __init__(
        self,
        gallery: Gallery,
        store: Callable[[bytes, str | None, str, str], Awaitable[R]],
        withdraw: Callable[[R], Awaitable[None]],
    ) -> None:
        """`store` takes a normalized JPEG, a class name (None if it is none of the classes), a
        model and what labels that are given at once have in common, and returns once they are
        safe; the model is the one that answered the photo, or empty if none did."""
        self._gallery = gallery
        self._store = store
        self._withdraw = withdraw
        self._steps: list[list[StoredLabel[R]]] = []

    async def label(
        self,
        keys: Sequence[str],
        class_name: str,
        on_error: Callable[[ServeryError], None],
        report: Report,
    ) -> None:
        """Say that photos show `class_name`, or NONE_OF_THESE; each is marked once its label is
        safe.

        All of them are one step to undo. `on_error` gets what went wrong with one
        photo; the others are labelled all the same. Raises ClassNameError.
        """
        is_class = class_name != NONE_OF_THESE
        class_name = checked_class_name(class_name) if is_class else class_name
        batch = uuid.uuid4().hex if len(keys) > 1 else ""
        step: list[StoredLabel[R]] = []
        # Before the first await: this is the step to undo as soon as one label is safe.
        self._steps.append(step)
        for done, key in enumerate(keys):
            so_far = tr("{done} of {photos} labelled", done=count(done), photos=count(len(keys)))
            report(done, len(keys), so_far)
            photo = self._gallery.photo(key)
            if photo is None:
                continue
            try:
                jpeg = await asyncio.to_thread(read_normalized_image, photo.path)
                said = class_name if is_class else None
                receipt = await self._store(jpeg, said, photo.model, batch)
            except ServeryError as error:
                on_error(error)
                continue
            previous = photo.labels.get(photo.model, "")
            step.append(StoredLabel(key, photo.model, previous, receipt))
            self._gallery.set_label(key, photo.model, class_name, can_be_undone=True)

    def take_last(self, keys: Sequence[str] = ()) -> list[StoredLabel[R]]:
        """Return what is to be undone, and forget it: the last label of each of `keys`,
        or without keys the last step."""
        taken: list[StoredLabel[R]] = []
        missing = set(keys)
        for step in reversed(self._steps):
            found = [one for one in step if not keys or (one.key in missing and self._shows(one))]
            if found:
                step[:] = [one for one in step if one not in found]
                missing -= {one.key for one in found}
                taken += found
                if not missing:
                    break
        self._steps = [step for step in self._steps if step]
        return taken

    async def undo(self, taken: Sequence[StoredLabel[R]]) -> None:
        """Take labels back, and show the previous ones again."""
        for one in taken:
            await self._withdraw(one.receipt)
            still = any(
                (each.key, each.model) == (one.key, one.model)
                for step in self._steps
                for each in step
            )
            self._gallery.set_label(one.key, one.model, one.previous, can_be_undone=still)

    def _shows(self, one: StoredLabel[R]) -> bool:
        """Whether the label is for the model whose label its photo shows now."""
        photo = self._gallery.photo(one.key)
        if photo is None:
            return True
        return one.model == (photo.model if photo.model in photo.labels else "")
