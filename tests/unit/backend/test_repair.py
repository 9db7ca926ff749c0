"""What is damaged among the labelled photos is found, and moved away."""

from __future__ import annotations

import pytest

from backend.repair import check_images
from backend.store.images import ImageFolder
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
