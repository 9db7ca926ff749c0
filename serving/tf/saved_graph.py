"""Reads a SavedModel whose large constants stay where they are, in the file's bytes.

Parsing a model of 25 MB copies all of it, and so does everything that is made of it then: each
time no other thread of Python gets on. A graph without the values of its large constants is small,
and when it is written, their bytes are put between the others as they were read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError

from serving.tf.messages import meta_graph_pb2, saved_model_pb2, tensor_pb2
from serving.tf.tensors import NUMPY_DTYPES, Tensor

LARGE_BYTES = 4096
"""A node that takes more is large, if it is a constant."""

Piece = bytes | memoryview

_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_META_GRAPHS = saved_model_pb2.SavedModel.META_GRAPHS_FIELD_NUMBER
_GRAPH = meta_graph_pb2.MetaGraphDef.GRAPH_DEF_FIELD_NUMBER
_SIGNATURES = meta_graph_pb2.MetaGraphDef.SIGNATURE_DEF_FIELD_NUMBER
# Of `GraphDef`, `NodeDef`, an entry of a map, and `AttrValue`
_NODES = 1
_NAME, _OPERATION, _ATTRIBUTES = 1, 2, 5
_KEY, _ENTRY_VALUE = 1, 2
_TENSOR = 8
_CONTENT = tensor_pb2.TensorProto.TENSOR_CONTENT_FIELD_NUMBER
_CONSTANT, _VALUE = b"Const", b"value"
_MAX_FIELDS = 100_000
"""Of a message with more fields, the others are kept as they are: looking through them takes time,
too."""
_MAX_CONSTANT_FIELDS = 100
"""Fields of a node or of a tensor that is looked through; more are numbers of which each is a
field."""


class LargeConstant(NamedTuple):
    """What is not in a graph's node: parts of the bytes that were read."""

    node: memoryview
    """The serialized `NodeDef`."""
    value: memoryview
    """Of that, the attribute that has the `TensorProto`."""


LargeConstants = Mapping[str, LargeConstant]
"""By the names of their nodes."""


@dataclass(frozen=True)
class SavedGraph:
    """A SavedModel, and what its messages leave out."""

    saved_model: Any
    """`SavedModel`; nodes of large constants have no value."""
    large: Sequence[LargeConstants]
    """Those of each of its `meta_graphs`."""


def read_saved_graph(content: bytes) -> SavedGraph:
    """Return what a `saved_model.pb` says; raises DecodeError."""
    large: list[LargeConstants] = []

    def without_values(meta_graph: memoryview) -> list[Piece]:
        found: dict[str, LargeConstant] = {}
        large.append(found)
        return _replaced(
            meta_graph,
            _GRAPH,
            lambda graph: _replaced(graph, _NODES, lambda node: _without_value(node, found)),
        )

    pieces = _replaced(memoryview(content), _META_GRAPHS, without_values)
    saved_model = saved_model_pb2.SavedModel.FromString(b"".join(pieces))
    large += [{}] * (len(saved_model.meta_graphs) - len(large))
    return SavedGraph(saved_model, large)


def signatures_of(meta_graph: memoryview) -> dict[str, Any]:
    """Return the `SignatureDef`s of a serialized `MetaGraphDef`, by name; raises DecodeError."""
    found = [field.whole for field in _fields(meta_graph) if field.number == _SIGNATURES]
    return dict(meta_graph_pb2.MetaGraphDef.FromString(b"".join(found)).signature_def)


def tensor_of(constant: LargeConstant) -> Tensor | None:
    """Return the value of a constant, whose numbers are not copied.

    None if they do not lie in its bytes as they do in an array.
    """
    content: memoryview | None = None
    about: list[Piece] = []
    value = _only(_only(_only(constant.value, _ATTRIBUTES), _ENTRY_VALUE), _TENSOR)
    fields = list(islice(_fields(value), _MAX_CONSTANT_FIELDS + 1))
    if len(fields) > _MAX_CONSTANT_FIELDS:
        return None
    for field in fields:
        if field.number == _CONTENT:
            content = field.value
        else:
            about.append(field.whole)
    tensor = tensor_pb2.TensorProto.FromString(b"".join(about))
    dtype = NUMPY_DTYPES.get(tensor.dtype)
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if content is None or dtype is None or dtype.hasobject or min(shape, default=0) < 0:
        return None
    if len(content) != math.prod(shape) * dtype.itemsize:
        return None
    return Tensor(tensor.dtype, np.frombuffer(content, dtype).reshape(shape))


def graph_pieces(graph: Any, large: LargeConstants) -> list[Piece]:
    """Return a serialized `GraphDef`, with the large constants that it has nodes of."""
    pieces: list[Piece] = []
    for node in graph.node:
        known = large.get(node.name) if node.op == "Const" else None
        whole = known.node if known is not None else node.SerializeToString(deterministic=True)
        pieces += _prefixed(_NODES, [whole])
    pieces.append(_without_nodes(graph))
    return pieces


