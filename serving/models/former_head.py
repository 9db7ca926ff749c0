"""Gives a graph of Servery 0.1 the head of today's, without TensorFlow.

The head of those graphs multiplies the embedding alone, and one without classes would end
the process that loads it. What follows the embedding is taken from a graph of today.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from serving.models.graph_template import OUTPUT_SHAPES, float_tensor, with_constants
from serving.tf.messages import saved_model_pb2
from serving.tf.names import CLASSES_NODE, EMBEDDING_NODE, HEAD_KERNEL, SCORES_NODE
from serving.tf.tensors import from_proto

_ANSWERS = (CLASSES_NODE, SCORES_NODE)
_OURS = "servery/"
_PREFIX = f"{_OURS}head/"


def has_former_head(saved_model: bytes) -> bool:
    """Say whether the head of a `saved_model.pb` with an embedding multiplies that alone."""
    nodes = _nodes(_graph(saved_model_pb2.SavedModel.FromString(saved_model)))
    return any(
        node.op == "MatMul" and _name(node.input[0]) == EMBEDDING_NODE
        for node in _after_the_embedding(nodes)
    )


def with_current_head(saved_model: bytes, donor: bytes) -> bytes:
    """Return the content of a `saved_model.pb` with what follows the embedding in `donor`.

    It answers as before: its kernel, bias and classes stay, and the rows that multiply the
    embedding at unit length are zeros.
    """
    message = saved_model_pb2.SavedModel.FromString(saved_model)
    graph = _graph(message)
    former = {node.name: node for node in _after_the_embedding(_nodes(graph))}
    kept = [node for node in graph.node if node.name not in former]
    constants = {
        name: from_proto(node.attr["value"].tensor, name)
        for name, node in former.items()
        if node.op == "Const" and name.startswith(_PREFIX)
    }
    kernel = constants[HEAD_KERNEL].array
    constants[HEAD_KERNEL] = float_tensor(np.concatenate([kernel, np.zeros_like(kernel)]))
    donated = _nodes(_graph(saved_model_pb2.SavedModel.FromString(donor)))
    tail = [_renamed(node) for node in _after_the_embedding(donated)]
    for node in tail:
        node.attr.pop(OUTPUT_SHAPES, None)
        if node.op == "PlaceholderWithDefault" and _name(node.input[0]) == HEAD_KERNEL:
            node.attr["shape"].shape.dim[0].size = 2 * len(kernel)
    del graph.node[:]
    graph.node.extend([*kept, *tail])
    return with_constants(message.SerializeToString(), constants)


def _graph(message: Any) -> Any:
    return message.meta_graphs[0].graph_def


def _nodes(graph: Any) -> dict[str, Any]:
    return {node.name: node for node in graph.node}


def _name(tensor: str) -> str:
    return tensor.lstrip("^").split(":")[0]


def _after_the_embedding(nodes: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the nodes that answers depend on, without the embedding and what it depends on."""
    seen = {EMBEDDING_NODE}
    waiting = list(_ANSWERS)
    while waiting:
        name = waiting.pop()
        if name in seen or name not in nodes:
            continue
        seen.add(name)
        yield nodes[name]
        waiting += map(_name, nodes[name].input)


def _renamed(node: Any) -> Any:
    """Return a copy whose name, and those it reads, no node of another graph has."""
    copy = type(node)()
    copy.CopyFrom(node)
    copy.name = _unique(node.name)
    del copy.input[:]
    copy.input.extend(map(_unique, node.input))
    return copy


def _unique(name: str) -> str:
    return name if name.startswith(_OURS) else f"{_PREFIX}{name}"
