"""Image files with faults as cameras, programs, cards and disks make them, each made here.

What they show is `scene()`, if they show anything.
"""

from __future__ import annotations

import functools
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

from tests.support import jpeg_bytes
from tests.support.golden_images import scene
from tests.support.hostile_images import encoded, png_chunk

Entry = tuple[int, int, int, bytes]
"""Tag, type, count, and four bytes: a value, or where it is."""

_ORIENTATION, _EXIF, _GPS, _INTEROP, _WIDTH_RESOLUTION = 0x0112, 0x8769, 0x8825, 0xA005, 0x011A
_SHORT, _LONG, _RATIONAL = 3, 4, 5
SIDEWAYS: Entry = (_ORIENTATION, _SHORT, 1, b"\6\0\0\0")
_TEXT = b"abcd"
_FAR = b"\xf0\xff\xff\xff"
_PROFILE, _XMP, _DESCRIPTION, _IPTC = 34675, 700, 270, 33723


def exif(*entries: Entry, following: int = 0, more: bytes = b"") -> bytes:
    """Return EXIF of one directory, of 2 + 12 * N + 4 bytes at 8, and `more` after it."""
    rows = b"".join(struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries)
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    return head + rows + struct.pack("<I", following) + more


def with_exif(content: bytes, name: bytes = b"Exif\0\0") -> bytes:
    return jpeg_bytes.with_segment(encoded(scene(), "JPEG", quality=92), 0xE1, name + content)


@functools.cache
def sideways_with_broken_exif() -> dict[str, bytes]:
    """Return JPEG files with orientation 6, in whose metadata all else is wrong."""
    last = struct.pack("<I", 8 + 2 + 12 * 2 + 4)
    interop = exif((_INTEROP, 2, 4, _TEXT))[8:]
    return {
        name: with_exif(content)
        for name, content in {
            "text for the interoperability directory": exif(
                SIDEWAYS, (_EXIF, _LONG, 1, last), more=interop
            ),
            "rational of 1/0": exif(
                SIDEWAYS, (_WIDTH_RESOLUTION, _RATIONAL, 1, last), more=struct.pack("<II", 1, 0)
            ),
            "rational beyond the end": exif(SIDEWAYS, (_WIDTH_RESOLUTION, _RATIONAL, 1, _FAR)),
            "text for the EXIF directory": exif(SIDEWAYS, (_EXIF, 2, 4, _TEXT)),
            "negative place of the EXIF directory": exif(SIDEWAYS, (_EXIF, 9, 1, b"\xff" * 4)),
            "rational for the GPS directory": exif(SIDEWAYS, (_GPS, _RATIONAL, 1, b"\x08\0\0\0")),
            "type that does not exist": exif(SIDEWAYS, (_EXIF, 99, 1, _TEXT)),
            "directory that follows itself": exif(SIDEWAYS, following=8),
            "directory in itself": exif(SIDEWAYS, (_EXIF, _LONG, 1, b"\x08\0\0\0")),
            "more entries than there are bytes": b"II*\0\x08\0\0\0\xff\xff" + exif(SIDEWAYS)[10:22],
        }.items()
    }


@functools.cache
def with_broken_metadata() -> dict[str, bytes]:
    """Return files of which every pixel is there, and something that is no pixel is not."""
    return {**_broken_jpegs(), **_broken_pngs(), **_broken_webps(), **_broken_tiffs(), **_others()}


