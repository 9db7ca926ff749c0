"""`labels.csv`: one label a line, as RFC 4180 has it, in UTF-8 with a header.

The columns, of which only `file` and `class` are needed in a file from elsewhere:

- `file`: the photo, a path from the folder that the CSV file is in, or an absolute one
- `class`: what it shows; empty unless `kind` is `class`
- `kind`: `class`, `none` (none of the classes) or `skip` (nothing for now)
- `by`: who says so; empty if that is not known
- `created`: when, in ISO 8601
- `settles`: whether it outweighs what others had said before
- `held_out`: whether the photo is for measuring accuracy, and nothing is learned from it
- `counts`: whether it is the label of its photo that counts (not read)
- `disputed`: whether people say different things of the photo (not read)
- `sha256`: of the photo (not read)

Texts that a spreadsheet could take for formulas begin with an apostrophe, which is taken off
when they are read.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from backend.contract import SkippedFile
from backend.label_files.found import FoundLabel, FoundLabels, LabelFileError, Row, read_text
from backend.store.label_exchange import WrittenLabel
from serving.errors import ServeryError
from serving.text.spreadsheet import escape_formula, unescape_formula

COLUMNS = (
    *("file", "class", "kind", "by", "created"),
    *("settles", "held_out", "counts", "disputed", "sha256"),
)
"""Other programs read these names; they stay as they are."""
_OTHER_NAMES = {
    "file": ("path", "filename", "file_name", "image", "photo"),
    "class": ("label", "class_name", "category"),
}
"""What programs call these columns, too."""
_DELIMITERS = ",;\t"


def csv_text(labels: Iterable[WrittenLabel], files: Mapping[str, str]) -> str:
    """Return labels as CSV; `files` says where the photo of each image is."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for label in labels:
        texts = (files[label.image], label.class_name, label.kind, label.by, label.created)
        flags = (label.settles, bool(label.held_out), label.counts, label.disputed)
        words = ("true" if flag else "false" for flag in flags)
        writer.writerow([*map(escape_formula, texts), *words, label.image])
    return out.getvalue()


def read_csv(path: Path, photos: Path, by: str) -> FoundLabels:
    """Read a CSV file whose photos lie in the folder `photos`; `by` says it without a column `by`.

    Raises LabelFileError if it is none with labels; a line that cannot be used costs itself.
    """
    text = read_text(path)
    reading = FoundLabels()
    try:
        lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
        header = next(lines, [])
        columns = _columns(header, path)
        for cells in lines:
            if any(cells):
                _read_line(reading, _Line(cells, columns, lines.line_num), photos, by)
    except csv.Error as error:
        raise LabelFileError(
            f"{path.name} is no CSV file: {error}.", "Save it as CSV in UTF-8, then try again."
        ) from error
    return reading


class _Line:
    def __init__(self, cells: list[str], columns: Mapping[str, int], number: int) -> None:
        self._cells, self._columns = cells, columns
        self.name = f"line {number:,}"

    def get(self, column: str, default: str) -> str:
        return self[column] if column in self._columns else default

    def __getitem__(self, column: str) -> str:
        at = self._columns.get(column)
        return unescape_formula(self._cells[at]) if at is not None and at < len(self._cells) else ""


def _read_line(reading: FoundLabels, line: _Line, photos: Path, by: str) -> None:
    file = line["file"]
    row = Row(
        class_name=line["class"],
        kind=line["kind"],
        by=line.get("by", by),
        created=line["created"],
        settles=line["settles"],
        held_out=line["held_out"],
    )
    try:
        if not file:
            raise LabelFileError("It names no photo.", "Say in `file` where it is.")
        said = row.statement()
    except ServeryError as error:
        name = f"{line.name}: {file}" if file else line.name
        reading.skipped.append(SkippedFile(name, error.what))
        return
    reading.labels.append(FoundLabel(file, (photos / file,), said))


def _delimiter(text: str) -> str:
    """Return what divides the header: programs of some countries write semicolons."""
    header = text.partition("\n")[0]

    def columns(delimiter: str) -> int:
        return len(dict(_known(next(csv.reader([header], delimiter=delimiter), []))))

    return max(_DELIMITERS, key=columns)


def _columns(header: list[str], path: Path) -> dict[str, int]:
    found = dict(_known(header))
    for needed in ("file", "class"):
        if needed not in found:
            names = ", ".join(header) or "nothing"
            raise LabelFileError(
                f"{path.name} has no column {needed}; its first line says: {names}.",
                "Give it a first line that names the columns `file` and `class`.",
            )
    return found


def _known(header: list[str]) -> Iterator[tuple[str, int]]:
    names = [name.strip().casefold() for name in header]
    for column in COLUMNS:
        for name in (column, *_OTHER_NAMES.get(column, ())):
            if name in names:
                yield column, names.index(name)
                break
