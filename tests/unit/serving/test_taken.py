from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from PIL import ExifTags, Image

from serving.photo_metadata.taken import read_taken

MADE = datetime(2021, 7, 3, 14, 5, 6)


def photo(path: Path, form: str = "JPEG", original: str = "", changed: str = "") -> Path:
    exif = Image.Exif()
    if changed:
        exif[ExifTags.Base.DateTime] = changed
    if original:
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = original
    Image.new("RGB", (32, 24), "teal").save(path, form, exif=exif)
    return path


def test_when_the_picture_was_made_goes_before_when_the_file_was_changed(
    tmp_path: Path,
) -> None:
    both = photo(tmp_path / "a", "JPEG", "2021:07:03 14:05:06", "2024:01:01 00:00:00")
    assert read_taken(both) == MADE
    for form in ("JPEG", "TIFF"):
        assert read_taken(photo(tmp_path / "b", form, changed="2021:07:03 14:05:06")) == MADE


@pytest.mark.parametrize(
    "text", ["", "0000:00:00 00:00:00", "2021:13:40 99:00:00", "yesterday", "1904:01:01 00:00:00"]
)
def test_a_date_that_cannot_be_says_nothing(tmp_path: Path, text: str) -> None:
    assert read_taken(photo(tmp_path / "a", original=text)) is None
    assert read_taken(photo(tmp_path / "b", original=text, changed="2021:07:03 14:05:06")) == MADE


def test_files_without_a_date_say_nothing(tmp_path: Path) -> None:
    assert read_taken(tmp_path / "none.jpg") is None
    (tmp_path / "text.jpg").write_text("no photo")
    assert read_taken(tmp_path / "text.jpg") is None
    assert read_taken(photo(tmp_path / "a.png", "PNG", "2021:07:03 14:05:06")) is None


def test_a_file_that_is_cut_off_says_nothing_wrong(tmp_path: Path) -> None:
    whole = photo(tmp_path / "a", original="2021:07:03 14:05:06").read_bytes()
    damaged = tmp_path / "damaged"
    for end in range(min(len(whole), 200)):
        damaged.write_bytes(whole[:end])
        assert read_taken(damaged) in (None, MADE)


def test_a_directory_that_refers_to_anywhere_ends(tmp_path: Path) -> None:
    whole = photo(tmp_path / "a", original="2021:07:03 14:05:06").read_bytes()
    damaged = tmp_path / "damaged"
    for place in range(min(len(whole), 120)):
        damaged.write_bytes(whole[:place] + b"\xff" + whole[place + 1 :])
        read_taken(damaged)
