"""What happens when a person says what a photo shows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from serving.class_names import checked_class_name
from serving.normalize_image import normalize_image

if TYPE_CHECKING:  # the window, which imports this, is painted before the outbox is imported
    from desktop.learn.outbox import Outbox, QueuedLabel


async def submit_label(
    outbox: Outbox, image: bytes, class_name: str | None, model: str = "", *, batch: str = ""
) -> QueuedLabel:
    """Take a label for `image` (a whole image file); returns once it is safe on disk.

    Without a class, it shows none of them. `model` learns it; if empty, the one that is current
    when the label is sent. Labels with the same `batch` are given at once. Raises ClassNameError,
    ImageError (the bytes are not an image) or LabelNotSaved.
    """
    name = None if class_name is None else checked_class_name(class_name)
    jpeg = await asyncio.to_thread(normalize_image, image)
    return await outbox.submit(jpeg, name, model, batch=batch)
