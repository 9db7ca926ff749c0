"""The XMP and IPTC segments of a JPEG file, exchanged while every other byte stays."""

from __future__ import annotations

from dataclasses import dataclass

from serving.file_parts import MAX_PIECES
from serving.jpeg_file import SCAN, is_jpeg, segments
from serving.photo_metadata import iptc
from serving.photo_metadata.answer import AnswerMetadata, MetadataError
from serving.photo_metadata.xmp import Xmp

_APP0, _APP1, _APP13 = 0xE0, 0xE1, 0xED
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_MAX_SEGMENT = 0xFFFF - 2
_HEAD = 4
"""Bytes of a marker and its length."""
_SIDECAR = "Write the answer into a sidecar instead."


@dataclass(frozen=True)
class Metadata:
    """Where the metadata of a JPEG file are, and what they are."""

    xmp: bytes | None
    resources: bytes
    """Of all Photoshop segments, as if they were one."""
    xmp_place: tuple[int, int] | None
    resource_places: tuple[tuple[int, int], ...]
    insert_at: int
    """Where an XMP segment belongs if there is none."""


def read_metadata(data: bytes) -> Metadata:
    """Find the metadata of a JPEG file; raises MetadataError if it is none."""
    if not is_jpeg(data):
        raise MetadataError("The photo is no JPEG file.", _SIDECAR)
    xmp: bytes | None = None
    xmp_place = None
    resources = bytearray()
    resource_places = []
    insert_at = 2
    for count, (marker, begin, end) in enumerate(segments(data)):
        if end > len(data) or count > MAX_PIECES:
            raise MetadataError("The photo is damaged: its header is cut off.", _SIDECAR)
        if marker == SCAN:
            break
        body = data[begin + _HEAD : end]
        if marker == _APP1 and body.startswith(_XMP) and xmp is None:
            xmp, xmp_place = body[len(_XMP) :], (begin, end)
        elif marker == _APP13 and body.startswith(iptc.SIGNATURE):
            resources += body[len(iptc.SIGNATURE) :]
            resource_places.append((begin, end))
        elif (marker == _APP0 or (marker == _APP1 and body.startswith(_EXIF))) and (
            insert_at == begin
        ):
            insert_at = end
    else:
        raise MetadataError("The photo is damaged: it has no pixels.", _SIDECAR)
    return Metadata(xmp, bytes(resources), xmp_place, tuple(resource_places), insert_at)


def with_answer(data: bytes, answer: AnswerMetadata) -> bytes:
    """Return a JPEG file with an answer in its metadata; raises MetadataError.

    XMP always has it; IPTC if there are IPTC records. Pixels and all other segments are the
    same bytes as before, and so are all other metadata.
    """
    before = read_metadata(data)
    xmp = Xmp(before.xmp)
    own = set(xmp.own_keywords)
    xmp.add(answer, _iptc_keywords(before))
    changes = [
        _exchange(before.xmp_place, before.insert_at, _segment(_APP1, _XMP + xmp.to_bytes()))
    ]
    if before.resource_places:
        changes += _resource_changes(before, own - {answer.class_name}, answer.class_name)
    result = bytearray(data)
    for begin, end, content in sorted(changes, reverse=True):
        result[begin:end] = content
    return bytes(result)


def without_metadata(data: bytes) -> bytes:
    """Return all of a JPEG file but its XMP and Photoshop segments; raises MetadataError."""
    found = read_metadata(data)
    places = [*found.resource_places, *([found.xmp_place] if found.xmp_place else [])]
    result = bytearray(data)
    for begin, end in sorted(places, reverse=True):
        del result[begin:end]
    return bytes(result)


def _iptc_keywords(metadata: Metadata) -> list[str]:
    try:
        return iptc.keywords(metadata.resources)
    except iptc.MalformedIptc:
        return []


def _exchange(
    place: tuple[int, int] | None, otherwise: int, content: bytes
) -> tuple[int, int, bytes]:
    begin, end = place or (otherwise, otherwise)
    return begin, end, content


def _resource_changes(before: Metadata, remove: set[str], add: str) -> list[tuple[int, int, bytes]]:
    try:
        changed = iptc.with_keywords(before.resources, remove, [add])
    except iptc.MalformedIptc:
        return []  # nobody can read them: they stay as they are
    if changed == before.resources:
        return []
    room = _MAX_SEGMENT - len(iptc.SIGNATURE)
    pieces = [changed[at : at + room] for at in range(0, len(changed), room)]
    content = b"".join(_segment(_APP13, iptc.SIGNATURE + piece) for piece in pieces)
    first, *others = before.resource_places
    return [(*first, content), *((begin, end, b"") for begin, end in others)]


def _segment(marker: int, body: bytes) -> bytes:
    if len(body) > _MAX_SEGMENT:
        raise MetadataError("The XMP metadata of the photo are full.", _SIDECAR)
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
