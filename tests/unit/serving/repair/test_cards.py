"""A damaged model card: a repair is advised only where it can write another one."""

from __future__ import annotations

import pytest

from serving.models.card import CARD_PATH
from serving.models.repository import ModelRepository
from serving.repair.models import check_cards
from serving.tf.names import SAVED_MODEL_FILE
from serving.workspace import Workspace
from tests.support.tiny_model import TINY_MODEL, install_tiny


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    """A model with two versions, the first of which has lost its card."""
    repository = ModelRepository(workspace.models)
    for _ in range(2):
        install_tiny(repository)
    (workspace.models / TINY_MODEL / "1" / CARD_PATH).write_bytes(b"")
    return repository


def test_a_card_is_written_again_from_the_graph(
    repository: ModelRepository, workspace: Workspace
) -> None:
    (problem,) = check_cards(workspace)
    assert "`servery doctor --repair`" in problem.advice
    assert problem.repair is not None
    problem.repair()
    assert not list(check_cards(workspace))


@pytest.mark.parametrize("graph", [b"", b"garbage", b"\xff" * 99], ids=["empty", "text", "bits"])
def test_no_repair_is_advised_where_the_classes_are_unknown(
    repository: ModelRepository, workspace: Workspace, graph: bytes
) -> None:
    path = workspace.models / TINY_MODEL / "1" / SAVED_MODEL_FILE
    path.unlink()  # which other versions may share
    path.write_bytes(graph)
    (problem,) = check_cards(workspace)
    assert problem.repair is None
    assert "does not say its classes" in problem.what
    assert problem.advice == f"Make another version live: `servery promote 2 --model {TINY_MODEL}`."


def test_a_model_without_a_whole_version_is_made_again(
    repository: ModelRepository, workspace: Workspace
) -> None:
    for number in (1, 2):
        folder = workspace.models / TINY_MODEL / str(number)
        (folder / CARD_PATH).write_bytes(b"{")
        (folder / SAVED_MODEL_FILE).unlink()
        (folder / SAVED_MODEL_FILE).write_bytes(b"")
    problems = list(check_cards(workspace))
    assert [each.path.parents[1].name for each in problems] == ["1", "2"]
    assert all("Make the model again" in each.advice for each in problems)
