"""The part of a version from pixels to scores, as a graph that other runtimes can be given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import ModelError
from serving.model_server.graph_cut import find_cut
from serving.models.graph_template import OUTPUT_SHAPES
from serving.tf.messages import saved_model_pb2
from serving.tf.names import CLASSES_NODE, SAVED_MODEL_FILE, SCORES_NODE
from serving.tf.status import ServingError
from serving.tf.tensors import from_proto

_VARIABLES = frozenset(
    {"VarHandleOp", "ReadVariableOp", "VariableV2", "PartitionedCall", "StatefulPartitionedCall"}
)
"""What is not arithmetic on constants, or hides it in functions."""
_SAME = frozenset({"Identity", "PlaceholderWithDefault"})


@dataclass(frozen=True)
class Arithmetic:
    """A version from the decoded photo to the scores of all its classes."""

    graph: Any
    """`GraphDef` from a placeholder `pixels`, float [1, height, width, 3], to `scores`."""
    pixels: str
    """Node that the pixels are fed to, here and in the version."""
    scores: str
    """Node of the probabilities, float [1, C] or wider: the first C are those of the classes."""
    classes: tuple[str, ...]
    """C names, in the order of the scores."""
    height: int
    width: int


def arithmetic_of(version_folder: Path) -> Arithmetic:
    """Return the arithmetic of a version that answers the servable contract.

    Raises ModelError if it is not one that Servery exported, or knows no class yet.
    """
    try:
        content = (version_folder / SAVED_MODEL_FILE).read_bytes()
        graph = saved_model_pb2.SavedModel.FromString(content).meta_graphs[0].graph_def
    except Exception as error:
        raise _refused(version_folder, "its graph cannot be read") from error
    cut = find_cut(graph, [CLASSES_NODE, SCORES_NODE])
    if cut is None or len(cut.row) != 3:
        raise _refused(version_folder, "its photos and its arithmetic cannot be told apart")
    nodes = {node.name: node for node in graph.node}
    scores = _top_of(nodes)
    names = _labels_of(nodes)
    if scores is None or names is None:
        raise _refused(version_folder, "the scores of all classes cannot be found in it")
    if not names:
        raise ModelError(
            f"{_title(version_folder)} knows no class yet, so there is nothing to export.",
            "Label some photos and train, then export it.",
        )
    height, width, _ = cut.row
    part = _part(graph, nodes, scores, cut.pixels, (1, *cut.row))
    kinds = {node.op for node in part.node} & _VARIABLES
    if kinds:
        raise _refused(version_folder, f"its weights are no constants ({min(kinds)})")
    return Arithmetic(part, cut.pixels, scores, names, height, width)


def _part(
    graph: Any, nodes: Mapping[str, Any], scores: str, pixels: str, shape: tuple[int, ...]
) -> Any:
    part = type(graph)()
    part.versions.CopyFrom(graph.versions)
    needed = {pixels}
    waiting = [scores]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += map(_node, nodes[name].input)
    for node in graph.node:
        if node.name == pixels:
            placeholder = part.node.add(name=pixels, op="Placeholder")
            placeholder.attr["dtype"].type = nodes[pixels].attr["element_dtype"].type
            for size in shape:
                placeholder.attr["shape"].shape.dim.add(size=size)
        elif node.name in needed:
            _add(part, node)
    return part


def _add(part: Any, node: Any) -> None:
    added = part.node.add()
    added.CopyFrom(node)
    added.attr.pop(OUTPUT_SHAPES, None)
    del added.input[:]
    added.input.extend(name for name in node.input if not name.startswith("^"))
    if node.op == "PlaceholderWithDefault":
        # A program that runs the export feeds no other head.
        added.op = "Identity"
        added.attr["T"].type = node.attr["dtype"].type
        added.attr.pop("dtype")
        added.attr.pop("shape")


def _top_of(nodes: Mapping[str, Any]) -> str | None:
    """Return the node of all scores, of which the version answers the best."""
    found = _source(nodes, SCORES_NODE)
    return _node(found.input[0]) if found is not None and found.op == "TopKV2" else None


def _labels_of(nodes: Mapping[str, Any]) -> tuple[str, ...] | None:
    gather = nodes.get(CLASSES_NODE)
    if gather is None or gather.op != "GatherV2":
        return None
    constant = _source(nodes, _node(gather.input[0]))
    if constant is None or constant.op != "Const":
        return None
    try:
        names = from_proto(constant.attr["value"].tensor, "classes").array
        return tuple(name.decode() for name in names)
    except (ServingError, UnicodeDecodeError, AttributeError):
        return None


def _source(nodes: Mapping[str, Any], name: str) -> Any:
    node = nodes.get(name)
    while node is not None and node.op in _SAME:
        node = nodes.get(_node(node.input[0]))
    return node


def _node(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def _title(folder: Path) -> str:
    return f"Version {folder.name} of {folder.parent.name}"


def _refused(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"{_title(folder)} cannot be turned into another format: {why}.",
        "Export it as `savedmodel`, which takes every version.",
    )
