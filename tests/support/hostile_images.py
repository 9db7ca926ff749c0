"""Image files that cost far more to decode than their bytes suggest."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

from tests.support.jpeg_bytes import declared_jpeg

_GREY, _RGB = 0, 2
"""Color types of PNG."""


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def webp_bomb(side: int = 13_000) -> bytes:
    """Return a WebP file of less than 1 KiB that decodes to `side` x `side` pixels."""
    return encoded(Image.new("L", (side, side)).convert("RGB"), "WEBP", lossless=True, method=0)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check


def png_bomb(width: int = 14_000, height: int = 14_000, *more: bytes) -> bytes:
    """Return a PNG file of equal pixels, with more chunks before them."""
    return _png(width, height, _RGB, *more)


def grey_png(width: int, height: int) -> bytes:
    """Return a PNG file of black pixels, each of one byte."""
    return _png(width, height, _GREY)


def _png(width: int, height: int, color: int, *more: bytes) -> bytes:
    packer = zlib.compressobj(9)
    row = bytes(1 + width * (3 if color == _RGB else 1))
    pixels = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)),
            *more,
            png_chunk(b"IDAT", pixels),
            png_chunk(b"IEND", b""),
        )
    )


def png_with_packed_chunks() -> bytes:
    """Return a PNG whose texts and color profile unpack to a thousand times their size."""
    packed = zlib.compress(bytes(64 * 2**20), 9)
    texts = [png_chunk(b"zTXt", b"t%d\0\0" % number + packed) for number in range(20)]
    return png_bomb(100, 100, png_chunk(b"iCCP", b"p\0\0" + packed), *texts)


def png_of_small_chunks(count: int = 500_000) -> bytes:
    return png_bomb(100, 100, *[png_chunk(b"abCd", b"")] * count)


def gif_bomb(side: int = 14_000) -> bytes:
    return encoded(Image.new("P", (side, side)), "GIF")


def tiff_bomb(side: int = 14_000) -> bytes:
    return encoded(Image.new("L", (side, side)), "TIFF", compression="tiff_adobe_deflate")


def avif_bomb(side: int = 7_000) -> bytes:
    return encoded(Image.new("RGB", (side, side)), "AVIF", speed=10)


def jpeg_of_scans(count: int = 5_000, side: int = 4_000) -> bytes:
    """Return a progressive JPEG file whose last scan is repeated."""
    jpeg = encoded(Image.new("RGB", (side, side)), "JPEG", progressive=True)
    last = jpeg.rindex(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * count + b"\xff\xd9"


def jpeg_of_markers(count: int = 400_000) -> bytes:
    """Return a JPEG file with empty comments, four bytes each."""
    jpeg = encoded(Image.new("RGB", (64, 64)), "JPEG")
    return jpeg[:2] + b"\xff\xfe\0\x02" * count + jpeg[2:]


def jpeg_of_exif(count: int = 900) -> bytes:
    """Return a JPEG file whose metadata are in parts of 64 kB."""
    jpeg = encoded(Image.new("RGB", (64, 64)), "JPEG")
    part = (b"\xff\xe1\xff\xff" + b"Exif\0\0").ljust(2 + 0xFFFF, b"\0")
    return jpeg[:2] + part * count + jpeg[2:]


def large_photo(megabytes: int = 30) -> bytes:
    """Return a JPEG file of noise of about this size."""
    side = round((megabytes * 1_000_000 / 2.46) ** 0.5)
    noise = Image.effect_noise((side, side), 90)
    image = Image.merge("RGB", (noise, noise.rotate(90), noise.rotate(180)))
    return encoded(image, "JPEG", quality=95, subsampling=0)


BOMBS: dict[str, Callable[[], bytes]] = {
    "WebP of 169 million pixels": webp_bomb,
    "WebP of 12 million pixels": lambda: webp_bomb(3_500),
    "PNG of 196 million pixels": png_bomb,
    "PNG with packed chunks": png_with_packed_chunks,
    "PNG of 500,000 chunks": png_of_small_chunks,
    "JPEG of 900 parts of EXIF": jpeg_of_exif,
    "GIF of 196 million pixels": gif_bomb,
    "TIFF of 196 million pixels": tiff_bomb,
    "AVIF of 49 million pixels": avif_bomb,
    "JPEG of 5,000 scans": jpeg_of_scans,
    "JPEG of 400,000 comments": jpeg_of_markers,
    "JPEG that declares 65,500 x 65,500": lambda: declared_jpeg(65_500, 65_500),
}
