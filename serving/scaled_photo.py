"""Photos made smaller for showing them."""

from __future__ import annotations

import io
from collections.abc import Callable

from serving.image_file import open_image

JPEG_QUALITY = 85
_BYTES_EACH = 12
"""For each pixel that is decoded: the image, its colors converted, and the smaller one."""


def scaled_photo(
    data: bytes, side: int, on_cost: Callable[[int], None], *, always_encode: bool = False
) -> bytes:
    """Return a JPEG file of a photo, its shorter side at most `side` pixels.

    `data` itself if the photo is no larger, unless it is to `always_encode` one. `on_cost` is
    called with how many bytes of memory decoding takes at most, and may raise. Raises
    UnusableImage.
    """
    with open_image(data) as photo:
        scale = side / min(photo.size)
        if scale >= 1 and not always_encode:
            return data
        scale = min(1.0, scale)
        width, height = (max(1, round(scale * length)) for length in photo.size)
        photo.draft("RGB", (width, height))  # decodes to a fraction of the size, much faster
        on_cost(photo.width * photo.height * _BYTES_EACH + len(data))
        content = io.BytesIO()
        photo.convert("RGB").resize((width, height)).save(content, "JPEG", quality=JPEG_QUALITY)
        return content.getvalue()
