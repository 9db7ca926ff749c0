"""Finds the last layer before the classes in a graph of constants.

What learning replaces is a product with the embedding, so the graph is cut there:

- `softmax(x @ kernel + bias)`, or the same with a 1x1 convolution of a single pixel: x is the
  embedding;
- a 1x1 convolution, then the mean over the plane: the mean of x is, since both are linear;
- a single score, `sigmoid(x @ kernel + bias)`, is a softmax of two classes, the first of which has
  the logit 0;
- several scores of their own: the same, with sigmoids;
- anything else: the logits, or the logarithms of the scores, are an embedding with the identity as
  its kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from serving.importing.interface import OutputKind
from serving.models.freezing import node_name

Floats = npt.NDArray[np.float32]

MIN_SCORE = 1e-30
"""Scores are kept so far from 0, which has no logarithm."""
_PASSED = frozenset(
    ("Identity", "Reshape", "Squeeze", "StopGradient", "Snapshot", "PreventGradient", "Cast")
)
"""Operations that leave the values as they are."""


@dataclass(frozen=True)
class HeadSplit:
    """Where a graph is cut, and what comes behind."""

    tensor: str
    """Of the graph; what the embedding is made of."""
    kernel: Floats
    """[D, C]"""
    bias: Floats
    """[C]"""
    mean_over_plane: bool = False
    """The tensor is [N, height, width, D], of which the mean over the plane is the embedding."""
    logarithm: bool = False
    """The tensor is scores, whose logarithms are the embedding."""
    is_layer: bool = True
    """The embedding is what a layer sees, not the scores or logits themselves."""
    exclusive: bool = True
    """The scores of a photo sum up to 1."""


@dataclass(frozen=True)
class Activation:
    """The last function of a graph."""

    kind: str
    """`softmax`, `sigmoid`, or empty."""
    tensor: str
    """What it is computed of; the output itself without one."""


def last_activation(graph: Any, output: str) -> Activation:
    """Return which function gives the output of a graph."""
    nodes = {node.name: node for node in graph.node}
    tensor = _passed(nodes, output)
    node = nodes[node_name(tensor)]
    if node.op in ("Softmax", "Sigmoid"):
        return Activation(node.op.lower(), node.input[0])
    return Activation("", tensor)


def split_head(graph: Any, output: str, width: int, gives: OutputKind) -> HeadSplit:
    """Cut a graph of constants in front of its last layer.

    `width` is that of its output, [N, width]. A single score comes to two classes.
    """
    activation = last_activation(graph, output)
    if gives is OutputKind.SCORES and not activation.kind:
        identity, nothing = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
        return HeadSplit(output, identity, nothing, logarithm=True, is_layer=False)
    is_raw = gives is OutputKind.LOGITS
    split = _layer_or_identity(graph, output if is_raw else activation.tensor, width)
    if width == 1:
        return _two_classes(split)
    return replace(split, exclusive=is_raw or activation.kind == "softmax")


def _layer_or_identity(graph: Any, tensor: str, width: int) -> HeadSplit:
    found = _linear(graph, tensor)
    if found is not None and len(found.bias) == width:
        return found
    identity, nothing = np.eye(width, dtype=np.float32), np.zeros(width, np.float32)
    return HeadSplit(tensor, identity, nothing, is_layer=False)


def _two_classes(split: HeadSplit) -> HeadSplit:
    kernel = np.concatenate([np.zeros_like(split.kernel), split.kernel], axis=1)
    return replace(split, kernel=kernel, bias=np.concatenate([np.zeros(1, np.float32), split.bias]))


def _linear(graph: Any, tensor: str) -> HeadSplit | None:
    """Return the product that a tensor comes from; None if it comes from something else."""
    nodes = {node.name: node for node in graph.node}
    bias: Any = 0.0
    averaged = False
    for _ in range(len(nodes)):
        node = nodes[node_name(_passed(nodes, tensor))]
        if node.op in ("BiasAdd", "Add", "AddV2"):
            constant = next((name for name in node.input if _is_constant(nodes, name)), None)
            if constant is None:
                return None
            value = _value(nodes, constant)
            if value.ndim and value.size != value.shape[-1]:
                return None
            bias = bias + value.reshape(-1)
            tensor = next(name for name in node.input if name != constant)
        elif node.op == "Mean" and not averaged and _is_over_plane(nodes, node):
            averaged, tensor = True, node.input[0]
        elif node.op == "MatMul" and not averaged:
            return _product(nodes, node, bias)
        elif node.op == "Conv2D":
            return _convolution(graph, nodes, node, bias, averaged)
        else:
            return None
    return None


def _product(nodes: dict[str, Any], node: Any, bias: Any) -> HeadSplit | None:
    if not _is_constant(nodes, node.input[1]) or node.attr["transpose_a"].b:
        return None
    kernel = _value(nodes, node.input[1])
    kernel = kernel.T if node.attr["transpose_b"].b else kernel
    return _split(node.input[0], kernel, bias)


def _convolution(
    graph: Any, nodes: dict[str, Any], node: Any, bias: Any, averaged: bool
) -> HeadSplit | None:
    if not _is_constant(nodes, node.input[1]) or node.attr["data_format"].s == b"NCHW":
        return None
    kernel = _value(nodes, node.input[1])
    if kernel.shape[:2] != (1, 1) or list(node.attr["strides"].list.i) != [1, 1, 1, 1]:
        return None
    if not averaged and _plane_of(graph, node.input[0]) != (1, 1):
        return None
    # The mean over a plane of one pixel is that pixel.
    return _split(node.input[0], kernel[0, 0], bias, mean_over_plane=True)


def _split(tensor: str, kernel: Any, bias: Any, mean_over_plane: bool = False) -> HeadSplit | None:
    full = np.zeros(kernel.shape[1], np.float32) + np.asarray(bias, np.float32)
    if full.shape != (kernel.shape[1],):
        return None
    return HeadSplit(tensor, kernel.astype(np.float32), full, mean_over_plane)


def _plane_of(graph: Any, tensor: str) -> tuple[int | None, ...]:
    with tf.Graph().as_default() as scratch:
        tf.graph_util.import_graph_def(graph, name="")
        name = tensor if ":" in tensor else f"{tensor}:0"
        shape = scratch.get_tensor_by_name(name).shape
    return tuple(shape.as_list()[1:3]) if shape.rank == 4 else ()


def _is_over_plane(nodes: dict[str, Any], node: Any) -> bool:
    if not _is_constant(nodes, node.input[1]):
        return False
    return sorted(_value(nodes, node.input[1]).reshape(-1).tolist()) in ([1, 2], [-3, -2])


def _passed(nodes: dict[str, Any], tensor: str) -> str:
    """Return the tensor behind operations that leave values as they are."""
    while (node := nodes[node_name(tensor)]).op in _PASSED and node.input:
        tensor = node.input[0]
    return tensor


def _is_constant(nodes: dict[str, Any], name: str) -> bool:
    node = nodes.get(node_name(name))
    return node is not None and node.op == "Const"


def _value(nodes: dict[str, Any], name: str) -> Any:
    return np.asarray(tf.make_ndarray(nodes[node_name(name)].attr["value"].tensor))
