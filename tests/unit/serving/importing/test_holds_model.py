"""A model is told from photos to learn from, by names alone."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from serving.importing.holds_model import holds_model

MODELS = {
    "SavedModel": ["saved_model.pb", "variables/variables.index", "assets/sample.jpg"],
    "versions": ["1/saved_model.pb", "2/saved_model.pb"],
    "Teachable Machine": ["keras_model.h5", "labels.txt"],
    "wrapped": ["pets/pets.keras", "pets/labels.txt"],
    "refused by name": ["model.onnx"],
}
PHOTOS = {
    "classes": ["rose/1.jpg", "tulip/1.png"],
    "parts": ["train/rose/1.jpg", "test/rose/2.jpg"],
    "a model beside its photos": ["flowers.h5", "rose/1.jpg", "tulip/1.jpg"],
    "hidden": ["rose/1.jpg", ".cache/model.h5"],
    "only a hidden model": [".cache/model.h5", "notes.txt"],
    "nothing": [],
}


def folder_with(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")
    return folder


def zip_with(path: Path, names: list[str]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


@pytest.mark.parametrize("names", MODELS.values(), ids=MODELS)
def test_a_model_is_found_in_a_folder_and_in_a_zip_file(tmp_path: Path, names: list[str]) -> None:
    assert holds_model(folder_with(tmp_path / "folder", names))
    assert holds_model(zip_with(tmp_path / "file.zip", names))


@pytest.mark.parametrize("names", PHOTOS.values(), ids=PHOTOS)
def test_photos_in_folders_are_no_model(tmp_path: Path, names: list[str]) -> None:
    assert not holds_model(folder_with(tmp_path / "folder", names))
    assert not holds_model(zip_with(tmp_path / "file.zip", names))


@pytest.mark.parametrize(
    ("name", "is_model"),
    [("a.keras", True), ("a.H5", True), ("a.tflite", True), ("a.jpg", False), ("a.json", False)],
)
def test_a_file_is_known_by_its_ending(tmp_path: Path, name: str, is_model: bool) -> None:
    (tmp_path / name).write_bytes(b"")
    assert holds_model(tmp_path / name) is is_model


def test_what_cannot_be_read_is_no_model(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 and no more")
    assert not holds_model(broken)
    assert not holds_model(tmp_path / "absent.zip")
