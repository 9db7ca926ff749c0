"""Makes the graphs of Servery 0.1 fit for a head without classes, without TensorFlow.

Such a head is a product of no columns. In the graphs of 0.1 TensorFlow fuses it with the
addition of the bias, and oneDNN ends the process. Graphs made since have one more class, of
probability 0 (`serving/models/servable.py`); this adds it to older ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.models.graph_template import float_tensor
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import HEAD_BIAS, HEAD_KERNEL
from serving.tf.tensors import Tensor, to_proto

_PREFIX = "servery/head/spare"
NEVER = -1e30
"""A logit that leaves no probability."""


def with_spare_class(saved_model: bytes) -> bytes:
    """Return the content of a `saved_model.pb` that answers the same, with any number of classes.

    One that has the spare class, or another form than Servery's, is returned unchanged.
    """
    message = saved_model_pb2.SavedModel.FromString(saved_model)
    changed = False
    for meta_graph in message.meta_graphs:
        graph = meta_graph.graph_def
        nodes = {node.name: node for node in graph.node}
        for node in list(graph.node):
            if _adds_bias_to_product(nodes, node):
                product, bias = node.input
                node.input[:] = _spare_nodes(graph, product, bias)
                changed = True
    return bytes(message.SerializeToString(deterministic=True)) if changed else saved_model


def _adds_bias_to_product(nodes: Mapping[str, Any], node: Any) -> bool:
    if node.op != "AddV2" or len(node.input) != 2:
        return False
    product = nodes.get(node.input[0])
    return (
        product is not None
        and product.op == "MatMul"
        and _reads(nodes, product.input[1], HEAD_KERNEL)
        and _reads(nodes, node.input[1], HEAD_BIAS)
    )


def _reads(nodes: Mapping[str, Any], name: str, constant: str) -> bool:
    """Say whether the tensor is the constant, as the export passes it on."""
    node = nodes.get(name)
    return node is not None and node.op == "PlaceholderWithDefault" and node.input[0] == constant


def _spare_nodes(graph: Any, product: str, bias: str) -> list[str]:
    """Add nodes for product and bias with one more column; returns their names."""
    for name, tensor in (
        ("paddings", Tensor(types_pb2.DT_INT32, np.array([[0, 0], [0, 1]], np.int32))),
        ("logit", float_tensor([NEVER])),
        ("axis", Tensor(types_pb2.DT_INT32, np.array(0, np.int32))),
    ):
        constant = graph.node.add(name=f"{_PREFIX}_{name}", op="Const")
        constant.attr["dtype"].type = tensor.dtype
        constant.attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))
    padded = graph.node.add(name=f"{_PREFIX}_product", op="Pad")
    padded.input[:] = [product, f"{_PREFIX}_paddings"]
    joined = graph.node.add(name=f"{_PREFIX}_bias", op="ConcatV2")
    joined.input[:] = [bias, f"{_PREFIX}_logit", f"{_PREFIX}_axis"]
    joined.attr["N"].i = 2
    for node in (padded, joined):
        node.attr["T"].type = types_pb2.DT_FLOAT
    return [padded.name, joined.name]
