"""What was read from a file with labels, before its photos are looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from backend.contract import LabelKind, SkippedFile
from backend.person import checked_person
from serving.class_names import checked_class_name
from serving.errors import ServeryError, reading_error
from serving.text.visible import shortened

MAX_BYTES = 512 * 2**20
"""Of a file with labels: some million of them."""
_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0", "")


class LabelFileError(ServeryError):
    """A file, or what it says of a photo, is no label."""


@dataclass(frozen=True)
class FoundStatement:
    """What a file says of a photo, checked."""

    class_name: str
    kind: LabelKind
    by: str
    created: str
    """As in WrittenLabel."""
    settles: bool = False
    held_out: bool | None = None


@dataclass(frozen=True)
class FoundLabel:
    """A label, and where its photo may be."""

    photo: str
    """How the file names it."""
    paths: tuple[Path, ...]
    """The first of them that is there is the photo."""
    said: FoundStatement


@dataclass
class FoundLabels:
    """What was found in a file."""

    labels: list[FoundLabel] = field(default_factory=list)
    skipped: list[SkippedFile] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """What a file says of a photo, as texts."""

    class_name: str
    kind: str = ""
    by: str = ""
    created: str = ""
    settles: str = ""
    held_out: str = ""

    def statement(self) -> FoundStatement:
        """Return what it says; raises LabelFileError, ClassNameError and PersonNameError."""
        kind = self.kind.strip().lower() or LabelKind.CLASS
        if kind not in tuple(LabelKind):
            raise LabelFileError(
                f"A label cannot be of the kind {shortened(kind, 40)}.",
                "Write `class`, `none` or `skip`.",
            )
        if kind != LabelKind.CLASS and self.class_name:
            raise LabelFileError(
                f"A label of the kind {kind} has no class.", "Leave out the class, or the kind."
            )
        return FoundStatement(
            checked_class_name(self.class_name) if kind == LabelKind.CLASS else "",
            LabelKind(kind),
            checked_person(self.by, ""),
            utc_time(self.created),
            _flag(self.settles),
            _flag(self.held_out) if self.held_out.strip() else None,
        )


def utc_time(text: str) -> str:
    """Return a time in ISO 8601 as labels have it; without a time zone, it is in UTC.

    Empty for an empty text. Raises LabelFileError.
    """
    if not text.strip():
        return ""
    try:
        parsed = datetime.fromisoformat(text.strip())
        when = parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        # Years with fewer than four digits would not be in the order of the others.
        return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError) as error:
        raise LabelFileError(
            f"{shortened(text, 40)} is not a valid time.", "Write it like 2026-01-31T09:15:00Z."
        ) from error


def read_text(path: Path) -> str:
    """Return the text of a file, which is UTF-8; raises LabelFileError."""
    try:
        if not path.is_file():
            raise LabelFileError(f"There is no file {path}.", "Check where the file is now.")
        if path.stat().st_size > MAX_BYTES:
            raise LabelFileError(f"{path.name} is too large for a file with labels.", "Divide it.")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelFileError(
            f"{path.name} is not text in UTF-8.", "Save it in UTF-8, then try again."
        ) from error
    except (OSError, ValueError) as error:
        if not isinstance(error, OSError):
            raise LabelFileError(f"There is no file {path}.", "Check where it is now.") from error
        advice = "Give yourself permission to read it, then try again."
        raise reading_error(error, f"The file {path}", advice, LabelFileError) from error


def _flag(text: str) -> bool:
    word = text.strip().lower()
    if word not in (*_TRUE, *_FALSE):
        raise LabelFileError(
            f"{shortened(text, 40)} is neither true nor false.", "Write `true` or `false`."
        )
    return word in _TRUE
