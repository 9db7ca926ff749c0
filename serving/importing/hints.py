"""What the names of a network and the first operations of its graph say about its input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from serving.importing.interface import Channels, ValueRange
from serving.importing.source import Hints
from serving.models.freezing import node_name

_ARCHITECTURES: tuple[tuple[tuple[str, ...], ValueRange], ...] = (
    (("resnet50v2", "resnet101v2", "resnet152v2"), ValueRange.SIGNED),
    (("resnet", "vgg16", "vgg19"), ValueRange.CAFFE),
    (("densenet",), ValueRange.IMAGENET),
    (("mobilenetv3", "efficientnet", "convnext", "regnet"), ValueRange.BYTES),
    (("mobilenet", "inception", "xception", "nasnet"), ValueRange.SIGNED),
)
"""How the names of Keras's applications begin, and what they were trained with."""
_MAX_STEPS = 30


def hints_of_names(names: Iterable[str]) -> Hints:
    """Return what the names of layers and models say about the input."""
    folded = [name.casefold().replace("_", "") for name in names]
    for beginnings, value_range in _ARCHITECTURES:
        if any(name.startswith(beginnings) for name in folded):
            channels = Channels.BGR if value_range is ValueRange.CAFFE else Channels.RGB
            return Hints(value_range, channels)
    return Hints()


def scaled_inside(graph: Any, input_tensor: str) -> ValueRange | None:
    """Return which values a network expects that scales them itself; None if it does not.

    Looked for are sums and products with constants between the input and the first layer.
    """
    nodes = {node.name: node for node in graph.node}
    readers = _readers(graph)
    name, low, high, scales = node_name(input_tensor), 0.0, 255.0, False
    for _ in range(_MAX_STEPS):
        found = readers.get(name, [])
        if len(found) != 1:
            break
        node = found[0]
        if node.op in ("Mul", "RealDiv", "Sub", "Add", "AddV2"):
            value = _constant(nodes, node)
            if value is None:
                break
            low, high, scales = _apply(node.op, low, value), _apply(node.op, high, value), True
        elif node.op not in ("Identity", "Cast", "Pad", "PadV2", "ResizeBilinear"):
            break
        name = node.name
    if not scales:
        return None
    # A network sees numbers around 1: what came to that from 0 to 255 takes these.
    if max(abs(low), abs(high)) < 20:
        return ValueRange.BYTES
    return ValueRange.UNIT if (high - low) / 255 > 0.3 else None


def resized_inside(graph: Any, input_tensor: str) -> tuple[int, int] | None:
    """Return height and width to which a network scales photos itself."""
    nodes = {node.name: node for node in graph.node}
    readers = _readers(graph)
    name = node_name(input_tensor)
    for _ in range(_MAX_STEPS):
        found = readers.get(name, [])
        resizes = next((node for node in found if node.op.startswith("Resize")), None)
        if resizes is not None:
            size = nodes.get(node_name(resizes.input[1]))
            if size is None or size.op != "Const":
                return None
            height, width = tf.make_ndarray(size.attr["value"].tensor).tolist()
            return int(height), int(width)
        if len(found) != 1:
            return None
        name = found[0].name
    return None


def _readers(graph: Any) -> dict[str, list[Any]]:
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(node_name(name.lstrip("^")), []).append(node)
    return readers


def _constant(nodes: dict[str, Any], node: Any) -> float | None:
    """Return the mean of the constant that an operation applies."""
    for name in node.input:
        other = nodes.get(node_name(name))
        if other is not None and other.op == "Const":
            return float(np.mean(tf.make_ndarray(other.attr["value"].tensor)))
    return None


def _apply(operation: str, value: float, constant: float) -> float:
    match operation:
        case "Mul":
            return value * constant
        case "RealDiv":
            return value / constant if constant else value
        case "Sub":
            return value - constant
        case _:
            return value + constant
