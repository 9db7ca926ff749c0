"""Constants of a saved model are taken out and put in without TensorFlow."""

from __future__ import annotations

import numpy as np
import pytest

from serving.errors import ModelError
from serving.models.graph_template import (
    constant_shapes,
    float_tensor,
    with_constants,
    without_values,
)
from serving.tf.messages import saved_model_pb2
from serving.tf.tensors import string_tensor, to_proto

VALUES = np.arange(600, dtype=np.float32).reshape(20, 30)


def saved_model() -> bytes:
    message = saved_model_pb2.SavedModel()
    graph = message.meta_graphs.add().graph_def
    for name, tensor in (("kernel", float_tensor(VALUES)), ("names", string_tensor([b"a"]))):
        node = graph.node.add(name=name, op="Const")
        node.attr["dtype"].type = tensor.dtype
        node.attr["value"].tensor.CopyFrom(to_proto(tensor, as_content=True))
        node.attr["_output_shapes"].list.shape.add()
    graph.node.add(name="other", op="Placeholder")
    return bytes(message.SerializeToString(deterministic=True))


def test_a_template_filled_again_is_the_model_it_came_from() -> None:
    template = without_values(saved_model(), frozenset(["kernel"]))
    assert len(template) < 300
    assert constant_shapes(template) == {"kernel": (20, 30), "names": (1,)}
    names = string_tensor([b"a"])
    filled = with_constants(template, {"kernel": float_tensor(VALUES), "names": names})
    # Shapes that the exporter inferred may be wrong by now, and go.
    assert filled == with_constants(saved_model(), {"kernel": float_tensor(VALUES), "names": names})
    assert b"_output_shapes" not in filled


def test_a_constant_may_get_another_shape() -> None:
    changed = with_constants(
        saved_model(), {"kernel": float_tensor(np.zeros((40, 0))), "names": string_tensor([])}
    )
    assert constant_shapes(changed) == {"kernel": (40, 0), "names": (0,)}


def test_what_is_no_saved_model_or_lacks_the_constant_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="it has no constant head"):
        with_constants(saved_model(), {"head": float_tensor(VALUES)})
    for call in (lambda: with_constants(b"\xff", {}), lambda: constant_shapes(b"\xff")):
        with pytest.raises(ModelError, match="it cannot be read"):
            call()
