"""What decoding is said to take is what it takes at most."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from serving import decoding_plan
from serving.decoding_plan import MAX_DECODING_BYTES, plan_decoding
from serving.image_file import ImageFault, UnusableImage, open_image
from serving.normalize_image import MAX_SIDE, normalize_image
from tests.support.hostile_images import BOMBS
from tests.support.icc_profiles import DISPLAY_P3
from tests.support.jpeg_bytes import declared_jpeg
from tests.support.process_memory import measure

ROOT = Path(__file__).resolve().parents[3]
MEASURE = """
import sys
from pathlib import Path
from serving.normalize_image import normalize_image
def memory(key):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024
data, costs = Path(sys.argv[1]).read_bytes(), []
for small in sys.argv[2:]:
    normalize_image(Path(small).read_bytes())
before = memory("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
normalize_image(data, costs.append)
print(costs[0], memory("VmHWM") - before)
"""
SIZE, WIDE = (3000, 2000), (5000, 1200)
"""The longer side of the second is scaled down."""


def noise(mode: str = "RGB", size: tuple[int, int] = SIZE) -> Image.Image:
    grey = Image.effect_noise((size[0] // 8, size[1] // 8), 60).resize(size)
    bands = [grey, grey.rotate(180), grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT), grey]
    if mode in ("RGB", "RGBA", "CMYK"):
        return Image.merge(mode, bands[: len(mode)])
    return grey.convert(mode)


def encoded(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x112] = 6
    return exif


IMAGES: dict[str, Callable[[], bytes]] = {
    "JPEG": lambda: encoded(noise(), "JPEG"),
    "grey JPEG": lambda: encoded(noise("L"), "JPEG"),
    "turned JPEG": lambda: encoded(noise(), "JPEG", exif=turned()),
    "progressive JPEG": lambda: encoded(noise(), "JPEG", progressive=True, subsampling=0),
    "CMYK JPEG": lambda: encoded(noise("CMYK"), "JPEG"),
    "large JPEG": lambda: encoded(noise(size=(6000, 3000)), "JPEG", exif=turned()),
    "PNG": lambda: encoded(noise(), "PNG", compress_level=1),
    "PNG with transparency": lambda: encoded(noise("RGBA"), "PNG", compress_level=1),
    "PNG of 16 bits": lambda: encoded(noise("I;16"), "PNG", compress_level=1),
    "WebP": lambda: encoded(noise(), "WEBP", method=0),
    "WebP with transparency": lambda: encoded(noise("RGBA"), "WEBP", method=0),
    "lossless WebP": lambda: encoded(noise(), "WEBP", lossless=True, method=0, quality=0),
    "wide WebP with transparency": lambda: encoded(noise("RGBA", WIDE), "WEBP", method=0),
    "wide PNG with transparency": lambda: encoded(noise("RGBA", WIDE), "PNG", compress_level=1),
    "wide PNG with a profile": lambda: encoded(
        noise(size=WIDE), "PNG", compress_level=1, icc_profile=DISPLAY_P3.profile()
    ),
    "wide CMYK TIFF": lambda: encoded(noise("CMYK", WIDE), "TIFF"),
    "PNG with a palette": lambda: encoded(noise("P"), "PNG"),
    "black and white PNG": lambda: encoded(noise("1"), "PNG"),
    "GIF": lambda: encoded(noise("P"), "GIF"),
    "BMP": lambda: encoded(noise(), "BMP"),
    "TIFF": lambda: encoded(noise(), "TIFF", compression="tiff_lzw"),
    "TIFF of floats": lambda: encoded(noise("F"), "TIFF"),
    "AVIF": lambda: encoded(noise(), "AVIF", speed=10),
    "AVIF of full colors": lambda: encoded(noise(), "AVIF", speed=10, subsampling="4:4:4"),
    "AVIF with transparency": lambda: encoded(noise("RGBA"), "AVIF", speed=10),
}


@pytest.mark.parametrize("name", IMAGES)
def test_decoding_takes_no_more_than_planned(name: str, tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(IMAGES[name]())
    for number, form in enumerate(("JPEG", "PNG")):  # so that libraries are loaded before
        (tmp_path / str(number)).write_bytes(encoded(noise("L", (64, 64)), form))
    cost, taken = measure(MEASURE, tmp_path / "image", tmp_path / "0", tmp_path / "1")
    assert taken <= cost
    assert cost <= 3 * taken + 32 * 2**20  # or else ordinary photos would be refused


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_large_file_is_reduced_to_fit_and_keeps_its_proportions(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_plan, "MAX_DECODING_BYTES", 48 * 2**20)
    photo = encoded(Image.new(mode, (6600, 1500)), "PNG", exif=turned())
    with open_image(photo) as image:
        plan = plan_decoding(image, len(photo), MAX_SIDE)
    assert plan.scale == 2
    with Image.open(io.BytesIO(normalize_image(photo))) as image:
        assert image.size == (750, 3300)


@pytest.mark.parametrize("size", [(12_000, 9_000), (50_000, 3_000)])
def test_photos_of_real_cameras_are_decoded_smaller(size: tuple[int, int]) -> None:
    with open_image(declared_jpeg(*size)) as image:
        plan = plan_decoding(image, 30_000_000, MAX_SIDE)
    assert plan.scale > 1
    assert plan.cost <= MAX_DECODING_BYTES


def test_photo_that_is_decoded_smaller_keeps_its_proportions() -> None:
    photo = encoded(Image.new("RGB", (16_000, 8_000), "green"), "JPEG")
    with Image.open(io.BytesIO(normalize_image(photo))) as image:
        assert image.width == 2 * image.height <= MAX_SIDE


@pytest.mark.parametrize(("form", "size"), [("WEBP", (6000, 4000)), ("PNG", (9000, 8000))])
def test_large_files_of_ones_own_are_read(form: str, size: tuple[int, int]) -> None:
    photo = encoded(Image.new("RGB", size, "green"), form)
    with Image.open(io.BytesIO(normalize_image(photo))) as image:
        assert max(image.size) == MAX_SIDE


@pytest.mark.parametrize("name", ["WebP of 169 million pixels"])
def test_image_that_takes_too_much_is_refused_before_it_is_decoded(name: str) -> None:
    with pytest.raises(UnusableImage) as refused:
        normalize_image(BOMBS[name]())
    assert refused.value.fault is ImageFault.TOO_LARGE


@pytest.mark.parametrize(
    "name", ["JPEG of 5,000 scans", "JPEG of 400,000 comments", "JPEG of 900 parts of EXIF"]
)
def test_jpeg_in_too_many_pieces_is_refused(name: str) -> None:
    with pytest.raises(UnusableImage, match="too many pieces"):
        normalize_image(BOMBS[name]())
