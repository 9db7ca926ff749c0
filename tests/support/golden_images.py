"""The golden set: JPEG files of every kind that cameras, phones and programs write.

Each is made here from a picture that is known, so that a test can compare what comes out of
the product with what the file was made to show, not only with what another way makes of it.
"""

from __future__ import annotations

import base64
import functools
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from serving.image_file import ImageFault
from tests.support import icc_profiles, jpeg_bytes
from tests.support.icc_profiles import ADOBE_RGB, DISPLAY_P3, SRGB, Floats
from tests.support.jpeg_encoder import encode_lossless, encode_sampled

SIZE = (144, 104)
ORIENTATION = 0x0112
TOLERANCE = 5.0
"""Of 255 levels: what the usual compression of `scene` takes and adds. A picture that is turned
wrong is off by 40, one with a profile ignored by 7 or more."""
_STORED_AS: dict[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How an upright picture is laid out in a file with this EXIF orientation."""

_SAMPLINGS = {
    "4:1:1": ((4, 1), (1, 1), (1, 1)),
    "4:1:0": ((4, 2), (1, 1), (1, 1)),
    "4:4:0": ((1, 2), (1, 1), (1, 1)),
    "4:2:0 of blue, 4:4:4 of red": ((2, 2), (1, 1), (2, 2)),
    "finer than luma": ((1, 1), (2, 2), (2, 2)),
}
"""Horizontal and vertical factors of Y, Cb and Cr."""

_ARITHMETIC_SIZE = (48, 32)
_ARITHMETIC = (
    "|JeWF01!$>Nk#wx0RR9200961|JwjV00smF1_cBL1_cHO2L=cV5DE$j2?`Vr4-60&6c`v66c!d59VH(c8zUSR79cDjBP"
    "J&)Dk&KsEif%8FeNA{DF534LjeZ|2MP!Z6AB6wC>j<TC@3f>C@3f>C@3f>C@3f>C@3f>C@3f>C@3f>C@3f>C@3f>C@3f"
    ">C@3f>C@3f>C@BBQ01*fPAOJ7}0U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zf#0Aa^J1_&esOD4PVU0raeT"
    "?eR-wMHg2nd*SG&f4fERd(yi27myAIL;jib@&|)Z0oKn3IeAzrbBy3jOroQ<cwq`0XrT??%pawuyeQTm)lz+Ph$$ZXlp"
    "ky++xaVD14Vh<+&tLi*DHIp`Vx{8$m_mO#6Wn&s{vW&7u(7nceuKkqgyWbUu!xa8li${{XSxw9`rJLzAVLgO7@HDK50{"
    "k946?L+OZTyvU^L;@Gwc)*dw~?$lJ@{{WA57RS%VSluU7q8)TmUw$tZq>?Lt@CspSi!Z$)Vf5X48On7Ov5>&GTUUUHm!"
    "t3V5Zz{cP?*pCIZX`~Jf$m^7vvsFVURQ5)cPoAg`350piVIT{)}uoJ@kjxkWh_2oFv<i-vJk{?UPQy+gv;g`yc_MO$#6"
    "r)#h-TWo;oafg8vAKM>dHUW(2mcWjNc02}WmmfBJR!cVTc*0)0<$V?9mN;9WUZeJx~$OHPRKFV{@jSg9r-+Cc#F!|-+o"
    "OVLRb@}tQ=b)drs(vXicGS?11>5wjsT@DboE8X7g#8M$qb0^DIo?E6!%DnTKX5>?8QMMLNsVq(OK1)9%T`0G-6V9-ibP"
    "lLCSR~qp&T0oIfS~nt@>t?Nl+A%gOj?xH_6wI9@~;xSFhSi$_$nehcMyOe$FrD9D;oJTTd7;!nOFAfdAP"
)
"""`scene(_ARITHMETIC_SIZE)` at quality 80 after `jpegtran -arithmetic`, in base 85: Pillow reads
arithmetic coding but does not write it."""


@dataclass(frozen=True)
class GoldenImage:
    """One file, and what it shows."""

    name: str
    data: bytes
    shows: Image.Image
    """Upright, sRGB."""
    untouched: bool
    """It is normalized already: every way passes it on byte for byte."""
    tolerance: float
    """By how many of 255 levels its pixels may differ from `shows` on average."""


@functools.cache
def golden_images() -> tuple[GoldenImage, ...]:
    """Return the set; the same bytes in every process."""
    return tuple(
        image
        for group in (_encodings, _sizes, _orientations, _color_models, _profiles, _oddities)
        for image in group()
    )


def refused_files() -> dict[str, tuple[bytes, ImageFault]]:
    """Return files that are no images to Servery, and why, by name."""
    jpeg = encode(scene())
    out = io.BytesIO()
    scene().save(out, "PNG")
    return {
        "empty": (b"", ImageFault.EMPTY),
        "words": (b"these are words", ImageFault.NOT_AN_IMAGE),
        "the first marker alone": (jpeg[:3], ImageFault.NOT_AN_IMAGE),
        "an archive": (b"PK\x03\x04" + jpeg, ImageFault.NOT_AN_IMAGE),
        "HEIC": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100), ImageFault.NOT_AN_IMAGE),
        "12 bits a sample": (jpeg_bytes.with_frame(jpeg, 0xC1, 12), ImageFault.NOT_AN_IMAGE),
        "of another kind than it says": (
            jpeg_bytes.with_frame(jpeg, 0xC3, 8),
            ImageFault.DAMAGED,
        ),
        "cut off in the header": (jpeg[:200], ImageFault.DAMAGED),
        "cut off in the middle": (jpeg[: len(jpeg) // 2], ImageFault.DAMAGED),
        "without its last bytes": (jpeg[:-20], ImageFault.DAMAGED),
        "PNG, cut off": (out.getvalue()[:2000], ImageFault.DAMAGED),
    }


def golden_files(folder: Path) -> dict[Path, GoldenImage]:
    """Write the set into `folder`."""
    files = {folder / f"{number:03}.jpg": image for number, image in enumerate(golden_images())}
    for path, image in files.items():
        path.write_bytes(image.data)
    return files


def scene(size: tuple[int, int] = SIZE, seed: int = 1) -> Image.Image:
    """Draw a picture in which every corner, side and color differs from the others."""
    width, height = size
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    sky = np.stack([60 + 150 * x, 90 + 110 * y, 210 - 150 * x * y], axis=-1)
    image = Image.fromarray(sky.astype(np.uint8))
    draw = ImageDraw.Draw(image)
    draw.ellipse((width * 0.08, height * 0.1, width * 0.4, height * 0.5), fill=(220, 60, 50))
    draw.rectangle((width * 0.6, height * 0.1, width * 0.9, height * 0.35), fill=(240, 210, 70))
    draw.polygon(
        [(width * 0.15, height * 0.95), (width * 0.45, height * 0.55), (width * 0.7, height * 0.9)],
        fill=(40, 130, 70),
    )
    draw.line((width * 0.75, height * 0.5, width * 0.95, height * 0.95), (35, 30, 60), width // 30)
    noise = rng.normal(0, 2, (height, width, 1))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def encode(image: Image.Image, quality: int = 92, **options: Any) -> bytes:
    """Return the picture as a JPEG file, with Pillow's `options`."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, **options)
    return out.getvalue()


def _encodings() -> Iterator[GoldenImage]:
    """Ways to write the same pixels, all of which pass untouched."""
    shows = scene()

    def made(name: str, data: bytes, tolerance: float = TOLERANCE) -> GoldenImage:
        return GoldenImage(name, data, shows, True, tolerance)

    yield made("baseline", encode(shows, quality=85))
    yield made("progressive", encode(shows, progressive=True))
    yield made("progressive 4:4:4", encode(shows, progressive=True, subsampling="4:4:4"))
    yield made("optimized Huffman tables", encode(shows, optimize=True))
    for subsampling in ("4:4:4", "4:2:2", "4:2:0"):
        yield made(f"chroma {subsampling}", encode(shows, subsampling=subsampling))
    tables = encode(shows, 88, subsampling="4:4:4")
    for name, sampling in _SAMPLINGS.items():
        yield made(f"chroma {name}", encode_sampled(shows, sampling, like=tables), 6)
    for name, luma in {"4:4:4": (1, 1), "4:2:0": (2, 2)}.items():
        factors = (luma, (1, 1), (1, 1))
        data = encode_sampled(shows, factors, like=tables, interleaved=False)
        yield made(f"chroma {name}, a scan for each component", data)
    yield made("quality 1", encode(shows, quality=1), 25)
    yield made("quality 10", encode(shows, quality=10), 12)
    yield made("quality 100", encode(shows, quality=100, subsampling="4:4:4"), 1)
    yield made("restart after each block", encode(shows, restart_marker_blocks=1))
    yield made("restart after each row", encode(shows, restart_marker_rows=1))
    yield made("progressive with restarts", encode(shows, progressive=True, restart_marker_rows=1))
    yield made("comment", encode(shows, comment=b"\xff\xd8 not the start of an image \xff\xd9"))
    yield made("density 300 x 100 dots", encode(shows, dpi=(300, 100)))
    data = encode(shows)
    yield made("density of no sense", jpeg_bytes.with_density(data, 9, 0, 65535))
    yield made("trailing garbage", data + b"not part of the image" * 100)
    yield made("a second image behind it", data + encode(scene(seed=7)))
    yield made("fill bytes before markers", jpeg_bytes.with_fill_bytes(data))
    yield made("no JFIF marker", jpeg_bytes.without_segment(data, 0xE0))
    yield made("quantization tables of 16 bits", jpeg_bytes.with_wide_tables(data))


def _sizes() -> Iterator[GoldenImage]:
    sizes = [
        (1, 1), (1, 200), (200, 1), (2, 2), (7, 13), (8, 8), (16, 16), (17, 15), (31, 33),
        (259, 261), (260, 260), (1100, 1900), (2000, 20), (20, 2000), (4096, 40),
    ]  # fmt: skip
    for width, height in sizes:
        shows = scene((width, height))
        # With half its chroma, hardly a color is left of a picture of a few pixels.
        chroma = "4:2:0" if min(width, height) > 200 else "4:4:4"
        data = encode(shows, 95, subsampling=chroma)
        yield GoldenImage(f"{width} x {height}", data, shows, True, TOLERANCE)
    for width, height in (1, 1), (3, 3), (17, 15):
        shows = scene((width, height))
        name = f"{width} x {height}, chroma 4:2:0"
        yield GoldenImage(name, encode(shows), shows, True, 45)
    shows = scene((261, 259))
    yield GoldenImage(
        "261 x 259 progressive", encode(shows, progressive=True), shows, True, TOLERANCE
    )
    wide = scene((5000, 50))
    shows = wide.resize((4096, 41), Image.Resampling.LANCZOS)
    yield GoldenImage("5000 x 50", encode(wide), shows, False, TOLERANCE)


def _orientations() -> Iterator[GoldenImage]:
    shows = scene()
    for orientation in range(1, 9):
        stored = _stored(shows, orientation)
        data = encode(stored, exif=_exif(orientation))
        yield GoldenImage(f"orientation {orientation}", data, shows, orientation == 1, TOLERANCE)
    data = encode(_stored(shows, 6), exif=_exif(6, ">"))
    yield GoldenImage("orientation 6, most significant byte first", data, shows, False, TOLERANCE)
    for orientation in (0, 9, 65535):
        data = encode(shows, exif=_exif(orientation))
        yield GoldenImage(f"orientation {orientation}, which is none", data, shows, True, TOLERANCE)
    grey = shows.convert("L")
    data = encode(_stored(grey, 8), exif=_exif(8))
    yield GoldenImage("grey, orientation 8", data, grey.convert("RGB"), False, TOLERANCE)
    data = encode(_stored(shows, 5), exif=_exif(5), progressive=True, subsampling="4:4:4")
    yield GoldenImage("progressive, orientation 5", data, shows, False, TOLERANCE)
    odd = scene((37, 23))
    data = encode(_stored(odd, 7), 95, exif=_exif(7), subsampling="4:4:4")
    yield GoldenImage("37 x 23, orientation 7", data, odd, False, 12)
    thumbnail = encode(scene((64, 48), seed=9).transpose(Image.Transpose.ROTATE_180))
    for orientation in (1, 6):
        exif = jpeg_bytes.exif_with_thumbnail(orientation, thumbnail, thumbnail_orientation=3)
        data = encode(_stored(shows, orientation), exif=exif)
        name = f"thumbnail turned otherwise, orientation {orientation}"
        yield GoldenImage(name, data, shows, orientation == 1, TOLERANCE)
    for name, content in {
        "without content": b"",
        "of words": b"these are words, not tags",
        "cut off": b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0",
        "pointing nowhere": b"II*\0\xff\xff\xff\xff",
    }.items():
        data = encode(shows, exif=b"Exif\0\0" + content)
        yield GoldenImage(f"EXIF {name}", data, shows, True, TOLERANCE)


def _color_models() -> Iterator[GoldenImage]:
    shows = scene()
    grey = shows.convert("L")
    grey_shows = grey.convert("RGB")
    yield GoldenImage("grey", encode(grey), grey_shows, True, TOLERANCE)
    yield GoldenImage(
        "grey progressive", encode(grey, progressive=True), grey_shows, True, TOLERANCE
    )
    yield GoldenImage("grey 13 x 7", *_grey(scene((13, 7))), True, 6)
    cmyk = _to_cmyk(shows)
    yield GoldenImage("CMYK", encode(cmyk), shows, False, TOLERANCE)
    yield GoldenImage("CMYK progressive", encode(cmyk, progressive=True), shows, False, TOLERANCE)
    data = encode(_stored(cmyk, 6), exif=_exif(6))
    yield GoldenImage("CMYK, orientation 6", data, shows, False, TOLERANCE)
    yield GoldenImage("YCCK", _ycck(cmyk), shows, False, TOLERANCE)
    rgb = encode(shows, keep_rgb=True)
    yield GoldenImage("RGB by Adobe's marker", rgb, shows, True, TOLERANCE)
    unmarked = jpeg_bytes.without_segment(rgb, 0xEE)
    yield GoldenImage("RGB by the names of its components", unmarked, shows, True, TOLERANCE)
    data = jpeg_bytes.without_segment(encode(shows), 0xE0)
    data = jpeg_bytes.with_segment(data, 0xEE, jpeg_bytes.adobe_marker(transform=1))
    yield GoldenImage("YCbCr by Adobe's marker", data, shows, True, TOLERANCE)


def _profiles() -> Iterator[GoldenImage]:
    shows = scene()
    colors = np.asarray(shows, np.float64) / 255

    def made(name: str, space: icc_profiles.RgbSpace, **options: Any) -> GoldenImage:
        pixels = _pixels(space.from_srgb(colors))
        data = encode(pixels, icc_profile=space.profile(), subsampling="4:4:4", **options)
        return GoldenImage(name, data, shows, space is SRGB, TOLERANCE)

    yield made("profile sRGB", SRGB)
    yield made("profile Display P3", DISPLAY_P3)
    yield made("profile Adobe RGB", ADOBE_RGB)
    yield made("profile Display P3, progressive", DISPLAY_P3, progressive=True)
    yield made("profile that swaps red and blue", icc_profiles.SWAPPED)
    turned = _stored(_pixels(DISPLAY_P3.from_srgb(colors)), 6)
    data = encode(turned, icc_profile=DISPLAY_P3.profile(), exif=_exif(6))
    yield GoldenImage("profile Display P3, orientation 6", data, shows, False, TOLERANCE)
    large = DISPLAY_P3.profile(padding=150_000)
    data = encode(_pixels(DISPLAY_P3.from_srgb(colors)), icc_profile=large)
    yield GoldenImage("profile in three segments", data, shows, False, TOLERANCE)
    data = jpeg_bytes.with_reversed_segments(data, 0xE2)
    yield GoldenImage("profile in segments out of order", data, shows, False, TOLERANCE)

    grey = shows.convert("L")
    linear = icc_profiles.srgb_to_linear(np.asarray(grey, np.float64) / 255)
    data = encode(_pixels(linear ** (1 / 1.8)), icc_profile=icc_profiles.grey_profile(1.8))
    yield GoldenImage("grey profile, gamma 1.8", data, grey.convert("RGB"), False, TOLERANCE)
    data = encode(grey, icc_profile=SRGB.profile())
    yield GoldenImage("grey with the profile sRGB", data, grey.convert("RGB"), True, TOLERANCE)

    planes = _pixels(icc_profiles.srgb_to_lab_cmyk(colors), "CMYK")
    data = encode(planes, 97, icc_profile=icc_profiles.lab_cmyk_profile())
    yield GoldenImage("CMYK profile", data, shows, False, 5)

    data = encode(shows, icc_profile=icc_profiles.lab_cmyk_profile())
    yield GoldenImage("profile of another color model", data, shows, True, TOLERANCE)
    data = encode(shows, icc_profile=b"this is no profile" * 20)
    yield GoldenImage("profile of words", data, shows, True, TOLERANCE)
    data = encode(shows, icc_profile=DISPLAY_P3.profile()[:300])
    yield GoldenImage("profile cut off", data, shows, True, TOLERANCE)


def _oddities() -> Iterator[GoldenImage]:
    shows = scene(_ARITHMETIC_SIZE)
    data = base64.b85decode(_ARITHMETIC)
    yield GoldenImage("arithmetic coding", data, shows, True, 12)
    shows = scene()
    data = encode_lossless(shows, like=encode(shows))
    yield GoldenImage("lossless", data, shows, False, TOLERANCE)
    data = encode(shows)[:-2] + bytes(600)
    yield GoldenImage("zeros for an end", data, shows, False, TOLERANCE)
    out = io.BytesIO()
    shows.save(out, "MPO", save_all=True, append_images=[scene(seed=7)], quality=92)
    yield GoldenImage("two pictures in one file (MPO)", out.getvalue(), shows, True, TOLERANCE)
    out = io.BytesIO()
    stored = _stored(shows, 6)
    stored.save(out, "MPO", save_all=True, append_images=[stored], quality=92, exif=_exif(6))
    yield GoldenImage("MPO, orientation 6", out.getvalue(), shows, False, TOLERANCE)


def _exif(orientation: int, endian: str = "<") -> Image.Exif:
    exif = Image.Exif()
    exif.endian = endian
    exif[ORIENTATION] = orientation
    return exif


def _stored(image: Image.Image, orientation: int) -> Image.Image:
    transpose = _STORED_AS.get(orientation)
    return image if transpose is None else image.transpose(transpose)


def _grey(image: Image.Image) -> tuple[bytes, Image.Image]:
    grey = image.convert("L")
    return encode(grey), grey.convert("RGB")


def _to_cmyk(image: Image.Image) -> Image.Image:
    """Separate with as much black as there can be, as print programs do: all four count."""
    colors = np.asarray(image, np.float64) / 255
    black = 1 - colors.max(axis=-1, keepdims=True)
    inks = (1 - colors - black) / np.maximum(1 - black, 1e-6)
    return _pixels(np.concatenate([inks, black], axis=-1), "CMYK")


def _ycck(cmyk: Image.Image) -> bytes:
    """Return the picture as Adobe's YCCK: three inks as if they were RGB, and black."""
    *inks, black = cmyk.split()
    planes = [*Image.merge("RGB", inks).convert("YCbCr").split(), black]
    # Pillow writes the four planes inverted. Of an ink this is Adobe's convention, but
    # luma and chroma have to arrive in the file as they are.
    planes[:3] = [plane.point(lambda value: 255 - value) for plane in planes[:3]]
    return jpeg_bytes.with_transform(encode(Image.merge("CMYK", planes)), 2)


def _pixels(values: Floats, mode: str | None = None) -> Image.Image:
    """Return values of 0 to 1 as a picture."""
    levels = np.clip(np.rint(values * 255), 0, 255).astype(np.uint8)
    if mode is None:
        return Image.fromarray(levels)
    return Image.merge(mode, [Image.fromarray(plane) for plane in np.moveaxis(levels, -1, 0)])
