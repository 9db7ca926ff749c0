"""From a Predict request to a computation, and from its results to the response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.model_server.image_headers import decoded_sizes
from serving.model_server.limits import DEFAULT_LIMITS, RequestLimits, check_rows
from serving.model_server.servable import Servable, Signature
from serving.tf.messages import predict_pb2, types_pb2
from serving.tf.names import DEFAULT_SIGNATURE
from serving.tf.session import Computation
from serving.tf.status import Code, ServingError, failed_precondition, invalid, shortened
from serving.tf.tensors import Tensor, from_proto, to_proto

CLASSIFY = "tensorflow/serving/classify"
PREDICT = "tensorflow/serving/predict"
REGRESS = "tensorflow/serving/regress"
_METHODS = (PREDICT, CLASSIFY, REGRESS)


@dataclass(frozen=True)
class PreparedCall:
    """One request, checked: pass `feeds` to `computation`, and its results to `finish`."""

    computation: Computation
    feeds: Sequence[Tensor]
    finish: Callable[[Sequence[Tensor]], Any]
    """Returns the response; raises ServingError if the results do not fit the method."""
    splits_by_row: bool
    """Whether each row of the results depends on the same row of the feeds alone."""
    row_sizes: Sequence[int]
    """Bytes that decoding the images of each row takes, or of other parts of the feeds."""


def prepare_predict(
    servable: Servable,
    request: Any,
    as_content: bool = False,
    limits: RequestLimits = DEFAULT_LIMITS,
) -> PreparedCall:
    """Prepare a Predict call; raises ServingError with the original's message.

    With `as_content` the response's tensors are bytes in `tensor_content`.
    """
    name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    signature = servable.signatures.get(name)
    if signature is None:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    if servable.checks_methods and signature.proto.method_name not in _METHODS:
        raise ServingError(
            Code.INTERNAL,
            f"Expected prediction signature method_name to be one of {{{', '.join(_METHODS)}}}. "
            f"Was: {signature.proto.method_name}",
        )
    feeds = _feeds(signature, request.inputs, limits)

    def finish(results: Mapping[str, Tensor]) -> Any:
        response = predict_pb2.PredictResponse()
        fill_spec(response.model_spec, servable, name)
        for alias, tensor in results.items():
            response.outputs[alias].CopyFrom(to_proto(tensor, as_content))
        return response

    return prepare_signature(servable, signature, feeds, request.output_filter, finish, limits)


def prepare_signature(
    servable: Servable,
    signature: Signature,
    feeds: Sequence[Tensor],
    output_filter: Sequence[str],
    finish: Callable[[Mapping[str, Tensor]], Any],
    limits: RequestLimits,
) -> PreparedCall:
    """Prepare the computation of a signature's outputs: those in `output_filter`, or all.

    `feeds` are in the order of the signature's inputs; `finish` gets the results by alias.
    """
    if signature.splits_by_row:
        check_rows(
            max((len(tensor.array) for tensor in feeds if tensor.array.ndim), default=0), limits
        )
    sizes = [
        size
        for tensor in feeds
        if tensor.dtype == types_pb2.DT_STRING
        for size in decoded_sizes(tensor, limits, servable.reduces_photos)
    ]
    aliases = _selected_outputs(signature, output_filter)
    computation = servable.computation(
        [info.name for info in signature.inputs.values()],
        [signature.outputs[alias].name for alias in aliases],
    )
    return PreparedCall(
        computation,
        feeds,
        lambda results: finish(dict(zip(aliases, results, strict=True))),
        signature.splits_by_row,
        sizes,
    )


def fill_spec(spec: Any, servable: Servable, signature: str) -> None:
    """Write into a response which version answered."""
    spec.name = servable.model
    spec.version.value = servable.version
    if signature:
        spec.signature_name = signature


def _feeds(signature: Signature, request_inputs: Any, limits: RequestLimits) -> list[Tensor]:
    defaults = signature.proto.defaults
    _check_size(signature, request_inputs)
    feeds = []
    for alias, info in signature.inputs.items():
        if alias in request_inputs:
            proto = request_inputs[alias]
        elif alias in defaults:
            proto = defaults[alias]
        else:
            raise invalid(
                f"Signature input alias: {alias}(feed name: {info.name}) not found in request and "
                f"no default value provided. Inputs expected to be in the request "
                f"{{{_names(request_inputs)}}}, or default input alias set: {_names(defaults)}"
            )
        feeds.append(from_proto(proto, alias, max_unsent=limits.max_unsent_values))
    used = [alias for alias in signature.inputs if alias in request_inputs]
    if len(used) != len(request_inputs):
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_names(used)}, "
            f"request input: {_names(request_inputs)}"
        )
    return feeds


def _check_size(signature: Signature, request_inputs: Any) -> None:
    expected, sent = set(signature.inputs), set(request_inputs)
    if len(sent) == len(expected) or (len(sent) < len(expected) and signature.proto.defaults):
        return
    raise invalid(
        f"input size does not match signature: {len(sent)}!={len(expected)} "
        f"len({{{_names(sent)}}}) != len({{{_names(expected)}}}). "
        f"Sent extra: {{{_names(sent - expected)}}}. "
        f"Missing but required: {{{_names(expected - sent)}}}."
    )


def _names(aliases: Iterable[str]) -> str:
    return shortened(",".join(sorted(aliases)))


def _selected_outputs(signature: Signature, output_filter: Sequence[str]) -> tuple[str, ...]:
    """Return the aliases to fetch, sorted, so that equal selections share a computation."""
    for index, alias in enumerate(output_filter):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {shortened(alias)} Outputs expected "
                f"to be in the set {{{_names(signature.outputs)}}}."
            )
        if alias in output_filter[:index]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return tuple(sorted(output_filter or signature.outputs))
