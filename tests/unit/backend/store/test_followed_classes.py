"""Labels that arrive late have what was done to their class since they were said."""

from __future__ import annotations

from backend.contract import ClassChangeKind, Label
from backend.store.classes import ChangeState
from backend.store.label_writing import Statement
from backend.store.store import Store
from serving.clock import utc_now

EACH_DATABASE = True

BEFORE = "2026-01-01T00:00:00.000Z"
PHOTO = b"a photo"


async def change(store: Store, name: str, new_name: str) -> int:
    """Rename a class; delete it without a new name."""
    kind = ClassChangeKind.RENAMED if new_name else ClassChangeKind.DELETED
    number = await store.classes.begin("m", kind, name, new_name, "ada", None)
    await store.classes.apply(number)
    await store.classes.end(number, ChangeState.DONE)
    return number


async def say(store: Store, name: str, said_at: str, key: str | None = None) -> Label:
    said = Statement(name, said_at=said_at)
    label, _ = await store.labels.add("m", PHOTO, said, lambda final: False, key=key)
    return label


async def test_a_label_follows_every_rename_since_it_was_said(store: Store) -> None:
    await change(store, "red", "crimson")
    await change(store, "other", "red")  # of another class, which takes the name
    await change(store, "Crimson", "scarlet")
    assert (await say(store, "RED", BEFORE)).class_name == "scarlet"
    # A person who says it now means the class that is called so now.
    assert (await say(store, "red", "")).class_name == "red"
    assert (await say(store, "red", "2999-01-01T00:00:00.000Z")).class_name == "red"


async def test_it_follows_none_that_was_taken_back_or_is_another_models(store: Store) -> None:
    number = await change(store, "red", "crimson")
    await store.classes.undo(number)
    await store.classes.end(number, ChangeState.UNDONE)
    other = await store.classes.begin("n", ClassChangeKind.RENAMED, "red", "ruby", "", None)
    await store.classes.apply(other)
    await store.classes.begin("m", ClassChangeKind.RENAMED, "red", "rouge", "", None)
    assert (await say(store, "red", BEFORE)).class_name == "red"


async def test_a_label_said_before_a_change_counted_follows_it(store: Store) -> None:
    number = await store.classes.begin("m", ClassChangeKind.RENAMED, "red", "ruby", "", None)
    said_at = utc_now()  # while the version is derived, the window still says red
    await store.classes.apply(number)
    assert (await say(store, "red", said_at)).class_name == "ruby"


async def test_undoing_a_rename_gives_the_label_its_class_back(store: Store) -> None:
    number = await change(store, "red", "crimson")
    label = await say(store, "red", BEFORE)
    await store.classes.undo(number)
    (found,) = await store.labels.of_image("m", label.image)
    assert found.class_name == "red"


async def test_a_label_of_a_deleted_class_counts_once_that_is_undone(store: Store) -> None:
    number = await change(store, "red", "")
    label = await say(store, "red", BEFORE)
    assert (await store.labels.snapshot("m")).current == ()
    assert await store.pool.unlabelled("m") == [label.image]
    await store.classes.undo(number)
    (found,) = (await store.labels.snapshot("m")).current
    assert found.class_name == "red"


async def test_a_label_of_many_photos_follows_too(store: Store) -> None:
    number = await change(store, "red", "crimson")
    images = store.images.put_many([b"one", b"two"])
    said = Statement("red", said_at=BEFORE)
    action, _ = await store.labels.add_batch("m", images, said, lambda final: False)
    assert action.class_name == "crimson"
    await store.classes.undo(number)
    current = (await store.labels.snapshot("m")).current
    assert {each.class_name for each in current} == {"red"}


async def test_sent_again_it_is_the_same_label(store: Store) -> None:
    await change(store, "red", "crimson")
    first = await say(store, "red", BEFORE, key="k")
    assert (await say(store, "red", BEFORE, key="k")).id == first.id
