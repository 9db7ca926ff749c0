"""What is damaged among the labelled photos is found, and moved away."""

from __future__ import annotations

import pytest

from backend.contract import ClassChangeKind, LabelKind
from backend.repair import check_backend_database, check_images
from backend.store.images import ImageFolder
from backend.store.label_writing import Statement
from backend.store.store import Store
from serving.repair.problem import find_problems, repaired
from serving.workspace import Workspace
from tests.support.damage import IN_ITS_PLACE, OF_A_PHOTO, Damage


@pytest.mark.parametrize("damage", [OF_A_PHOTO[kind] for kind in OF_A_PHOTO if kind != "gone"])
def test_a_damaged_photo_is_moved_away(workspace: Workspace, damage: Damage) -> None:
    images = ImageFolder(workspace.images)
    path, other = (images.path(images.put(content)) for content in (b"one" * 20, b"other"))
    damage(path)
    (problem,) = find_problems(workspace, [check_images])
    assert problem.path == path
    assert path.name in problem.what
    repaired(problem)
    assert list(find_problems(workspace, [check_images])) == []
    assert other.read_bytes() == b"other"


@pytest.mark.parametrize("kind", sorted(set(IN_ITS_PLACE) - {"a folder"}))
def test_what_is_in_the_place_of_a_folder_of_photos_is_moved_away(
    workspace: Workspace, kind: str
) -> None:
    folder = workspace.images / "ab"
    IN_ITS_PLACE[kind](folder)
    (problem,) = find_problems(workspace, [check_images])
    assert problem.path == folder
    repaired(problem)
    assert list(find_problems(workspace, [check_images])) == []
    assert len(list(workspace.damaged.iterdir())) == 1


async def test_what_people_said_and_did_is_recovered(workspace: Workspace) -> None:
    store = Store(workspace)
    await store.open()
    said = [Statement("cat"), Statement("", LabelKind.NONE, "Ann"), Statement("", LabelKind.SKIP)]
    for number, statement in enumerate(said):
        await store.labels.add("m", b"photo %d" % number, statement, lambda name: False)
    await store.pool.add("m", b"unlabelled")
    change = await store.classes.begin("m", ClassChangeKind.RENAMED, "cat", "lion", "Ann", None)
    await store.classes.apply(change)
    await store.close()
    path = workspace.backend_database
    # A page that nothing refers to: the file is as long as its first page says no more.
    content = path.read_bytes()
    path.write_bytes(content[:28] + (2**20).to_bytes(4, "big") + content[32:])
    (problem,) = find_problems(workspace, [check_backend_database])
    assert "photos of the pool" in str(repaired(problem))
    store = Store(workspace)
    await store.open()
    snapshot = await store.labels.snapshot("m")
    assert [label.class_name for label in snapshot.current] == ["lion"]
    assert [label.by for label in snapshot.none] == ["Ann"]
    assert len(snapshot.skipped) == len(await store.pool.unlabelled("m")) == 1
    await store.classes.undo(change)
    assert [label.class_name for label in (await store.labels.snapshot("m")).current] == ["cat"]
    await store.close()
