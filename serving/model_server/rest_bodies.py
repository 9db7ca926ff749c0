"""The JSON bodies of the REST API: requests parsed, and answers as text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from serving.model_server.inference import PreparedCall, prepare_signature
from serving.model_server.json_tensors import (
    column_text,
    decode_base64,
    float_texts,
    is_base64,
    json_type,
    quoted,
    row_text,
    stack_rows,
    string_text,
    to_tensor,
)
from serving.model_server.limits import RequestLimits
from serving.model_server.servable import Servable, Signature
from serving.tf.messages import (
    example_pb2,
    types_pb2,
)
from serving.tf.names import DEFAULT_SIGNATURE
from serving.tf.status import invalid, shortened
from serving.tf.tensors import Tensor

_SIGNATURE = "signature_name"
_INSTANCES, _INPUTS = "instances", "inputs"
_CONTEXT, _EXAMPLES = "context", "examples"

_PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting ',' delimiter": "Missing a comma or closing bracket after an element.",
    "Extra data": "The document root must not be followed by other values.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
}
_OTHER_PARSE_ERROR = "Missing a closing quotation mark in string."


def parse_object(body: bytes) -> dict[str, Any]:
    """Parse a body that must be a JSON object; raises ServingError (INVALID_ARGUMENT)."""
    if not body or body.isspace():
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = json.loads(body.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        reason = _PARSE_ERRORS.get(error.msg, _OTHER_PARSE_ERROR)
        raise invalid(f"JSON Parse error: {reason} at offset: {error.pos}") from None
    except UnicodeDecodeError as error:
        raise invalid(
            f"JSON Parse error: Invalid encoding in string. at offset: {error.start}"
        ) from None
    except RecursionError:
        raise invalid("JSON Parse error: The document is nested too deeply.") from None
    except ValueError:
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {quoted(document)} Is not object")
    return document


def prepare_predict(
    servable: Servable, document: Mapping[str, Any], limits: RequestLimits
) -> PreparedCall:
    """Prepare `:predict`; the response is JSON text. Raises ServingError."""
    name = _signature_name(document) or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid(f'Serving signature name: "{shortened(name)}" not found in signature def')
    if not signature.inputs:
        raise invalid(f"Failed to get input map for signature: {name}")
    if _INSTANCES in document and _INPUTS in document:
        raise invalid(
            f"JSON Value: {quoted(document)} Not formatted correctly expecting only one of "
            f"'{_INPUTS}' or '{_INSTANCES}' keys to exist "
        )
    if _INSTANCES in document:
        feeds = _from_instances(document, signature)

        def finish(results: Mapping[str, Tensor]) -> str:
            return f'{{\n    "predictions": {row_text(results)}\n}}'

    elif _INPUTS in document:
        feeds = _from_inputs(document[_INPUTS], signature)

        def finish(results: Mapping[str, Tensor]) -> str:
            return f'{{\n    "outputs": {column_text(results)}\n}}'

    else:
        raise invalid(f"Missing '{_INPUTS}' or '{_INSTANCES}' key")
    ordered = [feeds[alias] for alias in signature.inputs]
    return prepare_signature(servable, signature, ordered, (), finish, limits)


def _signature_name(document: Mapping[str, Any]) -> str:
    name = document.get(_SIGNATURE, "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {quoted(document)} not formatted correctly. "
            f"'{_SIGNATURE}' key must be a string value."
        )
    return name


def _from_instances(document: Mapping[str, Any], signature: Signature) -> dict[str, Tensor]:
    rows = document[_INSTANCES]
    if not isinstance(rows, list):
        raise invalid(
            f"JSON Value: {quoted(document)} Excepting '{_INSTANCES}' to be an list/array"
        )
    if not rows:
        raise invalid(f"JSON Value: {quoted(document)} No values in '{_INSTANCES}' array")
    if not isinstance(rows[0], dict) and len(signature.inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple "
            "input tensors required as per tensorinfo_map"
        )
    if _is_named(rows[0]):
        return _from_named_rows(rows, signature)
    for number, row in enumerate(rows):
        if _is_named(row):
            raise invalid(f"Expecting value/list but got object at item {number} of input list")
    alias, info = next(iter(signature.inputs.items()))
    tensor = stack_rows(
        rows,
        info.dtype,
        lambda number: f"Failed to process element: {number} of '{_INSTANCES}' list.",
    )
    return {alias: tensor}


def _is_named(row: Any) -> bool:
    return isinstance(row, dict) and not is_base64(row)


def _from_named_rows(rows: list[Any], signature: Signature) -> dict[str, Tensor]:
    expected = set(signature.inputs)
    for number, row in enumerate(rows):
        if not _is_named(row):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for key in row:
            if key not in expected:
                raise invalid(
                    f"Failed to process element: {number} key: {key} of '{_INSTANCES}' list. "
                    f"Error: INVALID_ARGUMENT: JSON object: does not have named input: {key}"
                )
        if set(row) != expected:
            raise invalid(
                f"Failed to process element: {number} of '{_INSTANCES}' list. JSON object: "
                f"{quoted(row)} keys must be equal to: {','.join(signature.inputs)}"
            )
    return {
        alias: stack_rows([row[alias] for row in rows], info.dtype, _describing(alias))
        for alias, info in signature.inputs.items()
    }


def _describing(alias: str) -> Any:
    def describe(number: int) -> str:
        return f"Failed to process element: {number} key: {alias} of '{_INSTANCES}' list."

    return describe


def _from_inputs(value: Any, signature: Signature) -> dict[str, Tensor]:
    if not _is_named(value):
        if len(signature.inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple "
                "input tensors required as per tensorinfo_map"
            )
        alias, info = next(iter(signature.inputs.items()))
        return {alias: to_tensor(value, info.dtype)}
    feeds = {}
    for alias, info in signature.inputs.items():
        if alias not in value:
            raise invalid(f"Missing named input: {alias} in '{_INPUTS}' object.")
        feeds[alias] = to_tensor(value[alias], info.dtype)
    return feeds


def fill_examples(document: Mapping[str, Any], request: Any) -> Any:
    """Fill a classification or regression request from a body, and return it.

    Raises ServingError (INVALID_ARGUMENT).
    """
    request.model_spec.signature_name = _signature_name(document)
    target = request.input.example_list
    if _CONTEXT in document:
        target = request.input.example_list_with_context
        target.context.CopyFrom(_example(document[_CONTEXT]))
    if _EXAMPLES not in document:
        raise invalid(
            f"JSON Value: {quoted(document)} When method is classify, key '{_EXAMPLES}' is "
            "expected and was not found"
        )
    examples = document[_EXAMPLES]
    if not isinstance(examples, list):
        raise invalid(
            f"JSON Value: {quoted(document)} Expecting '{_EXAMPLES}' value to be an list/array"
        )
    if not examples:
        raise invalid(f"JSON Value: {quoted(document)} '{_EXAMPLES}' value is an empty array")
    target.examples.extend(map(_example, examples))
    return request


def _example(value: Any) -> Any:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {json_type(value)}")
    example = example_pb2.Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add_value(feature, name, item)
    return example


def _add_value(feature: Any, name: str, value: Any) -> None:
    if isinstance(value, bool):
        _list_of_kind(feature, "int64", name).append(int(value))
    elif isinstance(value, int) and value in range(-(2**63), 2**64):
        values = _list_of_kind(feature, "int64", name)
        if value >= 2**63:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        values.append(value)
    elif isinstance(value, int | float):
        values = _list_of_kind(feature, "float", name)
        values.append(float(to_tensor(float(value), types_pb2.DT_FLOAT).array))
    elif isinstance(value, str):
        _list_of_kind(feature, "bytes", name).append(value.encode("utf-8", "surrogatepass"))
    elif is_base64(value):
        _list_of_kind(feature, "bytes", name).append(decode_base64(value))
    else:
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {json_type(value)}")


def _list_of_kind(feature: Any, expected: str, name: str) -> Any:
    present = feature.WhichOneof("kind")
    if present not in (None, f"{expected}_list"):
        raise invalid(
            f"Unexpected element type in feature: {name} "
            f"expecting type: {present.removesuffix('_list')}"
        )
    return getattr(feature, f"{expected}_list").value


def classification_text(response: Any) -> str:
    """Return the body of an answer to `:classify`."""
    rows = []
    for classifications in response.result.classifications:
        scores = float_texts(np.array([item.score for item in classifications.classes], np.float32))
        labels = [string_text(item.label.encode()) for item in classifications.classes]
        pairs = (f"[{label}, {score}]" for label, score in zip(labels, scores, strict=True))
        rows.append(f"[{', '.join(pairs)}]")
    return f'{{\n    "results": [{", ".join(rows)}]\n}}'


def regression_text(response: Any) -> str:
    """Return the body of an answer to `:regress`."""
    values = np.array([item.value for item in response.result.regressions], np.float32)
    return f'{{\n    "results": [{", ".join(float_texts(values))}]\n}}'
