"""`labels.csv`: what is read is what was written, and no spreadsheet finds a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from backend.contract import LabelKind
from backend.label_files.csv_file import COLUMNS, csv_text, read_csv
from backend.label_files.found import LabelFileError
from backend.store.label_exchange import WrittenLabel
from serving.text.spreadsheet import escape_formula, unescape_formula
from tests.support.many_labels import AWKWARD_NAMES


def label(name: str, **fields: object) -> WrittenLabel:
    created = "2026-01-31T09:15:00.123Z"
    return WrittenLabel("ab" * 32, name, LabelKind.CLASS, "Ann", created, **fields)  # type: ignore[arg-type]


def test_names_are_no_formulas_and_come_back(tmp_path: Path) -> None:
    written = [label(name) for name in AWKWARD_NAMES]
    path = tmp_path / "labels.csv"
    text = csv_text(written, {"ab" * 32: "photos/a.jpg"})
    path.write_bytes(text.encode())
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]
    reading = read_csv(path, tmp_path, "Bob")
    assert [found.said.class_name for found in reading.labels] == list(AWKWARD_NAMES)
    assert {found.said.by for found in reading.labels} == {"Ann"}
    assert {found.said.created for found in reading.labels} == {"2026-01-31T09:15:00.123Z"}
    assert {found.paths for found in reading.labels} == {(tmp_path / "photos/a.jpg",)}
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert text.endswith("\r\n")


@pytest.mark.parametrize("text", ["", "'", "''", "'=a", "=a", "' =a", "'hood", "a,=b", "\t=x"])
def test_what_was_guarded_comes_back(text: str) -> None:
    assert unescape_formula(escape_formula(text)) == text


def test_an_apostrophe_of_somebody_else_stays() -> None:
    assert unescape_formula("'hood") == "'hood"


@pytest.mark.parametrize(
    "text",
    [
        "file,class\na.jpg,cat\n",
        "\ufefffile,class\r\na.jpg,cat\r\n",
        "filename;label\na.jpg;cat\n",
        "Path\tother\tCategory\na.jpg\t1\tcat\n",
        '"image","class_name"\n"a.jpg","cat"\n\n',
    ],
)
def test_files_of_other_programs_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    (found,) = read_csv(path, tmp_path, "Bob").labels
    assert (found.photo, found.said.class_name, found.said.by) == ("a.jpg", "cat", "Bob")
    assert (found.said.created, found.said.held_out) == ("", None)


def test_a_line_that_cannot_be_used_costs_itself(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "file,class,kind,created,settles\n"
        "a.jpg,cat,,,\n"
        "b.jpg,,,,\n"
        ",cat,,,\n"
        "c.jpg,cat,none,,\n"
        "d.jpg,cat,perhaps,,\n"
        "e.jpg,cat,,yesterday,\n"
        "f.jpg,cat,,,perhaps\n"
        "g.jpg,,skip,2026-01-31T10:15:00+01:00,yes\n"
    )
    reading = read_csv(path, tmp_path, "")
    assert [found.photo for found in reading.labels] == ["a.jpg", "g.jpg"]
    assert reading.labels[1].said.created == "2026-01-31T09:15:00.000Z"
    reasons = {file.path.partition(":")[0]: file.reason for file in reading.skipped}
    assert reasons == {
        "line 3": "The class has no name.",
        "line 4": "It names no photo.",
        "line 5": "A label of the kind none has no class.",
        "line 6": "A label cannot be of the kind perhaps.",
        "line 7": "yesterday is not a valid time.",
        "line 8": "perhaps is neither true nor false.",
    }


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"a,b\n1,2\n", "has no column file; its first line says: a, b"),
        (b"file\n1\n", "has no column class"),
        (b"", "has no column file"),
        (b"file,class\n\xff\xfe,1\n", "is not text in UTF-8"),
        (b'file,class\n"a\n', "is no CSV file"),
    ],
)
def test_what_is_no_file_with_labels_is_said(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(LabelFileError, match=sentence):
        read_csv(path, tmp_path, "")


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(LabelFileError, match="There is no file"):
        read_csv(tmp_path / "nothing.csv", tmp_path, "")
