"""Reads the keywords of photos, from the files and from the sidecars beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from serving.errors import reading_error
from serving.jpeg_file import is_jpeg
from serving.normalize_image import MAX_BYTES
from serving.photo_metadata import iptc
from serving.photo_metadata.answer import MetadataError
from serving.photo_metadata.jpeg import read_metadata
from serving.photo_metadata.xmp import Xmp


@dataclass(frozen=True)
class PhotoKeywords:
    """The keywords of a photo, each once, in order."""

    said: tuple[str, ...]
    """By people and other programs."""
    own: tuple[str, ...] = ()
    """What Servery wrote: answers, which nobody has looked at."""


def read_keywords(photo: Path) -> PhotoKeywords:
    """Return the keywords of a photo: XMP and IPTC of a JPEG file, and XMP of its sidecars.

    Raises MetadataError if there are any that cannot be read.
    """
    found: list[str] = []
    own: set[str] = set()
    packets = [path.read_bytes() for path in sidecars_of(photo)]
    data = _jpeg(photo)
    if data:
        metadata = read_metadata(data)
        packets += [metadata.xmp] if metadata.xmp is not None else []
        try:
            found += iptc.keywords(metadata.resources)
        except iptc.MalformedIptc as error:
            raise MetadataError(
                "The IPTC metadata of the photo are broken.", "Repair them with a photo program."
            ) from error
    for packet in packets:
        xmp = Xmp(packet)
        found += xmp.keywords
        own.update(xmp.own_keywords)
    distinct = dict.fromkeys(keyword for keyword in found if keyword)
    return PhotoKeywords(tuple(each for each in distinct if each not in own), tuple(sorted(own)))


def sidecars_of(photo: Path) -> list[Path]:
    """Return the sidecars that a photo has: `photo.jpg.xmp` and `photo.xmp`."""
    names = (f"{photo.name}.xmp", f"{photo.stem}.xmp")
    return [path for path in (photo.with_name(name) for name in names) if path.is_file()]


def _jpeg(photo: Path) -> bytes:
    """Return the bytes of a JPEG file; none of any other."""
    try:
        with photo.open("rb") as file:
            head = file.read(2)
            if not is_jpeg(head):
                return b""
            return head + file.read(MAX_BYTES)
    except OSError as error:
        advice = "Give yourself permission to read it, then try again."
        raise reading_error(error, "The file", advice, MetadataError) from error
