"""Tensors out of JSON values, and JSON text out of tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from serving.model_server.json_tensors import column_text, row_text, stack_rows, to_tensor
from serving.tf.messages import types_pb2 as types
from serving.tf.status import Code, ServingError
from serving.tf.tensors import Tensor


@pytest.mark.parametrize(
    ("value", "dtype", "expected"),
    [
        (1, types.DT_FLOAT, 1.0),
        ([1, 2.5], types.DT_FLOAT, [1.0, 2.5]),
        ([], types.DT_FLOAT, []),
        ([[], []], types.DT_INT32, [[], []]),
        ([[1, 2], [3, 4]], types.DT_INT64, [[1, 2], [3, 4]]),
        ([2**64 - 1], types.DT_UINT64, [2**64 - 1]),
        ([True, False], types.DT_BOOL, [True, False]),
        (
            ["é", {"b64": "/wA="}, {"b64": "/wA"}],
            types.DT_STRING,
            ["é".encode(), b"\xff\0", b"\xff\0"],
        ),
        ([1.5], types.DT_HALF, [1.5]),
        ([1.0], types.DT_BFLOAT16, [0x3F80]),
    ],
)
def test_to_tensor(value: Any, dtype: int, expected: Any) -> None:
    tensor = to_tensor(value, dtype)
    assert tensor.dtype == dtype
    assert tensor.array.tolist() == expected


@pytest.mark.parametrize(
    ("value", "dtype", "message"),
    [
        ("1", types.DT_FLOAT, 'JSON Value: "1" Type: String is not of expected type: float'),
        (None, types.DT_STRING, "JSON Value: null Type: Null is not of expected type: string"),
        (True, types.DT_INT32, "JSON Value: true Type: True is not of expected type: int32"),
        (1.0, types.DT_INT32, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (2**31, types.DT_INT32, "JSON Value: 2147483648 Type: Number is not of"),
        (-1, types.DT_UINT64, "JSON Value: -1 Type: Number is not of expected type: uint64"),
        (1, types.DT_BOOL, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (2**24 + 1, types.DT_FLOAT, "Cannot convert JSON value: 16777217 to float without loss"),
        (1e39, types.DT_FLOAT, "Cannot convert JSON value: 1e+39 to float without loss"),
        ({"b64": "!"}, types.DT_STRING, "Unable to base64 decode"),
        ({"b64": 1}, types.DT_STRING, "not formatted correctly for base64 data"),
        ({"b64": "", "c": 1}, types.DT_STRING, "not formatted correctly for base64 data"),
        ([[1], 2], types.DT_FLOAT, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. "
                                   "Expected at level: 2"),
        ([1, [2]], types.DT_FLOAT, "Encountered list at unexpected level: 1 expected < 1"),
        ([[1], [2, 3]], types.DT_FLOAT, "Encountered list at unexpected size: 2 at level: 1 "
                                        "expected size: 1"),
        (10**400, types.DT_DOUBLE, "Number too big to be stored in double."),
    ],
)  # fmt: skip
def test_to_tensor_refuses(value: Any, dtype: int, message: str) -> None:
    with pytest.raises(ServingError) as caught:
        to_tensor(value, dtype)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/wA=", b"\xff\0"),
        ("/w\nA\r\n=\n", b"\xff\0"),
        (" \t/\vw\fA ", b"\xff\0"),
        ("/wA.", b"\xff\0"),
        ("/w==", b"\xff"),
        ("/w= =", b"\xff"),
        ("/w=.", b"\xff"),
        ("/w", b"\xff"),
        ("AAAA\n" * 3, bytes(9)),
        ("\n", b""),
        ("/x==", b"\xff"),
        ("/w=", None),
        ("/wA==", None),
        ("AAAA=", None),
        ("A", None),
        ("A===", None),
        ("AA=A", None),
        ("=", None),
        ("AA\xa0A", None),
        ("AA\x1cAA", None),
        ("AA-_", None),
        ("AAA\0", None),
    ],
)
def test_base64_is_decoded_as_abseil_does(text: str, expected: bytes | None) -> None:
    if expected is None:
        with pytest.raises(ServingError, match="Unable to base64 decode"):
            to_tensor({"b64": text}, types.DT_STRING)
    else:
        assert to_tensor([{"b64": text}], types.DT_STRING).array.tolist() == [expected]


def test_types_that_json_has_no_word_for() -> None:
    with pytest.raises(ServingError) as caught:
        to_tensor(1, types.DT_COMPLEX64)
    assert caught.value.code is Code.UNIMPLEMENTED


def test_rows_of_unequal_shape_name_the_row() -> None:
    assert stack_rows([[1], [2]], types.DT_FLOAT, str).array.tolist() == [[1.0], [2.0]]
    with pytest.raises(
        ServingError, match=r"^row 1 Error: INVALID_ARGUMENT: Expecting tensor size"
    ):
        stack_rows([[1], [2, 3]], types.DT_FLOAT, lambda number: f"row {number}")
    with pytest.raises(ServingError, match=r"^row 1 Error: .* shape \[2,1\] but got: \[1,2\]"):
        stack_rows([[[1], [2]], [[3, 4]]], types.DT_FLOAT, lambda number: f"row {number}")
    with pytest.raises(ServingError, match=r"^row 1 Error: .* Type: String"):
        stack_rows([1, "a"], types.DT_FLOAT, lambda number: f"row {number}")


def _floats(*values: float) -> Tensor:
    return Tensor(types.DT_FLOAT, np.array(values, np.float32))


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"y": _floats(1, 0.1)}, "[1.0, 0.1]"),
        ({"y": _floats(float("nan"), float("inf"))}, "[NaN, Infinity]"),
        ({"y": Tensor(types.DT_DOUBLE, np.array([0.1]))}, "[0.1]"),
        ({"y": Tensor(types.DT_INT64, np.array([[1, 2], [3, 4]]))}, "[[1, 2], [3, 4]]"),
        ({"y": Tensor(types.DT_BOOL, np.array([True]))}, "[true]"),
        ({"y": Tensor(types.DT_STRING, np.array([b'"\n'], object))}, '["\\"\\n"]'),
        ({"y_bytes": Tensor(types.DT_STRING, np.array([b"\xff"], object))}, '[{"b64": "/w=="}]'),
        ({"y": Tensor(types.DT_FLOAT, np.zeros((2, 0), np.float32))}, "[[], []]"),
        ({"a": _floats(1), "b": _floats(2)}, '[{"a": 1.0, "b": 2.0}]'),
        ({"y": Tensor(types.DT_BFLOAT16, np.array([0x3FC0], np.uint16))}, "[1.5]"),
        ({"y": Tensor(types.DT_HALF, np.array([1.5], np.float16))}, "[1.5]"),
    ],
)
def test_row_text(outputs: dict[str, Tensor], expected: str) -> None:
    assert row_text(outputs) == expected


def test_rows_need_equal_numbers_of_them() -> None:
    with pytest.raises(ServingError, match="Tensor name: b has inconsistent batch size: 2 expect"):
        row_text({"a": _floats(1), "b": _floats(1, 2)})
    with pytest.raises(ServingError, match="has no shape information"):
        row_text({"a": Tensor(types.DT_FLOAT, np.ones((), np.float32))})


@pytest.mark.parametrize("shape", [(), (2,), (0,), (2, 3, 2), (2, 0, 3), (0, 0)])
def test_columns_keep_their_shape(shape: tuple[int, ...]) -> None:
    array = np.arange(int(np.prod(shape)), dtype=np.int32).reshape(shape)
    text = column_text({"y": Tensor(types.DT_INT32, array)})
    assert json.loads(text) == array.tolist()


def test_columns_of_several_outputs() -> None:
    assert column_text({"a": _floats(1), "b": _floats(2, 3)}) == '{"a": [1.0], "b": [2.0, 3.0]}'


def test_types_that_cannot_be_written() -> None:
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: complex64"):
        column_text({"y": Tensor(types.DT_COMPLEX64, np.zeros(1, np.complex64))})
