"""Reads and writes metadata with exiftool, which knows them better than anybody."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.requirements import missing

_CHANGES_WITH_THE_FILE = ("System:", "ExifTool:", "File:", "SourceFile")
_OF_AN_ANSWER = ("XMP-servery:", "XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords")
_OF_WHAT_IS_BESIDE = ("Photoshop:IPTCDigest", "File:CurrentIPTCDigest", "XMP-x:XMPToolkit")


def require_exiftool() -> None:
    """Skip the test where there is no exiftool."""
    if shutil.which("exiftool") is None:
        missing("exiftool is not installed (Debian's package libimage-exiftool-perl)")


def read(path: Path) -> dict[str, Any]:
    """Return all metadata of a file, by group and name; fails if exiftool warns of anything."""
    result = subprocess.run(
        ["exiftool", "-j", "-G1", "-struct", "-a", "-charset", "iptc=utf8", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    (found,) = json.loads(result.stdout)
    assert not [name for name in found if "Warning" in name or "Error" in name], found
    return dict(found)


def keywords(path: Path, name: str) -> list[str]:
    """Return the values of a tag with several, as `XMP-dc:Subject`."""
    value = read(path).get(name, [])
    return [str(each) for each in (value if isinstance(value, list) else [value])]


def others(path: Path) -> dict[str, Any]:
    """Return the metadata that have nothing to do with answers."""
    return {
        name: value
        for name, value in read(path).items()
        if not name.startswith((*_CHANGES_WITH_THE_FILE, *_OF_AN_ANSWER, *_OF_WHAT_IS_BESIDE))
    }


def write(path: Path, *tags: str) -> None:
    """Set tags, as `-IPTC:Keywords=a`."""
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", "-codedcharacterset=utf8", *tags, str(path)],
        check=True,
    )
