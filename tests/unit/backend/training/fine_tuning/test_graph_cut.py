"""Where graphs are cut, and which constants learn above the cut."""

from __future__ import annotations

from typing import Any

import pytest

from backend.training.fine_tuning.graph_cut import (
    find_bottlenecks,
    graph_of,
    inputs_of,
    upper_part,
)
from serving.errors import ModelError
from serving.models.builtin.catalog import built_in_model
from serving.models.repository import ModelRepository
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import EMBEDDING_NODE, HEAD_KERNEL
from serving.workspace import Workspace
from tests.support.graphs import node
from tests.support.tiny_model import install_tiny


@pytest.fixture
def repository(workspace: Workspace) -> ModelRepository:
    return ModelRepository(workspace.models)


def lite0() -> Any:
    content = built_in_model("efficientnet-lite0").template.read_bytes()
    return saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def


def small_graph() -> Any:
    """Photos go through a kernel, then two ways that meet, then through a second kernel."""
    graph = saved_model_pb2.SavedModel().meta_graphs.add().graph_def
    nodes = graph.node
    node(nodes, "Placeholder", "photos", dtype=types_pb2.DT_FLOAT)
    for name in ("first", "second", "third"):
        node(nodes, "Const", name, dtype=types_pb2.DT_FLOAT)
    node(nodes, "Conv2D", "below", "photos", "first")
    node(nodes, "Relu", "left", "below")
    node(nodes, "Neg", "right", "below")
    node(nodes, "AddV2", "met", "left", "right")
    node(nodes, "Identity", "read", "second")
    node(nodes, "MatMul", "above", "met", "read")
    node(nodes, "BiasAdd", "raised", "above", "third")
    node(nodes, "Identity", EMBEDDING_NODE, "raised")
    return graph


def test_bottlenecks_are_where_everything_passes() -> None:
    found = find_bottlenecks(small_graph())
    assert found.photos == "photos"
    assert found.nodes == ("photos", "below", "met", "above", "raised", EMBEDDING_NODE)


def test_what_is_above_a_cut_takes_its_weights_from_outside() -> None:
    upper = upper_part(find_bottlenecks(small_graph()), "met")
    assert upper.weights == ("second", "third")
    operations = {each.name: each.op for each in upper.graph.node}
    assert operations == {
        "met": "Placeholder",
        "second": "Placeholder",
        "third": "Placeholder",
        "read": "Identity",
        "above": "MatMul",
        "raised": "BiasAdd",
        EMBEDDING_NODE: "Identity",
    }


def test_a_second_output_is_no_bottleneck() -> None:
    graph = small_graph()
    (below,) = (each for each in graph.node if each.name == "left")
    below.input[0] = "below:1"
    assert "below" not in find_bottlenecks(graph).nodes


def test_the_network_of_a_built_in_model_is_cut_between_its_blocks() -> None:
    found = find_bottlenecks(lite0())
    residual = {"add_6", "add_7", "add_8"}
    assert residual < set(found.nodes)
    # Inside of a residual block, its input passes beside.
    assert not {"Conv2D_24", "depthwise_12", "Relu6_24"} & set(found.nodes)
    upper = upper_part(found, "add_8")
    assert upper.weights == (
        "servery/_blocks.15._expand_conv/kernel",
        "servery/_blocks.15._expand_conv/bias",
        "servery/_blocks.15._depthwise_conv/bias",
        "servery/_blocks.15._project_conv/kernel",
        "servery/_blocks.15._project_conv/bias",
        "servery/_conv_head/kernel",
        "servery/_conv_head/bias",
    )
    known = {each.name for each in upper.graph.node}
    assert all(set(inputs_of(each)) <= known for each in upper.graph.node)
    assert HEAD_KERNEL not in known


def test_a_graph_of_a_version_is_read(repository: ModelRepository) -> None:
    version = install_tiny(repository)
    found = find_bottlenecks(graph_of(version.path))
    assert found.nodes[-1] == EMBEDDING_NODE
    assert upper_part(found, found.nodes[2]).weights == ("Conv2D/filter", "BiasAdd/bias")


def test_what_cannot_be_cut_is_refused(repository: ModelRepository) -> None:
    with pytest.raises(ModelError, match="no embedding"):
        find_bottlenecks(saved_model_pb2.SavedModel().meta_graphs.add().graph_def)
    with pytest.raises(ModelError, match="no layer"):
        upper_part(find_bottlenecks(small_graph()), "raised")
    version = install_tiny(repository)
    (version.path / "saved_model.pb").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="cannot be read"):
        graph_of(version.path)
