"""Classify, Regress and MultiInference: calls that carry `tf.Example`s."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from serving.model_server.image_headers import embedded_size
from serving.model_server.inference import (
    CLASSIFY,
    REGRESS,
    PreparedCall,
    fill_spec,
)
from serving.model_server.limits import DEFAULT_LIMITS, RequestLimits, check_rows
from serving.model_server.servable import Servable, Signature
from serving.tf.messages import (
    classification_pb2,
    inference_pb2,
    regression_pb2,
    types_pb2,
)
from serving.tf.names import DEFAULT_SIGNATURE
from serving.tf.status import Code, ServingError, invalid
from serving.tf.tensors import Tensor, string_tensor

_INPUTS = "inputs"
_CLASSES, _SCORES = "classes", "scores"
_OUTPUTS = "outputs"

_Results = Mapping[str, Tensor]
"""Results by the tensor's name in the graph."""


def prepare_classify(
    servable: Servable, request: Any, limits: RequestLimits = DEFAULT_LIMITS
) -> PreparedCall:
    """Prepare a Classify call; raises ServingError."""
    response = classification_pb2.ClassificationResponse()
    return _prepare_one(servable, request, limits, response, _classify_outputs, _fill_classes)


def prepare_regress(
    servable: Servable, request: Any, limits: RequestLimits = DEFAULT_LIMITS
) -> PreparedCall:
    """Prepare a Regress call; raises ServingError."""
    response = regression_pb2.RegressionResponse()
    return _prepare_one(servable, request, limits, response, _regress_outputs, _fill_values)


def _prepare_one(
    servable: Servable,
    request: Any,
    limits: RequestLimits,
    response: Any,
    outputs: Callable[[Servable, Signature], tuple[str, ...]],
    fill: Callable[[Any, Signature, _Results, int], None],
) -> PreparedCall:
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise invalid(f"No signature was found with the name: {name}")

    def finish(results: _Results, count: int) -> Any:
        fill_spec(response.model_spec, servable, name)
        fill(response.result, signature, results, count)
        return response

    fetches = outputs(servable, signature)
    return _prepare(servable, [signature], request.input, fetches, finish, limits)


def prepare_multi_inference(
    servable: Servable, request: Any, limits: RequestLimits = DEFAULT_LIMITS
) -> PreparedCall:
    """Prepare a MultiInference call: all its tasks in one computation.

    Raises ServingError: UNIMPLEMENTED for a method other than classify and regress.
    """
    tasks: dict[str, tuple[Signature, str]] = {}
    fetches: dict[str, None] = {}
    model = ""
    for task in request.tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        model = model or task.model_spec.name
        if task.model_spec.name != model:
            raise invalid(
                "All ModelSpecs in a MultiInferenceRequest must access the same model name."
            )
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in tasks:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        signature = servable.signatures.get(name)
        if signature is None:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name == CLASSIFY:
            names = _classify_outputs(servable, signature)
        elif task.method_name == REGRESS:
            names = _regress_outputs(servable, signature)
        else:
            raise ServingError(
                Code.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}"
            )
        tasks[name] = signature, task.method_name
        fetches.update(dict.fromkeys(names))

    def finish(results: _Results, count: int) -> Any:
        response = inference_pb2.MultiInferenceResponse()
        for name, (signature, method) in tasks.items():
            result = response.results.add()
            fill_spec(result.model_spec, servable, name)
            if method == CLASSIFY:
                _fill_classes(result.classification_result, signature, results, count)
            else:
                _fill_values(result.regression_result, signature, results, count)
        return response

    signatures = [signature for signature, _ in tasks.values()]
    return _prepare(servable, signatures, request.input, tuple(fetches), finish, limits)


def _prepare(
    servable: Servable,
    signatures: Sequence[Signature],
    input_proto: Any,
    fetches: Sequence[str],
    finish: Callable[[_Results, int], Any],
    limits: RequestLimits,
) -> PreparedCall:
    """Prepare one computation of all `signatures`, which get the same examples."""
    examples = serialized_examples(input_proto, limits)
    sizes = [embedded_size(example, limits) for example in examples]
    count = len(examples)

    def fill(results: Sequence[Tensor]) -> Any:
        return finish(dict(zip(fetches, results, strict=True)), count)

    # Each signature that TensorFlow 2 writes has an input tensor of its own.
    fed = list(dict.fromkeys(signature.inputs[_INPUTS].name for signature in signatures))
    computation = servable.computation(fed, fetches)
    feeds = [string_tensor(examples)] * len(fed)
    splits_by_row = all(signature.splits_by_row for signature in signatures)
    return PreparedCall(computation, feeds, fill, splits_by_row, sizes)


