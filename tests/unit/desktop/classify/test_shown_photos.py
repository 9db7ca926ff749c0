from __future__ import annotations

import random
from datetime import datetime
from pathlib import Path

import pytest

from desktop.classify.gallery import Gallery
from desktop.classify.gallery_query import Facet, Query, Sort, natural_key
from desktop.classify.likeness.stacks import Stacks, photo_hash
from desktop.classify.photo import Photo, PhotoFailure
from desktop.classify.shown_photos import ShownPhotos
from tests.support.predictions import MODEL, answered_photo

CAT = answered_photo(Path("/pets/10.jpg"), ("cat", 0.9))
DOG = answered_photo(Path("/pets/9.jpg"), ("dog", 0.3), version=2)
LION = answered_photo(Path("/zoo/Lion.jpg"), ("cat", 0.6), label="lion")
NEW = Photo(Path("/zoo/new.jpg"), "new.jpg", 2.0)


class Replay:
    """Repeats each change on a list of its own, as a view does."""

    def __init__(self) -> None:
        self.shown: ShownPhotos
        self.rows: list[str] = []
        self.pending: tuple[int, int] = (0, 0)
        self.resets = 0

    def begin_insert(self, first: int, last: int) -> None:
        self.pending = (first, last)

    def end_insert(self) -> None:
        first, last = self.pending
        self.rows[first:first] = [self.shown.photo_at(row).name for row in range(first, last + 1)]

    def begin_remove(self, first: int, last: int) -> None:
        self.pending = (first, last)

    def end_remove(self) -> None:
        first, last = self.pending
        del self.rows[first : last + 1]

    def begin_move(self, row: int, target: int) -> None:
        assert target not in (row, row + 1), "Qt takes that for an error"
        self.pending = (row, target)

    def end_move(self) -> None:
        row, target = self.pending
        self.rows.insert(target - (target > row), self.rows.pop(row))

    def begin_reset(self) -> None:
        self.resets += 1

    def end_reset(self) -> None:
        self.rows = names(self.shown)

    def rows_changed(self, first: int, last: int) -> None:
        assert 0 <= first <= last < len(self.rows)

    def gallery_changed(self) -> None:
        pass


def shown_photos(
    gallery: Gallery,
    taken: dict[str, datetime | None] | None = None,
    stacks: Stacks | None = None,
) -> tuple[ShownPhotos, Replay]:
    rows = Replay()
    rows.shown = shown = ShownPhotos(gallery, rows, taken, stacks)
    rows.rows = names(shown)
    return shown, rows


def names(shown: ShownPhotos) -> list[str]:
    return [shown.photo_at(row).name for row in range(len(shown))]


@pytest.fixture
def gallery() -> Gallery:
    made = Gallery(0.5)
    made.add([CAT, DOG, LION, NEW])
    return made


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.NEWEST, ["10.jpg", "9.jpg", "Lion.jpg", "new.jpg"]),
        (Sort.CLASS, ["10.jpg", "Lion.jpg", "9.jpg", "new.jpg"]),
        (Sort.MOST_CONFIDENT, ["10.jpg", "Lion.jpg", "9.jpg", "new.jpg"]),
        (Sort.LEAST_CONFIDENT, ["9.jpg", "Lion.jpg", "10.jpg", "new.jpg"]),
        (Sort.NAME, ["9.jpg", "10.jpg", "Lion.jpg", "new.jpg"]),
        (Sort.TAKEN, ["Lion.jpg", "9.jpg", "10.jpg", "new.jpg"]),
    ],
)
def test_each_order_puts_last_what_lacks_it(
    gallery: Gallery, sort: Sort, expected: list[str]
) -> None:
    taken = {LION.key: datetime(2026, 5, 1), DOG.key: datetime(2020, 1, 1), CAT.key: None}
    shown, _ = shown_photos(gallery, taken)
    shown.set_query(Query(sort=sort))
    assert names(shown) == expected


def test_values_of_one_facet_add_up_and_facets_narrow(gallery: Gallery) -> None:
    shown, _ = shown_photos(gallery)
    shown.set_query(Query().with_values(Facet.CLASS, ["cat", "dog"]))
    assert names(shown) == ["10.jpg", "9.jpg", "Lion.jpg"]
    shown.set_query(shown.query.with_values(Facet.FOLDER, ["/pets"]))
    assert names(shown) == ["10.jpg", "9.jpg"]
    shown.set_query(shown.query.with_values(Facet.VERSION, [f"{MODEL} v2"]))
    assert names(shown) == ["9.jpg"]
    shown.set_query(shown.query.with_text("CAT"))
    assert names(shown) == []
    shown.set_query(shown.query.without_filter())
    assert len(shown) == 4
    shown.set_query(Query().with_values(Facet.LABEL, [""]).with_values(Facet.CLASS, [""]))
    assert names(shown) == ["new.jpg"]


def test_a_count_says_how_many_the_value_would_show(gallery: Gallery) -> None:
    shown, _ = shown_photos(gallery)
    assert shown.counts(Facet.CLASS) == {"cat": 2, "dog": 1, "": 1}
    shown.set_query(Query().with_values(Facet.CLASS, ["cat"]).with_values(Facet.FOLDER, ["/pets"]))
    assert shown.counts(Facet.CLASS) == {"cat": 1, "dog": 1}
    assert shown.counts(Facet.FOLDER) == {"/pets": 1, "/zoo": 1}
    assert shown.counts(Facet.STATE) == {"answered": 1}
    for facet in Facet:
        for value, number in shown.counts(facet).items():
            only = shown.query.with_values(facet, [value])
            other, _ = shown_photos(gallery)
            other.set_query(only)
            assert len(other) == number


