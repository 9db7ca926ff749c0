from __future__ import annotations

from pathlib import Path

import pytest

from desktop.classify.gallery import Gallery
from desktop.classify.labels import Labels
from desktop.classify.photo import NONE_OF_THESE, PhotoState
from serving.class_names import ClassNameError
from serving.errors import BackendError, ServeryError
from serving.progress import no_report
from tests.support.predictions import MODEL, answered_photo, prediction
from tests.support.sample_images import image_file


class Store:
    """Keeps labels in memory; refuses those of one class."""

    def __init__(self) -> None:
        self.stored: dict[int, str] = {}
        self._receipts = 0
        self.models: list[str] = []
        self.batches: list[str] = []

    async def store(self, jpeg: bytes, class_name: str | None, model: str, batch: str) -> int:
        if class_name == "refused":
            raise BackendError("The label was refused.", "Use another class.")
        self._receipts += 1
        self.models.append(model)
        self.batches.append(batch)
        self.stored[self._receipts] = class_name or "none"
        return self._receipts

    async def withdraw(self, receipt: int) -> None:
        del self.stored[receipt]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def gallery(tmp_path: Path) -> Gallery:
    made = Gallery(0.5)
    files = [image_file(tmp_path / f"{number}.jpg") for number in range(3)]
    made.add([answered_photo(file, ("cat", 0.9)) for file in files])
    return made


@pytest.fixture
def labels(gallery: Gallery, store: Store) -> Labels[int]:
    return Labels(gallery, store.store, store.withdraw)


def shown(gallery: Gallery) -> list[str]:
    return [photo.label for photo in gallery.photos]


async def give(labels: Labels[int], keys: list[str], class_name: str) -> list[ServeryError]:
    errors: list[ServeryError] = []
    await labels.label(keys, class_name, errors.append, no_report)
    return errors


async def test_steps_are_undone_from_the_last_one(
    gallery: Gallery, labels: Labels[int], store: Store
) -> None:
    keys = [photo.key for photo in gallery.photos]
    await give(labels, keys, "lion")
    await give(labels, keys[:1], "tiger")
    assert shown(gallery) == ["tiger", "lion", "lion"]
    await labels.undo(labels.take_last())
    assert shown(gallery) == ["lion", "lion", "lion"]
    assert gallery.photos[0].label_can_be_undone
    await labels.undo(labels.take_last())
    assert shown(gallery) == ["", "", ""]
    assert not store.stored
    assert labels.take_last() == []
    assert not gallery.photos[0].label_can_be_undone


async def test_the_last_label_of_each_photo_is_undone_though_they_are_of_two_steps(
    gallery: Gallery, labels: Labels[int], store: Store
) -> None:
    first, second, third = (photo.key for photo in gallery.photos)
    await give(labels, [first, second, third], "lion")
    await give(labels, [first], "tiger")
    await labels.undo(labels.take_last([first, second]))
    assert shown(gallery) == ["lion", "", "lion"]
    assert sorted(store.stored.values()) == ["lion", "lion"]


async def test_none_of_these_is_a_label_and_no_class(
    gallery: Gallery, labels: Labels[int], store: Store
) -> None:
    photo = gallery.photos[0]
    await give(labels, [photo.key], NONE_OF_THESE)
    assert shown(gallery)[0] == "none of these"
    assert gallery.photos[0].state(0.5) is PhotoState.LABELLED
    await give(labels, [photo.key], "none of these")  # which may be the name of a class
    assert list(store.stored.values()) == ["none", "none of these"]
    await labels.undo(labels.take_last())
    assert gallery.photos[0].labels == {MODEL: NONE_OF_THESE}


async def test_labels_of_several_photos_are_given_at_once(
    gallery: Gallery, labels: Labels[int], store: Store
) -> None:
    keys = [photo.key for photo in gallery.photos]
    await give(labels, keys, "lion")
    await give(labels, keys[:2], "lion")
    await give(labels, keys[:1], "lion")
    first, second = set(store.batches[:3]), set(store.batches[3:5])
    assert len(first) == len(second) == 1
    assert first.isdisjoint(second)
    assert store.batches[5] == ""


async def test_a_photo_has_a_label_for_each_model_that_answered_it(
    gallery: Gallery, labels: Labels[int], store: Store
) -> None:
    photo = gallery.photos[0]
    await give(labels, [photo.key], "lion")
    gallery.set_result(photo.path, prediction(("wren", 0.9), model="birds"))
    assert shown(gallery)[0] == ""
    await give(labels, [photo.key], "robin")
    assert store.models == [MODEL, "birds"]
    assert gallery.photos[0].labels == {MODEL: "lion", "birds": "robin"}
    gallery.set_result(photo.path, prediction(("cat", 0.9)))
    assert shown(gallery)[0] == "lion"
    await labels.undo(labels.take_last([photo.key]))
    assert gallery.photos[0].labels == {"birds": "robin"}
    assert list(store.stored.values()) == ["robin"]


async def test_a_step_that_is_being_undone_is_not_undone_twice(
    gallery: Gallery, labels: Labels[int]
) -> None:
    await give(labels, [gallery.photos[0].key], "lion")
    await give(labels, [gallery.photos[1].key], "tiger")
    first, second = labels.take_last(), labels.take_last()
    assert [one.key for one in (*first, *second)] == [
        gallery.photos[1].key,
        gallery.photos[0].key,
    ]


async def test_a_label_that_could_not_be_stored_is_neither_shown_nor_undone(
    gallery: Gallery, labels: Labels[int]
) -> None:
    errors = await give(labels, [gallery.photos[0].key], "refused")
    assert [str(error) for error in errors] == ["The label was refused. Use another class."]
    assert shown(gallery) == ["", "", ""]
    assert labels.take_last() == []


@pytest.mark.parametrize(
    ("typed", "kept"),
    [("  sea \n otter", "sea otter"), ("cafe\u0301", "caf\u00e9"), ("\u06cc\u200c", "\u06cc")],
)
async def test_a_label_is_shown_as_it_is_kept(
    labels: Labels[int], gallery: Gallery, store: Store, typed: str, kept: str
) -> None:
    assert await give(labels, [gallery.photos[0].key], typed) == []
    assert shown(gallery) == [kept, "", ""]
    assert list(store.stored.values()) == [kept]


async def test_a_name_that_cannot_be_one_is_refused_once(
    labels: Labels[int], gallery: Gallery, store: Store
) -> None:
    with pytest.raises(ClassNameError):
        await give(labels, [photo.key for photo in gallery.photos], "ot\u200bter")
    assert store.stored == {}
    assert shown(gallery) == ["", "", ""]
