"""How an image is decoded, and how much memory that takes, by its header alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from serving.image_file import lacks_end, turn_to_upright
from serving.srgb import is_srgb

MAX_DECODING_BYTES = 320 * 2**20
"""What decoding one image is to take. JPEG files are decoded at a fraction of their size if they
would take more, and others are reduced at once. What is refused is for the caller to say."""

_PIXEL_BYTES = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2}
"""What Pillow keeps for a pixel of these modes; 4 for every other."""
_DECODER_BYTES = {"WEBP": 8, "AVIF": 4}
"""What decoders keep for each pixel until they are given up."""
_FILE_COPIES = {"WEBP": 2, "AVIF": 3, "TIFF": 2}
"""How often the file is in memory: once by its decoder, once without its broken metadata."""
_STRIP_BYTES = {"TIFF": 6, "GIF": 4, "WEBP": 4, "AVIF": 4}
"""What decoders need for each pixel only while they decode."""
_TRANSPARENT_BYTES = 9
"""For each pixel, while what is transparent gets its background."""
_SCALED_FIRST, _SCALED_WITH_ALPHA = ("RGB", "L", "CMYK"), ("RGBA", "LA")
"""Modes that are scaled down before their colors are converted, which takes less memory and
time; the second as well while they hold what is transparent."""
_MARGIN = 1.15
"""On what was measured with the Pillow of the lock file: other encoders, other options."""
_MODE_BYTES = {"P": 4, "1": 5}
_OTHER_MODE_BYTES = 10
"""For each pixel, while these and other modes become RGB."""
_CONVERTED_BYTES = _TURNED_BYTES = 4
_FIXED_BYTES = 4 * 2**20
_SCALES = (1, 2, 4, 8)
_MIN_SHARE = 0.8
"""The smallest share of the requested side that reducing may leave."""
_GAPS = (2.0, 1.0)
"""Pillow's default, with which large images are scaled down best, and what takes least memory."""


@dataclass(frozen=True)
class DecodingPlan:
    """How to decode an image."""

    scale: int
    """Its sides are divided by this, of JPEG files while they are decoded, else right after it."""
    gap: float
    """Pillow's `reducing_gap` for scaling it down afterwards."""
    scales_first: bool
    """It is scaled down before its colors are converted rather than after that."""
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


def checking_cost(image: Image.Image, length: int, scale: int) -> int:
    """Return how many bytes it takes at most to decode a JPEG file of `length` bytes and no more.

    `scale` divides its sides while it is decoded.
    """
    pixels = -(-image.width // scale) * -(-image.height // scale)
    decoding = pixels * (_PIXEL_BYTES.get(image.mode, 4) + _DECODER_BYTES.get("JPEG", 0))
    file = length * _FILE_COPIES.get("JPEG", 1)
    return _coefficients(image) + file + _FIXED_BYTES + round(_MARGIN * decoding)


def _plans(image: Image.Image, length: int, side: int) -> Iterator[DecodingPlan]:
    pixel_bytes = _PIXEL_BYTES.get(image.mode, 4)
    decoder = _DECODER_BYTES.get(image.format or "", 0)
    conversion = _conversion_bytes(image)
    strip = _STRIP_BYTES.get(image.format or "", 0)
    scales_first = _scales_first(image)
    alpha_copy = pixel_bytes if scales_first and image.mode in _SCALED_WITH_ALPHA else 0
    copy = _CONVERTED_BYTES if conversion else 0
    file = length * _FILE_COPIES.get(image.format or "", 1)
    fixed = _coefficients(image) + file + _FIXED_BYTES
    turned = _TURNED_BYTES if turn_to_upright(image) is not None else 0
    is_jpeg = image.format == "JPEG"
    for scale in _SCALES if is_jpeg or scales_first else (1,):
        width, height = -(-image.width // scale), -(-image.height // scale)
        pixels = width * height
        whole = 0 if is_jpeg or scale == 1 else image.width * image.height
        if whole and max(width, height) < _MIN_SHARE * side:
            break
        output = min(pixels, side * side)
        decoding = (whole or pixels) * (pixel_bytes + decoder + strip)
        for gap in _GAPS:
            scaling = _scaling(width, height, side, gap)
            if whole:
                steps: tuple[int, ...] = ((whole + pixels) * (pixel_bytes + alpha_copy),)
                held = pixel_bytes * whole
            else:
                steps, held = (), 0
            if scales_first and max(width, height) > side:
                steps += (
                    held + pixels * (pixel_bytes + alpha_copy) + scaling,
                    held + output * (pixel_bytes + conversion + turned + 1),
                )
            else:
                steps += (
                    held + pixels * (pixel_bytes + conversion),
                    held + pixels * (pixel_bytes + copy) + scaling + output * (turned + 1),
                )
            cost = fixed + round(_MARGIN * max(decoding, *steps))
            yield DecodingPlan(scale, gap, scales_first, cost)


def _scales_first(image: Image.Image) -> bool:
    # The color that stands for transparent would be mixed with others.
    is_opaque = image.mode in _SCALED_FIRST and not image.has_transparency_data
    return is_opaque or image.mode in _SCALED_WITH_ALPHA


def _conversion_bytes(image: Image.Image) -> int:
    """Return what converting its colors takes for each pixel; 0 if they stay as they are."""
    profile = _CONVERTED_BYTES if image.info.get("icc_profile") else 0
    if image.has_transparency_data:
        return _TRANSPARENT_BYTES + profile
    if image.mode == "RGB":
        return 0 if is_srgb(image) else _CONVERTED_BYTES
    if image.mode == "L":
        is_kept = image.format == "JPEG" and not image.info.get("icc_profile")
        return 0 if is_kept else 2 * _CONVERTED_BYTES
    if image.mode in _MODE_BYTES:
        return _MODE_BYTES[image.mode] + profile
    return _OTHER_MODE_BYTES


def _coefficients(image: Image.Image) -> int:
    """Return what a progressive JPEG needs: all its coefficients, until the last scan is read."""
    if not image.info.get("progressive"):
        return 0
    layers = getattr(image, "layer", ())
    widest = max((layer[1] for layer in layers), default=0) or 1
    highest = max((layer[2] for layer in layers), default=0) or 1
    shares = sum(layer[1] * layer[2] / (widest * highest) for layer in layers) or 4
    times = 2 if lacks_end(image) else 1  # then it is read to its end by another decoder first
    return round(times * 2 * image.width * image.height * shares)


def _scaling(width: int, height: int, side: int, gap: float) -> int:
    longest = max(width, height)
    if longest <= side:
        return 0
    factor = max(1, int(longest / side / gap))
    reduced = 4 * -(-width // factor) * -(-height // factor)
    narrowed = 4 * round(width * side / longest) * -(-height // factor)
    scaled = 4 * round(width * side / longest) * round(height * side / longest)
    return (reduced if factor > 1 else 0) + narrowed + scaled
