"""Decoded images of any color model become sRGB, the colors that models learned from."""

from __future__ import annotations

import functools
import io
from itertools import product

from PIL import Image, ImageCms

from serving.grey_levels import has_many_levels, to_grey

_MAX_DEVIATION = 3
"""Of 255 levels. A profile that changes no color by more is one of the many that mean sRGB."""
_STEPS = range(0, 256, 15)
"""The levels of each of red, green and blue at which a profile is compared with sRGB."""
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab "}
"""The color space of the profile that an image of this mode can have."""
_CACHE = 16
"""Profiles; those of inks have half a megabyte."""
_TRANSFORMS = 4
"""Those of inks have two megabytes."""


def is_srgb(image: Image.Image) -> bool:
    """Say whether an RGB or grey image shows the right colors without its profile."""
    return _profile(_with_simple_mode(image)) is None


def is_like_srgb(profile: bytes) -> bool:
    """Say whether an RGB image with this profile shows the right colors without it."""
    return _space(profile) != _SPACES["RGB"] or not _changes_colors(profile, "RGB")


def to_srgb(image: Image.Image) -> Image.Image:
    """Return a decoded image as RGB, or as RGBA if something may be transparent.

    The color profile in it is applied. One that is damaged or belongs to another color
    model counts as none: then RGB and grey are sRGB, and inks are mixed as on a screen.
    """
    if has_many_levels(image):  # in PNG, one of them may stand for transparent; seldom is any
        image = _with_simple_mode(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        colors = image.convert("L") if image.mode in ("LA", "La") else layer.convert("RGB")
        colors.info = {"icc_profile": image.info.get("icc_profile")}
        opaque = to_srgb(colors)
        opaque.putalpha(layer.getchannel("A"))
        return opaque
    image = _with_simple_mode(image)
    profile = _profile(image)
    if profile is not None:
        return _transformed(image, profile)
    if image.mode == "LAB":
        return _transformed(image, None)
    # Not a copy: a large photo takes enough memory once.
    return image if image.mode == "RGB" else image.convert("RGB")


def _with_simple_mode(image: Image.Image) -> Image.Image:
    """Return the image in one of the modes of `_SPACES`, with its profile."""
    profile = image.info.get("icc_profile")
    if has_many_levels(image):
        simple = to_grey(image)
    elif image.mode == "1":
        simple = image.convert("L")
    elif image.mode == "L" and profile and _space(profile) == "RGB ":
        simple = image.convert("RGB")
    elif image.mode in _SPACES:
        return image
    else:
        simple = image.convert("RGB")
    simple.info["icc_profile"] = profile
    return simple


def _profile(image: Image.Image) -> bytes | None:
    """Return the profile of the image if it changes how the image looks."""
    profile: bytes | None = image.info.get("icc_profile")
    if not profile or _space(profile) != _SPACES[image.mode]:
        return None
    return profile if _changes_colors(profile, image.mode) else None


@functools.lru_cache(_CACHE)
def _space(profile: bytes) -> str:
    """Return the color space of a profile, or "" if it is none."""
    try:
        return str(_read(profile).profile.xcolor_space)
    except OSError:
        return ""


@functools.lru_cache(_CACHE)
def _changes_colors(profile: bytes, mode: str) -> bool:
    """Say whether a profile differs from sRGB; one that cannot be used does not."""
    if mode == "RGB":
        levels = bytes(level for color in product(_STEPS, repeat=3) for level in color)
    else:
        levels = bytes(level for level in range(256) for _ in range(Image.getmodebands(mode)))
    sample = Image.frombytes(mode, (len(levels) // Image.getmodebands(mode), 1), levels)
    try:
        shown = _transformed(sample, profile)
    except ImageCms.PyCMSError:
        return False
    pairs = zip(shown.tobytes(), sample.convert("RGB").tobytes(), strict=True)
    return max(abs(ours - theirs) for ours, theirs in pairs) > _MAX_DEVIATION


def _transformed(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return an image as sRGB; without a profile its colors are those of Lab."""
    converted = ImageCms.applyTransform(image, _transform(profile, image.mode))
    assert converted is not None  # it is None only for an image that is changed in place
    return converted


# To make one takes as long as to convert a photo with it. Threads may share them: Little CMS keeps
# nothing in a transform while it is applied.
@functools.lru_cache(_TRANSFORMS)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB") if profile is None else _read(profile),
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        # As picture editors do: colors stay, and the blackest ink becomes black.
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _read(profile: bytes) -> ImageCms.ImageCmsProfile:
    """Raises OSError if these bytes are no profile."""
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))