def test_the_rows_of_a_class_are_those_that_are_shown(gallery: Gallery) -> None:
    shown, _ = shown_photos(gallery)
    assert shown.rows_with(Facet.CLASS, "cat") == [0, 2]
    shown.set_query(Query().with_text("lion"))
    assert shown.rows_with(Facet.CLASS, "cat") == [0]


def test_more_dates_sort_the_photos_again(gallery: Gallery) -> None:
    taken: dict[str, datetime | None] = {}
    shown, rows = shown_photos(gallery, taken)
    shown.set_query(Query(sort=Sort.TAKEN))
    taken[LION.key] = datetime(2026, 5, 1)
    shown.dates_changed()
    assert rows.rows[0] == names(shown)[0] == "Lion.jpg"
    shown.set_query(Query())
    before = rows.resets
    shown.dates_changed()
    assert rows.resets == before


def test_words_name_what_is_filtered_by() -> None:
    query = Query().with_values(Facet.LABEL, ["", "lion"]).with_values(Facet.STATE, ["unsure"])
    assert query.words() == "Unsure, Not labelled, lion"
    assert query.toggled(Facet.STATE, "unsure").toggled(Facet.LABEL, "").words() == "lion"


@pytest.mark.parametrize("name", ["", "9", "a1b22c", "²", "١٢", "9" * 40])
def test_any_name_can_be_sorted(name: str) -> None:
    assert sorted([natural_key(name), natural_key("a1"), natural_key("1a")])


@pytest.mark.parametrize("seed", range(12))
def test_rows_follow_whatever_happens(seed: int) -> None:
    """Each step leaves a view with the rows that a fresh look at the gallery would give."""
    rng = random.Random(seed)
    gallery = Gallery(0.5)
    stacks = Stacks()
    shown, rows = shown_photos(gallery, stacks=stacks)
    made = 0

    def some_photo() -> Photo:
        nonlocal made
        made += 1
        top = (rng.choice("abc"), rng.choice([0.2, 0.6, 0.9]))
        label = rng.choice(["", "", "x"])
        return answered_photo(Path(f"/{rng.choice('pq')}/{made}.jpg"), top, label=label)

    for _ in range(60):
        key = rng.choice(gallery.photos).key if gallery.photos else ""
        match rng.randrange(10):
            case 0:
                first = [some_photo() for _ in range(rng.choice([1, 3, 40]))]
                gallery.add(first)
                gallery.add([some_photo()], after=rng.choice(["", key, first[-1].key]))
            case 1:
                gallery.restore([some_photo() for _ in range(rng.choice([1, 5]))])
            case 2 | 3 if key:
                answer = answered_photo(Path(key), (rng.choice("abc"), rng.random())).prediction
                assert answer is not None
                gallery.set_result(Path(key), answer)
            case 4:
                photos = list(gallery.photos)
                gallery.remove(
                    photo.key for photo in rng.sample(photos, len(photos) // rng.choice([3, 50]))
                )
            case 5:
                gallery.set_unsure_below(rng.choice([0.3, 0.7]))
            case 6 if key:
                some = rng.sample([photo.key for photo in gallery.photos][:9], 1)
                stacks.put([(photo_hash(each), rng.randrange(5)) for each in some])
                shown.stacks_changed(some, kept=key)
            case 7 if len(shown):
                opened = shown.toggle_stack(rng.randrange(len(shown)))
                assert opened == list(range(opened[0], opened[-1] + 1) if opened else ())
            case 8 if rng.random() < 0.2:
                shown.set_stacking(rng.random() < 0.7)
            case _:
                query = Query(sort=rng.choice(list(Sort)))
                for facet in rng.sample(list(Facet), rng.randrange(3)):
                    values = sorted(shown.counts(facet))
                    query = query.with_values(facet, values[: len(values) // 2 + 1])
                shown.set_query(query.with_text(rng.choice(["", "", "1"])))
        fresh, _ = shown_photos(gallery, stacks=stacks)
        gallery._listeners.pop()
        fresh.set_query(shown.query)
        assert rows.rows == names(shown) == names(fresh)
        assert shown.photo_count == fresh.photo_count == len(shown.photos)
        for row in range(len(shown)):
            assert shown.row(shown.photo_at(row).key) == row


@pytest.mark.parametrize("query", [Query(), Query().with_values(Facet.STATE, ["queued", "failed"])])
def test_changes_of_many_photos_are_one_step(gallery: Gallery, query: Query) -> None:
    paths = [Path(f"/zoo/{number}.jpg") for number in range(40)]
    gallery.queue(paths, 3.0)
    shown, rows = shown_photos(gallery)
    shown.set_query(query)
    before, resets = names(shown), rows.resets
    gallery.stop_waiting(paths, PhotoFailure("It was cancelled.", "Try again."))
    assert rows.rows == names(shown) == before
    assert rows.resets == resets, "the same photos stand at the same places"
    assert all(shown.value(row, Facet.STATE) == "failed" for row in range(40))
    shown.set_query(Query().with_values(Facet.STATE, ["failed"]))
    gallery.queue(paths[:30], 4.0)
    assert rows.rows == names(shown) == [path.name for path in paths[30:]]
