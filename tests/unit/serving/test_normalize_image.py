"""Normalized JPEGs: what passes unchanged, what is converted, what is refused."""

from __future__ import annotations

import io
import os
import stat
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageDraw

from serving import image_file
from serving import normalize_image as normalization
from serving.errors import ImageError
from serving.image_file import ImageFault, UnusableImage
from serving.normalize_image import looks_normalized, normalize_image, read_image
from tests.support.golden_images import golden_images, scene
from tests.support.icc_profiles import ADOBE_RGB, grey_profile
from tests.support.mutated_images import mutated_image
from tests.support.odd_images import jpegs_of_all_codings
from tests.support.sample_images import gradient


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


@pytest.mark.parametrize("file_format", ["PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"])
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


@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_grey_of_16_bits_keeps_its_tones(file_format: str) -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    image = Image.fromarray(np.tile(ramp, (16, 1)))
    levels = np.asarray(decoded(normalize_image(encoded(image, file_format))).convert("L"))
    assert np.abs(levels[8] - np.arange(256.0)).max() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_the_profile_of_an_image_with_transparency_is_applied(mode: str) -> None:
    image = scene().convert(mode)
    if mode == "P":
        image.info["transparency"] = 255
    space = ADOBE_RGB.profile() if mode != "LA" else grey_profile(1.8)
    with_profile = decoded(normalize_image(encoded(image, "PNG", icc_profile=space)))
    without = decoded(normalize_image(encoded(image, "PNG")))
    difference = np.asarray(with_profile, float) - np.asarray(without, float)
    assert np.abs(difference).mean() > 3


def test_a_jpeg_with_all_pixels_and_no_end_is_repaired() -> None:
    repaired = normalize_image(encoded(photo(), "JPEG")[:-2] + bytes(600))
    assert repaired.endswith(b"\xff\xd9")
    assert normalize_image(repaired) == repaired


def test_formats_that_nobody_was_promised_are_not_decoded() -> None:
    for file_format in ("PPM", "TGA", "ICO", "PCX", "EPS", "PDF"):
        with pytest.raises(UnusableImage) as caught:
            normalize_image(encoded(photo(), file_format))
        assert caught.value.fault is ImageFault.NOT_AN_IMAGE


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
    monkeypatch.setattr(image_file, "MAX_PIXELS", 60 * 40 - 1)
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
    with pytest.raises(UnusableImage) as caught:
        read_image(path)
    assert caught.value.fault is ImageFault.TOO_LARGE


def test_a_pipe_of_the_shell_is_read_to_its_end() -> None:
    reader, writer = os.pipe()
    content = gradient() * 100  # more than a pipe holds

    def write() -> None:
        with os.fdopen(writer, "wb") as file:
            file.write(content)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reader, "rb"):
        assert read_image(Path(f"/dev/fd/{reader}")) == content
    thread.join()


def test_silent_pipe_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(normalization, "_PIPE_SECONDS", 0.01)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb"), os.fdopen(writer, "wb", buffering=0) as file:
        file.write(b"half a photo")
        with pytest.raises(ImageError, match="Nothing came out of the pipe"):
            read_image(Path(f"/dev/fd/{reader}"))


def special_file(kind: str, folder: Path) -> Path:
    path = folder / "photo.jpg"
    match kind:
        case "folder":
            path.mkdir()
        case "named pipe":
            os.mkfifo(path)
        case "socket":
            os.mknod(path, stat.S_IFSOCK | 0o600)
        case "device":
            path.symlink_to("/dev/zero")
        case "link to itself":
            path.symlink_to(path)
        case "link to nothing":
            path.symlink_to(folder / "gone.jpg")
        case "3 GB of nothing":
            with path.open("wb") as file:
                file.truncate(3 * 2**30)
        case "in a file":
            (folder / "file").touch()
            path = folder / "file" / "photo.jpg"
        case "name with a null":
            path = folder / "a\0b.jpg"
    return path


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        ("folder", "This is a folder, not a file."),
        ("named pipe", "This is a named pipe, not a file."),
        ("socket", "This is a socket, not a file."),
        ("device", "This is a device, not a file."),
        ("3 GB of nothing", "The file is larger than 64 MB."),
        ("missing", "There is no file of this name."),
        ("link to nothing", "There is no file of this name."),
        ("in a file", "There is no file of this name."),
        ("name with a null", "There is no file of this name."),
        ("link to itself", "The file cannot be read: Too many levels of symbolic links."),
    ],
)
def test_what_is_no_regular_file_is_an_error_with_words(
    tmp_path: Path, kind: str, what: str
) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(special_file(kind, tmp_path))
    assert caught.value.what == what
    assert caught.value.advice.endswith(".")


def test_filling_between_markers_costs_time_in_proportion_to_its_length() -> None:
    # With time that grows with the square this takes hours.
    jpeg = encoded(photo(), "JPEG")
    filling = b"\xff" * 20_000_000
    assert normalize_image(jpeg[:2] + filling + jpeg[2:]) == jpeg[:2] + filling + jpeg[2:]
    in_scan = jpeg[:-2] + filling + b"\0" + jpeg[-2:]
    assert normalize_image(in_scan) == in_scan


def test_what_markers_say_is_what_pillow_says(monkeypatch: pytest.MonkeyPatch) -> None:
    files = [golden.data for golden in golden_images()]
    files += [mutated_image(number) for number in range(200)]
    files += jpegs_of_all_codings().values()
    files += [gradient(), *(encoded(photo(mode=mode), "JPEG") for mode in ("L", "CMYK"))]
    with_markers = list(map(looks_normalized, files))
    monkeypatch.setattr(normalization, "_is_ordinary", lambda jpeg: False)
    assert with_markers == list(map(looks_normalized, files))
    assert 10 < sum(with_markers) < len(files) - 10


def test_most_normalized_photos_need_no_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    files = [encoded(photo(), "JPEG"), encoded(photo(), "JPEG", icc_profile=srgb)]
    monkeypatch.setattr(normalization, "open_image", None)
    assert all(map(looks_normalized, files))
