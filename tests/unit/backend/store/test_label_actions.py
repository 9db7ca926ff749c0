"""Labels of any kind, by several people, given and taken back at once."""

from __future__ import annotations

import pytest

from backend.contract import LabelKind
from backend.store.images import UnknownImage
from backend.store.label_queries import Moment
from backend.store.label_writing import LabelConflict, Statement
from backend.store.labels import NewLabel, UnknownLabel
from backend.store.store import Store
from serving.workspace import Workspace

EACH_DATABASE = True


def is_new(name: str) -> bool:
    return False


def images(store: Store, count: int) -> list[str]:
    return store.images.put_many([b"photo %d" % number for number in range(count)])


async def say(store: Store, image: str, text: str) -> int:
    """Label as `person: class`, where `-` is none, `?` is skip and `!` at the end settles."""
    by, _, name = text.partition(": ")
    settles, name = name.endswith("!"), name.removesuffix("!")
    kind = {"-": LabelKind.NONE, "?": LabelKind.SKIP}.get(name, LabelKind.CLASS)
    said = Statement(name if kind is LabelKind.CLASS else "", kind, by, settles)
    label, _ = await store.labels.add("m", image, said, is_new)
    return label.id


@pytest.mark.parametrize(
    ("said", "current"),
    [
        (["ann: cat", "ann: dog"], "dog"),
        (["ann: cat", "ann: -"], "-"),
        (["ann: -", "ann: cat"], "cat"),
        (["ann: cat", "ann: ?"], "cat"),
        (["ann: ?"], "?"),
        (["ann: cat", "bob: dog"], "disputed"),
        (["ann: cat", "bob: -"], "disputed"),
        (["ann: cat", "bob: ?"], "cat"),
        (["ann: cat", "bob: cat"], "cat"),
        (["ann: cat", "bob: dog", "ann: dog"], "dog"),
        (["ann: cat", "bob: dog", "cid: dog!"], "dog"),
        (["ann: cat", "bob: dog", "ann: cat!"], "cat"),
        (["ann: cat", "bob: dog", "cid: dog!", "ann: cat"], "disputed"),
        ([": cat", "ann: dog"], "dog"),
        (["ann: cat", ": dog"], "dog"),
    ],
    ids=str,
)
async def test_what_counts_of_what_people_say(store: Store, said: list[str], current: str) -> None:
    (image,) = images(store, 1)
    for text in said:
        await say(store, image, text)
    snapshot = await store.labels.snapshot("m")
    counts = await store.labels.counts("m", Moment())
    conflicts = await store.labels.conflicts("m")
    is_class = current not in ("-", "?", "disputed")
    assert [label.class_name for label in snapshot.current] == [current] * is_class
    assert counts.classes == ({current: 1} if is_class else {})
    assert len(snapshot.none) == counts.none == (current == "-")
    assert len(snapshot.disputed) == counts.disputed == len(conflicts) == (current == "disputed")
    assert snapshot.skipped == (frozenset({image}) if said[-1].endswith("?") else frozenset())


async def test_a_conflict_shows_what_each_said_last(store: Store) -> None:
    one, two = images(store, 2)
    for text in ("ann: cat", "bob: owl", "bob: dog"):
        await say(store, one, text)
    await say(store, two, "ann: cat")
    (conflict,) = await store.labels.conflicts("m")
    assert conflict.image == one
    assert [(label.by, label.class_name) for label in conflict.labels] == [
        ("bob", "dog"),
        ("ann", "cat"),
    ]


async def test_a_conflict_changes_nothing_for_a_run_that_began_during_it(store: Store) -> None:
    (image,) = images(store, 1)
    await say(store, image, "ann: cat")
    learned = (await store.labels.snapshot("m")).moment
    await say(store, image, "bob: dog")
    # What was learned is in doubt now.
    assert await store.labels.changed("m", learned) == 1
    during = (await store.labels.snapshot("m")).moment
    assert await store.labels.changed("m", during) == 0
    await say(store, image, "ann: dog")
    assert await store.labels.changed("m", during) == 1


