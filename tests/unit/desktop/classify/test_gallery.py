from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from desktop.classify.gallery import Gallery
from desktop.classify.photo import Photo, PhotoFailure, PhotoState
from serving.errors import FleetUnavailable, ModelError
from tests.support.predictions import MODEL, answered_photo, prediction

CANCELLED = PhotoFailure("Classifying was cancelled.", "Try again.")


class Mirror:
    """Repeats the changes that it is notified of, as a view does."""

    def __init__(self) -> None:
        self.photos: list[Photo] = []
        self.restored: list[Photo] = []
        self.state_changes = 0

    def photos_added(self, row: int, photos: Sequence[Photo], *, restored: bool) -> None:
        self.photos[row:row] = photos
        if restored:
            self.restored += photos

    def photo_changed(self, row: int, photo: Photo) -> None:
        assert self.photos[row].key == photo.key
        self.photos[row] = photo

    def photos_changed(self, changes: Sequence[tuple[int, Photo]]) -> None:
        for row, photo in changes:
            self.photo_changed(row, photo)

    def photos_removed(self, row: int, photos: Sequence[Photo]) -> None:
        assert self.photos[row : row + len(photos)] == photos
        del self.photos[row : row + len(photos)]

    def states_changed(self) -> None:
        self.state_changes += 1


@pytest.fixture
def gallery() -> Gallery:
    return Gallery(0.5)


@pytest.fixture
def mirror(gallery: Gallery) -> Mirror:
    listener = Mirror()
    gallery.subscribe(listener)
    return listener


def paths(*names: str) -> list[Path]:
    return [Path(f"/album/{name}.jpg") for name in names]


def names(gallery: Gallery) -> list[str]:
    return [photo.path.stem for photo in gallery.photos]


def test_listeners_can_repeat_every_change(gallery: Gallery, mirror: Mirror) -> None:
    gallery.queue(paths("a", "b", "c"), now=1.0)
    gallery.queue(paths("d", "b"), now=2.0)
    gallery.restore([answered_photo(path, ("cat", 0.9)) for path in paths("a", "e", "f")])
    gallery.set_result(paths("a")[0], prediction(("cat", 0.9)))
    gallery.remove([str(path) for path in paths("d", "c", "e", "unknown")])
    assert names(gallery) == ["a", "b", "f"]
    assert mirror.photos == gallery.photos
    assert [photo.path.stem for photo in mirror.restored] == ["e", "f"]
    assert all(gallery.row(photo.key) == row for row, photo in enumerate(gallery.photos))


def test_new_photos_come_first_and_known_ones_wait_again_in_their_row(gallery: Gallery) -> None:
    gallery.add([replace(answered_photo(path, ("cat", 0.9)), added=1.0) for path in paths("a")])
    gallery.queue(paths("b", "a", "c"), now=2.0)
    assert names(gallery) == ["b", "c", "a"]
    assert [photo.waiting for photo in gallery.photos] == [True, True, True]
    assert gallery.photos[2].prediction is not None, "the old answer stays until there is a new one"
    assert gallery.photos[0].added > gallery.photos[1].added > gallery.photos[2].added


def test_answers_of_another_version_than_the_live_one_are_outdated(
    gallery: Gallery, mirror: Mirror
) -> None:
    old, new, again = paths("old", "new", "again")
    gallery.add([
        answered_photo(old, ("cat", 0.9), version=1),
        answered_photo(new, ("cat", 0.9), version=2),
        replace(answered_photo(again, ("cat", 0.9), version=1), waiting=True),
    ])  # fmt: skip
    assert gallery.outdated() == []
    gallery.set_answering(MODEL, 2)
    assert gallery.outdated() == [str(old)]
    assert mirror.state_changes == 1


def test_answers_of_a_canary_are_not_outdated_while_it_goes_on(gallery: Gallery) -> None:
    (photo,) = paths("one")
    gallery.add([answered_photo(photo, ("cat", 0.9), version=3)])
    gallery.set_answering(MODEL, 2, canary=3)
    assert gallery.outdated() == []
    gallery.set_answering(MODEL, 2)
    assert gallery.outdated() == [str(photo)]


def test_answers_of_another_model_are_outdated_too(gallery: Gallery) -> None:
    (photo,) = paths("one")
    gallery.add([answered_photo(photo, ("cat", 0.9), version=2, model="other")])
    gallery.set_answering(MODEL, 2)
    assert gallery.outdated() == [str(photo)]
    gallery.set_answering("other", 2)
    assert gallery.outdated() == []


def test_an_answer_without_classes_is_an_answer(gallery: Gallery) -> None:
    (photo,) = paths("one")
    gallery.add([answered_photo(photo)])
    assert gallery.state(gallery.photos[0]) is PhotoState.ANSWERED