def saved_model_pieces(meta_graph: Any, large: LargeConstants) -> list[Piece]:
    """Return a serialized `SavedModel` of this graph alone, with its large constants."""
    rest = meta_graph_pb2.MetaGraphDef()
    rest.CopyFrom(meta_graph)
    rest.ClearField("graph_def")
    pieces = _prefixed(_GRAPH, graph_pieces(meta_graph.graph_def, large))
    pieces.append(rest.SerializeToString(deterministic=True))
    version = saved_model_pb2.SavedModel(saved_model_schema_version=1).SerializeToString()
    return [version, *_prefixed(_META_GRAPHS, pieces)]


def write_pieces(path: Path, pieces: Iterable[Piece]) -> None:
    """Write a file of these pieces; raises OSError."""
    with path.open("wb") as file:
        file.writelines(pieces)


def graph_digest(graph: Any, large: LargeConstants) -> str:
    """Return what identifies a `GraphDef` with its large constants, however it was serialized."""
    digest = hashlib.sha256(_without_nodes(graph))
    for node in graph.node:
        content = node.SerializeToString(deterministic=True)
        known = large.get(node.name) if node.op == "Const" else None
        for piece in (content, known.value if known is not None else b""):
            digest.update(len(piece).to_bytes(8))
            digest.update(piece)
    return digest.hexdigest()


def _without_nodes(graph: Any) -> bytes:
    others = type(graph)()
    others.versions.CopyFrom(graph.versions)
    others.library.CopyFrom(graph.library)
    return bytes(others.SerializeToString(deterministic=True))


def _replaced(
    message: memoryview, number: int, replace: Callable[[memoryview], list[Piece] | None]
) -> list[Piece]:
    """Return a message whose fields of this number hold what `replace` returns, if it is anything.

    Only the first `_MAX_FIELDS` are looked at.
    """
    pieces: list[Piece] = []
    copied = at = 0
    for field in islice(_fields(message), _MAX_FIELDS):
        start, at = at, at + len(field.whole)
        if field.number == number:
            replacement = replace(field.value)
            if replacement is not None:
                pieces += (message[copied:start], *_prefixed(number, replacement))
                copied = at
    pieces.append(message[copied:])
    return pieces


def _without_value(node: memoryview, found: dict[str, LargeConstant]) -> list[Piece] | None:
    """Return a serialized `NodeDef` without its value; None if it is no large constant.

    The value is added to `found`.
    """
    if len(node) <= LARGE_BYTES:
        return None
    fields = list(islice(_fields(node), _MAX_CONSTANT_FIELDS + 1))
    if len(fields) > _MAX_CONSTANT_FIELDS:
        return None
    name = operation = b""
    kept: list[Piece] = []
    values: list[memoryview] = []
    for field in fields:
        if field.number == _NAME:
            name = bytes(field.value)
        elif field.number == _OPERATION:
            operation = bytes(field.value)
        if field.number == _ATTRIBUTES and _only(field.value, _KEY) == _VALUE:
            values.append(field.whole)
        else:
            kept.append(field.whole)
    if operation != _CONSTANT or len(values) != 1:
        return None
    try:
        text = name.decode()
    except UnicodeDecodeError:
        raise DecodeError("A node's name is no text.") from None
    if text in found:
        raise DecodeError(f"Two constants have the name {text}.")
    found[text] = LargeConstant(node, values[0])
    return kept


def _only(message: memoryview, number: int) -> memoryview:
    """Return the last field of this number among the first ones; empty if there is none."""
    found = memoryview(b"")
    for field in islice(_fields(message), _MAX_CONSTANT_FIELDS):
        if field.number == number:
            found = field.value
    return found


class _Field(NamedTuple):
    number: int
    """0 of one that has no length of its own, such as a number: nothing here reads those."""
    whole: memoryview
    """With its tag and length."""
    value: memoryview


def _fields(message: memoryview) -> Iterator[_Field]:
    """Yield the fields of a serialized message as they stand there; raises DecodeError."""
    at, end = 0, len(message)
    while at < end:
        start = at
        tag, at = _varint(message, at)
        kind = tag & 7
        size = 0
        if kind == _DELIMITED:
            size, at = _varint(message, at)
        elif kind == _VARINT:
            size = _varint(message, at)[1] - at
        elif kind == _FIXED64:
            size = 8
        elif kind == _FIXED32:
            size = 4
        else:
            raise DecodeError("The message has a group.")
        if at + size > end:
            raise DecodeError("The message ends in a field.")
        number = tag >> 3 if kind == _DELIMITED else 0
        yield _Field(number, message[start : at + size], message[at : at + size])
        at += size


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """Return a number and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise DecodeError("The message has a number without an end.")


def _prefixed(number: int, pieces: Iterable[Piece]) -> list[Piece]:
    """Return a field that holds these pieces."""
    found = list(pieces)
    size = sum(map(len, found))
    head = bytearray()
    for value in (number << 3 | _DELIMITED, size):
        while value > 0x7F:
            head.append(value & 0x7F | 0x80)
            value >>= 7
        head.append(value)
    return [bytes(head), *found]
