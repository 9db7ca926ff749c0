"""From a request to a computation, and from its results to the response."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from serving.model_server.servable import Servable, Signature
from serving.model_server.session import Computation
from serving.model_server.status import invalid
from serving.model_server.tensors import Tensor, from_proto, to_proto, type_name
from serving.predict.messages import predict_pb2

DEFAULT_SIGNATURE = "serving_default"


@dataclass(frozen=True)
class Job:
    """One request, checked: feed `computation` with `feeds`, give its results to `finish`."""

    servable: Servable
    signature: Signature
    computation: Computation
    feeds: Sequence[Tensor]
    finish: Callable[[list[Tensor]], Any]
    """Raises ServingError where the results do not fit the method."""


def predict_job(servable: Servable, request: Any) -> Job:
    """Prepare a Predict call; raises ServingError with the original's message."""
    signature = servable.signature(request.model_spec.signature_name or DEFAULT_SIGNATURE)
    _check_inputs(signature, request.inputs)
    aliases = _chosen_outputs(signature, request.output_filter)
    feeds = []
    for alias, info in signature.inputs.items():
        tensor = from_proto(request.inputs[alias])
        if tensor.dtype != info.dtype:
            raise invalid(
                f"input tensor type mismatch: {alias} expects {type_name(info.dtype)}, "
                f"got {type_name(tensor.dtype)}"
            )
        feeds.append(tensor)

    def finish(results: list[Tensor]) -> Any:
        response = predict_pb2.PredictResponse()
        fill_spec(response.model_spec, servable, signature.name)
        for alias, tensor in zip(aliases, results, strict=True):
            response.outputs[alias].CopyFrom(to_proto(tensor))
        return response

    return Job(servable, signature, servable.computation(signature, aliases), feeds, finish)


def fill_spec(spec: Any, servable: Servable, signature: str) -> None:
    """Say in a response which version answered."""
    spec.name = servable.model
    spec.version.value = servable.version
    if signature:
        spec.signature_name = signature


def _check_inputs(signature: Signature, given: Any) -> None:
    expected, sent = set(signature.inputs), set(given)
    if expected == sent:
        return
    raise invalid(
        f"input size does not match signature: {len(sent)}!={len(expected)} "
        f"len({{{','.join(sorted(sent))}}}) != len({{{','.join(sorted(expected))}}}). "
        f"Sent extra: {{{','.join(sorted(sent - expected))}}}. "
        f"Missing but required: {{{','.join(sorted(expected - sent))}}}."
    )


def _chosen_outputs(signature: Signature, wanted: Sequence[str]) -> tuple[str, ...]:
    if not wanted:
        return tuple(signature.outputs)
    for index, alias in enumerate(wanted):
        if alias not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {{{','.join(signature.outputs)}}}."
            )
        if alias in wanted[:index]:
            raise invalid(f"duplicate output tensor alias: {alias}")
    return tuple(wanted)
