"""The head of a servable model: the constants that learning replaces.

A servable model is one graph in which three constants turn an embedding into
scores: `softmax(concat([embedding, unit(embedding)]) @ kernel + bias)`, named by
`classes`, where `unit` scales an embedding to length 1. Versions of an older Servery
multiply the embedding alone. Reading and replacing the constants needs the message
classes only, not TensorFlow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serving.errors import ModelError
from serving.models.familiarity import Familiarity, unit
from serving.models.familiarity_graph import (
    columns_read,
    read_columns,
    remove_familiarity,
    write_familiarity,
)
from serving.tf.file_watch import FileState, file_state
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import (
    HEAD_BIAS,
    HEAD_CLASSES,
    HEAD_KERNEL,
    SAVED_MODEL_FILE,
    SEPARATE_SCORES_NODE,
)
from serving.tf.status import ServingError
from serving.tf.tensors import Tensor, from_proto, string_tensor, to_proto

Floats = npt.NDArray[np.float32]

__all__ = ["Floats", "Head", "ServableGraph", "softmax", "unit"]


@dataclass(frozen=True)
class Head:
    """Scores from embeddings [N, D]: kernel, bias [C] and the names of C classes, C >= 0.

    The kernel is [2D, C]: D rows for the embedding and D for the unit embedding. That of
    a version of an older Servery is [D, C], for the embedding alone.
    """

    kernel: Floats
    bias: Floats
    classes: tuple[str, ...]

    def logits(self, embeddings: Floats) -> Floats:
        """Return [N, C] for embeddings [N, D]."""
        size = embeddings.shape[1]
        logits = embeddings @ self.kernel[:size] + self.bias
        # All zeros in a built-in model, whose thousand classes cost as much again otherwise.
        if self.reads_unit_embeddings(size) and self.kernel[size:].any():
            logits += unit(embeddings) @ self.kernel[size:]
        return logits

    def reads_unit_embeddings(self, size: int) -> bool:
        """Say whether the kernel is [2D, C], for embeddings of D = `size`."""
        return bool(self.kernel.shape[0] == 2 * size)


_backbones: dict[FileState, str] = {}
"""Hashes of what is not the head, by the state of the file: a run of the live version, and what
embeds photos before it, need not hash 30 MB each time."""
_MAX_BACKBONES = 64


class ServableGraph:
    """The `saved_model.pb` of one version, its head and the rest."""

    def __init__(self, version_folder: Path) -> None:
        """Read the graph; raises ModelError if it has no head to replace."""
        self._version = version_folder.name
        file = version_folder / SAVED_MODEL_FILE
        self._backbone = _backbones.get(file_state(file), "")
        self._file: Path | None = file
        """None once the network is not the one in it."""
        self._message = saved_model_pb2.SavedModel()
        try:
            self._message.ParseFromString(file.read_bytes())
        except Exception as error:
            raise _unreadable(self._version) from error
        self._nodes = {
            node.name: node
            for node in _nodes(self._message)
            if node.name in (HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES) and node.op == "Const"
        }
        if len(self._nodes) != 3:
            raise ModelError(
                f"Version {version_folder.name} has no head that could learn.",
                "Promote another version, then train again.",
            )

    def head(self) -> Head:
        """Return the head as it is in the graph; raises ModelError if its constants are damaged."""
        try:
            kernel, bias, classes = (
                from_proto(self._tensor(name), name).array
                for name in (HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES)
            )
        except ServingError as error:
            raise _unreadable(self._version) from error
        return Head(
            kernel.astype(np.float32),
            bias.astype(np.float32),
            tuple(name.decode("utf-8") for name in classes),
        )

    def backbone_hash(self) -> str:
        """Return 64 hex digits that change whenever an embedding might.

        The same for every version that was learned from the same network.
        """
        # Computed once: other heads and what is familiar are not part of it.
        if not self._backbone:
            self._backbone = self._hash_of_rest()
            if self._file is not None:
                _remember(self._file, self._backbone)
        return self._backbone

    def write(self, version_folder: Path, content: bytes) -> None:
        """Write what `with_taught` or `with_head` returned as the graph of a new version."""
        file = version_folder / SAVED_MODEL_FILE
        file.write_bytes(content)
        # Renamed into the repository it is the same file, which the next run begins with.
        _remember(file, self.backbone_hash())

    def _hash_of_rest(self) -> str:
        rest = saved_model_pb2.SavedModel()
        rest.CopyFrom(self._message)
        remove_familiarity(rest)
        for node in _nodes(rest):
            if node.name in self._nodes:
                node.attr.clear()
        _exclude_each_other(rest)
        return hashlib.sha256(rest.SerializeToString(deterministic=True)).hexdigest()

    def set_constants(self, constants: Mapping[str, Tensor]) -> None:
        """Give constants of the network other values, of the same shapes; raises ModelError."""
        self._backbone, self._file = "", None  # it is another network now
        nodes = {node.name: node for node in _nodes(self._message) if node.name in constants}
        if len(nodes) != len(constants):
            raise _unreadable(self._version)
        for name, tensor in constants.items():
            nodes[name].attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))

    def with_taught(self, head: Head, familiarity: Familiarity | None) -> bytes:
        """Return the content of a `saved_model.pb` with another head and its familiarity.

        Its classes exclude each other, also if those of an imported version did not.
        """
        _exclude_each_other(self._message)
        write_familiarity(self._message, familiarity)
        return self.with_head(head)

    def with_columns(self, head: Head, kept: Sequence[int]) -> bytes:
        """Return the content of a `saved_model.pb` with another head.

        Its columns are those of the former one with the numbers `kept`, in this order, whatever
        they are called. Familiarity stays; if it reads columns, then those of them that stay.
        """
        read = columns_read(self._message)
        if read:
            read_columns(self._message, sum(number < read for number in kept))
        return self.with_head(head)

    def with_head(self, head: Head) -> bytes:
        """Return the content of a `saved_model.pb` with another head.

        Familiarity stays as it is; it goes if it reads columns that the head does not have.
        """
        if len(head.classes) < columns_read(self._message):
            remove_familiarity(self._message)
        constants = {
            HEAD_KERNEL: Tensor(types_pb2.DT_FLOAT, np.asarray(head.kernel, np.float32)),
            HEAD_BIAS: Tensor(types_pb2.DT_FLOAT, np.asarray(head.bias, np.float32)),
            HEAD_CLASSES: string_tensor([name.encode() for name in head.classes]),
        }
        for name, tensor in constants.items():
            self._tensor(name).CopyFrom(to_proto(tensor, as_content=True))
        for node in self._nodes.values():
            # What the exporter inferred; it names the old number of classes.
            node.attr.pop("_output_shapes", None)
        content: bytes = self._message.SerializeToString()
        return content

    def _tensor(self, name: str) -> Any:
        return self._nodes[name].attr["value"].tensor


def _remember(file: Path, backbone: str) -> None:
    state = file_state(file)
    if state is not None:
        if len(_backbones) >= _MAX_BACKBONES:
            _backbones.clear()
        _backbones[state] = backbone


def softmax(logits: Floats) -> Floats:
    """Return probabilities [N, C] for logits [N, C]."""
    exponentials: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
    return probabilities


def _exclude_each_other(message: Any) -> None:
    """Let the scores of a version be the softmax of its logits."""
    for node in _nodes(message):
        if node.name == SEPARATE_SCORES_NODE:
            node.op = "Softmax"


def _unreadable(version: str) -> ModelError:
    return ModelError(
        f"Version {version} cannot be read, so nothing can be learned from it.",
        "Promote another version, then train again.",
    )


def _nodes(message: Any) -> Iterator[Any]:
    for meta_graph in message.meta_graphs:
        yield from meta_graph.graph_def.node
