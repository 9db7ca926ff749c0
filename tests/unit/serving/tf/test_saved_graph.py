"""A SavedModel that is read without its large constants is whole again when it is written."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError

from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.saved_graph import (
    LARGE_BYTES,
    graph_digest,
    graph_pieces,
    read_saved_graph,
    saved_model_pieces,
    signatures_of,
    tensor_of,
)
from serving.tf.tensors import Array, Tensor, from_proto, string_tensor, to_proto


def constant(graph: Any, name: str, content: bytes) -> Any:
    node = graph.node.add(name=name, op="Const")
    node.attr["dtype"].type = types_pb2.DT_UINT8
    node.attr["value"].tensor.dtype = types_pb2.DT_UINT8
    node.attr["value"].tensor.tensor_shape.dim.add(size=len(content))
    node.attr["value"].tensor.tensor_content = content
    return node


def saved_model() -> Any:
    saved = saved_model_pb2.SavedModel(saved_model_schema_version=1)
    for tag in ("serve", "train"):
        meta_graph = saved.meta_graphs.add()
        meta_graph.meta_info_def.tags.append(tag)
        graph = meta_graph.graph_def
        graph.versions.producer = 1
        graph.library.function.add().signature.name = "function"
        constant(graph, "small", b"small")
        constant(graph, "large", tag.encode() * LARGE_BYTES)
        graph.node.add(name="sum", op="AddV2", input=["small", "large"])
        constant(graph, "last", b"last" * LARGE_BYTES)
        other = graph.node.add(name="long", op="Other")
        other.attr["value"].s = b"text" * LARGE_BYTES
        meta_graph.signature_def["serving_default"].method_name = f"of {tag}"
    return saved


def test_large_constants_alone_are_left_out_and_put_back() -> None:
    expected = saved_model()
    found = read_saved_graph(expected.SerializeToString())
    assert [set(large) for large in found.large] == [{"large", "last"}] * 2
    for meta_graph, large, whole in zip(
        found.saved_model.meta_graphs, found.large, expected.meta_graphs, strict=True
    ):
        assert meta_graph.meta_info_def == whole.meta_info_def
        assert meta_graph.signature_def == whole.signature_def
        graph = meta_graph.graph_def
        assert [node.name for node in graph.node] == [node.name for node in whole.graph_def.node]
        assert [node.name for node in graph.node if "value" in node.attr] == ["small", "long"]
        assert graph.ByteSize() < 8 * LARGE_BYTES
        again = type(graph).FromString(b"".join(graph_pieces(graph, large)))
        assert again == whole.graph_def
        alone = saved_model_pb2.SavedModel.FromString(
            b"".join(saved_model_pieces(meta_graph, large))
        )
        assert list(alone.meta_graphs) == [whole]
        assert alone.saved_model_schema_version == 1


def test_a_graph_of_more_nodes_than_are_looked_at_is_read_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("serving.tf.saved_graph._MAX_FIELDS", 3)
    expected = saved_model()
    found = read_saved_graph(expected.SerializeToString())
    graph, large = found.saved_model.meta_graphs[0].graph_def, found.large[0]
    assert set(large) == {"large"}
    assert type(graph).FromString(b"".join(graph_pieces(graph, large))) == (
        expected.meta_graphs[0].graph_def
    )


def digest(saved: Any) -> str:
    found = read_saved_graph(saved.SerializeToString())
    return graph_digest(found.saved_model.meta_graphs[0].graph_def, found.large[0])


def test_a_digest_says_whether_graphs_are_the_same() -> None:
    expected = digest(saved_model())
    assert digest(saved_model()) == expected
    other = saved_model()
    other.meta_graphs[0].signature_def.clear()
    other.meta_graphs[1].graph_def.node[0].name = "other"
    assert digest(other) == expected, "it is that of one graph"
    for change in ("name", "value", "shape", "function"):
        other = saved_model()
        graph = other.meta_graphs[0].graph_def
        value = graph.node[1].attr["value"].tensor
        if change == "name":
            graph.node[1].name = "another"
        elif change == "value":
            value.tensor_content = value.tensor_content[:-1] + b"!"
        elif change == "shape":
            value.tensor_shape.dim.add(size=1)
        else:
            graph.library.function[0].signature.name = "another"
        assert digest(other) != expected, change


def test_signatures_are_read_without_the_graph() -> None:
    for meta_graph in saved_model().meta_graphs:
        content = memoryview(meta_graph.SerializeToString())
        assert signatures_of(content) == dict(meta_graph.signature_def)


def test_two_constants_of_one_name_are_refused() -> None:
    saved = saved_model()
    constant(saved.meta_graphs[0].graph_def, "large", b"more" * LARGE_BYTES)
    with pytest.raises(DecodeError, match="large"):
        read_saved_graph(saved.SerializeToString())


def test_a_constant_with_two_values_stays_as_it_is() -> None:
    """The last one counts; nothing is lost by leaving both where they are."""
    graph = saved_model().meta_graphs[0].graph_def
    node = graph.node[1].SerializeToString()
    twice = b"".join(_field(1, node + node[node.index(b"\x2a") :]))
    content = b"".join(_field(2, b"".join(_field(2, twice))))
    found = read_saved_graph(content)
    assert found.large == [{}]
    assert found.saved_model == saved_model_pb2.SavedModel.FromString(content)


def _field(number: int, content: bytes) -> tuple[bytes, bytes]:
    size = len(content)
    length = bytes((size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14))
    return bytes((number << 3 | 2,)) + length, content


@pytest.mark.parametrize("cut", [1, 7, 300, LARGE_BYTES, 3 * LARGE_BYTES, -1])
def test_a_damaged_file_is_refused_or_read_as_the_messages_read_it(cut: int) -> None:
    content = saved_model().SerializeToString()[:cut]
    try:
        expected = saved_model_pb2.SavedModel.FromString(content)
    except DecodeError:
        expected = None
    try:
        found = read_saved_graph(content).saved_model
    except DecodeError:
        return
    assert expected is not None
    assert len(found.meta_graphs) == len(expected.meta_graphs)


@pytest.mark.parametrize(
    "content", [b"\x0b", b"\xff" * 11, b"\x12\xff\xff\x7f", b"\x12\x02\x12\x09"]
)
def test_nonsense_is_refused(content: bytes) -> None:
    with pytest.raises(DecodeError):
        read_saved_graph(content)


def value_of(tensor: Tensor, *, as_content: bool = True, cut: int = 0) -> Tensor | None:
    saved = saved_model_pb2.SavedModel()
    node = saved.meta_graphs.add().graph_def.node.add(name="constant", op="Const")
    value = node.attr["value"].tensor
    value.CopyFrom(to_proto(tensor, as_content))
    value.tensor_content = value.tensor_content[: len(value.tensor_content) - cut]
    return tensor_of(read_saved_graph(saved.SerializeToString()).large[0]["constant"])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6000, dtype=np.float32).reshape(2, 3, 1000),
        np.arange(1000, dtype=np.int64),
        np.zeros((1, LARGE_BYTES, 1), np.uint8),
    ],
)
def test_the_value_of_a_large_constant_is_found(array: Array) -> None:
    dtype = {"f": types_pb2.DT_FLOAT, "i": types_pb2.DT_INT64, "u": types_pb2.DT_UINT8}
    tensor = Tensor(dtype[array.dtype.kind], array)
    found = value_of(tensor)
    assert found is not None
    assert found.dtype == tensor.dtype == from_proto(to_proto(tensor, True), "constant").dtype
    assert found.array.dtype == array.dtype
    assert np.array_equal(found.array, array)


def test_a_value_that_does_not_lie_there_as_in_an_array_is_not_taken() -> None:
    numbers = Tensor(types_pb2.DT_FLOAT, np.arange(6000, dtype=np.float32))
    assert value_of(numbers, as_content=False) is None
    assert value_of(numbers, cut=4) is None
    assert value_of(string_tensor([b"text" * LARGE_BYTES])) is None


def test_a_constant_of_very_many_fields_is_left_as_it_is() -> None:
    saved = saved_model()
    node = saved.meta_graphs[0].graph_def.node[1]
    node.input.extend(["^small"] * 200)
    found = read_saved_graph(saved.SerializeToString())
    assert [set(large) for large in found.large] == [{"last"}, {"large", "last"}]
    assert found.saved_model.meta_graphs[0].graph_def.node[1] == node
