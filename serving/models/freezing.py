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

from serving.tf.safe_operations import SAFE_OPERATIONS

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
    graph = fold_batch_norms(constant.graph.as_graph_def(), node_name(output_tensor.name))
    return function_of(graph, input_tensor.name, output_tensor.name)


def function_of(graph: Any, input_name: str, output_name: str) -> Callable[[Any], Any]:
    """Return what a GraphDef of constants computes of one tensor, for use in another graph."""

    def run(images: Any) -> Any:
        (answer,) = tf.graph_util.import_graph_def(
            graph, {input_name: images}, [output_name], name="servery/network"
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
    _split_batch_norms(folded)
    nodes = {node.name: node for node in folded.node}
    readers = Counter(node_name(name) for node in folded.node for name in node.input)
    for node in list(folded.node):
        if node.op not in ("Mul", "AddV2"):
            continue
        found = _convolution_and_constant(nodes, readers, node)
        if found is None:
            continue
        convolution, bias, value = found
        if node.op == "Mul":
            _scale(folded, nodes, node, convolution, value)
            if bias is not None:
                _replace(folded, nodes, bias, 1, f"{node.name}/folded_bias", value)
            _become(node, "Identity", [bias.name if bias is not None else convolution.name])
        elif bias is None:
            weights = folded.node.add(name=f"{node.name}/folded_bias", op="Const")
            nodes[weights.name] = weights
            _set_constant(weights, value)
            _become(node, "BiasAdd", [convolution.name, weights.name])
        else:
            former = _value(nodes[node_name(bias.input[1])])
            _replace(folded, nodes, bias, 1, f"{node.name}/folded_bias", 1.0, former=former + value)
            _become(node, "Identity", [bias.name])
    _pass_identities(folded)
    return tf.compat.v1.graph_util.extract_sub_graph(folded, [output])


def _pass_identities(graph: Any) -> None:
    """Let every node read what is behind identities, which may keep operations from being fused."""
    behind = {node.name: node.input[0] for node in graph.node if node.op == "Identity"}
    for node in graph.node:
        for index, name in enumerate(node.input):
            while name in behind:
                name = behind[name]
            node.input[index] = name


def _scale(graph: Any, nodes: dict[str, Any], node: Any, convolution: Any, value: Any) -> None:
    """Multiply the outputs of a convolution by a value for each channel."""
    kernel = _value(nodes[node_name(convolution.input[1])])
    if convolution.op == "DepthwiseConv2dNative":
        value = value.reshape(kernel.shape[2:])
    _replace(graph, nodes, convolution, 1, f"{node.name}/folded_kernel", value)


def _replace(
    graph: Any,
    nodes: dict[str, Any],
    node: Any,
    position: int,
    name: str,
    factor: Any,
    former: Any = None,
) -> None:
    """Give a node another constant, under a name of its own: another node may read the former."""
    if former is None:
        former = _value(nodes[node_name(node.input[position])])
    constant = graph.node.add(name=name, op="Const")
    _set_constant(constant, former * factor)
    nodes[constant.name] = constant
    node.input[position] = constant.name


def _split_batch_norms(graph: Any) -> None:
    """Make each batch normalization of constants a product and a sum, as Keras 3 exports them."""
    nodes = {node.name: node for node in graph.node}
    others = {name for node in graph.node for name in node.input if ":" in name}
    for node in list(graph.node):
        if not node.op.startswith("FusedBatchNorm") or node.attr["is_training"].b:
            continue
        parts = [nodes[node_name(name)] for name in node.input[1:5]]
        reads_statistics = any(f"{node.name}:{index}" in others for index in range(1, 6))
        if (
            reads_statistics
            or any(part.op != "Const" for part in parts)
            or node.attr["data_format"].s not in (b"", b"NHWC")
            or node.attr["T"].type != tf.float32.as_datatype_enum
        ):
            continue
        gamma, beta, mean, variance = (_value(part) for part in parts)
        epsilon = node.attr["epsilon"].f if "epsilon" in node.attr else 1e-4
        scale = gamma / np.sqrt(variance + epsilon)
        values = {"scale": scale, "offset": beta - mean * scale}
        for name, value in values.items():
            _set_constant(graph.node.add(name=f"{node.name}/{name}", op="Const"), value)
        product = graph.node.add(name=f"{node.name}/product", op="Mul")
        product.input.extend([node.input[0], f"{node.name}/scale"])
        product.attr["T"].type = node.attr["T"].type
        _become(node, "AddV2", [product.name, f"{node.name}/offset"])
    _sort(graph)


def _sort(graph: Any) -> None:
    """Put each node behind those that it reads."""
    nodes = {node.name: node for node in graph.node}
    order: dict[str, Any] = {}
    for name in nodes:
        waiting = [name]
        while waiting:
            node = nodes[waiting[-1]]
            missing = [
                other
                for other in (node_name(each.lstrip("^")) for each in node.input)
                if other not in order and other in nodes and other not in waiting
            ]
            if missing:
                waiting += missing[:1]
            else:
                order.setdefault(waiting.pop(), node)
    copies = [type(node).FromString(node.SerializeToString()) for node in order.values()]
    del graph.node[:]
    graph.node.extend(copies)


def _convolution_and_constant(
    nodes: dict[str, Any], readers: Counter[str], node: Any
) -> tuple[Any, Any | None, Any] | None:
    """The convolution that `node` alone reads, its bias if it has one, and the constant."""
    for one, other in (node.input, reversed(node.input)):
        bias = None
        convolution, constant = nodes[node_name(one)], nodes[node_name(other)]
        alone = readers[convolution.name] == 1
        while alone and (
            convolution.op == "Identity" or (bias is None and _adds_constant(nodes, convolution))
        ):
            if convolution.op != "Identity":
                bias = convolution
            convolution = nodes[node_name(convolution.input[0])]
            alone = readers[convolution.name] == 1
        if convolution.op not in _CONVOLUTIONS or constant.op != "Const" or not alone:
            continue
        kernel = nodes[node_name(convolution.input[1])]
        value = _value(constant)
        if kernel.op == "Const" and value.shape[-1:] == (_channels(convolution, kernel),) == (
            value.size,
        ):
            return convolution, bias, value.reshape(-1)
    return None


def _adds_constant(nodes: dict[str, Any], node: Any) -> bool:
    return bool(node.op == "BiasAdd" and nodes[node_name(node.input[1])].op == "Const")


def _channels(convolution: Any, kernel: Any) -> int:
    shape = _value(kernel).shape
    depthwise = convolution.op == "DepthwiseConv2dNative"
    return int(shape[2] * shape[3] if depthwise else shape[3])


def _evaluated(graph: Any, output: str) -> Any:
    """Return the graph with everything that depends on constants alone computed."""
    graph = tf.compat.v1.graph_util.extract_sub_graph(_without_order(graph), [output])
    _sort(graph)
    constant = {node.name for node in graph.node if node.op == "Const"}
    computed: list[str] = []
    with tf.Graph().as_default() as scratch, tf.compat.v1.Session() as session:
        tf.graph_util.import_graph_def(graph, name="")
        for node in graph.node:
            inputs = [node_name(name) for name in node.input]
            if inputs and constant.issuperset(inputs) and _is_plain(scratch, node):
                constant.add(node.name)
                computed.append(node.name)
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


def _is_plain(graph: Any, node: Any) -> bool:
    """Whether a node computes one tensor of numbers, of its inputs alone.

    What reads a file is not stateful to TensorFlow, and must not be run here.
    """
    operation = graph.get_operation_by_name(node.name)
    if node.op in _CONVOLUTIONS or node.op not in SAFE_OPERATIONS or len(operation.outputs) != 1:
        return False
    kind = operation.outputs[0].dtype
    is_number = kind.is_floating or kind.is_integer or kind.is_bool
    return bool(is_number and not operation.op_def.is_stateful)


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


def node_name(tensor: str) -> str:
    """Return the name of the node that a tensor, `name:0`, comes from."""
    return tensor.split(":")[0]


def _value(node: Any) -> Any:
    return tf.make_ndarray(node.attr["value"].tensor)


def _set_constant(node: Any, value: Any) -> None:
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.astype(np.float32)))
