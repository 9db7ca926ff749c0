"""Reads and writes metadata with exiftool, which knows them better than anybody."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from tests.support.requirements import missing

_CHANGES_WITH_THE_FILE = ("System:", "ExifTool:", "File:", "SourceFile")
_OF_AN_ANSWER = ("XMP-servery:", "XMP-dc:Subject", "XMP-lr:HierarchicalSubject", "IPTC:Keywords")
_OF_WHAT_IS_BESIDE = ("Photoshop:IPTCDigest", "File:CurrentIPTCDigest", "XMP-x:XMPToolkit")


def require_exiftool() -> None:
    """Skip the test where there is no exiftool."""
    if shutil.which("exiftool") is None:
        missing("exiftool is not installed (Debian's package libimage-exiftool-perl)")


class Exiftool:
    """One process for all commands: most of the time of a command of its own is its start."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None

    def run(self, *arguments: str) -> str:
        """Run exiftool with arguments, never `-q`; returns what it prints, fails as it does."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        assert self._errors is not None
        assert not any("\n" in argument for argument in arguments), "one argument a line"
        self._errors.seek(0)
        self._errors.truncate()
        lines = [*arguments, "-echo3", "status ${status}", "-execute"]
        process.stdin.write("".join(f"{line}\n" for line in lines))
        process.stdin.flush()
        printed: list[str] = []
        for line in process.stdout:
            if line == "{ready}\n":
                break
            printed.append(line)
        status = printed.pop() if printed else "ended"
        self._errors.seek(0)
        assert status == "status 0\n", (arguments, status, self._errors.read())
        return "".join(printed)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.communicate("-stay_open\nFalse\n")
            self._process = None
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - until the process ends
            self._process = subprocess.Popen(
                ["exiftool", "-stay_open", "True", "-@", "-"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
            )
        return self._process


EXIFTOOL = Exiftool()


def read(path: Path) -> dict[str, Any]:
    """Return all metadata of a file, by group and name; fails if exiftool warns of anything."""
    options = ("-j", "-G1", "-struct", "-a", "-charset", "iptc=utf8")
    (found,) = json.loads(EXIFTOOL.run(*options, str(path)))
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
    EXIFTOOL.run("-overwrite_original", "-codedcharacterset=utf8", *tags, str(path))
