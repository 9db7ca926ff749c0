"""What happens when a person says what a photo shows."""

from __future__ import annotations

import asyncio

from desktop.learn.outbox import Outbox, QueuedLabel
from serving.errors import ServeryError
from serving.normalize_image import normalize_image

MAX_CLASS_NAME = 100
"""Characters."""


class ClassNameError(ServeryError):
    """The text cannot be the name of a class."""


async def submit_label(outbox: Outbox, image: bytes, class_name: str) -> QueuedLabel:
    """Take a label for `image` (a whole image file); returns once it is safe on disk.

    Raises ClassNameError, ImageError (the bytes are no image) or LabelNotKept.
    """
    name = checked_class_name(class_name)
    jpeg = await asyncio.to_thread(normalize_image, image)
    return await outbox.submit(jpeg, name)


def checked_class_name(text: str) -> str:
    """Return `text` as a class name: trimmed, with single spaces; raises ClassNameError."""
    name = " ".join(text.split())
    if not name:
        raise ClassNameError("The class has no name.", "Type what the photo shows.")
    if not name.isprintable():
        raise ClassNameError(
            "The class name holds characters that cannot be shown.", "Type the name anew."
        )
    if len(name) > MAX_CLASS_NAME:
        raise ClassNameError(
            f"The class name is longer than {MAX_CLASS_NAME} characters.",
            "Choose a shorter name.",
        )
    return name
