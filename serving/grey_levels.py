"""Grey images of more than 8 bits become ordinary ones: scans, x-rays, measured values."""

from __future__ import annotations

import math
from collections.abc import Iterator

from PIL import Image, ImageMath

_WHITE = (255, 4095, 65535)
"""What white may be in whole numbers, of 8, 12 or 16 bits; in others it may also be 1."""
_MIN_SHARE = 1 / 8
"""The smallest share of white that the brightest pixel of an image has; below, white is something
else."""
_STRIP_PIXELS = 1 << 20
_INFINITE = 3e38
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_SAMPLE_FORMAT, _UNSIGNED, _SIGNED = 339, 1, 2
"""Tags of TIFF, and what they may say."""


def has_many_levels(image: Image.Image) -> bool:
    """Say whether an image is grey of more than 8 bits, or of fractions."""
    return image.mode.startswith(("I", "F"))


def to_grey(image: Image.Image) -> Image.Image:
    """Return a decoded image that `has_many_levels` as one of mode L.

    0 is black, and white is the full scale of the number of bits that are used, or 1 for
    fractions up to that. Values of any other range are spread from black to white. What is no
    number or infinite is black. It takes little more memory than the result.
    """
    low, high = _range(image)
    factor = 255 / (high - low)
    offset = 0.5 - low * factor  # it is cut off after the point
    if _tag(image, _PHOTOMETRIC) == _WHITE_IS_ZERO:
        factor, offset = -factor, 256 - offset
    grey = Image.new("L", image.size)
    for top, strip in _strips(image):
        levels = strip.point(lambda value: value * factor + offset)
        grey.paste(_numbers(levels, "max", 0.0).convert("L"), (0, top))
    return grey


def _range(image: Image.Image) -> tuple[float, float]:
    """Return the values that are black and white."""
    low, high = math.inf, -math.inf
    for _, strip in _strips(image):
        low = min(low, _extrema(_numbers(strip, "min", _INFINITE))[0])
        high = max(high, _extrema(_numbers(strip, "max", -_INFINITE))[1])
    if low > high:  # there is no number at all
        return 0, 1
    scales = (1, *_WHITE) if image.mode == "F" else _WHITE
    white = next((white for white in scales if high <= white), high)
    is_scaled = low == high or high >= white * _MIN_SHARE
    if low >= 0 and is_scaled and _tag(image, _SAMPLE_FORMAT) != _SIGNED:
        return 0, white
    return low, high if high > low else low + 1


def _strips(image: Image.Image) -> Iterator[tuple[int, Image.Image]]:
    """Yield an image in parts of mode F, each with the row that it begins at."""
    is_unsigned = image.mode == "I" and _tag(image, _SAMPLE_FORMAT) in (None, _UNSIGNED)
    rows = max(1, _STRIP_PIXELS // image.width)
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(image.height, top + rows)))
        if strip.mode.startswith("I;16"):
            strip = strip.convert("I")
        numbers = strip.convert("F")
        if is_unsigned and image.format == "TIFF":
            # Pillow keeps 32 bits as a signed number, so that the brightest become negative.
            numbers = ImageMath.lambda_eval(
                lambda of: of["numbers"] + (of["numbers"] < 0) * 2.0**32, numbers=numbers
            )
        yield top, numbers


def _numbers(strip: Image.Image, choose: str, other: float) -> Image.Image:
    """Return the `min` or the `max` of each value and `other`; `other` if it is no number."""
    numbers: Image.Image = ImageMath.lambda_eval(
        # An infinite one times 0 is no number, and of two the second comes out then.
        lambda of: of[choose](of["n"] * (of["n"] < _INFINITE) * (of["n"] > -_INFINITE), other),
        n=strip,
    )
    return numbers


def _extrema(strip: Image.Image) -> tuple[float, float]:
    low, high = strip.getextrema()
    assert isinstance(low, float)
    assert isinstance(high, float)
    return low, high


def _tag(image: Image.Image, number: int) -> object:
    value = getattr(image, "tag_v2", {}).get(number)
    return value[0] if isinstance(value, tuple) and value else value  # one for each channel
