"""What a model answers, read by the servable-model contract."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from serving.errors import ModelError
from serving.predict.request import (
    predict_request,
    response_embedding,
    response_embedding_bytes,
    response_familiarity,
    response_scores,
)
from serving.tf.messages import predict_pb2, tensor_pb2, types_pb2


def tensor(dtype: int, *sizes: int, **fields: Any) -> Any:
    proto = tensor_pb2.TensorProto(dtype=dtype, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add().size = size
    return proto


def numbers(proto: Any) -> list[float]:
    return response_embedding(predict_pb2.PredictResponse(outputs={"embedding": proto}))


def names(proto: Any) -> list[str]:
    count = proto.tensor_shape.dim[-1].size
    scores = tensor(types_pb2.DT_FLOAT, 1, count, float_val=[0.5] if count else [])
    response = predict_pb2.PredictResponse(outputs={"classes": proto, "scores": scores})
    return [score.name for score in response_scores(response)]


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_384, 3_000_000])
def test_request_is_the_message_that_the_library_reads(size: int) -> None:
    photo = bytes(size)
    request = predict_request("p\u00e9ts", "predict_images", photo)
    message = predict_pb2.PredictRequest.FromString(request.content)
    assert request.model == message.model_spec.name == "p\u00e9ts"
    assert message.model_spec.signature_name == "predict_images"
    assert not message.model_spec.HasField("version")
    expected = tensor(types_pb2.DT_STRING, 1, string_val=[photo])
    assert dict(message.inputs) == {"images": expected}
    assert len(message.SerializeToString()) == len(request.content)


@pytest.mark.parametrize(
    ("dtype", "fields"),
    [
        (types_pb2.DT_FLOAT, {"float_val": [0.5, -2.0, -2.0]}),
        (types_pb2.DT_FLOAT, {"float_val": [0.5, -2.0]}),
        (types_pb2.DT_FLOAT, {"tensor_content": struct.pack("<3f", 0.5, -2, -2)}),
        (types_pb2.DT_DOUBLE, {"double_val": [0.5, -2.0, -2.0]}),
        (types_pb2.DT_DOUBLE, {"tensor_content": struct.pack("<3d", 0.5, -2, -2)}),
        (types_pb2.DT_HALF, {"half_val": [0x3800, 0xC000, 0xC000]}),
        (types_pb2.DT_HALF, {"tensor_content": struct.pack("<3e", 0.5, -2, -2)}),
    ],
)
def test_every_form_of_the_same_numbers_reads_the_same(dtype: int, fields: Any) -> None:
    assert numbers(tensor(dtype, 1, 3, **fields)) == [0.5, -2.0, -2.0]


@pytest.mark.parametrize(
    "fields",
    [
        {"string_val": [b"cat", b"", b"panda" * 40]},
        {"tensor_content": b"\x03\x00\xc8\x01" + b"cat" + b"panda" * 40},
    ],
)
def test_both_forms_of_the_same_strings_read_the_same(fields: Any) -> None:
    assert names(tensor(types_pb2.DT_STRING, 1, 3, **fields)) == ["cat", "", "panda" * 40]


def test_an_empty_tensor_has_no_values() -> None:
    assert numbers(tensor(types_pb2.DT_FLOAT, 1, 0)) == []
    assert names(tensor(types_pb2.DT_STRING, 1, 0)) == []


@pytest.mark.parametrize(
    "content", [b"\x01", b"\x03ca", b"\x03catx", b"\x80", b"\xff" * 11, b"\x7fcat"]
)
def test_packed_strings_that_do_not_fit_are_refused(content: bytes) -> None:
    with pytest.raises(ModelError, match="do not fit"):
        names(tensor(types_pb2.DT_STRING, 1, 1, tensor_content=content))


def test_numbers_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit"):
        numbers(tensor(types_pb2.DT_FLOAT, 1, 2, tensor_content=b"\0" * 7))
    with pytest.raises(ModelError, match="do not fit"):
        numbers(tensor(types_pb2.DT_FLOAT, 1, 1, float_val=[1, 2]))


def test_another_type_is_named() -> None:
    with pytest.raises(ModelError, match="DT_INT64"):
        numbers(tensor(types_pb2.DT_INT64, 1, 1, int64_val=[1]))
    with pytest.raises(ModelError, match="DT_FLOAT"):
        names(tensor(types_pb2.DT_FLOAT, 1, 1, float_val=[1]))


@pytest.mark.parametrize("sizes", [(), (2,), (0, 2), (1, 1, 1)])
def test_another_shape_is_named(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="unexpected shape"):
        numbers(tensor(types_pb2.DT_FLOAT, *sizes))


def test_familiarity_and_embedding_are_read_where_a_version_has_them() -> None:
    without = predict_pb2.PredictResponse()
    assert response_familiarity(without) is None
    assert response_embedding_bytes(without) is None
    embedding = tensor(types_pb2.DT_FLOAT, 1, 2, float_val=[0.5, -2.0])
    familiarity = tensor(types_pb2.DT_FLOAT, 1, float_val=[0.25])
    response = predict_pb2.PredictResponse(
        outputs={"embedding": embedding, "familiarity": familiarity}
    )
    assert response_familiarity(response) == 0.25
    assert response_embedding_bytes(response) == struct.pack("<2f", 0.5, -2.0)


@pytest.mark.parametrize(
    "proto",
    [
        tensor(types_pb2.DT_FLOAT, 1, 2, float_val=[0.5, 0.5]),
        tensor(types_pb2.DT_STRING, 1, string_val=[b"very"]),
        tensor(types_pb2.DT_FLOAT, 1, float_val=[float("nan")]),
        tensor(types_pb2.DT_FLOAT, 2, tensor_content=b"12"),
        tensor(types_pb2.DT_FLOAT, 0),
    ],
    ids=["rows", "text", "nan", "torn", "nothing"],
)
def test_what_another_model_calls_familiarity_is_not_taken_for_it(proto: Any) -> None:
    response = predict_pb2.PredictResponse(outputs={"familiarity": proto})
    assert response_familiarity(response) is None
