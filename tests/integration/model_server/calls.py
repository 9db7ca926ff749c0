"""Requests in a line, for the server's tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import grpc
import numpy as np
import pytest

from serving.tf.messages import (
    classification_pb2,
    example_pb2,
    predict_pb2,
    regression_pb2,
    types_pb2,
)
from serving.tf.tensors import Array, Tensor, from_proto, to_proto
from tests.integration.model_server.conftest import RunningServer

DTYPES = {
    "float32": types_pb2.DT_FLOAT,
    "float64": types_pb2.DT_DOUBLE,
    "int32": types_pb2.DT_INT32,
    "int64": types_pb2.DT_INT64,
    "object": types_pb2.DT_STRING,
    "bool": types_pb2.DT_BOOL,
}


def tensor(value: Any, dtype: str = "float32") -> Any:
    """A `TensorProto` of a nested list."""
    return to_proto(Tensor(DTYPES[dtype], np.array(value, dtype)))


def predict_request(
    model: str,
    inputs: Mapping[str, Any],
    *,
    signature: str = "",
    version: int | None = None,
    label: str | None = None,
    outputs: Sequence[str] = (),
) -> Any:
    request = predict_pb2.PredictRequest(output_filter=outputs)
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    if label is not None:
        request.model_spec.version_label = label
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(value)
    return request


def half(model: str, x: float = 1.0, **spec: Any) -> Any:
    """A request to a half-plus-something model."""
    return predict_request(model, {"x": tensor([[x]])}, **spec)


def array(response: Any, alias: str) -> Array:
    return from_proto(response.outputs[alias], alias).array


def example(**features: float | bytes) -> Any:
    result = example_pb2.Example()
    for name, value in features.items():
        if isinstance(value, bytes):
            result.features.feature[name].bytes_list.value.append(value)
        else:
            result.features.feature[name].float_list.value.append(value)
    return result


def classification_request(model: str, signature: str, *examples: Any) -> Any:
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.input.example_list.examples.extend(examples)
    return request


def regression_request(model: str, signature: str, *examples: Any) -> Any:
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.input.example_list.examples.extend(examples)
    return request


def refusal(call: Any, request: Any) -> tuple[str, str]:
    """The code's name and the message that a call ends with."""
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=30)
    error: Any = caught.value
    return error.code().name, error.details()


def half_answer(server: RunningServer, model: str = "m", **spec: Any) -> float:
    """Return what a model that halves its input and adds a number answers for 2."""
    response = server.predictions.Predict(half(model, 2.0, **spec), timeout=30)
    return float(response.outputs["y"].float_val[0])
