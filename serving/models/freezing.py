"""Turning a Keras model into constants that run fast.

`freeze` takes the variables of a function into its graph as constants, and
`fold_batch_norms` multiplies each batch normalization into the convolution
before it, so that a version does no work that training alone needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")


def freeze(
    model: Callable[[Any], Any], input_shape: tuple[int | None, ...]
) -> Callable[[Any], Any]:
    """Return `model` as a function of constants, for use in another graph.

    `model` maps one float tensor of `input_shape` (batch first, None for any
    size) to one tensor. Batch normalization is folded.
    """
    concrete = tf.function(model).get_concrete_function(
        tf.TensorSpec(input_shape, tf.float32, name="frozen_input")
    )
    constant = convert_variables_to_constants_v2(concrete)
    (input_tensor,) = constant.inputs
    (output_tensor,) = constant.outputs
    graph = fold_batch_norms(constant.graph.as_graph_def(), _node_name(output_tensor.name))

    def run(images: Any) -> Any:
        (answer,) = tf.graph_util.import_graph_def(
            graph, {input_tensor.name: images}, [output_tensor.name], name="servery/network"
        )
        return answer

    return run


def fold_batch_norms(graph: Any, output: str) -> Any:
    """Return a GraphDef in which constant scales and offsets are part of their convolutions.

    At inference a batch normalization is one multiplication and one addition by
    constants. They are folded only if nothing else reads the convolution.
    `output` names the node to keep; nodes that it does not need are removed.
    """
    folded = _evaluated(graph, output)
    nodes = {node.name: node for node in folded.node}
    readers = Counter(_node_name(name) for node in folded.node for name in node.input)
    for node in list(folded.node):
        if node.op not in ("Mul", "AddV2"):
            continue
        found = _convolution_and_constant(nodes, readers, node)
        if found is None:
            continue
        convolution, value = found
        if node.op == "Mul":
            kernel = _value(nodes[_node_name(convolution.input[1])])
            if convolution.op == "DepthwiseConv2dNative":
                value = value.reshape(kernel.shape[2:])
            weights = folded.node.add(name=f"{node.name}/folded_kernel", op="Const")
            _set_constant(weights, kernel * value)
            nodes[weights.name] = weights
            convolution.input[1] = weights.name
            _become(node, "Identity", [convolution.name])
        else:
            bias = folded.node.add(name=f"{node.name}/folded_bias", op="Const")
            _set_constant(bias, value)
            _become(node, "BiasAdd", [convolution.name, bias.name])
    return folded


def _convolution_and_constant(
    nodes: dict[str, Any], readers: Counter[str], node: Any
) -> tuple[Any, Any] | None:
    """The convolution that `node` alone reads, and the channel constant it applies."""
    for one, other in (node.input, reversed(node.input)):
        convolution, constant = nodes[_node_name(one)], nodes[_node_name(other)]
        alone = readers[convolution.name] == 1
        while convolution.op == "Identity" and alone:
            convolution = nodes[_node_name(convolution.input[0])]
            alone = readers[convolution.name] == 1
        if convolution.op not in _CONVOLUTIONS or constant.op != "Const" or not alone:
            continue
        kernel = nodes[_node_name(convolution.input[1])]
        value = _value(constant)
        if kernel.op == "Const" and value.size == value.shape[-1] == _channels(convolution, kernel):
            return convolution, value.reshape(-1)
    return None


def _channels(convolution: Any, kernel: Any) -> int:
    shape = _value(kernel).shape
    depthwise = convolution.op == "DepthwiseConv2dNative"
    return int(shape[2] * shape[3] if depthwise else shape[3])


def _evaluated(graph: Any, output: str) -> Any:
    """Return the graph with everything that depends on constants alone computed."""
    graph = tf.compat.v1.graph_util.extract_sub_graph(_without_order(graph), [output])
    constant = {node.name for node in graph.node if node.op == "Const"}
    computed: list[str] = []
    for node in graph.node:  # a frozen function's nodes come in the order of their inputs
        inputs = [_node_name(name) for name in node.input]
        if inputs and node.op not in _CONVOLUTIONS and constant.issuperset(inputs):
            constant.add(node.name)
            computed.append(node.name)
    with tf.Graph().as_default() as scratch, tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph, name="")
        values = session.run([scratch.get_tensor_by_name(f"{name}:0") for name in computed])
    result = type(graph)()
    result.CopyFrom(graph)
    nodes = {node.name: node for node in result.node}
    for name, value in zip(computed, values, strict=True):
        node = nodes[name]
        del node.input[:]
        node.op = "Const"
        node.attr.clear()
        node.attr["dtype"].type = tf.as_dtype(value.dtype).as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))
    return tf.compat.v1.graph_util.extract_sub_graph(result, [output])


def _without_order(graph: Any) -> Any:
    """Return the graph without control inputs, which pure arithmetic does not need."""
    result = type(graph)()
    result.CopyFrom(graph)
    for node in result.node:
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)
    return result


def _become(node: Any, op: str, inputs: list[str]) -> None:
    kind = node.attr["T"].type
    node.op = op
    node.attr.clear()
    node.attr["T"].type = kind
    del node.input[:]
    node.input.extend(inputs)


def _node_name(tensor: str) -> str:
    return tensor.split(":")[0]


def _value(node: Any) -> Any:
    return tf.make_ndarray(node.attr["value"].tensor)


def _set_constant(node: Any, value: Any) -> None:
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.astype(np.float32)))