async def test_labels_given_at_once_are_taken_back_at_once(store: Store) -> None:
    hashes = images(store, 60)
    for image in hashes:
        await say(store, image, "ann: cat")
    said = Statement("dog", by="ann")
    action, created = await store.labels.add_batch("m", hashes[:40], said, is_new)
    assert created
    assert (action.count, action.by, action.class_name) == (40, "ann", "dog")
    assert (await store.labels.counts("m", Moment())).classes == {"cat": 20, "dog": 40}
    undone = await store.labels.undo_action(action.id)
    assert undone.undone
    assert (await store.labels.counts("m", Moment())).classes == {"cat": 60}
    with pytest.raises(UnknownLabel):
        await store.labels.undo_action(10_000)


async def test_the_last_sixty_actions_can_be_undone_after_a_restart(
    workspace: Workspace, database: str
) -> None:
    store = Store(workspace, database)
    await store.open()
    for image in images(store, 60):
        await say(store, image, "ann: cat")
    await store.close()
    store = Store(workspace, database)
    await store.open()
    actions = await store.labels.actions("m", 60)
    assert [action.id for action in actions] == list(range(60, 0, -1))
    for action in actions:
        await store.labels.undo_action(action.id)
    assert (await store.labels.snapshot("m")).current == ()
    await store.close()


async def test_a_batch_is_stored_completely_or_not_at_all_and_once(store: Store) -> None:
    hashes = images(store, 3)
    with pytest.raises(UnknownImage):
        await store.labels.add_batch("m", [*hashes, "0" * 64], Statement("cat"), is_new)
    assert (await store.labels.snapshot("m")).current == ()
    first, _ = await store.labels.add_batch("m", hashes, Statement("cat"), is_new, "key")
    again, created = await store.labels.add_batch("m", hashes, Statement("cat"), is_new, "key")
    assert again == first
    assert not created
    with pytest.raises(LabelConflict):
        await store.labels.add_batch("m", hashes, Statement("dog"), is_new, "key")


async def test_labels_of_one_batch_that_come_one_by_one_are_one_action(store: Store) -> None:
    for image in images(store, 3):
        await store.labels.add("m", image, Statement("cat"), is_new, batch="b1")
    await store.labels.add("m", b"other", Statement("cat"), is_new)
    assert [action.count for action in await store.labels.actions("m", 9)] == [1, 3]


async def test_a_folder_is_one_action_whatever_its_classes(store: Store) -> None:
    one, two, three = images(store, 3)
    for found in ([NewLabel(one, "cat"), NewLabel(two, "dog")], [NewLabel(three, "cat")]):
        await store.labels.add_many("m", found, is_new, batch="run")
    (action,) = await store.labels.actions("m", 9)
    assert (action.count, action.class_name) == (3, "")
    await store.labels.undo_action(action.id)
    assert (await store.labels.snapshot("m")).current == ()


async def test_the_labels_of_one_photo_are_seen_any_time_later(store: Store) -> None:
    (image,) = images(store, 1)
    await say(store, image, "ann: cat")
    taken_back = await say(store, image, "ann: owl")
    await say(store, image, "bob: -")
    await store.labels.undo(taken_back)
    assert [
        (label.by, label.kind, label.class_name)
        for label in await store.labels.of_image("m", image)
    ] == [("bob", LabelKind.NONE, ""), ("ann", LabelKind.CLASS, "cat")]


async def test_a_copy_of_a_model_has_actions_of_its_own(store: Store) -> None:
    await store.labels.add_batch("m", images(store, 3), Statement("cat"), is_new)
    await store.models.copy("m", "copy")
    (copied,) = await store.labels.actions("copy", 9)
    await store.labels.undo_action(copied.id)
    assert await store.labels.totals() == {"m": 3}
