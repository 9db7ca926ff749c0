"""A familiarity is written into a graph, replaced, and taken out without a trace."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from backend.training.head import Head, ServableGraph
from serving.models.familiarity import Familiarity, OldClasses, TaughtClasses
from serving.models.familiarity_graph import (
    columns_read,
    remove_familiarity,
    with_familiarity,
    write_familiarity,
)
from serving.models.repository import ModelRepository
from serving.tf.graph_safety import check_operations
from serving.tf.messages import saved_model_pb2
from serving.tf.names import SAVED_MODEL_FILE, SCORES_NODE
from tests.support.tiny_model import COLORS, install_tiny
from tests.support.tiny_network import EMBEDDING_SIZE

OLD = Familiarity(OldClasses(len(COLORS), np.zeros(EMBEDDING_SIZE, np.float32), 0.5, 2.0))
TAUGHT = Familiarity(
    taught=TaughtClasses(
        np.ones((EMBEDDING_SIZE, 4), np.float32), np.zeros(2, np.float32), 0.0, 0.0
    )
)


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return install_tiny(ModelRepository(tmp_path / "models")).path


def outputs(content: bytes, signature: str) -> set[str]:
    message = saved_model_pb2.SavedModel.FromString(content)
    return set(message.meta_graphs[0].signature_def[signature].outputs)


def test_it_leaves_no_trace_when_it_is_removed(version: Path) -> None:
    graph = version / SAVED_MODEL_FILE
    before = saved_model_pb2.SavedModel.FromString(graph.read_bytes())
    message = saved_model_pb2.SavedModel.FromString(with_familiarity(graph.read_bytes(), OLD))
    assert message != before
    assert write_familiarity(message, TAUGHT)  # replaced
    assert columns_read(message) == 0
    remove_familiarity(message)
    assert message == before


def test_the_backbone_is_the_same_with_and_without_it(version: Path) -> None:
    before = ServableGraph(version).backbone_hash()
    graph = version / SAVED_MODEL_FILE
    graph.write_bytes(with_familiarity(graph.read_bytes(), OLD))
    assert ServableGraph(version).backbone_hash() == before


def test_a_head_with_fewer_columns_than_it_reads_loses_it(version: Path) -> None:
    graph = version / SAVED_MODEL_FILE
    graph.write_bytes(with_familiarity(graph.read_bytes(), OLD))
    head = ServableGraph(version).head()
    renamed = Head(head.kernel, head.bias, tuple(name.upper() for name in head.classes))
    kept = ServableGraph(version).with_head(renamed)
    assert "familiarity" in outputs(kept, "predict_images")
    smaller = Head(head.kernel[:, 1:], head.bias[1:], head.classes[1:])
    without = ServableGraph(version).with_head(smaller)
    assert outputs(without, "predict_images") == {"classes", "scores"}


def test_only_the_named_signature_has_the_embedding(version: Path) -> None:
    content = with_familiarity((version / SAVED_MODEL_FILE).read_bytes(), OLD)
    assert outputs(content, "predict_images") == {"classes", "scores", "familiarity", "embedding"}
    assert outputs(content, "serving_default") == {"classes", "scores", "familiarity"}
    assert outputs(content, "embed") == {"embedding"}


def test_a_graph_that_computes_its_scores_otherwise_is_left_as_it_is(version: Path) -> None:
    message = saved_model_pb2.SavedModel.FromString((version / SAVED_MODEL_FILE).read_bytes())
    for node in message.meta_graphs[0].graph_def.node:
        if node.name == SCORES_NODE:
            node.op = "Relu"
    before = message.SerializeToString(deterministic=True)
    assert not write_familiarity(message, OLD)
    assert message.SerializeToString(deterministic=True) == before


def test_it_only_computes(version: Path) -> None:
    graph = version / SAVED_MODEL_FILE
    both = Familiarity(OLD.old, TAUGHT.taught)
    graph.write_bytes(with_familiarity(graph.read_bytes(), both))
    check_operations(version)


@pytest.mark.parametrize(
    ("kept", "left"),
    [([0, 1, 2, 3, 4, 5], 6), ([0, 2, 3, 4, 5], 5), ([], 0)],
    ids=["renamed", "one deleted", "all deleted"],
)
def test_an_old_class_that_goes_is_read_no_more(version: Path, kept: list[int], left: int) -> None:
    """A class that was taught takes the place of its column: it is none of the old ones."""
    (version / SAVED_MODEL_FILE).write_bytes(
        with_familiarity((version / SAVED_MODEL_FILE).read_bytes(), OLD)
    )
    head = ServableGraph(version).head()
    taught = np.ones((head.kernel.shape[0], 1), np.float32)
    wider = Head(
        np.concatenate([head.kernel[:, kept], taught], axis=1),
        np.append(head.bias[kept], np.float32(0)),
        (*(head.classes[number] for number in kept), "taught"),
    )
    content = ServableGraph(version).with_columns(wider, [*kept, len(head.classes)])
    assert columns_read(saved_model_pb2.SavedModel.FromString(content)) == left
