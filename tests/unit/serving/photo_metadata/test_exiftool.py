"""What is written is what exiftool reads, and all else in a photo stays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from serving.photo_metadata.answer import AnswerMetadata
from serving.photo_metadata.jpeg import without_metadata
from serving.photo_metadata.keywords import read_keywords
from serving.photo_metadata.write import MetadataPlace, write_answer
from tests.support import exiftool
from tests.support.sample_images import painting

ANSWER = AnswerMetadata("giant panda", 0.91234567, "starter", 7)
NOTHING: tuple[str, ...] = ()
XMP = (
    "-XMP-dc:Subject=holiday",
    "-XMP-dc:Subject=Ann & Bob <3",
    "-XMP-dc:Title=Summer",
    "-XMP-lr:HierarchicalSubject=Places|Berlin",
    "-XMP-xmp:Rating=4",
)
IPTC = ("-IPTC:Keywords=holiday", "-IPTC:Keywords=straße", "-IPTC:City=Köln", "-IPTC:Urgency=3")
EXIF = ("-EXIF:Artist=Ann", "-EXIF:Orientation#=6", "-EXIF:GPSLatitude=50.9")
COMMENT = ("-Comment=a comment",)


@pytest.fixture(scope="module", autouse=True)
def _exiftool() -> Iterator[None]:
    exiftool.require_exiftool()
    yield
    exiftool.EXIFTOOL.close()


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.jpg"
    path.write_bytes(painting("green", "exiftool"))
    return path


def pixels(path: Path) -> bytes:
    with Image.open(path) as image:
        return image.tobytes()


@pytest.mark.parametrize(
    "tags",
    [NOTHING, XMP, IPTC, (*XMP, *IPTC), (*EXIF, *COMMENT), (*XMP, *IPTC, *EXIF, *COMMENT)],
    ids=["nothing", "xmp", "iptc", "both", "exif", "all"],
)
@pytest.mark.parametrize("place", list(MetadataPlace))
def test_exiftool_reads_the_answer_and_everything_else_as_before(
    photo: Path, tags: tuple[str, ...], place: MetadataPlace, tmp_path: Path
) -> None:
    if tags:
        exiftool.write(photo, *tags)
    os.utime(photo, ns=(10**18, 10**18 + 5))
    before = photo.read_bytes()
    subjects = exiftool.keywords(photo, "XMP-dc:Subject")
    target = tmp_path / "copies" / "photo.jpg" if place is MetadataPlace.COPY else None
    others, old_pixels = exiftool.others(photo), pixels(photo)
    written = write_answer(photo, ANSWER, place, target)
    found = exiftool.read(written)
    assert found["XMP-servery:Class"] == "giant panda"
    assert float(found["XMP-servery:Score"]) == pytest.approx(0.912346)
    assert (found["XMP-servery:Model"], int(found["XMP-servery:Version"])) == ("starter", 7)
    assert "Servery|giant panda" in exiftool.keywords(written, "XMP-lr:HierarchicalSubject")
    if place is MetadataPlace.SIDECAR:
        assert written == photo.with_name("photo.jpg.xmp")
        assert exiftool.keywords(written, "XMP-dc:Subject") == ["giant panda"]
        assert photo.read_bytes() == before
        return
    assert exiftool.keywords(written, "XMP-dc:Subject") == [*subjects, "giant panda"]
    if "-IPTC:Keywords=holiday" in tags:
        keywords = exiftool.keywords(written, "IPTC:Keywords")
        assert keywords == ["holiday", "straße", "giant panda"]
    if "-XMP-lr:HierarchicalSubject=Places|Berlin" in tags:
        assert "Places|Berlin" in exiftool.keywords(written, "XMP-lr:HierarchicalSubject")
    assert exiftool.others(written) == others
    assert pixels(written) == old_pixels
    assert without_metadata(written.read_bytes()) == without_metadata(before)
    assert written.stat().st_mtime_ns == 10**18 + 5
    assert place is MetadataPlace.ORIGINAL or photo.read_bytes() == before


def test_another_answer_takes_the_place_of_ours_alone(photo: Path) -> None:
    exiftool.write(photo, *XMP, *IPTC)
    for name in ("giant panda", "holiday", "ice bear", "ice bear"):
        write_answer(photo, AnswerMetadata(name, 0.5, "starter", 8), MetadataPlace.ORIGINAL)
    expected = ["holiday", "Ann & Bob <3", "ice bear"]
    assert exiftool.keywords(photo, "XMP-dc:Subject") == expected
    assert exiftool.keywords(photo, "IPTC:Keywords") == ["holiday", "straße", "ice bear"]
    hierarchical = exiftool.keywords(photo, "XMP-lr:HierarchicalSubject")
    assert hierarchical == ["Places|Berlin", "Servery|ice bear"]
    assert exiftool.keywords(photo, "XMP-servery:Class") == ["ice bear"]
    found = read_keywords(photo)
    assert set(found.said) == {"holiday", "Ann & Bob <3", "straße"}
    assert found.own == ("ice bear",)


def test_a_sidecar_of_another_program_keeps_what_it_says(photo: Path) -> None:
    sidecar = photo.with_name("photo.jpg.xmp")
    exiftool.write(sidecar, *XMP)
    before = exiftool.others(sidecar)
    write_answer(photo, ANSWER, MetadataPlace.SIDECAR)
    assert exiftool.others(sidecar) == before
    subjects = exiftool.keywords(sidecar, "XMP-dc:Subject")
    assert subjects == ["holiday", "Ann & Bob <3", "giant panda"]


def test_the_digest_of_iptc_is_kept_true(photo: Path) -> None:
    exiftool.write(photo, *IPTC, "-Photoshop:IPTCDigest=new")
    write_answer(photo, ANSWER, MetadataPlace.ORIGINAL)
    found = exiftool.read(photo)
    assert found["Photoshop:IPTCDigest"] == found["File:CurrentIPTCDigest"]


def test_a_label_of_a_person_has_no_score(photo: Path) -> None:
    write_answer(photo, AnswerMetadata("a|b <&> 'c'"), MetadataPlace.ORIGINAL)
    found = exiftool.read(photo)
    assert "XMP-servery:Score" not in found
    assert exiftool.keywords(photo, "XMP-dc:Subject") == ["a|b <&> 'c'"]
    hierarchical = exiftool.keywords(photo, "XMP-lr:HierarchicalSubject")
    assert hierarchical == ["Servery|a/b <&> 'c'"]


@pytest.mark.parametrize("count", [1, 4])
def test_real_photos_keep_every_other_byte(photos: list[Path], tmp_path: Path, count: int) -> None:
    for photo in photos[:count]:
        digest = hashlib.sha256(photo.read_bytes()).hexdigest()
        written = write_answer(photo, ANSWER, MetadataPlace.COPY, tmp_path / photo.name)
        assert without_metadata(written.read_bytes()) == without_metadata(photo.read_bytes())
        assert pixels(written) == pixels(photo)
        assert hashlib.sha256(photo.read_bytes()).hexdigest() == digest
        assert exiftool.keywords(written, "XMP-dc:Subject")[-1] == "giant panda"
