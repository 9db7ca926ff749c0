"""How an image is decoded, and how much memory that takes, by its header alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from serving.image_file import turn_to_upright
from serving.srgb import is_srgb

MAX_DECODING_BYTES = 320 * 2**20
"""What decoding one image may take. JPEG files are decoded at a fraction of their size if
they would take more; others are refused."""

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""What Pillow keeps for a pixel of these modes; 4 for every other."""
_DECODER_BYTES = {"WEBP": 14, "AVIF": 12}
"""What decoders keep for each pixel beside the image. They also read the whole file."""
_STRIP_BYTES = {"TIFF": 6, "GIF": 4}
"""What decoders need for each pixel only while they decode."""
_TRANSPARENT_BYTES = 14
"""For each pixel, while what is transparent gets its background."""
_OTHER_MODE_BYTES = 10
_CONVERTED_BYTES = _TURNED_BYTES = 4
_FIXED_BYTES = 4 * 2**20
_SCALES = (1, 2, 4, 8)
_GAPS = (2.0, 1.0)
"""Pillow's default, with which large images are scaled down best, and what takes least memory."""


@dataclass(frozen=True)
class DecodingPlan:
    """How to decode an image."""

    scale: int
    """Its sides are divided by this while it is decoded; more than 1 only for JPEG files."""
    gap: float
    """Pillow's `reducing_gap` for scaling it down afterwards."""
    cost: int
    """Bytes; an upper bound, measured for each format and mode in `test_decoding_plan.py`."""


def plan_decoding(image: Image.Image, length: int, side: int) -> DecodingPlan:
    """Plan how to decode and normalize an image that was opened but not decoded.

    `length` is that of its file, `side` what its longer side is scaled down to. It is the best
    that takes no more than MAX_DECODING_BYTES, or else what takes least; always the same for
    the same file.
    """
    plans = list(_plans(image, length, side))
    return next(
        (plan for plan in plans if plan.cost <= MAX_DECODING_BYTES),
        min(plans, key=lambda plan: plan.cost),
    )


def _plans(image: Image.Image, length: int, side: int) -> Iterator[DecodingPlan]:
    kept = _PIXEL_BYTES.get(image.mode, 4) + _DECODER_BYTES.get(image.format or "", 0)
    conversion = _conversion_bytes(image)
    strip = _STRIP_BYTES.get(image.format or "", 0)
    converted = kept + (_CONVERTED_BYTES if conversion else 0)
    file = length * (2 if image.format in _DECODER_BYTES else 1)
    fixed = _coefficients(image) + file + _FIXED_BYTES
    turned = _TURNED_BYTES if turn_to_upright(image) is not None else 0
    for scale in _SCALES if image.format in ("JPEG", "MPO") else (1,):
        width, height = -(-image.width // scale), -(-image.height // scale)
        pixels = width * height
        decoding = pixels * (kept + max(strip, conversion))
        output = min(pixels, side * side) * (turned + 1)
        for gap in _GAPS:
            scaling = pixels * converted + _scaling(width, height, side, gap) + output
            yield DecodingPlan(scale, gap, fixed + max(decoding, scaling))


def _conversion_bytes(image: Image.Image) -> int:
    """Return what converting its colors takes for each pixel; 0 if they stay as they are."""
    if image.has_transparency_data:
        return _TRANSPARENT_BYTES
    if image.mode == "RGB":
        return 0 if is_srgb(image) else _CONVERTED_BYTES
    if image.mode == "L":
        is_kept = image.format in ("JPEG", "MPO") and not image.info.get("icc_profile")
        return 0 if is_kept else 2 * _CONVERTED_BYTES
    return _OTHER_MODE_BYTES


def _coefficients(image: Image.Image) -> int:
    """Return what a progressive JPEG needs: all its coefficients, until the last scan is read."""
    if not image.info.get("progressive"):
        return 0
    layers = getattr(image, "layer", ())
    widest = max((layer[1] for layer in layers), default=0) or 1
    highest = max((layer[2] for layer in layers), default=0) or 1
    shares = sum(layer[1] * layer[2] / (widest * highest) for layer in layers) or 4
    return round(2 * image.width * image.height * shares)


def _scaling(width: int, height: int, side: int, gap: float) -> int:
    longest = max(width, height)
    if longest <= side:
        return 0
    factor = max(1, int(longest / side / gap))
    reduced = 4 * -(-width // factor) * -(-height // factor)
    narrowed = 4 * round(width * side / longest) * -(-height // factor)
    scaled = 4 * round(width * side / longest) * round(height * side / longest)
    return (reduced if factor > 1 else 0) + narrowed + scaled
