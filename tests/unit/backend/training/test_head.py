"""The head is read from a graph and put back, however its constants were written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.training.head import Head, ServableGraph, unit
from serving.errors import ModelError
from serving.tf.messages import saved_model_pb2, types_pb2
from serving.tf.names import HEAD_BIAS, HEAD_CLASSES, HEAD_KERNEL

HEAD = Head(
    np.arange(6, dtype=np.float32).reshape(3, 2), np.array([0.5, 0.5], np.float32), ("cat", "Bär")
)


def graph_folder(folder: Path, *, packed: bool = True, without: str = "") -> Path:
    message = saved_model_pb2.SavedModel()
    graph = message.meta_graphs.add().graph_def
    graph.node.add(name="images", op="Placeholder")
    for name in (HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES):
        if name == without:
            continue
        tensor = graph.node.add(name=name, op="Const").attr["value"].tensor
        if name == HEAD_CLASSES:
            tensor.dtype = types_pb2.DT_STRING
            tensor.tensor_shape.dim.add(size=2)
            tensor.string_val.extend(part.encode() for part in HEAD.classes)
            continue
        values = HEAD.kernel if name == HEAD_KERNEL else HEAD.bias
        tensor.dtype = types_pb2.DT_FLOAT
        for size in values.shape:
            tensor.tensor_shape.dim.add(size=size)
        if packed:
            tensor.tensor_content = values.tobytes()
        else:
            tensor.float_val.extend(values.ravel() if name == HEAD_KERNEL else values[:1])
    (folder / "saved_model.pb").write_bytes(message.SerializeToString())
    return folder


def same(one: Head, other: Head) -> bool:
    return (
        np.array_equal(one.kernel, other.kernel)
        and np.array_equal(one.bias, other.bias)
        and one.classes == other.classes
    )


@pytest.mark.parametrize("packed", [True, False])
def test_the_head_of_a_graph_is_read(tmp_path: Path, packed: bool) -> None:
    assert same(ServableGraph(graph_folder(tmp_path, packed=packed)).head(), HEAD)


def test_replacing_keeps_the_rest(tmp_path: Path) -> None:
    graph = ServableGraph(graph_folder(tmp_path))
    before = graph.backbone_hash()
    wider = Head(np.ones((3, 4), np.float32), np.zeros(4, np.float32), ("a", "b", "c", "d"))
    (tmp_path / "saved_model.pb").write_bytes(graph.with_head(wider))
    again = ServableGraph(tmp_path)
    assert same(again.head(), wider)
    assert again.backbone_hash() == before


def test_another_network_has_another_hash(tmp_path: Path) -> None:
    graph = ServableGraph(graph_folder(tmp_path))
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((tmp_path / "saved_model.pb").read_bytes())
    message.meta_graphs[0].graph_def.node.add(name="more", op="Relu")
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    assert ServableGraph(tmp_path).backbone_hash() != graph.backbone_hash()


@pytest.mark.parametrize("missing", [HEAD_KERNEL, HEAD_BIAS, HEAD_CLASSES])
def test_a_model_without_a_head_is_named(tmp_path: Path, missing: str) -> None:
    with pytest.raises(ModelError, match="has no head that could learn"):
        ServableGraph(graph_folder(tmp_path, without=missing))


@pytest.mark.parametrize("content", [b"nonsense", None])
def test_a_graph_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "saved_model.pb").write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        ServableGraph(tmp_path)


def test_a_head_with_damaged_constants_is_named(tmp_path: Path) -> None:
    message = saved_model_pb2.SavedModel()
    message.ParseFromString((graph_folder(tmp_path) / "saved_model.pb").read_bytes())
    kernel = next(
        node for node in message.meta_graphs[0].graph_def.node if node.name == HEAD_KERNEL
    )
    kernel.attr["value"].tensor.tensor_content = b"short"
    (tmp_path / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ModelError, match="cannot be read"):
        ServableGraph(tmp_path).head()


def test_the_kernel_decides_whether_unit_embeddings_count() -> None:
    embeddings = np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)
    assert np.allclose(unit(embeddings), [[0.6, 0.8], [0.0, 0.0]])
    kernel = np.array([[1.0], [2.0], [10.0], [100.0]], np.float32)
    bias = np.array([0.5], np.float32)
    assert np.allclose(Head(kernel[:2], bias, ("a",)).logits(embeddings), [[11.5], [0.5]])
    assert np.allclose(Head(kernel, bias, ("a",)).logits(embeddings), [[97.5], [0.5]])


def test_a_head_may_have_no_classes_yet(tmp_path: Path) -> None:
    empty = Head(np.zeros((6, 0), np.float32), np.zeros(0, np.float32), ())
    graph = ServableGraph(graph_folder(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(graph.with_head(empty))
    assert same(ServableGraph(tmp_path).head(), empty)
    assert empty.logits(np.ones((2, 3), np.float32)).shape == (2, 0)


def test_the_hash_of_a_network_follows_it_into_a_new_version(tmp_path: Path) -> None:
    """It is not computed again there; a file that another network is written into is."""
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
    graph = ServableGraph(graph_folder(tmp_path / "1"))
    graph.write(tmp_path / "2", graph.with_head(replace(HEAD, classes=("cat", "dog"))))
    (tmp_path / "2").rename(tmp_path / "3")
    assert ServableGraph(tmp_path / "3").backbone_hash() == graph.backbone_hash()

    message = saved_model_pb2.SavedModel.FromString((tmp_path / "3/saved_model.pb").read_bytes())
    message.meta_graphs[0].graph_def.node[0].name = "other"
    (tmp_path / "3" / "saved_model.pb").write_bytes(message.SerializeToString())
    assert ServableGraph(tmp_path / "3").backbone_hash() != graph.backbone_hash()
