"""Files with faults: what shows what was meant is shown, and the rest is named as what it is."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from serving.image_file import UnusableImage
from serving.normalize_image import MAX_SIDE, normalize_image
from tests.support import jpeg_bytes
from tests.support.golden_images import TOLERANCE, scene
from tests.support.hostile_images import encoded, png_chunk
from tests.support.icc_profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, RgbSpace
from tests.support.odd_images import (
    RAMPS,
    SIDEWAYS,
    bad_files,
    exif,
    jpegs_of_all_codings,
    png_with,
    ramp,
    sideways_with_broken_exif,
    tiff_with,
    webp_with,
    with_broken_metadata,
    with_exif,
)

SIDEWAYS_EXIF = exif(SIDEWAYS)


def levels(data: bytes, mode: str = "RGB") -> np.ndarray:
    with Image.open(io.BytesIO(normalize_image(data))) as image:
        return np.asarray(image.convert(mode), np.float64)


def assert_shows(data: bytes, image: Image.Image, tolerance: float = TOLERANCE) -> None:
    shown, expected = levels(data), np.asarray(image, np.float64)
    assert shown.shape == expected.shape
    assert np.abs(shown - expected).mean() <= tolerance


def turned() -> Image.Image:
    return scene().transpose(Image.Transpose.ROTATE_270)


@pytest.mark.parametrize("name", sideways_with_broken_exif())
def test_orientation_is_read_beside_broken_metadata(name: str) -> None:
    assert_shows(sideways_with_broken_exif()[name], turned())


@pytest.mark.parametrize("name", with_broken_metadata())
def test_broken_metadata_decide_nothing(name: str) -> None:
    assert_shows(with_broken_metadata()[name], scene())


ORIENTED = {
    "EXIF of a JPEG": lambda: with_exif(SIDEWAYS_EXIF),
    "as a long number": lambda: with_exif(exif((0x0112, 4, 1, b"\6\0\0\0"))),
    "XMP of a JPEG": lambda: with_exif(
        b'<x tiff:Orientation="6"/>', b"http://ns.adobe.com/xap/1.0/\0"
    ),
    "EXIF of a PNG": lambda: png_with(png_chunk(b"eXIf", SIDEWAYS_EXIF)),
    "EXIF at the end of a PNG": lambda: png_with(png_chunk(b"eXIf", SIDEWAYS_EXIF), last=True),
    "EXIF in a text of a PNG": lambda: png_with(
        png_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n26\n" + SIDEWAYS_EXIF.hex().encode())
    ),
    "XMP of a PNG": lambda: png_with(
        png_chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>')
    ),
    "packed XMP of a PNG": lambda: png_with(
        png_chunk(
            b"iTXt",
            b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<tiff:Orientation>6</x>"),
        )
    ),
    "EXIF of a WebP": lambda: webp_with(8, b"EXIF", SIDEWAYS_EXIF),
    "EXIF of a WebP after its name": lambda: webp_with(8, b"EXIF", b"Exif\0\0" + SIDEWAYS_EXIF),
    "tag of a TIFF": lambda: tiff_with(SIDEWAYS),
    "tag of a packed TIFF": lambda: tiff_with(SIDEWAYS, compression="tiff_lzw"),
    "AVIF": lambda: encoded(scene(), "AVIF", quality=90, exif=SIDEWAYS_EXIF),
}


@pytest.mark.parametrize("name", ORIENTED)
def test_orientation_is_read_wherever_it_is(name: str) -> None:
    assert_shows(ORIENTED[name](), turned())


def test_nothing_of_the_metadata_is_written_again() -> None:
    profile = DISPLAY_P3.profile(padding=2**20)
    for form in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "AVIF"):
        options = {"comment": b"a cat"} if form in ("JPEG", "GIF") else {}
        data = encoded(scene(), form, icc_profile=profile, exif=SIDEWAYS_EXIF, **options)
        with Image.open(io.BytesIO(normalize_image(data))) as image:
            assert not {"icc_profile", "exif", "comment", "xmp"} & set(image.info)


@pytest.mark.parametrize("missing", [1, 2])
@pytest.mark.parametrize("name", jpegs_of_all_codings())
def test_jpeg_that_lacks_only_its_end_is_shown(name: str, missing: int) -> None:
    whole = jpegs_of_all_codings()[name]
    repaired = normalize_image(whole[:-missing])
    assert repaired.endswith(b"\xff\xd9")
    assert np.abs(levels(whole[:-missing]) - levels(whole)).mean() <= TOLERANCE
    assert normalize_image(repaired) == repaired
    assert np.abs(levels(whole[:-missing] + bytes(900)) - levels(whole)).mean() <= TOLERANCE


@pytest.mark.parametrize("name", jpegs_of_all_codings())
def test_jpeg_that_lacks_pixels_is_refused(name: str) -> None:
    whole = jpegs_of_all_codings()[name]
    scans = [at for at in range(2, len(whole)) if whole[at : at + 2] in (b"\xff\xda", b"\xff\xc4")]
    for length in {*scans, len(whole) - 40, *(len(whole) * tenth // 10 for tenth in range(1, 10))}:
        for end in (b"", bytes(len(whole))):
            with pytest.raises(UnusableImage, match="damaged or cut off"):
                normalize_image(whole[:length] + end)


@pytest.mark.parametrize("name", bad_files())
def test_what_is_no_whole_image_is_named(name: str) -> None:
    data, what = bad_files()[name]
    with pytest.raises(UnusableImage) as caught:
        normalize_image(data)
    assert caught.value.what == what
    assert caught.value.advice.endswith(".")


@pytest.mark.parametrize("name", RAMPS)
def test_grey_of_many_levels_goes_from_black_to_white(name: str) -> None:
    make, form = RAMPS[name]
    row = levels(encoded(make(), form), "L")[32]
    expected = np.arange(256.0) if name != "32 bits, 0 to 1" else 255.0 * (np.arange(256) > 127)
    assert np.abs(row - expected).max() <= 4 or name == "32 bits, 0 to 1"
    assert np.abs(row - expected).mean() <= 2


def test_numbers_that_are_none_are_black_and_harm_no_other() -> None:
    for odd in (np.nan, np.inf, -np.inf):
        values = np.linspace(0, 1, 256).astype(np.float32)
        values[:32] = odd
        row = levels(encoded(ramp(values), "TIFF"), "L")[32]
        assert np.abs(row[40:] - np.arange(40.0, 256)).max() <= 4
        assert row[:24].max() <= 4
    nothing = ramp(np.full(256, np.nan, np.float32))
    assert levels(encoded(nothing, "TIFF")).max() == 0


def test_numbers_without_a_sign_and_inverted_ones_keep_their_order() -> None:
    numbers = np.linspace(0, 2**32 - 300, 256).astype(np.uint32)
    signed = encoded(ramp(numbers.view(np.int32)), "TIFF")
    at = signed.index(b"\x53\x01\x03\0\x01\0\0\0\2")  # how its numbers are written
    unsigned = signed[: at + 8] + b"\1" + signed[at + 9 :]
    assert np.abs(levels(unsigned, "L")[32] - np.arange(256.0)).max() <= 4
    inverted = encoded(ramp(np.linspace(65535, 0, 256).astype(np.uint16)), "TIFF")
    at = inverted.index(b"\x06\x01\x03\0\x01\0\0\0")  # what black is
    inverted = inverted[: at + 8] + b"\0\0\0\0" + inverted[at + 12 :]
    assert np.abs(levels(inverted, "L")[32] - np.arange(256.0)).max() <= 4


@pytest.mark.parametrize("space", [ADOBE_RGB, DISPLAY_P3, PROPHOTO], ids=lambda space: space.name)
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_profile_of_every_format_is_applied(space: RgbSpace, form: str) -> None:
    colors = np.asarray(scene(), np.float64) / 255
    stored = Image.fromarray(np.rint(space.from_srgb(colors) * 255).astype(np.uint8))
    options = {"quality": 95} if form not in ("PNG", "TIFF") else {}
    for padding in (0, 2 * 2**20):
        data = encoded(stored, form, icc_profile=space.profile(padding), **options)
        assert_shows(data, scene(), TOLERANCE + 1)


def test_a_strip_that_is_longer_than_any_screen_keeps_a_row() -> None:
    with Image.open(io.BytesIO(normalize_image(encoded(Image.new("L", (60_000, 3)), "PNG")))) as im:
        assert im.size == (MAX_SIDE, 1)


def test_jpeg_with_a_comment_passes_byte_for_byte() -> None:
    data = jpeg_bytes.with_segment(encoded(scene(), "JPEG"), 0xFE, b"a cat" * 1000)
    assert normalize_image(data) is data
