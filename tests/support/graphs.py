"""SavedModels of a few nodes, as somebody would write them who wants them to do harm.

They are built from messages, without TensorFlow: `saved_model(node("Const", "a"), ...)`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serving.tf.messages import saved_model_pb2, types_pb2

OUTPUT = "answer"
"""The node that the default signature of these models returns, a string tensor."""


def graph_of(saved: Any) -> Any:
    """Return the graph of the first meta graph."""
    return saved.meta_graphs[0].graph_def


def node(nodes: Any, op: str, name: str, *inputs: str, **attributes: Any) -> Any:
    """Add a node to `nodes`, a graph's or a function's.

    Attributes are types by number, functions by `function:` and the name, other strings and
    bytes as they are.
    """
    added = nodes.add(op=op, name=name, input=inputs)
    for key, value in attributes.items():
        attribute = added.attr[key]
        if isinstance(value, bool):
            attribute.b = value
        elif isinstance(value, int):
            attribute.type = value
        elif isinstance(value, list):
            attribute.list.type.extend(value)
        elif isinstance(value, str) and value.startswith("function:"):
            attribute.func.name = value.removeprefix("function:")
        else:
            attribute.s = value.encode() if isinstance(value, str) else value
    return added


def text(nodes: Any, name: str, value: str | bytes) -> Any:
    """Add a constant string."""
    added = node(nodes, "Const", name, dtype=types_pb2.DT_STRING)
    tensor = added.attr["value"].tensor
    tensor.dtype = types_pb2.DT_STRING
    tensor.tensor_shape.SetInParent()
    tensor.string_val.append(value.encode() if isinstance(value, str) else value)
    return added


def function(
    saved: Any, name: str, inputs: dict[str, int], outputs: dict[str, tuple[str, int]]
) -> Any:
    """Add a function and return its nodes; types by argument, tensor and type by output."""
    added = graph_of(saved).library.function.add()
    added.signature.name = name
    for argument, kind in inputs.items():
        added.signature.input_arg.add(name=argument, type=kind)
    for result, (tensor, kind) in outputs.items():
        added.signature.output_arg.add(name=result, type=kind)
        added.ret[result] = tensor
    return added.node_def


def new_saved_model() -> Any:
    """Return a SavedModel with the tag `serve`, whose default signature returns `OUTPUT`."""
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    meta_graph = saved.meta_graphs.add()
    meta_graph.meta_info_def.tags.append("serve")
    meta_graph.graph_def.versions.producer = 1000
    node(meta_graph.graph_def.node, "Placeholder", "images", dtype=types_pb2.DT_STRING)
    signature = meta_graph.signature_def["serving_default"]
    signature.method_name = "tensorflow/serving/predict"
    fill_info(signature.inputs["images"], "images")
    fill_info(signature.outputs["answer"], OUTPUT)
    return saved


def fill_info(info: Any, name: str) -> None:
    """Describe the first output of a node, a string tensor of any shape."""
    info.name = f"{name}:0"
    info.dtype = types_pb2.DT_STRING
    info.tensor_shape.unknown_rank = True


def initialize_with(saved: Any, name: str) -> None:
    """Make a node the one that TensorFlow runs when it loads the model."""
    nodes = saved.meta_graphs[0].collection_def["saved_model_main_op"].node_list
    nodes.value.append(name)


def harmless_model() -> Any:
    """Return a model that answers with its input."""
    saved = new_saved_model()
    node(graph_of(saved).node, "Identity", OUTPUT, "images", T=types_pb2.DT_STRING)
    return saved


def writes_at_load(target: Path, content: str) -> Any:
    """Return a model that writes a file when it is loaded, and answers with its input."""
    saved = new_saved_model()
    nodes = graph_of(saved).node
    text(nodes, "target", str(target))
    text(nodes, "content", content)
    node(nodes, "WriteFile", "write", "target", "content")
    node(nodes, "NoOp", "initialize", "^write")
    node(nodes, "Identity", OUTPUT, "images", T=types_pb2.DT_STRING)
    initialize_with(saved, "initialize")
    return saved


def write_version(folder: Path, saved: Any) -> Path:
    """Write a version's folder."""
    folder.mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(saved.SerializeToString())
    return folder
