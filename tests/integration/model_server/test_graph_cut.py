"""Where the arithmetic of a version begins and ends in its graph."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server.graph_cut import find_cut, take_out_constants, without_arithmetic
from serving.tf.messages import saved_model_pb2
from serving.tf.names import (
    EMBEDDING_NODE,
    HEAD_KERNEL,
)
from serving.tf.saved_graph import read_saved_graph
from serving.tf.tensors import from_proto


def graph_of(tiny: Path) -> Any:
    saved = saved_model_pb2.SavedModel.FromString((tiny / "saved_model.pb").read_bytes())
    return saved.meta_graphs[0].graph_def


def test_the_arithmetic_of_our_versions_is_found_and_is_all_numbers(tiny: Path) -> None:
    cut = find_cut(graph_of(tiny), ["servery/classes:0", "servery/scores:0", EMBEDDING_NODE])
    assert cut is not None
    assert cut.row == (32, 32, 3)
    ops = {node.op for node in cut.graph.node}
    assert "Conv2D" in ops
    assert not ops & {"StatelessWhile", "DecodeJpeg", "TensorListStack", "GatherV2"}
    assert [node.name for node in cut.graph.node if node.op == "Placeholder"] == [cut.pixels]


def test_the_rest_of_a_version_has_no_network(tiny: Path) -> None:
    graph = graph_of(tiny)
    answers = ["servery/classes:0", "servery/scores:0"]
    cut = find_cut(graph, answers)
    assert cut is not None
    names = {node.name for node in without_arithmetic(graph, cut, answers).node}
    arithmetic = {node.name for node in cut.graph.node} - {cut.pixels, EMBEDDING_NODE}
    assert names >= {"images", cut.pixels, EMBEDDING_NODE, "servery/scores"}
    assert not names & arithmetic


def test_large_weights_of_the_head_are_fed_instead_of_copied_with_the_graph(tiny: Path) -> None:
    saved = read_saved_graph((tiny / "saved_model.pb").read_bytes())
    graph, large = saved.saved_model.meta_graphs[0].graph_def, saved.large[0]
    fed = take_out_constants(graph, large, [EMBEDDING_NODE])
    whole = {node.name: node for node in graph_of(tiny).node}
    assert set(fed) == set(large) == {HEAD_KERNEL}
    expected = from_proto(whole[HEAD_KERNEL].attr["value"].tensor, HEAD_KERNEL)
    assert np.array_equal(fed[HEAD_KERNEL].array, expected.array)
    (placeholder,) = (node for node in graph.node if node.name == HEAD_KERNEL)
    assert (placeholder.op, list(placeholder.attr)) == ("Placeholder", ["dtype"])
    again = read_saved_graph((tiny / "saved_model.pb").read_bytes())
    answers = [EMBEDDING_NODE, "servery/scores"]
    assert not take_out_constants(again.saved_model.meta_graphs[0].graph_def, large, answers)


def test_graphs_of_another_form_are_left_alone(tiny: Path) -> None:
    graph = graph_of(tiny)
    assert find_cut(graph, ["images"]) is None
    for node in graph.node:
        if node.op == "TensorListStack":
            node.op = "Other"
    assert find_cut(graph, ["servery/scores:0"]) is None
    graph.node.remove(next(node for node in graph.node if node.name == EMBEDDING_NODE))
    assert find_cut(graph, ["servery/scores:0"]) is None
