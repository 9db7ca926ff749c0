"""Half-precision storage of a graph's constants, read and written without TensorFlow.

The starter model lies in the project with its weights as float16, half the
size; installing it widens them to float32 again, so that servers compute at
full speed. Between the two the graph is not valid and is not called
`saved_model.pb`.
"""

from __future__ import annotations

import array
import math
import struct
import sys

from serving.tf.messages import saved_model_pb2, types_pb2

SMALLEST = 64
"""Constants with fewer elements than this stay as they are."""


def halve(saved_model: bytes) -> bytes:
    """Store every large float32 constant as float16; values are rounded."""
    return _rewrite(saved_model, types_pb2.DT_FLOAT, types_pb2.DT_HALF, "f", "e")


def widen(saved_model: bytes) -> bytes:
    """Undo `halve`: the same graph with float32 constants."""
    return _rewrite(saved_model, types_pb2.DT_HALF, types_pb2.DT_FLOAT, "e", "f")


def _rewrite(saved_model: bytes, old: int, new: int, old_code: str, new_code: str) -> bytes:
    message = saved_model_pb2.SavedModel.FromString(saved_model)
    for meta_graph in message.meta_graphs:
        for node in meta_graph.graph_def.node:
            if node.op != "Const" or node.attr["dtype"].type != old:
                continue
            tensor = node.attr["value"].tensor
            count = math.prod(dimension.size for dimension in tensor.tensor_shape.dim)
            width = struct.calcsize(f"<{old_code}")
            if count < SMALLEST or len(tensor.tensor_content) != count * width:
                continue
            values = struct.unpack(f"<{count}{old_code}", tensor.tensor_content)
            tensor.tensor_content = _packed(values, new_code)
            tensor.dtype = new
            node.attr["dtype"].type = new
    return bytes(message.SerializeToString(deterministic=True))


def _packed(values: tuple[float, ...], code: str) -> bytes:
    if code == "f":
        floats = array.array("f", values)
        if sys.byteorder == "big":
            floats.byteswap()
        return floats.tobytes()
    return struct.pack(f"<{len(values)}{code}", *values)
