"""Finds the part of a version that we exported which is pure arithmetic.

Such a version decodes each photo in a loop, stacks the pixels into one tensor, and maps
that to the embedding, from which all answers are computed. Between stack and embedding
there are neither strings nor loops, so that another runtime can compute it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.tf.messages import types_pb2
from serving.tf.names import EMBEDDING_NODE
from serving.tf.saved_graph import LargeConstants, tensor_of
from serving.tf.tensors import Tensor, from_proto

_STACK = "TensorListStack"


@dataclass(frozen=True)
class Cut:
    """The arithmetic of a version: a graph from `pixels` to `EMBEDDING_NODE`."""

    pixels: str
    """Name of the node that stacks the decoded photos, float [N, side, side, 3]."""
    row: tuple[int, ...]
    """Shape of one photo: [side, side, 3]."""
    graph: Any
    """`GraphDef`, with a placeholder in the place of `pixels`."""
    large: LargeConstants = field(default_factory=dict)
    """What the graph leaves out, if it was read without large constants."""


def find_cut(graph: Any, answers: Sequence[str]) -> Cut | None:
    """Return the arithmetic in a `GraphDef`, or None if the graph has another form.

    `answers` are the nodes that callers fetch: all must depend on the embedding alone.
    """
    nodes = {node.name: node for node in graph.node}
    if EMBEDDING_NODE not in nodes or any(
        map(_is_placeholder, _dependencies(nodes, answers, EMBEDDING_NODE))
    ):
        return None
    stacks = {node.name for node in _dependencies(nodes, [EMBEDDING_NODE]) if node.op == _STACK}
    if len(stacks) != 1:
        return None
    (pixels,) = stacks
    row = _row_of(nodes, nodes[pixels])
    between = {node.name for node in _dependencies(nodes, [EMBEDDING_NODE], pixels)}
    if row is None or any(_is_placeholder(nodes[name]) for name in between):
        return None
    return Cut(pixels, row, _middle(graph, between, pixels, row))


def without_arithmetic(graph: Any, cut: Cut, answers: Sequence[str]) -> Any:
    """Return a `GraphDef` of the rest: photos become pixels, embeddings become `answers`.

    A placeholder takes the place of `EMBEDDING_NODE`, and no weights of the network remain.
    """
    nodes = {node.name: node for node in graph.node}
    kept = {node.name for node in _dependencies(nodes, [cut.pixels])}
    kept |= {node.name for node in _dependencies(nodes, answers, EMBEDDING_NODE)}
    rest = type(graph)()
    rest.versions.CopyFrom(graph.versions)
    rest.library.CopyFrom(graph.library)
    placeholder = rest.node.add(name=EMBEDDING_NODE, op="Placeholder")
    placeholder.attr["dtype"].type = types_pb2.DT_FLOAT
    placeholder.attr["shape"].shape.unknown_rank = True
    for node in graph.node:
        if node.name in kept - {EMBEDDING_NODE}:
            rest.node.add().CopyFrom(node)
    return rest


def take_out_constants(graph: Any, large: LargeConstants, kept: Sequence[str]) -> dict[str, Tensor]:
    """Return what has to be fed to a `GraphDef` from now on: the large constants that it had.

    Placeholders take their places. None of `kept` depends on any of them.
    """
    nodes = {node.name: node for node in graph.node}
    kept_nodes = {node.name for node in _dependencies(nodes, kept)}
    found = {}
    for node in graph.node:
        if node.name in large and node.name not in kept_nodes and not node.input:
            tensor = tensor_of(large[node.name])
            if tensor is not None:
                found[node.name] = tensor
                node.op = "Placeholder"
                for name in set(node.attr) - {"dtype"}:
                    del node.attr[name]
    return found


def _dependencies(
    nodes: Mapping[str, Any], names: Sequence[str], stop: str | None = None
) -> Iterator[Any]:
    """Yield these nodes and all that they depend on, without `stop` and its dependencies."""
    seen = {stop}
    waiting = [name.lstrip("^").split(":")[0] for name in names]
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name]
        waiting += [other.lstrip("^").split(":")[0] for other in nodes[name].input]


def _is_placeholder(node: Any) -> bool:
    return str(node.op) == "Placeholder"


def _row_of(nodes: Mapping[str, Any], stack: Any) -> tuple[int, ...] | None:
    """The shape of one row of the stack, from the constant that the export wrote."""
    shape = nodes.get(stack.input[1].split(":")[0]) if len(stack.input) > 1 else None
    is_float = stack.attr["element_dtype"].type == types_pb2.DT_FLOAT
    if shape is None or shape.op != "Const" or not is_float:
        return None
    sizes = tuple(int(size) for size in from_proto(shape.attr["value"].tensor, "shape").array.flat)
    return sizes if sizes and min(sizes) > 0 else None


def _middle(graph: Any, between: set[str], pixels: str, row: tuple[int, ...]) -> Any:
    middle = type(graph)()
    middle.versions.CopyFrom(graph.versions)
    placeholder = middle.node.add(name=pixels, op="Placeholder")
    placeholder.attr["dtype"].type = types_pb2.DT_FLOAT
    for size in (-1, *row):
        placeholder.attr["shape"].shape.dim.add(size=size)
    for node in graph.node:
        if node.name in between:
            middle.node.add().CopyFrom(node)
    return middle
