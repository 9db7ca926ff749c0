"""Labels, runs and promotions belong to a model, and go with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backend.contract import Decision, Rule, RunState, TrainingRun
from backend.store.label_queries import Moment
from backend.store.label_writing import LabelConflict, Statement
from backend.store.labels import LabelCounts, NewLabel
from backend.store.store import Store
from serving.workspace import Workspace
from tests.support.backend_env import promotions
from tests.support.databases import rows

EACH_DATABASE = True


def is_new(name: str) -> bool:
    return name == "zebra"


def run(run_id: str, model: str, state: RunState = RunState.SUCCEEDED) -> TrainingRun:
    finished = "t2" if state.finished else None
    return TrainingRun(run_id, model, state, "t1", finished, step="Done.", imported_from="/photos")


def image_files(store: Store) -> list[Path]:
    return [path for path in store.images.root.rglob("*") if path.is_file()]


async def test_a_photo_is_labelled_in_several_models(store: Store) -> None:
    in_pets, _ = await store.labels.add("pets", b"jpeg", Statement("cat"), is_new)
    in_zoo, _ = await store.labels.add("zoo", b"jpeg", Statement("zebra"), is_new)
    assert (await store.labels.snapshot("pets")).current == (in_pets,)
    assert (await store.labels.snapshot("zoo")).current == (in_zoo,)
    assert (await store.labels.snapshot("other")).moment == Moment()
    assert await store.labels.counts("pets", Moment(0)) == LabelCounts({"cat": 1}, 0, 0, 1)
    assert await store.labels.totals() == {"pets": 1, "zoo": 1}
    assert await store.labels.undo(in_zoo.id) == "zoo"
    assert await store.labels.totals() == {"pets": 1}
    assert len(image_files(store)) == 1


async def test_classes_are_spelled_as_in_their_own_model(store: Store) -> None:
    await store.labels.add("pets", b"one", Statement("Cat"), is_new)
    in_pets, _ = await store.labels.add("pets", b"two", Statement("cat"), is_new)
    in_zoo, _ = await store.labels.add("zoo", b"two", Statement("cat"), is_new)
    assert (in_pets.class_name, in_zoo.class_name) == ("Cat", "cat")


async def test_a_key_means_one_model(store: Store) -> None:
    await store.labels.add("pets", b"jpeg", Statement("cat"), is_new, key="k")
    with pytest.raises(LabelConflict):
        await store.labels.add("zoo", b"jpeg", Statement("cat"), is_new, key="k")


async def test_many_labels_are_stored_once(store: Store) -> None:
    one, two = store.images.put(b"one"), store.images.put(b"two")
    labels = [NewLabel(one, "cat"), NewLabel(two, "zebra", held_out=True)]
    assert await store.labels.add_many("zoo", labels, is_new) == 2
    assert await store.labels.add_many("zoo", labels, is_new) == 0
    snapshot = await store.labels.snapshot("zoo")
    assert [(label.class_name, label.new_class) for label in snapshot.current] == [
        ("cat", False),
        ("zebra", True),
    ]
    assert snapshot.held_out == {two}
    assert await store.labels.add_many("zoo", [NewLabel(one, "dog")], is_new) == 1
    assert await store.labels.counts("zoo", Moment(0)) == LabelCounts(
        {"dog": 1, "zebra": 1}, 0, 0, 2
    )


async def test_many_labels_are_stored_completely_or_not_at_all(store: Store) -> None:
    def fails(name: str) -> bool:
        if name == "zebra":
            raise RuntimeError("planted")
        return False

    one, two = store.images.put(b"one"), store.images.put(b"two")
    with pytest.raises(RuntimeError, match="planted"):
        await store.labels.add_many("zoo", [NewLabel(one, "cat"), NewLabel(two, "zebra")], fails)
    assert await store.labels.totals() == {}


async def test_a_photo_of_the_test_part_stays_there_when_it_is_labelled_again(store: Store) -> None:
    image = store.images.put(b"one")
    await store.labels.add_many("zoo", [NewLabel(image, "cat", held_out=True)], is_new)
    await store.labels.add("zoo", b"one", Statement("dog"), is_new)
    await store.labels.add("pets", b"one", Statement("dog"), is_new)
    assert (await store.labels.snapshot("zoo")).held_out == {image}
    assert (await store.labels.snapshot("pets")).held_out == frozenset()


async def test_photos_show_different_classes_first(store: Store) -> None:
    for number, name in enumerate(["cat", "cat", "cat", "dog", "dog", "owl"]):
        await store.labels.add("pets", f"{number}".encode(), Statement(name), is_new)
    photos = await store.labels.photos("pets", 5)
    assert [photo.class_name for photo in photos] == ["owl", "dog", "cat", "dog", "cat"]


async def test_what_one_model_learned_says_nothing_of_another(store: Store) -> None:
    label, _ = await store.labels.add("pets", b"jpeg", Statement("cat"), is_new)
    await store.runs.save(run("r1", "pets"), Moment(label.id))
    assert await store.runs.last_learned("pets") == Moment(label.id)
    assert await store.runs.last_learned("zoo") == Moment(0)
    assert [each.id for each in await store.runs.all("zoo")] == []
    assert await store.runs.all("pets") == await store.runs.all() != []
    assert (await store.runs.get("r1")).imported_from == "/photos"


async def test_a_renamed_model_keeps_everything_and_is_found_by_its_former_names(
    store: Store, workspace: Workspace, database: str
) -> None:
    label, _ = await store.labels.add("pets", b"jpeg", Statement("cat"), is_new)
    await store.runs.save(run("r1", "pets"), Moment(label.id))
    await store.runs.record_decision("pets", 2, Decision.PROMOTED, Rule.PASSED, "gate")
    await store.models.rename("pets", "animals")
    await store.models.rename("animals", "beasts")
    assert await store.models.renamed_to("pets") == "beasts"
    assert await store.runs.last_learned("beasts") == Moment(label.id)
    assert await store.labels.totals() == {"beasts": 1}
    assert [model for model, *_ in promotions(workspace, database)] == ["beasts"]
    late, _ = await store.labels.add("pets", b"late", Statement("cat"), is_new)
    assert late.model == "beasts"
    await store.models.begin("pets")
    own, _ = await store.labels.add("pets", b"own", Statement("cat"), is_new)
    assert own.model == "pets"


async def test_a_model_renamed_back_has_its_own_name(store: Store) -> None:
    await store.models.rename("pets", "animals")
    await store.models.rename("animals", "pets")
    assert await store.models.renamed_to("pets") is None
    assert await store.models.renamed_to("animals") == "pets"


async def test_a_copy_has_labels_and_history_of_its_own(
    store: Store, workspace: Workspace, database: str
) -> None:
    learned, _ = await store.labels.add("pets", b"one", Statement("cat"), is_new, key="k")
    held = store.images.put(b"held")
    await store.labels.add_many("pets", [NewLabel(held, "dog", held_out=True)], is_new)
    made = replace(run("20260101-000000-aaaa", "pets"), version=2)
    await store.runs.save(made, Moment(learned.id))
    await store.runs.save(run("20260101-000001-bbbb", "pets", RunState.RUNNING))
    await store.runs.record_decision("pets", 2, Decision.PROMOTED, Rule.PASSED, "gate")
    undone, _ = await store.labels.add("pets", b"two", Statement("cat"), is_new)
    await store.labels.undo(undone.id)

    await store.models.copy("pets", "copy")
    counts = await store.labels.counts("copy", await store.runs.last_learned("copy"))
    assert (counts.classes, counts.changed) == ({"cat": 1, "dog": 1}, 1)
    snapshot = await store.labels.snapshot("copy")
    assert snapshot.held_out == {held}
    assert len(snapshot.images_ever_labeled) == 3
    (copied,) = await store.runs.all("copy")
    assert copied.id.startswith("20260101-000000-")
    assert copied.id != "20260101-000000-aaaa"
    assert promotions(workspace, database)[0] == (
        "copy",
        2,
        copied.id,
        promotions(workspace, database)[1][3],
    )

    await store.labels.add("copy", b"three", Statement("owl"), is_new)
    assert await store.labels.totals() == {"pets": 2, "copy": 3}


async def test_a_deleted_model_is_hidden_and_brought_back(store: Store) -> None:
    label, _ = await store.labels.add("pets", b"jpeg", Statement("cat"), is_new)
    await store.runs.save(run("r1", "pets"), Moment(label.id))
    await store.models.set_aside("pets", "abc")
    assert (await store.labels.snapshot("pets")).current == ()
    assert await store.runs.all() == []
    await store.models.bring_back("abc", "pets")
    assert (await store.labels.snapshot("pets")).current == (label,)
    assert [each.id for each in await store.runs.all()] == ["r1"]


async def test_purging_removes_photos_that_nothing_else_refers_to(
    store: Store, workspace: Workspace, database: str
) -> None:
    await store.labels.add("pets", b"own", Statement("cat"), is_new)
    shared, _ = await store.labels.add("pets", b"shared", Statement("cat"), is_new)
    kept, _ = await store.labels.add("zoo", b"shared", Statement("lynx"), is_new)
    undone, _ = await store.labels.add("zoo", b"undone", Statement("lynx"), is_new)
    await store.labels.undo(undone.id)
    await store.labels.add("pets", b"undone", Statement("lynx"), is_new)
    await store.runs.save(run("r1", "pets"))
    await store.models.set_aside("pets", "abc")
    await store.models.purge()
    await store.models.bring_back("abc", "pets")
    assert (await store.labels.snapshot("pets")).images_ever_labeled == frozenset()
    assert (await store.labels.snapshot("zoo")).current == (kept,)
    assert {path.stem for path in image_files(store)} == {shared.image, undone.image}
    assert rows(workspace, database, "SELECT COUNT(*) FROM training_runs") == [(0,)]
