"""Metadata that are hostile, broken or in the way cost one photo its answer, and nothing else."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from serving.errors import ImageError
from serving.photo_metadata import iptc
from serving.photo_metadata.answer import AnswerMetadata, MetadataError
from serving.photo_metadata.jpeg import read_metadata, with_answer, without_metadata
from serving.photo_metadata.keywords import read_keywords
from serving.photo_metadata.write import MetadataPlace, write_answer
from serving.photo_metadata.xmp import DC, RDF, Xmp
from tests.support.sample_images import image_bytes, painting

ANSWER = AnswerMetadata("cat", 0.5, "starter", 1)
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"
BOMB = b"""<?xml version="1.0"?><!DOCTYPE r [<!ENTITY a "aaaaaaaaaa">
<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><r>&b;</r>"""
FILE = b"""<!DOCTYPE r [<!ENTITY f SYSTEM "file:///etc/passwd">]><r>&f;</r>"""


def segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body


def with_segments(*segments: bytes) -> bytes:
    jpeg = image_bytes()
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def resource(number: int, content: bytes, name: bytes = b"\0\0") -> bytes:
    padding = b"\0" * (len(content) % 2)
    size = len(content).to_bytes(4, "big")
    return b"8BIM" + number.to_bytes(2, "big") + name + size + content + padding


def record(dataset: int, content: bytes) -> bytes:
    return bytes((0x1C, 2, dataset)) + len(content).to_bytes(2, "big") + content


def photoshop(resources: bytes) -> bytes:
    return segment(0xED, iptc.SIGNATURE + resources)


@pytest.mark.parametrize(
    "packet",
    [BOMB, FILE, b"", b"<", b"\xff\xfe", b"<a/>", b"<a>" * 50_000, b"x" * (5 * 2**20)],
    ids=["bomb", "file", "empty", "cut", "bytes", "no RDF", "deep", "large"],
)
def test_a_packet_that_cannot_be_read_is_refused(tmp_path: Path, packet: bytes) -> None:
    with pytest.raises(MetadataError):
        Xmp(packet)
    photo = tmp_path / "a.jpg"
    photo.write_bytes(image_bytes())
    sidecar = tmp_path / "a.jpg.xmp"
    sidecar.write_bytes(packet)
    with pytest.raises(MetadataError):
        write_answer(photo, ANSWER, MetadataPlace.SIDECAR)
    assert sidecar.read_bytes() == packet
    with pytest.raises(MetadataError):
        read_keywords(photo)


def test_a_packet_in_another_spelling_is_understood() -> None:
    packet = (
        f'<R:RDF xmlns:R="{RDF}" xmlns:d="{DC}" xmlns:dc="urn:other"><R:Description dc:subject="x">'
        "<d:subject><R:Seq><R:li>one</R:li><R:li><![CDATA[two]]></R:li></R:Seq></d:subject>"
        "</R:Description></R:RDF>"
    )
    xmp = Xmp(packet.encode("utf-16"))
    assert xmp.keywords == ["one", "two"]
    xmp.add(ANSWER)
    again = Xmp(xmp.to_bytes())
    assert (again.keywords, again.own_keywords) == (["one", "two", "cat"], ["cat"])
    assert b'dc:subject="x"' in xmp.to_bytes()


def test_other_segments_are_where_they_were() -> None:
    extended = segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40)
    exif = segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\0\0")
    before = with_segments(exif, extended, segment(0xE2, b"MPF\0data"))
    after = with_answer(before, ANSWER)
    assert without_metadata(after) == before
    assert after.startswith(before[:2] + exif + b"\xff\xe1")
    assert with_answer(after, ANSWER) == after


def test_iptc_over_several_segments_is_one() -> None:
    records = record(25, b"dog") + 2 * record(120, b"x" * 20_000)
    data = resource(0x0404, records) + resource(0x03ED, b"\1\2\3", b"\x03abc") + b"\0\0"
    before = with_segments(photoshop(data[:30_000]), photoshop(data[30_000:]))
    after = with_answer(before, ANSWER)
    resources = read_metadata(after).resources
    assert iptc.keywords(resources) == ["dog", "cat"]
    assert 2 * record(120, b"x" * 20_000) in resources
    assert resources.endswith(resource(0x03ED, b"\1\2\3", b"\x03abc") + b"\0\0")


@pytest.mark.parametrize(
    "resources",
    [
        b"8BIM",
        b"garbage",
        resource(0x0404, record(25, b"dog"))[:-3],
        resource(0x0404, b"\x1c\x02\x19\xff\xffdog"),
        resource(0x0404, b"garbage"),
    ],
)
def test_broken_iptc_stays_as_it_is(tmp_path: Path, resources: bytes) -> None:
    before = with_segments(photoshop(resources))
    after = with_answer(before, ANSWER)
    assert read_metadata(after).resources == resources
    photo = tmp_path / "a.jpg"
    photo.write_bytes(before)
    with pytest.raises(MetadataError, match="IPTC metadata of the photo are broken"):
        read_keywords(photo)


def test_iptc_takes_only_what_it_can_have() -> None:
    data = resource(0x0404, record(25, b"stra\xdfe"))
    assert iptc.keywords(data) == ["straße"]
    assert iptc.with_keywords(data, (), ["大熊猫"]) == data
    assert iptc.with_keywords(data, (), ["x" * 65]) == data
    assert iptc.keywords(iptc.with_keywords(data, (), ["café"])) == ["straße", "café"]
    assert iptc.keywords(iptc.with_keywords(data, ["straße"], ["a"])) == ["a"]


def test_a_packet_that_is_full_is_refused() -> None:
    xmp = Xmp()
    xmp.add(AnswerMetadata("x" * 65_000))
    before = with_segments(segment(0xE1, XMP_HEAD + Xmp().to_bytes() + b" " * 60_000))
    with_answer(before, ANSWER)
    with pytest.raises(MetadataError, match="are full"):
        with_answer(before, AnswerMetadata("x" * 65_000))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (image_bytes(form="PNG"), "no JPEG file"),
        (image_bytes()[:20], "cut off|no pixels"),
        (b"\xff\xd8", "no pixels"),
    ],
)
@pytest.mark.parametrize("place", [MetadataPlace.COPY, MetadataPlace.ORIGINAL])
def test_what_cannot_have_an_answer_inside_is_refused(
    tmp_path: Path, content: bytes, sentence: str, place: MetadataPlace
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(content)
    with pytest.raises(MetadataError, match=sentence):
        write_answer(photo, ANSWER, place, tmp_path / "copy.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]
    assert photo.read_bytes() == content


def test_a_photo_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(painting("red", 1)[:3000])
    with pytest.raises(ImageError):
        write_answer(photo, ANSWER, MetadataPlace.ORIGINAL)
    assert photo.read_bytes() == painting("red", 1)[:3000]


def test_no_file_is_replaced_by_a_copy(tmp_path: Path) -> None:
    photo, target = tmp_path / "a.jpg", tmp_path / "copies" / "a.jpg"
    photo.write_bytes(image_bytes())
    target.parent.mkdir()
    target.write_text("mine")
    with pytest.raises(MetadataError, match="already"):
        write_answer(photo, ANSWER, MetadataPlace.COPY, target)
    assert target.read_text() == "mine"
    assert [path.name for path in target.parent.iterdir()] == ["a.jpg"]


def test_what_is_no_sidecar_stays(tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(image_bytes())
    (tmp_path / "a.jpg.xmp").mkdir()
    with pytest.raises(MetadataError, match="something else"):
        write_answer(photo, ANSWER, MetadataPlace.SIDECAR)


def test_an_original_keeps_its_rights_and_a_link_stays_one(tmp_path: Path) -> None:
    photo = tmp_path / "real" / "a.jpg"
    photo.parent.mkdir()
    photo.write_bytes(image_bytes())
    photo.chmod(0o640)
    link = tmp_path / "link.jpg"
    link.symlink_to(photo)
    write_answer(link, ANSWER, MetadataPlace.ORIGINAL)
    assert link.is_symlink()
    assert stat.S_IMODE(photo.stat().st_mode) == 0o640
    assert read_keywords(photo).own == ("cat",)
    assert [path.name for path in photo.parent.iterdir()] == ["a.jpg"]


def test_keywords_come_from_both_sidecars_and_the_photo(tmp_path: Path) -> None:
    photo = tmp_path / "a.png"
    photo.write_bytes(image_bytes(form="PNG"))
    for name in ("a.png.xmp", "a.xmp"):
        packet = (
            f'<r:RDF xmlns:r="{RDF}" xmlns:d="{DC}"><r:Description><d:subject><r:Bag>'
            f"<r:li>{name}</r:li><r:li>both</r:li></r:Bag></d:subject></r:Description></r:RDF>"
        )
        (tmp_path / name).write_text(packet)
    assert read_keywords(photo).said == ("a.png.xmp", "both", "a.xmp")
