"""Changes the constants of a saved model, without TensorFlow.

A template is a `saved_model.pb` whose weights are left out: `with_constants` fills them in,
and with the same means gives a whole model another head.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from serving.errors import ModelError
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.tensors import Tensor, to_proto

OUTPUT_SHAPES = "_output_shapes"
"""What the exporter inferred of a node's shape; it would contradict another constant."""


def with_constants(saved_model: bytes, constants: Mapping[str, Tensor]) -> bytes:
    """Return the content of a `saved_model.pb` in which the named constants have new values.

    Their shapes may differ from those before. Raises ModelError if `saved_model` cannot be
    read or lacks one of the constants.
    """
    try:
        message = saved_model_pb2.SavedModel.FromString(saved_model)
    except Exception as error:
        raise _unusable("it cannot be read") from error
    missing = set(constants)
    for node in _constants(message):
        tensor = constants.get(node.name)
        if tensor is not None:
            missing.discard(node.name)
            node.attr["dtype"].type = tensor.dtype
            node.attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))
            node.attr.pop(OUTPUT_SHAPES, None)
    if missing:
        raise _unusable(f"it has no constant {min(missing)}")
    return bytes(message.SerializeToString(deterministic=True))


def without_values(saved_model: bytes, names: frozenset[str]) -> bytes:
    """Return a template: `saved_model` without the values of these constants."""
    message = saved_model_pb2.SavedModel.FromString(saved_model)
    for node in _constants(message):
        if node.name in names:
            tensor = node.attr["value"].tensor
            shape = tensor.tensor_shape
            node.attr["value"].tensor.CopyFrom(type(tensor)(dtype=tensor.dtype, tensor_shape=shape))
    return bytes(message.SerializeToString(deterministic=True))


def constant_shapes(saved_model: bytes) -> dict[str, tuple[int, ...]]:
    """Return the shape of each constant, by its node's name; raises ModelError."""
    try:
        message = saved_model_pb2.SavedModel.FromString(saved_model)
    except Exception as error:
        raise _unusable("it cannot be read") from error
    return {node.name: _shape(node.attr["value"].tensor) for node in _constants(message)}


def float_tensor(values: Any) -> Tensor:
    """Return a DT_FLOAT tensor of an array."""
    return Tensor(types_pb2.DT_FLOAT, np.ascontiguousarray(values, np.float32))


def _constants(message: Any) -> Iterator[Any]:
    for meta_graph in message.meta_graphs:
        for node in meta_graph.graph_def.node:
            if node.op == "Const":
                yield node


def _shape(tensor: Any) -> tuple[int, ...]:
    return tuple(dimension.size for dimension in tensor.tensor_shape.dim)


def _unusable(why: str) -> ModelError:
    return ModelError(f"The graph of the model cannot be used: {why}.", "Promote another version.")