def _broken_jpegs() -> dict[str, bytes]:
    jpeg = encoded(scene(), "JPEG", quality=92)

    def segment(marker: int, content: bytes) -> bytes:
        return jpeg_bytes.with_segment(jpeg, marker, content)

    files = {
        "EXIF cut off in its header": with_exif(b"II*\0\x08\0"),
        "EXIF of no byte": with_exif(b""),
        "EXIF of one byte": with_exif(b"I"),
        "EXIF cut off in a directory": with_exif(b"II*\0\x08\0\0\0\xff\xff"),
        "EXIF of neither order": with_exif(b"XX*\0\x08\0\0\0\xff\xff"),
        "EXIF with its directory far away": with_exif(b"II*\0\xff\xff\xff\xff\xff\xff"),
        "orientation as a text": with_exif(exif((_ORIENTATION, 2, 4, b"6\0\0\0"))),
        "orientation 99": with_exif(exif((_ORIENTATION, _SHORT, 1, b"c\0\0\0"))),
        "orientation of 6/0": with_exif(
            exif((_ORIENTATION, _RATIONAL, 1, struct.pack("<I", 26)), more=b"\6\0\0\0\0\0\0\0")
        ),
        "XMP cut off": with_exif(b'<x tiff:Orientation="', b"http://ns.adobe.com/xap/1.0/\0"),
        "JFIF cut off": jpeg_bytes.with_segment(
            jpeg_bytes.without_segment(jpeg, 0xE0), 0xE0, b"JFIF\0\1"
        ),
        "Adobe's marker cut off": segment(0xEE, b"Adobe\0"),
        "profile of no byte": segment(0xE2, b"ICC_PROFILE\0"),
        "profile, part 1 of 0": segment(0xE2, b"ICC_PROFILE\0\1\0abc"),
        "several pictures, cut off": segment(0xE2, b"MPF\0II*\0\x08\0\0\0\xff\xff"),
        "several pictures, of text": segment(0xE2, b"MPF\0" + exif((0xB001, 2, 4, _TEXT))),
        "Photoshop's, cut off": segment(0xED, b"Photoshop 3.0\0008BIM\x03\xed\0\0\0\0\0\x02ab"),
        "comment of 60 kB": segment(0xFE, b"x" * 60_000),
        "words between segments": jpeg[:20] + b"words" * 9 + jpeg[20:],
    }
    return {f"JPEG, {name}": data for name, data in files.items()}


def png_with(*chunks: bytes, last: bool = False) -> bytes:
    """Return a PNG of the scene with chunks after its first, or before its `last`."""
    png = encoded(scene(), "PNG")
    at = len(png) - 12 if last else 8 + 25
    return png[:at] + b"".join(chunks) + png[at:]


