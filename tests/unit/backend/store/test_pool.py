"""The pool: photos that were classified, bounded, and never at the cost of a labelled one."""

from __future__ import annotations

import pytest

from backend.contract import LabelKind, PoolSummary
from backend.store.label_writing import Statement
from backend.store.store import Store

EACH_DATABASE = True


def is_new(name: str) -> bool:
    return False


async def fill(
    store: Store, numbers: range, max_photos: int = 1000, max_bytes: int = 2**20
) -> list[str]:
    photos = [
        await store.pool.add("m", b"%04d" % number, max_photos=max_photos, max_bytes=max_bytes)
        for number in numbers
    ]
    return [photo.image for photo in photos]


async def test_the_newest_unlabelled_photo_comes_first(store: Store) -> None:
    one, two, three = await fill(store, range(3))
    assert await store.pool.unlabelled("m") == [three, two, one]
    again = await store.pool.add("m", b"0000")
    assert not again.added
    assert await store.pool.unlabelled("m") == [one, three, two]
    assert await store.pool.unlabelled("other") == []


@pytest.mark.parametrize(
    ("kind", "unlabelled"),
    [(LabelKind.CLASS, False), (LabelKind.NONE, False), (LabelKind.SKIP, True)],
)
async def test_a_photo_is_unlabelled_until_a_person_says_what_it_shows(
    store: Store, kind: LabelKind, unlabelled: bool
) -> None:
    (image,) = await fill(store, range(1))
    said = Statement("cat" if kind is LabelKind.CLASS else "", kind)
    label, _ = await store.labels.add("m", image, said, is_new)
    assert await store.pool.unlabelled("m") == [image] * unlabelled
    assert await store.pool.summary("m") == PoolSummary(1, int(unlabelled), "m")
    await store.labels.undo(label.id)
    assert await store.pool.unlabelled("m") == [image]


@pytest.mark.parametrize("limits", [{"max_photos": 20}, {"max_bytes": 80}], ids=str)
async def test_the_oldest_unlabelled_go_and_labelled_photos_never(
    store: Store, limits: dict[str, int]
) -> None:
    first, second, third = await fill(store, range(3))
    await store.labels.add("m", first, Statement("cat"), is_new)
    other, _ = await store.labels.add("other", second, Statement("cat"), is_new)
    await store.labels.undo(other.id)
    await fill(store, range(3, 50), **limits)
    assert 18 <= len(await store.pool.unlabelled("m")) <= 20
    # The second was labelled in another model once, which can be looked at later.
    assert [store.images.is_whole(image) for image in (first, second, third)] == [True, True, False]
    files = [path for path in store.images.root.rglob("*.jpg") if path.is_file()]
    assert len(files) == len(await store.pool.unlabelled("m")) + 2


async def test_a_photo_in_two_pools_stays_until_it_has_left_both(store: Store) -> None:
    (image,) = await fill(store, range(1))
    await store.pool.add("other", b"0000")
    await fill(store, range(1, 9), max_photos=4)
    assert store.images.is_whole(image)
    for number in range(1, 9):
        await store.pool.add("other", b"%04d" % number, max_photos=4)
    assert not store.images.is_whole(image)


async def test_a_label_of_a_photo_that_has_just_left_the_pool_stores_it_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image,) = await fill(store, range(1))
    put = store.images.put

    def put_then_lose(jpeg: bytes) -> str:
        monkeypatch.setattr(store.images, "put", put)
        stored = put(jpeg)
        store.images.path(stored).unlink()
        return stored

    monkeypatch.setattr(store.images, "put", put_then_lose)
    await store.labels.add("m", b"0000", Statement("cat"), is_new)
    assert store.images.is_whole(image)


async def test_the_pool_goes_where_its_model_goes(store: Store) -> None:
    (image,) = await fill(store, range(1))
    await store.models.copy("m", "copy")
    await store.models.rename("m", "renamed")
    assert await store.pool.unlabelled("copy") == await store.pool.unlabelled("renamed") == [image]
    await store.models.set_aside("renamed", "token")
    await store.models.purge()
    assert store.images.is_whole(image)
    await store.models.set_aside("copy", "token")
    await store.models.purge()
    assert not store.images.is_whole(image)
    assert await store.pool.summary("copy") == PoolSummary(0, 0, "copy")
