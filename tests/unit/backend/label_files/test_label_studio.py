"""What Label Studio exports is read, as JSON and as JSON-MIN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from backend.contract import LabelKind
from backend.label_files.found import FoundLabel, FoundLabels, LabelFileError
from backend.label_files.label_studio import texts
from backend.label_files.label_studio_read import read_label_studio
from backend.store.label_exchange import WrittenLabel
from tests.support.many_labels import AWKWARD_NAMES


def annotation(*choices: str, control: str = "choice", **fields: Any) -> dict[str, Any]:
    """Return an annotation as Label Studio exports one."""
    result = {
        "id": "Dx_aB91ISN",
        "type": "choices",
        "value": {"choices": list(choices)},
        "origin": "manual",
        "from_name": control,
        "to_name": "image",
    }
    return {
        "id": 7,
        "completed_by": 1,
        "result": [result] if choices else [],
        "was_cancelled": False,
        "ground_truth": False,
        "created_at": "2026-03-09T22:16:08.728353Z",
        "updated_at": "2026-03-09T22:16:08.728378Z",
        "lead_time": 4.288,
        **fields,
    }


def task(image: str, *annotations: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "annotations": list(annotations),
        "file_upload": "0123abcd-cat.jpg",
        "drafts": [],
        "predictions": [{"result": [{"type": "choices", "value": {"choices": ["guess"]}}]}],
        "data": {"image": image},
        "meta": {},
        "project": 83,
        **fields,
    }


def read(folder: Path, tasks: object, control: str = "") -> FoundLabels:
    path = folder / "export.json"
    path.write_text(json.dumps(tasks))
    return read_label_studio(path, folder, "me", control)


def only(reading: FoundLabels) -> FoundLabel:
    assert reading.skipped == []
    (found,) = reading.labels
    return found


def test_an_uploaded_photo_is_found_under_its_names(tmp_path: Path) -> None:
    found = only(read(tmp_path, [task("/data/upload/1/0123abcd-cat.jpg", annotation("cat"))]))
    said = found.said
    assert (said.class_name, said.kind, said.by) == ("cat", LabelKind.CLASS, "Label Studio user 1")
    assert said.created == "2026-03-09T22:16:08.728Z"
    below = [str(path.relative_to(tmp_path)) for path in found.paths]
    assert below == [
        "data/upload/1/0123abcd-cat.jpg",
        "upload/1/0123abcd-cat.jpg",
        "1/0123abcd-cat.jpg",
        "0123abcd-cat.jpg",
        "cat.jpg",
    ]


@pytest.mark.parametrize(
    ("image", "first"),
    [
        ("/data/local-files/?d=set/a%20b.jpg", "set/a b.jpg"),
        ("http://localhost:8080/data/upload/1/x.png", "data/upload/1/x.png"),
        ("photos/a?b.jpg", "photos/a?b.jpg"),
        ("../../etc/a.jpg", "etc/a.jpg"),
    ],
)
def test_a_photo_is_looked_for_in_the_folder(tmp_path: Path, image: str, first: str) -> None:
    found = only(read(tmp_path, [task(image, annotation("cat"))]))
    assert found.paths[0] == tmp_path / first


@pytest.mark.parametrize("image", ["/photos/a.jpg", "file:///photos/a.jpg"])
def test_an_absolute_path_is_one(tmp_path: Path, image: str) -> None:
    assert only(read(tmp_path, [task(image, annotation("a"))])).paths[0] == Path("/photos/a.jpg")


def test_who_annotated_has_a_name(tmp_path: Path) -> None:
    people = [
        {"id": 1, "email": "ann@example.org", "first_name": "Ann", "last_name": "A"},
        {"id": 2, "email": "", "first_name": "Bob", "last_name": ""},
        {"id": 3},
        None,
    ]
    tasks = [task("a.jpg", annotation("cat", completed_by=person)) for person in people]
    by = [found.said.by for found in read(tmp_path, tasks).labels]
    assert by == ["ann@example.org", "Bob", "Label Studio user 3", "me"]


def test_cancelled_annotations_are_skips_and_several_choices_no_label(tmp_path: Path) -> None:
    reading = read(
        tmp_path,
        [
            task("a.jpg", annotation(was_cancelled=True), annotation("cat")),
            task("b.jpg", annotation("cat", "dog")),
            task("c.jpg", annotation("cat", "cat")),
            task("d.jpg", annotation()),
            task("e.jpg"),
            {"id": 9, "data": {"text": "no image"}, "annotations": [annotation("cat")]},
            task("https://example.org/a.jpg", annotation("cat")),
            task("s3://bucket/a.jpg", annotation("cat")),
        ],
    )
    said = [(found.photo, found.said.kind.value) for found in reading.labels]
    assert said == [("a.jpg", "skip"), ("a.jpg", "class"), ("c.jpg", "class")]
    assert [file.reason for file in reading.skipped] == [
        "It has several classes, and a label names one: cat, dog.",
        "Nothing is chosen.",
        "It names no image.",
        "The photo is at a web address, from which nothing is fetched.",
        "The photo is in a storage: s3.",
    ]


def test_json_min_is_read(tmp_path: Path) -> None:
    about = {"annotation_id": 5, "created_at": "2026-03-09T22:16:08Z", "lead_time": 1.5}
    tasks = [
        {"id": 1, "image": "/data/upload/1/a.jpg", "choice": "cat", "annotator": 1, **about},
        {"id": 2, "image": "b.jpg", "choice": {"choices": ["dog", "cat"]}, "annotator": "ann@x"},
        {"id": 3, "image": "c.jpg", "choice": {"choices": ["dog"]}, "annotator": "ann@x", **about},
        {"id": 4, "image": "d.jpg"},
    ]
    reading = read(tmp_path, tasks)
    said = [(each.photo, each.said.class_name, each.said.by) for each in reading.labels]
    assert said == [
        ("/data/upload/1/a.jpg", "cat", "Label Studio user 1"),
        ("c.jpg", "dog", "ann@x"),
    ]
    assert [file.path for file in reading.skipped] == ["task 2: b.jpg"]


def test_of_several_choices_one_is_named(tmp_path: Path) -> None:
    both = annotation("cat")
    both["result"] += annotation("sharp", control="quality")["result"]
    for tasks in ([task("a.jpg", both)], [{"image": "a.jpg", "choice": "cat", "quality": "sharp"}]):
        with pytest.raises(LabelFileError, match="several choices for each photo: choice, quality"):
            read(tmp_path, tasks)
        assert only(read(tmp_path, tasks, "quality")).said.class_name == "sharp"
        with pytest.raises(LabelFileError, match="no choices called owl; it has: choice, quality"):
            read(tmp_path, tasks, "owl")


def test_the_newest_annotation_comes_last_whatever_the_order(tmp_path: Path) -> None:
    newer, older = "2026-03-09T22:16:08Z", "2026-03-08T22:16:08Z"
    full = [task("a.jpg", annotation("b", created_at=newer), annotation("a", created_at=older))]
    small = [
        {"image": "a.jpg", "choice": "b", "created_at": newer},
        {"image": "a.jpg", "choice": "a", "created_at": older},
    ]
    for tasks in (full, small):
        said = [found.said.class_name for found in read(tmp_path, tasks).labels]
        assert said == ["a", "b"]


@pytest.mark.parametrize("content", ["", "[1]", '"a"', "[" * 100_000])
def test_what_is_no_export_is_said(tmp_path: Path, content: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)
    with pytest.raises(LabelFileError):
        read_label_studio(path, tmp_path, "")


def test_what_is_written_is_what_label_studio_takes(tmp_path: Path) -> None:
    labels = [
        WrittenLabel(f"{n:064x}", name, LabelKind.CLASS, "Ann", "2026-01-31T09:15:00.123Z")
        for n, name in enumerate(AWKWARD_NAMES)
    ]
    nothing = WrittenLabel("f" * 64, "", LabelKind.NONE, "Bob", "2026-01-31T09:15:00.123Z")
    files = {label.image: f"photos/{label.image}.jpg" for label in (*labels, nothing)}
    written = texts([*labels, nothing], files, "out")
    config = ElementTree.fromstring(written["label-config.xml"])
    choices = [choice.get("value") for choice in config.iter("Choice")]
    tasks = json.loads(written["tasks.json"])
    chosen = [task["annotations"][0]["result"][0]["value"]["choices"][0] for task in tasks]
    assert sorted(choices, key=str) == sorted(chosen)
    assert len(set(choices)) == len(choices)
    (control,) = config.iter("Choices")
    (image,) = config.iter("Image")
    result = tasks[0]["annotations"][0]["result"][0]
    assert (result["from_name"], result["to_name"]) == (control.get("name"), image.get("name"))
    assert tasks[0]["data"]["image"] == f"/data/local-files/?d=out/{files[labels[0].image]}"
    # As Label Studio exports it again: without our field beside each annotation.
    for each in tasks:
        del each["annotations"][0]["servery"]
    said = [found.said for found in read(tmp_path, tasks).labels]
    assert [each.class_name for each in said] == [*AWKWARD_NAMES, ""]
    assert said[-1].kind is LabelKind.NONE