def _broken_pngs() -> dict[str, bytes]:
    two_megabytes = zlib.compress(bytes(range(256)) * (2**21 // 256))
    header = b"k\0\0"

    def wrong_checksum(kind: bytes, content: bytes) -> bytes:
        return png_chunk(kind, content)[:-4] + b"\0\0\0\1"

    files = {
        "eXIf of words": png_with(png_chunk(b"eXIf", b"these are words")),
        "eXIf cut off": png_with(png_chunk(b"eXIf", b"II*\0\x08\0")),
        "eXIf with its directory far away": png_with(png_chunk(b"eXIf", b"II*\0\xff\xff\xff\xff")),
        "eXIf of no byte": png_with(png_chunk(b"eXIf", b"")),
        "eXIf cut off, last": png_with(png_chunk(b"eXIf", b"MM\0*\0"), last=True),
        "eXIf with a wrong checksum": png_with(wrong_checksum(b"eXIf", exif(SIDEWAYS))),
        "zTXt of 2 MB": png_with(png_chunk(b"zTXt", header + two_megabytes)),
        "80 zTXt of 2 MB": png_with(*[png_chunk(b"zTXt", header + two_megabytes)] * 80),
        "iTXt of 2 MB": png_with(png_chunk(b"iTXt", b"k\0\1\0\0\0" + two_megabytes)),
        "tEXt of 3 MB": png_with(png_chunk(b"tEXt", b"k\0" + b"x" * 3 * 2**20)),
        "zTXt of another packing": png_with(png_chunk(b"zTXt", b"k\0\5" + two_megabytes)),
        "zTXt of words": png_with(png_chunk(b"zTXt", header + b"words")),
        "EXIF in a text of words": png_with(
            png_chunk(b"tEXt", b"Raw profile type exif\0\nexif\n8\nwords")
        ),
        "iCCP of 2 MB": png_with(png_chunk(b"iCCP", header + two_megabytes)),
        "iCCP of 20 MB": png_with(png_chunk(b"iCCP", header + zlib.compress(bytes(20 * 2**20)))),
        "iCCP of words": png_with(png_chunk(b"iCCP", header + b"words")),
        "iCCP of another packing": png_with(png_chunk(b"iCCP", b"k\0\7" + two_megabytes)),
        "iCCP of no byte": png_with(png_chunk(b"iCCP", b"")),
        "tEXt with a wrong checksum": png_with(wrong_checksum(b"tEXt", b"k\0v")),
        "private chunk with a wrong checksum": png_with(wrong_checksum(b"prVt", b"v")),
        "acTL of one byte": png_with(png_chunk(b"acTL", b"\0")),
        "fcTL of one byte": png_with(png_chunk(b"fcTL", b"\0")),
        "tRNS of one byte": png_with(png_chunk(b"tRNS", b"\0")),
        "tIME of one byte": png_with(png_chunk(b"tIME", b"\xff")),
    }
    for kind in (b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"hIST"):
        for content in (b"", b"\0\1"):
            name = f"{kind.decode()} of {len(content)} bytes"
            files[name] = png_with(png_chunk(kind, content))
            files[f"{name}, last"] = png_with(png_chunk(kind, content), last=True)
    return {f"PNG, {name}": data for name, data in files.items()}


def webp_with(flag: int, kind: bytes, content: bytes) -> bytes:
    """Return a WebP of the scene with a chunk of metadata."""
    plain = encoded(scene(), "WEBP", quality=95)
    width, height = (struct.pack("<I", side - 1)[:3] for side in scene().size)
    chunks = [(b"VP8X", bytes([flag, 0, 0, 0]) + width + height)]
    pixels = (b"VP8 ", plain[20 : 20 + struct.unpack("<I", plain[16:20])[0]])
    chunks += [(kind, content), pixels] if kind == b"ICCP" else [pixels, (kind, content)]
    body = b"WEBP" + b"".join(
        name + struct.pack("<I", len(part)) + part + bytes(len(part) % 2) for name, part in chunks
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _broken_webps() -> dict[str, bytes]:
    return {
        "WebP, EXIF of two bytes": webp_with(8, b"EXIF", b"II"),
        "WebP, EXIF of no byte": webp_with(8, b"EXIF", b""),
        "WebP, EXIF cut off": webp_with(8, b"EXIF", b"II*\0\x08\0"),
        "WebP, EXIF cut off after its name": webp_with(8, b"EXIF", b"Exif\0\0II*\0\x08\0"),
        "WebP, EXIF of words": webp_with(8, b"EXIF", b"these are words"),
        "WebP, XMP of no letters": webp_with(4, b"XMP ", b"\xff" * 40),
        "WebP, profile of words": webp_with(32, b"ICCP", b"these are words"),
    }


def tiff_with(*entries: Entry, compression: str | None = None) -> bytes:
    """Return a TIFF of the scene with more tags, or others."""
    tiff = encoded(scene(), "TIFF", compression=compression)
    (directory,) = struct.unpack("<I", tiff[4:8])
    (count,) = struct.unpack("<H", tiff[directory : directory + 2])
    rows = [tiff[directory + 2 + 12 * row : directory + 14 + 12 * row] for row in range(count)]
    rows += [struct.pack("<HHI", *entry[:3]) + entry[3] for entry in entries]
    by_tag = {struct.unpack("<H", row[:2])[0]: row for row in rows}
    body = b"".join(by_tag[tag] for tag in sorted(by_tag))
    tiff += bytes(len(tiff) % 2)
    head = tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:]
    return head + struct.pack("<H", len(by_tag)) + body + bytes(4)


def _broken_tiffs() -> dict[str, bytes]:
    faults: dict[str, Entry] = {
        "EXIF directory far away": (_EXIF, _LONG, 1, _FAR),
        "EXIF directory of text": (_EXIF, 2, 4, _TEXT),
        "GPS directory far away": (_GPS, _LONG, 1, _FAR),
        "profile of text": (_PROFILE, 2, 4, _TEXT),
        "profile far away": (_PROFILE, 7, 5000, _FAR),
        "profile of numbers": (_PROFILE, _SHORT, 2, _TEXT),
        "XMP of numbers": (_XMP, _SHORT, 2, _TEXT),
        "description far away": (_DESCRIPTION, 2, 500, _FAR),
        "resolution of text": (_WIDTH_RESOLUTION, 2, 4, _TEXT),
        "resolution far away": (_WIDTH_RESOLUTION, _RATIONAL, 1, _FAR),
        "orientation of text": (_ORIENTATION, 2, 4, b"6\0\0\0"),
        "type that does not exist": (_IPTC, 99, 4, _TEXT),
    }
    return {
        f"TIFF, {name}, {compression or 'unpacked'}": tiff_with(fault, compression=compression)
        for name, fault in faults.items()
        for compression in (None, "tiff_lzw")
    }


def _others() -> dict[str, bytes]:
    avif = encoded(scene(), "AVIF", quality=90, exif=exif((_DESCRIPTION, 2, 4, _TEXT)))
    return {
        "GIF, comment of 70 kB": encoded(scene(), "GIF", comment=b"c" * 70_000),
        "AVIF, EXIF of words": avif.replace(b"II*\0\x08\0\0\0", b"no EXIF!"),
        "AVIF, EXIF cut off": avif.replace(b"II*\0\x08\0\0\0", b"II*\0\xff\xff\0\0"),
    }


@functools.cache
def jpegs_of_all_codings() -> dict[str, bytes]:
    """Return whole JPEG files whose ends differ."""
    large = scene((420, 300))
    flat = Image.new("RGB", (640, 480), "white")
    return {
        "4:2:0": encoded(large, "JPEG", quality=90),
        "4:4:4": encoded(large, "JPEG", quality=90, subsampling=0),
        "grey": encoded(large.convert("L"), "JPEG", quality=90),
        "progressive": encoded(large, "JPEG", quality=90, progressive=True),
        "progressive grey": encoded(large.convert("L"), "JPEG", progressive=True),
        "CMYK": encoded(large.convert("CMYK"), "JPEG", quality=90),
        "with restarts": encoded(large, "JPEG", quality=90, restart_marker_blocks=5),
        "optimized": encoded(large, "JPEG", quality=40, optimize=True),
        "of one color": encoded(flat, "JPEG"),
        "progressive, of one color": encoded(flat, "JPEG", progressive=True),
        "sideways": jpeg_bytes.with_segment(
            encoded(large, "JPEG", quality=90), 0xE1, b"Exif\0\0" + exif(SIDEWAYS)
        ),
    }


@functools.cache
def foreign_files() -> dict[str, tuple[bytes, str]]:
    """Return files of formats that are not read, by what is said of them."""
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    other = "The file is not an image that Servery can read."
    return {
        "DDS": (encoded(scene(), "DDS"), other),
        "ICO": (encoded(scene(), "ICO"), other),
        "PPM": (encoded(scene(), "PPM"), other),
        "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(500), other),
        "MPEG": (b"\0\0\1\xb3\x14\0\xf0\x13" + bytes(500), other),
        "GRIB": (b"GRIB\0\0\0\1" + bytes(100), other),
        "BUFR": (b"BUFR" + bytes(100), other),
        "MP4": (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(100), other),
        "Canon's raw file": (b"II*\0\x10\0\0\0CR\2\0" + bytes(200), other),
        "EPS": (encoded(scene(), "EPS"), said("a PostScript document")),
        "PDF": (encoded(scene(), "PDF"), said("a PDF document")),
        "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", said("an SVG drawing")),
        "Photoshop": (b"8BPS\0\1" + bytes(100), said("a Photoshop document")),
        "JPEG XL": (b"\xff\x0a" + bytes(100), said("a JPEG XL picture")),
        "JPEG 2000": (encoded(scene(), "JPEG2000"), said("a JPEG 2000 picture")),
        "HEIC": (heic, said("a HEIC photo")),
        "HEIF": (heic.replace(b"ftypheic", b"ftypmif1"), said("a HEIC photo")),
        "HEIC of a burst": (heic.replace(b"ftypheic", b"ftyphevc"), said("a HEIC photo")),
    }


def said(kind: str) -> str:
    return f"The file is {kind}, which Servery cannot read."


@functools.cache
def cut_files() -> dict[str, bytes]:
    """Return files that end in the middle."""
    files = {f"JPEG, {name}": data for name, data in jpegs_of_all_codings().items()}
    for form in ("PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        files[form] = encoded(scene(), form)
    return {name: data[: len(data) // 2] for name, data in files.items()}


@functools.cache
def bad_files() -> dict[str, tuple[bytes, str]]:
    """Return files that get no answer, by what is said of each."""
    damaged = "The image is damaged or cut off."
    return {
        **foreign_files(),
        **{f"cut off: {name}": (data, damaged) for name, data in cut_files().items()},
        "empty": (b"", "The file is empty."),
        "words": (b"these are words", "The file is not an image that Servery can read."),
        "PNG without pixels": (encoded(scene(), "PNG")[:33], damaged),
        "half of a JPEG, then nothing": (
            _half(encoded(scene((420, 300)), "JPEG", quality=90)),
            damaged,
        ),
    }


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2] + bytes(len(data) // 2)


def ramp(values: np.ndarray) -> Image.Image:
    """Return an image of one row of `values`, [W], 64 times."""
    return Image.fromarray(np.tile(values, (64, 1)))


_STEPS = np.linspace(0, 1, 256)
RAMPS: dict[str, tuple[Callable[[], Image.Image], str]] = {
    "PNG of 16 bits": (lambda: ramp((_STEPS * 65535).astype(np.uint16)), "PNG"),
    "TIFF of 16 bits": (lambda: ramp((_STEPS * 65535).astype(np.uint16)), "TIFF"),
    "PNG of 12 bits": (lambda: ramp((_STEPS * 4095).astype(np.uint16)), "PNG"),
    "TIFF of 12 bits": (lambda: ramp((_STEPS * 4095).astype(np.uint16)), "TIFF"),
    "fractions of 0 to 1": (lambda: ramp(_STEPS.astype(np.float32)), "TIFF"),
    "fractions of 0 to 255": (lambda: ramp((_STEPS * 255).astype(np.float32)), "TIFF"),
    "fractions of 0 to 65535": (lambda: ramp((_STEPS * 65535).astype(np.float32)), "TIFF"),
    "fractions of -1 to 1": (lambda: ramp((_STEPS * 2 - 1).astype(np.float32)), "TIFF"),
    "fractions of 0 to 1.1": (lambda: ramp((_STEPS * 1.1).astype(np.float32)), "TIFF"),
    "large fractions": (lambda: ramp((_STEPS * 1e30).astype(np.float32)), "TIFF"),
    "32 bits, 0 to 255": (lambda: ramp((_STEPS * 255).astype(np.int32)), "TIFF"),
    "32 bits, 0 to 65535": (lambda: ramp((_STEPS * 65535).astype(np.int32)), "TIFF"),
    "32 bits, all": (lambda: ramp((_STEPS * (2**31 - 200)).astype(np.int32)), "TIFF"),
    "32 bits, -1000 to 1000": (lambda: ramp((_STEPS * 2000 - 1000).astype(np.int32)), "TIFF"),
    "32 bits, 0 to 1": (lambda: ramp((_STEPS > 0.5).astype(np.int32)), "TIFF"),
}
"""Grey images that go from black to white, by what their levels are."""
