"""Normalized JPEGs: what passes unchanged, what is converted, what is refused."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from serving import normalize_image as normalization
from serving.errors import ImageError
from serving.normalize_image import ImageFault, UnusableImage, normalize_image, read_image


def photo(size: tuple[int, int] = (60, 40), mode: str = "RGB") -> Image.Image:
    """A picture whose left half is red and whose right half is blue."""
    image = Image.new("RGB", size, "blue")
    ImageDraw.Draw(image).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill="red")
    return image.convert(mode)


def encoded(image: Image.Image, file_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, file_format, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert image.mode in ("RGB", "L")
    image.load()
    return image


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_normalized_jpeg_passes_byte_for_byte(mode: str) -> None:
    data = encoded(photo(mode=mode), "JPEG")
    assert normalize_image(data) is data


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "GIF", "BMP", "TIFF"])
def test_other_formats_become_jpeg(file_format: str) -> None:
    image = decoded(normalize_image(encoded(photo(), file_format)))
    assert image.size == (60, 40)
    red, _, blue = (band.getpixel((5, 20)) for band in image.convert("RGB").split())
    assert isinstance(red, int)
    assert isinstance(blue, int)
    assert red > 200
    assert blue < 60


def test_cmyk_becomes_rgb() -> None:
    image = decoded(normalize_image(encoded(photo(mode="CMYK"), "JPEG")))
    assert image.mode == "RGB"


@pytest.mark.parametrize("orientation", [2, 3, 4, 5, 6, 7, 8])
def test_a_rotated_photo_is_turned_upright(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = decoded(normalize_image(encoded(photo(), "JPEG", exif=exif)))
    assert turned.size == ((40, 60) if orientation >= 5 else (60, 40))
    assert turned.getexif().get(0x0112, 1) == 1


def test_transparency_is_laid_on_white() -> None:
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    darkest, _ = decoded(normalize_image(encoded(image, "PNG"))).convert("L").getextrema()
    assert isinstance(darkest, int)
    assert darkest > 245


def test_an_oversized_photo_keeps_its_proportions() -> None:
    big = encoded(Image.new("RGB", (normalization.MAX_SIDE * 2, 1000), "green"), "JPEG")
    assert decoded(normalize_image(big)).size == (normalization.MAX_SIDE, 500)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", ImageFault.EMPTY),
        (b"these are words, not pixels", ImageFault.NOT_AN_IMAGE),
        (b"\xff\xd8\xff\xe0 only a beginning", ImageFault.DAMAGED),
        (encoded(photo((600, 400)), "JPEG")[:2000], ImageFault.DAMAGED),
        (encoded(photo((600, 400)), "PNG")[:400], ImageFault.DAMAGED),
    ],
)
def test_what_is_not_a_whole_image_is_refused_with_its_fault(
    data: bytes, fault: ImageFault
) -> None:
    with pytest.raises(UnusableImage) as caught:
        normalize_image(data)
    assert caught.value.fault is fault
    assert caught.value.what.endswith(".")
    assert caught.value.advice.endswith(".")


def test_too_many_bytes_and_too_many_pixels_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(photo(), "JPEG")
    monkeypatch.setattr(normalization, "MAX_PIXELS", 60 * 40 - 1)
    with pytest.raises(UnusableImage) as caught:
        normalize_image(data)
    assert caught.value.fault is ImageFault.TOO_LARGE
    monkeypatch.setattr(normalization, "MAX_BYTES", len(data) - 1)
    with pytest.raises(UnusableImage, match="larger than"):
        normalize_image(data)


def test_a_file_is_read_no_further_than_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(bytes(100))
    assert read_image(path) == bytes(100)
    monkeypatch.setattr(normalization, "MAX_BYTES", 10)
    assert read_image(path) == bytes(11)
    with pytest.raises(UnusableImage) as caught:
        normalize_image(read_image(path))
    assert caught.value.fault is ImageFault.TOO_LARGE


def test_a_pipe_of_the_shell_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a photo",))
    writer.start()
    assert read_image(path) == b"a photo"
    writer.join()


@pytest.mark.parametrize("name", [".", "missing.jpg"])
def test_what_is_not_a_file_is_an_error_with_words(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / name)
    assert caught.value.advice
