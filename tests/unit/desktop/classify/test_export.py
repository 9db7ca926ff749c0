from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import pytest

from desktop.classify.export import ExportError, export_photos
from desktop.classify.photo import Photo, PhotoFailure
from tests.support.predictions import answered_photo

PHOTOS = [
    answered_photo(Path("/album/a, b.jpg"), ("cat", 0.75), ("dog", 0.25), label="tiger"),
    Photo(Path("/album/c.jpg"), "c.jpg", 1.0, failure=PhotoFailure("Empty.", ""), waiting=False),
]


def test_csv_has_a_row_a_photo(tmp_path: Path) -> None:
    target = tmp_path / "answers.csv"
    export_photos(PHOTOS, target, 0.5)
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == ["/album/a, b.jpg", "/album/c.jpg"]
    assert rows[0]["class"] == "cat"
    assert float(rows[0]["score"]) == 0.75
    assert rows[0]["label"] == "tiger"
    assert rows[1] == {
        "file": "/album/c.jpg", "state": "failed", "class": "", "score": "", "label": "",
        "model": "", "version": "", "problem": "Empty.", "familiarity": "",
    }  # fmt: skip


def test_a_photo_that_is_not_familiar_is_unsure_in_the_export(tmp_path: Path) -> None:
    target = tmp_path / "answers.csv"
    sure = answered_photo(Path("/album/a.jpg"), ("cat", 0.99), familiarity=0.25)
    export_photos([sure], target, 0.5)
    (row,) = csv.DictReader(target.read_text().splitlines())
    assert (row["state"], row["score"], row["familiarity"]) == ("unsure", "0.99", "0.25")


def test_json_has_every_score(tmp_path: Path) -> None:
    target = tmp_path / "answers.json"
    export_photos(PHOTOS, target, 0.5)
    records = json.loads(target.read_text())
    assert records[0]["scores"] == {"cat": 0.75, "dog": 0.25}
    assert records[0]["state"] == "labelled"
    assert records[1]["class"] is None


def test_a_file_that_cannot_be_written_is_an_error_with_words(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ExportError, match="could not be written"):
        export_photos(PHOTOS, tmp_path / "file" / "answers.csv", 0.5)


def test_no_name_is_a_formula_in_csv_and_every_name_is_exact_in_json(tmp_path: Path) -> None:
    name = '=HYPERLINK("http://127.0.0.1:9")\n=1'
    photos = [answered_photo(Path(f"/album/{name}.jpg"), (name, 0.5), label=name, model=name)]
    export_photos(photos, tmp_path / "answers.csv", 0.5)
    with (tmp_path / "answers.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert [row[each][0] for each in ("class", "label", "model")] == ["'"] * 3
    assert row["score"] == "0.5"
    export_photos(photos, tmp_path / "answers.json", 0.5)
    (record,) = json.loads((tmp_path / "answers.json").read_text())
    assert (record["class"], record["scores"]) == (name, {name: 0.5})


def test_names_that_are_no_text_are_exported(tmp_path: Path) -> None:
    names = [os.fsdecode(name) for name in (b"/caf\xe9.jpg", b"/\xff", b"/\x80 dir/a.png")]
    photos = [answered_photo(Path(name), ("cat", 0.5)) for name in names]
    export_photos(photos, tmp_path / "answers.csv", 0.5)
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = [row["file"] for row in csv.DictReader(file)]
    assert rows == [r"/caf\xe9.jpg", r"/\xff", r"/\x80 dir/a.png"]
    export_photos(photos, tmp_path / "answers.json", 0.5)
    records = json.loads((tmp_path / "answers.json").read_bytes().decode("utf-8"))
    assert [record["file"] for record in records] == names
