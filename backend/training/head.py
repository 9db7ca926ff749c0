"""The head of a servable model: the constants that learning replaces.

A servable model is one graph in which three constants turn an embedding into
scores: `softmax(embedding @ kernel + bias)`, named by `classes`. Reading and
replacing them needs the message classes only, not TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL, SAVED_MODEL_FILE

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Head:
    """`softmax(embedding @ kernel + bias)`: kernel [D, C], bias [C], C class names."""

    kernel: Floats
    bias: Floats
    classes: tuple[str, ...]

    def logits(self, embeddings: Floats) -> Floats:
        """Return [N, C] for embeddings [N, D]."""
        return embeddings @ self.kernel + self.bias


class ServableGraph:
    """The `saved_model.pb` of one version, its head and the rest."""

    def __init__(self, version_folder: Path) -> None:
        """Read the graph; raises ModelError where it has no head to replace."""
        self._message = saved_model_pb2.SavedModel()
        try:
            self._message.ParseFromString((version_folder / SAVED_MODEL_FILE).read_bytes())
        except Exception as error:
            raise ModelError(
                f"Version {version_folder.name} cannot be read, so nothing can be learned from it.",
                "Promote another version, then train again.",
            ) from error
        self._nodes = {
            node.name: node
            for node in _nodes(self._message)
            if node.name in (HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES) and node.op == "Const"
        }
        if len(self._nodes) != 3:
            raise ModelError(
                f"Version {version_folder.name} was not made by Servery in a way that can learn.",
                "Import the model again so that it is given a head that learns.",
            )

    def head(self) -> Head:
        """Return the head as it is in the graph."""
        classes = self._tensor(HEAD_CLASSES).string_val
        return Head(
            _floats(self._tensor(HEAD_KERNEL)),
            _floats(self._tensor(HEAD_BIAS)),
            tuple(name.decode("utf-8") for name in classes),
        )

    def backbone_hash(self) -> str:
        """Return 64 hex digits that change whenever an embedding might.

        The same for every version that was learned from the same network.
        """
        rest = saved_model_pb2.SavedModel()
        rest.CopyFrom(self._message)
        for node in _nodes(rest):
            if node.name in self._nodes:
                node.attr.clear()
        return hashlib.sha256(rest.SerializeToString(deterministic=True)).hexdigest()

    def with_head(self, head: Head) -> bytes:
        """Return the content of a `saved_model.pb` with another head."""
        kernel = self._tensor(HEAD_KERNEL)
        _fill(kernel, types_pb2.DT_FLOAT, head.kernel.shape)
        kernel.tensor_content = np.ascontiguousarray(head.kernel, "<f4").tobytes()
        bias = self._tensor(HEAD_BIAS)
        _fill(bias, types_pb2.DT_FLOAT, head.bias.shape)
        bias.tensor_content = np.ascontiguousarray(head.bias, "<f4").tobytes()
        classes = self._tensor(HEAD_CLASSES)
        _fill(classes, types_pb2.DT_STRING, (len(head.classes),))
        classes.string_val.extend(name.encode() for name in head.classes)
        for node in self._nodes.values():
            node.attr.pop("_output_shapes", None)
        content: bytes = self._message.SerializeToString()
        return content

    def _tensor(self, name: str) -> Any:
        return self._nodes[name].attr["value"].tensor


def softmax(logits: Floats) -> Floats:
    """Return probabilities [N, C] for logits [N, C]."""
    exponentials: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _nodes(message: Any) -> Iterator[Any]:
    for meta_graph in message.meta_graphs:
        yield from meta_graph.graph_def.node


def _fill(tensor: Any, dtype: int, shape: tuple[int, ...]) -> None:
    tensor.Clear()
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add().size = size


def _floats(tensor: Any) -> Floats:
    """Return a DT_FLOAT tensor, whichever way it was written."""
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.tensor_content:
        return np.frombuffer(tensor.tensor_content, "<f4").reshape(shape).astype(np.float32)
    values = np.asarray(tensor.float_val, np.float32)
    full = np.full(int(np.prod(shape)), values[-1] if values.size else 0.0, np.float32)
    full[: values.size] = values
    return full.reshape(shape)
