"""What a path holds is said by its bytes, and what is no model is refused with the reason."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest

from serving.importing.interface import ModelFormat
from serving.importing.model_file import FORMATS, UnusableModelFile, find_model
from serving.models.card import CARD_PATH
from serving.zip_file import UnusableZip

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(64)


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def keras_file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr("model.weights.h5", HDF5)
    return path


def test_files_are_known_by_their_content(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    found = find_model(keras_file(tmp_path / "pets.keras"), scratch)
    assert (found.format, found.name, found.labels_path) == (ModelFormat.KERAS, "pets", None)
    labels = put(tmp_path / "labels.txt")
    found = find_model(keras_file(tmp_path / "pets.zip"), scratch)
    assert (found.format, found.labels_path) == (ModelFormat.KERAS, labels)
    own = put(tmp_path / "dogs_labels.csv")
    found = find_model(put(tmp_path / "dogs.h5", HDF5), scratch)
    assert (found.format, found.labels_path) == (ModelFormat.KERAS_H5, own)


def test_folders_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    put(tmp_path / "plain" / "saved_model.pb")
    labels = put(tmp_path / "plain" / "assets" / "labels.txt")
    found = find_model(tmp_path / "plain", scratch)
    assert (found.format, found.labels_path) == (ModelFormat.SAVED_MODEL, labels)
    assert find_model(tmp_path / "plain" / "saved_model.pb", scratch).path == found.path

    for number in (3, 11):
        put(tmp_path / "served" / str(number) / "saved_model.pb")
    found = find_model(tmp_path / "served", scratch)
    assert (found.format, found.versions) == (ModelFormat.SERVING_FOLDER, (3, 11))

    put(tmp_path / "lobe" / "saved_model.pb")
    signature = {"classes": {"Label": ["a"]}}
    put(tmp_path / "lobe" / "signature.json", json.dumps(signature).encode())
    assert find_model(tmp_path / "lobe", scratch).format is ModelFormat.LOBE

    put(tmp_path / "ours" / "saved_model.pb")
    put(tmp_path / "ours" / CARD_PATH)
    assert find_model(tmp_path / "ours", scratch).format is ModelFormat.SERVERY_VERSION


def test_an_export_of_teachable_machine_may_be_zipped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "converted_keras.zip", "w") as archive:
        archive.writestr("keras_model.h5", HDF5)
        archive.writestr("labels.txt", "0 a\n")
    found = find_model(tmp_path / "converted_keras.zip", tmp_path / "scratch")
    assert (found.format, found.name) == (ModelFormat.TEACHABLE_MACHINE, "converted_keras")
    assert found.labels_path == tmp_path / "scratch" / "labels.txt"


def test_a_saved_model_may_lie_deeper_with_the_labels_above(tmp_path: Path) -> None:
    put(tmp_path / "export" / "model.savedmodel" / "saved_model.pb")
    labels = put(tmp_path / "export" / "labels.txt")
    found = find_model(tmp_path / "export", tmp_path / "scratch")
    assert (found.format, found.labels_path) == (ModelFormat.SAVED_MODEL, labels)
    assert found.path.name == "model.savedmodel"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.onnx", b"x", "a.onnx is an ONNX file. Export the model as SavedModel"),
        ("a.tflite", b"x", "is a TensorFlow Lite file"),
        ("renamed.bin", bytes(4) + b"TFL3" + bytes(9), "is a TensorFlow Lite file"),
        ("a.pt", b"x", "is a file of PyTorch"),
        ("a.pth", b"PK\x03\x04", "is a file of PyTorch"),
        ("a.pkl", b"x", "is a pickle, which is a program"),
        ("frozen.pb", b"x", "is a graph without signatures"),
        ("a.safetensors", b"x", "is a file of weights alone"),
        ("model.json", b"{}", "is a model of TensorFlow.js"),
        ("a.txt", b"hello", "is no model that Servery knows"),
    ],
)
def test_other_files_are_refused_with_what_works(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    with pytest.raises(UnusableModelFile) as refused:
        find_model(put(tmp_path / name, content), tmp_path / "scratch")
    assert reason in str(refused.value)
    assert FORMATS in refused.value.advice


def test_folders_without_one_model_are_refused(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    put(tmp_path / "photos" / "1.jpg")
    with pytest.raises(UnusableModelFile, match="There is no model in photos"):
        find_model(tmp_path / "photos", scratch)
    with zipfile.ZipFile(tmp_path / "holiday.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(UnusableModelFile, match=r"There is no model in holiday\.zip\."):
        find_model(tmp_path / "holiday.zip", scratch)
    put(tmp_path / "js" / "model.json")
    with pytest.raises(UnusableModelFile, match="choose Tensorflow, then Keras"):
        find_model(tmp_path / "js", scratch)
    put(tmp_path / "text" / "saved_model.pbtxt")
    with pytest.raises(UnusableModelFile, match="SavedModel in text form"):
        find_model(tmp_path / "text", scratch)
    keras_file(tmp_path / "two" / "a.keras")
    put(tmp_path / "two" / "b.h5", HDF5)
    with pytest.raises(UnusableModelFile, match=r"several models in two: a.keras, b.h5"):
        find_model(tmp_path / "two", scratch)
    with pytest.raises(UnusableModelFile, match="There is no"):
        find_model(tmp_path / "missing", scratch)


def test_what_would_be_waited_for_or_leads_out_is_refused(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnusableModelFile, match="neither a file nor a folder"):
        find_model(tmp_path / "pipe", scratch)
    put(tmp_path / "linked" / "saved_model.pb")
    (tmp_path / "linked" / "variables").symlink_to("/etc")
    with pytest.raises(UnusableModelFile, match="links or devices"):
        find_model(tmp_path / "linked", scratch)
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../saved_model.pb", "x")
    with pytest.raises(UnusableZip, match="leads out of it"):
        find_model(tmp_path / "out.zip", scratch)
