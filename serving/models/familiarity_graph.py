"""Writes a familiarity into the graph of a servable model, without TensorFlow.

Versions of any age take it: the operations are added to the graph, and their result to the
outputs of its signatures. The embedding becomes an output of `predict_images` beside it, so
that it costs no second pass; `serving_default` stays without, since it is long.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from serving.models.familiarity import (
    MIN_LENGTH,
    MIN_SCORE,
    Familiarity,
    OldClasses,
    TaughtClasses,
)
from serving.tf import names
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.tensors import Tensor, from_proto, to_proto

_PREFIX = f"{names.FAMILIARITY_NODE}/"
_OLD_COLUMNS = f"{_PREFIX}old_columns"
"""Constant: [-1, how many columns of the logits are those of `OldClasses`]."""
_SIGNATURES = (names.CLASSIFY_SIGNATURE, names.DEFAULT_SIGNATURE)


def write_familiarity(saved_model: Any, familiarity: Familiarity | None) -> bool:
    """Replace the familiarity in a `SavedModel` message, or remove it if there is none to write.

    Returns False, and leaves the graph without one, if its answers are computed in another way
    than ours.
    """
    remove_familiarity(saved_model)
    (meta_graph, *others) = saved_model.meta_graphs
    if familiarity is None or others:
        return False
    nodes = {node.name: node for node in meta_graph.graph_def.node}
    logits = _logits(nodes)
    signatures = meta_graph.signature_def
    if logits is None or any(
        name not in signatures for name in (*_SIGNATURES, names.EMBED_SIGNATURE)
    ):
        return False
    graph = _Graph(meta_graph.graph_def)
    parts = []
    if familiarity.old is not None:
        parts.append(_old_part(graph, familiarity.old, logits))
    if familiarity.taught is not None:
        parts.append(_taught_part(graph, familiarity.taught))
    nearest = parts[0] if len(parts) == 1 else graph.add("Maximum", parts)
    graph.add("Sigmoid", [nearest], name=names.FAMILIARITY_NODE)
    for name in _SIGNATURES:
        output = signatures[name].outputs[names.FAMILIARITY]
        output.name, output.dtype = f"{names.FAMILIARITY_NODE}:0", types_pb2.DT_FLOAT
        output.tensor_shape.dim.add(size=-1)
    embedding = signatures[names.EMBED_SIGNATURE].outputs[names.EMBEDDING]
    signatures[names.CLASSIFY_SIGNATURE].outputs[names.EMBEDDING].CopyFrom(embedding)
    return True


def with_familiarity(content: bytes, familiarity: Familiarity | None) -> bytes:
    """Return the content of a `saved_model.pb` with this familiarity, or with none."""
    saved_model = saved_model_pb2.SavedModel.FromString(content)
    write_familiarity(saved_model, familiarity)
    return bytes(saved_model.SerializeToString(deterministic=True))


def remove_familiarity(saved_model: Any) -> None:
    """Leave a `SavedModel` message as it was before `write_familiarity`."""
    for meta_graph in saved_model.meta_graphs:
        for name in _SIGNATURES:
            if name in meta_graph.signature_def:
                outputs = meta_graph.signature_def[name].outputs
                for output in (names.FAMILIARITY, names.EMBEDDING):
                    outputs.pop(output, None)
        nodes = meta_graph.graph_def.node
        for index in reversed(range(len(nodes))):
            if f"{nodes[index].name}/".startswith(_PREFIX):
                del nodes[index]


def columns_read(saved_model: Any) -> int:
    """Return how many columns of the head the familiarity in a `SavedModel` message reads."""
    for node in _old_columns(saved_model):
        return int(from_proto(node.attr["value"].tensor, node.name).array[1])
    return 0


def read_columns(saved_model: Any, count: int) -> None:
    """Let the familiarity in a `SavedModel` message, if any, read the first `count` columns.

    For a head that has lost one of the old classes; without any left, the familiarity goes.
    """
    if not count:
        remove_familiarity(saved_model)
    for node in _old_columns(saved_model):
        tensor = Tensor(types_pb2.DT_INT32, np.array([-1, count], np.int32))
        node.attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))


def _old_columns(saved_model: Any) -> list[Any]:
    """Return the node that says how many columns are read, in a list; an empty one without it."""
    return [
        node
        for meta_graph in saved_model.meta_graphs
        for node in meta_graph.graph_def.node
        if node.name == _OLD_COLUMNS
    ]


def _logits(nodes: dict[str, Any]) -> str | None:
    """Return the node of the logits: scores are the best of their softmax."""
    name = names.SCORES_NODE
    for operation in ("Identity", "TopKV2", "Softmax"):
        if name not in nodes or nodes[name].op != operation:
            return None
        name = str(nodes[name].input[0]).split(":")[0]
    return name


def _old_part(graph: _Graph, old: OldClasses, logits: str) -> str:
    own = graph.add(
        "Slice",
        [logits, graph.integers([0, 0]), graph.integers([-1, old.count], name=_OLD_COLUMNS)],
        positions=True,
    )
    best = graph.add("Max", [own, graph.integers(1)])
    away = graph.add("Sub", [names.EMBEDDING_NODE, graph.floats(old.mean)])
    quotient = graph.add("Mul", [best, _inverse_length(graph, away, keep=False)])
    above = graph.add("Sub", [quotient, graph.floats(old.threshold)])
    return graph.add("Mul", [above, graph.floats(old.slope)])


def _taught_part(graph: _Graph, taught: TaughtClasses) -> str:
    classes = len(taught.offsets)
    spread = taught.matrix.shape[1] - classes - 1
    length = _inverse_length(graph, names.EMBEDDING_NODE, keep=True)
    units = graph.add("Mul", [names.EMBEDDING_NODE, length])
    products = graph.add("MatMul", [units, graph.floats(taught.matrix)])

    def columns(first: int, count: int) -> str:
        begin, size = graph.integers([0, first]), graph.integers([-1, count])
        return graph.add("Slice", [products, begin, size], positions=True)

    def row(operation: str, of: str) -> str:
        return graph.add(operation, [of, graph.integers(1)])

    apart = graph.add("Sub", [graph.floats(taught.offsets), columns(spread, classes)])
    result = graph.add("Sub", [graph.floats(taught.constant), row("Min", apart)])
    explained = row("Sum", graph.add("Square", [columns(0, spread)]))
    result = graph.add("AddV2", [result, explained])
    result = graph.add("AddV2", [result, row("Sum", columns(spread + classes, 1))])
    best = row("Max", names.SCORES_NODE)
    best = graph.add("Maximum", [best, graph.floats(MIN_SCORE)])
    best = graph.add("Minimum", [best, graph.floats(1 - MIN_SCORE)])
    against = graph.add("Sub", [graph.floats(1), best])
    odds = graph.add("Log", [graph.add("RealDiv", [best, against])])
    weighed = graph.add("Mul", [odds, graph.floats(taught.score_weight)])
    return graph.add("AddV2", [result, weighed])


def _inverse_length(graph: _Graph, vectors: str, *, keep: bool) -> str:
    """Return 1 over the length of each row: [N, 1] with `keep`, else [N]."""
    squares = graph.add("Square", [vectors])
    total = graph.add("Sum", [squares, graph.integers(1)], keep_dims=keep)
    return graph.add("Rsqrt", [graph.add("Maximum", [total, graph.floats(MIN_LENGTH)])])


class _Graph:
    """Adds operations on float tensors to a `GraphDef`."""

    def __init__(self, graph_def: Any) -> None:
        self._graph_def = graph_def
        self._count = 0

    def add(
        self,
        operation: str,
        inputs: Sequence[str],
        *,
        name: str | None = None,
        keep_dims: bool = False,
        positions: bool = False,
    ) -> str:
        """Add one and return its name; `positions` if positions are among its inputs."""
        node = self._node(operation, name)
        node.input.extend(inputs)
        node.attr["T"].type = types_pb2.DT_FLOAT
        if keep_dims:
            attribute = node.attr["keep_dims"]
            attribute.CopyFrom(type(attribute)(b=True))
        if positions:
            node.attr["Index"].type = types_pb2.DT_INT32
        return str(node.name)

    def floats(self, values: Any) -> str:
        """Add a constant."""
        return self._constant(Tensor(types_pb2.DT_FLOAT, np.asarray(values, np.float32)))

    def integers(self, values: Any, name: str | None = None) -> str:
        """Add a constant of positions."""
        return self._constant(Tensor(types_pb2.DT_INT32, np.asarray(values, np.int32)), name)

    def _constant(self, tensor: Tensor, name: str | None = None) -> str:
        node = self._node("Const", name)
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))
        return str(node.name)

    def _node(self, operation: str, name: str | None) -> Any:
        if name is None:
            self._count += 1
            name = f"{_PREFIX}{operation}_{self._count}"
        return self._graph_def.node.add(name=name, op=operation)