def serialized_examples(input_proto: Any, limits: RequestLimits) -> list[bytes]:
    """Return each example of an `Input`, with the context's features merged in.

    Raises ServingError (INVALID_ARGUMENT) if there is none, or if there are too many.
    """
    if input_proto.WhichOneof("kind") == "example_list_with_context":
        context = input_proto.example_list_with_context.context.SerializeToString()
        examples = input_proto.example_list_with_context.examples
    else:
        context = b""
        examples = input_proto.example_list.examples
    if not examples:
        raise invalid("Input is empty.")
    check_rows(len(examples), limits)
    # Each example gets a copy of the context, however small it is itself.
    if limits.max_bytes is not None and len(context) * len(examples) > limits.max_bytes:
        raise invalid(
            f"The context has {len(context)} bytes, and there are {len(examples)} examples: "
            f"together they would take more than {limits.max_bytes} bytes."
        )
    return [context + example.SerializeToString() for example in examples]


def _classify_outputs(servable: Servable, signature: Signature) -> tuple[str, ...]:
    """Return the names of the tensors to fetch; raises ServingError for other signatures."""
    outputs = signature.outputs
    count_error = f"Expected one or two output Tensors, found {len(outputs)}"
    _check_signature(servable, signature, "classification", CLASSIFY, (1, 2), count_error)
    names = tuple(outputs[alias].name for alias in (_CLASSES, _SCORES) if alias in outputs)
    if not names:
        raise invalid(
            "Expected classification signature outputs to contain at least one of "
            f'"{_CLASSES}" or "{_SCORES}". Signature was: {_short(signature)}'
        )
    return names


def _regress_outputs(servable: Servable, signature: Signature) -> tuple[str, ...]:
    """Return the name of the tensor to fetch; raises ServingError for other signatures."""
    count_error = "Expected one output Tensor."
    _check_signature(servable, signature, "regression", REGRESS, (1,), count_error)
    if _OUTPUTS not in signature.outputs:
        raise invalid(f"No regression outputs found in SignatureDef: {_short(signature)}")
    return (signature.outputs[_OUTPUTS].name,)


def _check_signature(
    servable: Servable,
    signature: Signature,
    kind: str,
    method: str,
    output_counts: tuple[int, ...],
    count_error: str,
) -> None:
    own = signature.proto.method_name
    if servable.checks_methods and own != method:
        raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {own}")
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in output_counts:
        raise invalid(count_error)
    if _INPUTS not in signature.inputs:
        raise invalid(f"No {kind} inputs found in SignatureDef: {_short(signature)}")


def _short(signature: Signature) -> str:
    return str(signature.proto)[:500]


def _shape(tensor: Tensor) -> str:
    return f"[{','.join(map(str, tensor.array.shape))}]"


def _fill_classes(result: Any, signature: Signature, results: _Results, count: int) -> None:
    classes, scores = (
        results[signature.outputs[alias].name] if alias in signature.outputs else None
        for alias in (_CLASSES, _SCORES)
    )
    _check_classified(classes, "classes", types_pb2.DT_STRING, count)
    _check_classified(scores, "scores", types_pb2.DT_FLOAT, count)
    if classes is not None and scores is not None:
        widths = classes.array.shape[1], scores.array.shape[1]
        if widths[0] != widths[1]:
            raise invalid(
                "Tensors class and score should match in dim_size(1). "
                f"Got {widths[0]} vs. {widths[1]}"
            )
    for row in range(count):
        answer = result.classifications.add()
        labels = () if classes is None else classes.array[row]
        numbers = () if scores is None else scores.array[row]
        for label, number in itertools.zip_longest(labels, numbers):
            item = answer.classes.add()
            if label is not None:
                item.label = label.decode("utf-8", "replace")
            if number is not None:
                item.score = number


def _check_classified(tensor: Tensor | None, name: str, dtype: int, count: int) -> None:
    if tensor is None:
        return
    if tensor.array.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {_shape(tensor)}")
    if tensor.dtype != dtype:
        raise invalid(
            f"Expected {name} Tensor of {types_pb2.DataType.Name(dtype)}. "
            f"Got: {types_pb2.DataType.Name(tensor.dtype)}"
        )
    if tensor.array.shape[0] != count:
        raise invalid(f"Expected {name} output batch size of {count}. Got: {tensor.array.shape[0]}")


def _fill_values(result: Any, signature: Signature, results: _Results, count: int) -> None:
    tensor = results[signature.outputs[_OUTPUTS].name]
    array = tensor.array
    if array.ndim != 1 and not (array.ndim == 2 and array.shape[1] == 1):
        raise invalid(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] "
            f"but got {_shape(tensor)}"
        )
    if array.shape[0] != count:
        raise invalid(
            f"Input batch size did not match output batch size: {count} vs. {array.shape[0]}"
        )
    if tensor.dtype != types_pb2.DT_FLOAT:
        raise invalid(
            f"Expected output Tensor of DT_FLOAT.  Got: {types_pb2.DataType.Name(tensor.dtype)}"
        )
    for value in array.ravel():
        result.regressions.add().value = value
