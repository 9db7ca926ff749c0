"""Where a network is cut for fine-tuning, and which constants above the cut learn.

The graph of a version is one of constants: kernels and biases, batch normalization folded in.
A bottleneck is a tensor through which everything passes that the embedding learns of the photos.
Cut there, a network is two: the part below is computed once a photo, the part above is trained.
Nothing here depends on the layers or on their names, so every version with an embedding can be
cut. Needs the message classes only, not TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.errors import ModelError
from serving.tf import names
from serving.tf.messages import saved_model_pb2, types_pb2

_KERNEL_OPERATIONS = ("Conv2D", "MatMul")
"""The second input of these is a kernel that learns. Depthwise kernels do not: they are a few
percent of the weights and their gradients would take nearly half of the time."""
_BIAS_OPERATION = "BiasAdd"
_PASSED_ON = ("Identity",)
_OTHER_NETWORK = "Build a model on another network, and label photos for it."


@dataclass(frozen=True)
class Bottlenecks:
    """The tensors between the photos and the embedding through which everything passes."""

    graph: Any
    """The GraphDef."""
    photos: str
    """The node that takes whole JPEG files [N]."""
    nodes: tuple[str, ...]
    """From the photos to the embedding; the first output of each node."""


@dataclass(frozen=True)
class UpperPart:
    """What is above a cut."""

    graph: Any
    """GraphDef in which the cut and the weights are placeholders, and the rest is as it was."""
    cut: str
    """The node whose output it takes: float [N, ...]."""
    weights: tuple[str, ...]
    """The constants that learn, in the order of the photos' way."""


def graph_of(version_folder: Path) -> Any:
    """Return the GraphDef of a version; raises ModelError if it cannot be read."""
    try:
        content = (version_folder / names.SAVED_MODEL_FILE).read_bytes()
        (meta_graph,) = saved_model_pb2.SavedModel.FromString(content).meta_graphs
    except Exception as error:
        raise ModelError(
            f"Version {version_folder.name} cannot be read, so it cannot be fine-tuned.",
            "Promote another version, then fine-tune again.",
        ) from error
    return meta_graph.graph_def


def find_bottlenecks(graph: Any) -> Bottlenecks:
    """Find where `graph` can be cut; raises ModelError if it has no embedding of photos."""
    nodes = {node.name: node for node in graph.node}
    photos = next((node.name for node in graph.node if node.op == "Placeholder"), "")
    if names.EMBEDDING_NODE not in nodes or not photos:
        raise ModelError("The network has no embedding that could be fine-tuned.", _OTHER_NETWORK)
    order = _in_order(nodes, names.EMBEDDING_NODE)
    fed = {photos}
    for name in order:
        if name != photos and any(each in fed for each in inputs_of(nodes[name])):
            fed.add(name)
    way = [name for name in order if name in fed]
    place = {name: index for index, name in enumerate(way)}
    last_reader = dict.fromkeys(way, -1)
    only_first = dict.fromkeys(way, True)
    for name in way:
        for tensor in nodes[name].input:
            source = node_name(tensor)
            if source in place:
                last_reader[source] = max(last_reader[source], place[name])
                only_first[source] &= ":" not in tensor or tensor.endswith(":0")
    found, open_until = [], -1
    for index, name in enumerate(way):
        # Nothing that was computed before is read after it, so all that is known goes through it.
        if open_until <= index and only_first[name]:
            found.append(name)
        open_until = max(open_until, last_reader[name])
    return Bottlenecks(graph, photos, tuple(found))


def upper_part(bottlenecks: Bottlenecks, cut: str) -> UpperPart:
    """Return what is between `cut`, one of the bottlenecks, and the embedding.

    Raises ModelError if nothing there could learn.
    """
    graph = bottlenecks.graph
    nodes = {node.name: node for node in graph.node}
    inside = [name for name in _in_order(nodes, names.EMBEDDING_NODE, cut) if name != cut]
    weights = dict.fromkeys(
        weight for name in inside if (weight := _weight_of(nodes, nodes[name])) is not None
    )
    if not weights:
        raise ModelError("The network has no layer that could be fine-tuned.", _OTHER_NETWORK)
    upper = type(graph)()
    upper.versions.CopyFrom(graph.versions)
    _placeholder(upper, cut)
    for name in inside:
        if name in weights:
            _placeholder(upper, name)
        else:
            upper.node.add().CopyFrom(nodes[name])
    return UpperPart(upper, cut, tuple(weights))


def inputs_of(node: Any) -> list[str]:
    """Return the names of the nodes that `node` reads, one that it only waits for too."""
    return [node_name(tensor) for tensor in node.input]


def node_name(tensor: str) -> str:
    """Return the node of a tensor's name, as a node's input has it."""
    return tensor.removeprefix("^").partition(":")[0]


def _weight_of(nodes: Mapping[str, Any], node: Any) -> str | None:
    """Return the float constant that is the kernel or the bias of `node`; None without one."""
    if node.op not in (*_KERNEL_OPERATIONS, _BIAS_OPERATION) or len(node.input) < 2:
        return None
    source = nodes[node_name(node.input[1])]
    while source.op in _PASSED_ON:
        source = nodes[node_name(source.input[0])]
    if source.op != "Const" or source.attr["dtype"].type != types_pb2.DT_FLOAT:
        return None
    return str(source.name)


def _placeholder(graph: Any, name: str) -> None:
    node = graph.node.add(name=name, op="Placeholder")
    node.attr["dtype"].type = types_pb2.DT_FLOAT


def _in_order(nodes: Mapping[str, Any], end: str, begin: str = "") -> list[str]:
    """Return `end` and all that it depends on, each after what it reads; not beyond `begin`."""
    order: dict[str, None] = {}
    waiting = [end]
    while waiting:
        name = waiting[-1]
        reads = [] if name == begin else inputs_of(nodes[name])
        missing = [one for one in reads if one not in order]
        if missing:
            waiting += missing
        else:
            order.setdefault(name)
            waiting.pop()
    return list(order)
