"""What images declare in their headers."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from PIL import Image

from serving.model_server.image_headers import decoded_sizes, embedded_size, read_header
from serving.model_server.limits import RequestLimits
from serving.tf.status import ServingError
from serving.tf.tensors import string_tensor
from tests.support.jpeg_bytes import declared_jpeg

LIMITS = RequestLimits()


def image(kind: str, size: tuple[int, int] = (31, 17), **options: object) -> bytes:
    out = io.BytesIO()
    mode = "RGBA" if options.pop("alpha", False) else "RGB"
    Image.new(mode, size).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        image("JPEG"),
        image("JPEG", progressive=True),
        image("JPEG", comment=b"\xff\xc0" * 50),
        image("PNG"),
        image("GIF"),
        image("BMP"),
        image("WEBP"),
        image("WEBP", lossless=True),
        image("WEBP", alpha=True, exif=b"Exif\0\0"),
    ],
)
def test_reads_the_size(data: bytes) -> None:
    found = read_header(data)
    assert found is not None
    assert (found.width, found.height) == (31, 17)
    assert found.memory >= 31 * 17 * 3


@pytest.mark.parametrize("data", [b"", b"text", b"BM", b"\xff\xd8\xff", b"\xff\xd8\xff\xe0\0"])
def test_bytes_of_no_image_have_no_header(data: bytes) -> None:
    assert read_header(data) is None


def test_finds_the_size_behind_what_a_decoder_skips() -> None:
    data = declared_jpeg(40_000, 40_000)
    hidden = data[:2] + b"\0\0\xff\0\xff\xff\xd0garbage" + data[2:]
    found = read_header(b"\xff\xd8\xff\xd0" + hidden[2:])
    assert found is not None
    assert (found.width, found.height) == (40_000, 40_000)


def test_a_progressive_photo_is_kept_whole() -> None:
    plain = read_header(declared_jpeg(8000, 8000), reduces=True)
    progressive = read_header(declared_jpeg(8000, 8000, progressive=True), reduces=True)
    assert plain is not None
    assert progressive is not None
    assert plain.memory == 8000 * 8000 * 3 // 16
    assert progressive.memory > 8000 * 8000 * 3
    assert progressive.passes == 10


@pytest.mark.parametrize(
    "data",
    [
        declared_jpeg(65_500, 65_500),
        declared_jpeg(65_500, 2_000),
        declared_jpeg(10_000, 10_000, progressive=True),
        declared_jpeg(100, 100, progressive=True, scans=200),
        declared_jpeg(4_000, 4_000, progressive=True, scans=40),
        b"\xff\xd8" + b"\xff\xe0\0\x02" * 20_000 + declared_jpeg(9, 9)[2:],
    ],
    ids=["square", "wide", "progressive", "scans", "scans of many pixels", "segments"],
)
def test_refuses_what_takes_too_much(data: bytes) -> None:
    with pytest.raises(ServingError, match="image"):
        decoded_sizes(string_tensor([b"text", data]), LIMITS, reduces=True)
    with pytest.raises(ServingError, match="image"):
        embedded_size(b"some bytes" + data + b"others", LIMITS)


def test_photos_of_large_cameras_pass() -> None:
    photos = [
        declared_jpeg(16_000, 12_000),
        declared_jpeg(6_000, 4_000, progressive=True),
        declared_jpeg(500, 375),
    ]
    sizes = decoded_sizes(string_tensor([*photos, b"text"]), LIMITS, reduces=True)
    assert sizes[0] == 16_000 * 12_000 // 4
    assert sizes[2:] == [500 * 375 * 3, 0]


def test_without_limits_the_largest_image_passes() -> None:
    unlimited = replace(LIMITS, max_image_pixels=None, max_image_bytes=None)
    tensor = string_tensor([declared_jpeg(65_500, 65_500)])
    assert decoded_sizes(tensor, unlimited, reduces=False) == [65_500 * 65_500 * 3]
