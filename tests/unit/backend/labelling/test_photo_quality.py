"""Dark, blurred and empty photos are told from good ones."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from PIL import Image, ImageEnhance, ImageFilter

from backend.contract import IssueKind
from backend.labelling.photo_quality import quality_of
from tests.support.sample_images import drawing, encode, painting

Change = Callable[[Image.Image], Image.Image]


def _fault(jpeg: bytes, change: Change = lambda picture: picture) -> IssueKind | None:
    with Image.open(io.BytesIO(jpeg)) as picture:
        changed = encode(change(picture.convert("RGB")))
    quality = quality_of(changed)
    assert quality is not None
    if quality.fault is None:
        return None
    kind, score = quality.fault
    assert 0.5 <= score <= 1
    return kind


@pytest.mark.parametrize("jpeg", [drawing("smiley", 1), drawing("stripes", 2), painting("blue", 3)])
def test_a_good_photo_has_no_fault(jpeg: bytes) -> None:
    assert _fault(jpeg) is None


def test_a_dark_photo_is_found() -> None:
    assert _fault(drawing("smiley", 1), lambda p: ImageEnhance.Brightness(p).enhance(0.2)) == "dark"


def test_a_lamp_in_the_night_is_no_fault() -> None:
    night = Image.new("RGB", (320, 240), (12, 12, 20))
    night.paste((250, 240, 200), (140, 100, 180, 140))
    assert _fault(encode(night)) is None


@pytest.mark.parametrize("side", [256, 1600])
def test_blurred_whatever_the_size(side: int) -> None:
    blur = ImageFilter.GaussianBlur(side / 40)
    jpeg = drawing("rings", 1)
    assert _fault(jpeg, lambda picture: picture.resize((side, side)).filter(blur)) == "blurred"


def test_a_photo_of_one_color_is_empty() -> None:
    assert _fault(encode(Image.new("RGB", (300, 200), (200, 205, 190)))) == "empty"


def test_a_thin_picture_and_one_that_is_no_picture() -> None:
    assert quality_of(encode(Image.new("RGB", (900, 2), "red"))) is not None
    assert quality_of(b"no photo") is None
    assert quality_of(encode(Image.new("RGB", (300, 200)))[:200]) is None
