"""A version of another Servery is looked at, tried and taken by what its model card says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from serving.importing.interface import ImportRequest, ProgramRequest, Task
from serving.importing.tasks import carry_out
from serving.importing.write import sample_photos
from serving.models.card import ModelCard
from tests.support.imported_models import CLASSES, network

# What TensorFlow says of the models of its own past.
pytestmark = pytest.mark.filterwarnings("ignore")


def carry(task: Task, path: Path, scratch: Path, **options: Any) -> Any:
    scratch.mkdir()
    request = ProgramRequest(task, ImportRequest(str(path)), str(scratch), **options)
    return carry_out(request, lambda done, total, text: None)


def test_a_version_of_servery_comes_in_as_it_is(tmp_path: Path) -> None:
    network().save(tmp_path / "pets.keras")
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(sample_photos()[0])
    (before,) = carry(Task.PREVIEW, tmp_path / "pets.keras", tmp_path / "a", photos=(str(photo),))
    served = tmp_path / "served"
    served.mkdir()
    carry(Task.WRITE, tmp_path / "pets.keras", tmp_path / "b", folder=str(served), name="pets")

    for number, path in enumerate((served, served / "1")):
        found = carry(Task.INSPECT, path, tmp_path / f"inspect-{number}")
        assert found["problems"] == ()
        assert found["labels"] == CLASSES
        assert (found["interface"]["classes"], found["interface"]["guessed"]) == (3, ())
        (after,) = carry(Task.PREVIEW, path, tmp_path / f"preview-{number}", photos=(str(photo),))
        expected = {each["name"]: each["score"] for each in before["scores"]}
        scores = {each["name"]: each["score"] for each in after["scores"]}
        assert scores == pytest.approx(expected, abs=1e-4)

    taken = tmp_path / "taken"
    taken.mkdir()
    carry(Task.WRITE, served, tmp_path / "c", folder=str(taken), name="zoo")
    card = ModelCard.read(taken / "1")
    assert (card.name, card.classes) == ("zoo", CLASSES)
    copied = (taken / "1" / "saved_model.pb").read_bytes()
    assert copied == (served / "1" / "saved_model.pb").read_bytes()


def test_a_photo_that_cannot_be_read_does_not_end_the_preview(tmp_path: Path) -> None:
    network().save(tmp_path / "pets.keras")
    (tmp_path / "labels.txt").write_text("".join(f"{name}\n" for name in CLASSES))
    served = tmp_path / "served"
    served.mkdir()
    carry(Task.WRITE, tmp_path / "pets.keras", tmp_path / "a", folder=str(served), name="pets")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    (answer,) = carry(Task.PREVIEW, served, tmp_path / "b", photos=(str(tmp_path / "broken.jpg"),))
    assert answer["problem"]
    assert answer["scores"] == ()