def test_only_a_missing_fleet_is_no_fault_of_the_photo(gallery: Gallery) -> None:
    bad, unlucky = paths("bad", "unlucky")
    gallery.queue([bad, unlucky], now=1.0)
    gallery.set_result(bad, ModelError("The model refused.", "Try another photo."))
    gallery.set_result(unlucky, FleetUnavailable("No instance is ready.", "Start one."))
    assert gallery.transient_failures() == [str(unlucky)]
    assert [gallery.state(photo) for photo in gallery.photos] == [PhotoState.FAILED] * 2


def test_what_still_waits_at_the_end_fails_unless_it_has_an_older_answer(gallery: Gallery) -> None:
    done, never, before = paths("done", "never", "before")
    gallery.add([answered_photo(before, ("cat", 0.9))])
    gallery.queue([done, never, before], now=1.0)
    gallery.set_result(done, prediction(("dog", 0.9)))
    gallery.stop_waiting([done, never, before], CANCELLED)
    failures = {photo.path: photo.failure for photo in gallery.photos}
    assert failures == {done: None, never: CANCELLED, before: None}
    assert not any(photo.waiting for photo in gallery.photos)


def test_results_for_a_removed_photo_are_ignored(gallery: Gallery, mirror: Mirror) -> None:
    (path,) = paths("gone")
    gallery.queue([path], now=1.0)
    gallery.remove([str(path)])
    gallery.set_result(path, prediction(("cat", 0.9)))
    gallery.set_label(str(path), MODEL, "cat", can_be_undone=True)
    assert not gallery.photos
    assert not mirror.photos


def test_rows_and_outdated_photos_are_right_after_any_changes() -> None:
    rng = random.Random(11)
    gallery = Gallery(0.5)
    for step in range(300):
        known = [photo.key for photo in gallery.photos]
        match rng.randrange(6):
            case 0:
                gallery.queue([Path(f"/{rng.randrange(60)}") for _ in range(3)], now=float(step))
            case 1:
                paths_of = [Path(f"/old{rng.randrange(60)}") for _ in range(2)]
                gallery.restore([answered_photo(path, ("cat", 0.9)) for path in set(paths_of)])
            case 2 if known:
                answer = prediction(("dog", 0.9), version=rng.randrange(1, 3))
                gallery.set_result(Path(rng.choice(known)), answer)
            case 3:
                gallery.remove(rng.sample(known, len(known) // 5))
            case 4:
                gallery.set_answering(MODEL, rng.randrange(1, 3))
            case 5:
                gallery.stop_waiting(map(Path, known[:5]), PhotoFailure("No.", "Wait."))
        outdated = [photo.key for photo in gallery.photos if gallery.is_outdated(photo)]
        assert gallery.outdated() == outdated
        assert gallery.outdated_count == len(outdated)
        assert [gallery.row(photo.key) for photo in gallery.photos] == list(
            range(len(gallery.photos))
        )


def test_parts_of_a_drop_stay_together_in_their_order(gallery: Gallery, mirror: Mirror) -> None:
    gallery.queue(paths("old", "older"), now=1.0)
    last = gallery.queue(paths("a", "b"), now=2.0)
    gallery.queue(paths("other drop"), now=3.0)
    last = gallery.queue(paths("old", "c", "d"), 2.0, last)
    last = gallery.queue(paths("a"), 2.0, last)
    gallery.queue(paths("e"), 2.0, last)
    names = ["other drop", "a", "b", "c", "d", "e", "old", "older"]
    assert [photo.path.stem for photo in gallery.photos] == names
    assert mirror.photos == gallery.photos
    assert all(gallery.row(photo.key) == row for row, photo in enumerate(gallery.photos))
    gallery.remove([last])
    gallery.queue(paths("f"), 2.0, last)
    assert gallery.photos[0].path.stem == "f", "as a drop of its own"


@pytest.mark.parametrize("gone", [["d", "e"], ["a", "b"], ["b", "d"], ["a", "b", "c", "d", "e"]])
def test_what_is_left_is_found_whatever_was_removed(
    gallery: Gallery, mirror: Mirror, gone: list[str]
) -> None:
    gallery.queue(paths("a", "b", "c", "d", "e"), now=1.0)
    gallery.remove([str(path) for path in paths(*gone)])
    gallery.queue(paths("new"), now=2.0)
    gallery.restore([answered_photo(path, ("cat", 0.9)) for path in paths("oldest")])
    assert mirror.photos == gallery.photos
    assert all(gallery.row(photo.key) == row for row, photo in enumerate(gallery.photos))
    assert all(gallery.row(str(path)) is None for path in paths(*gone))
