"""The requests and responses of the servable-model contract."""

from __future__ import annotations

import functools
import io
from collections.abc import Collection
from typing import Any

from PIL import Image

from serving.errors import ModelError
from serving.predict.prediction import Score
from serving.tf.messages import predict_pb2, types_pb2
from serving.tf.names import CLASSES, EMBEDDING, IMAGES, SCORES
from serving.tf.status import ServingError
from serving.tf.tensors import from_proto, string_tensor, to_proto

_NUMBERS = frozenset({types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_HALF})
_NAMES = frozenset({types_pb2.DT_STRING})
_ADVICE = "Promote another version of the model."


@functools.cache
def probe_jpeg() -> bytes:
    """Return a small grey JPEG that every servable model can answer."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()


def predict_request(model: str, signature: str, jpeg: bytes) -> Any:
    """Return a PredictRequest for one image that pins no version."""
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.inputs[IMAGES].CopyFrom(to_proto(string_tensor([jpeg])))
    return request


def response_version(response: Any) -> int:
    """Return the number of the version that answered."""
    return int(response.model_spec.version.value)


def response_scores(response: Any) -> tuple[Score, ...]:
    """Return the classes and probabilities for the first image, best first.

    Raises ModelError if the answer has no `classes` and `scores` of one length.
    """
    names = _first_row(response, CLASSES, _NAMES)
    values = _first_row(response, SCORES, _NUMBERS)
    if len(names) != len(values):
        raise ModelError(
            f"The model answered with {len(names)} classes but {len(values)} scores.",
            _ADVICE,
        )
    scores = (
        Score(name.decode(errors="replace"), value)
        for name, value in zip(names, values, strict=True)
    )
    return tuple(sorted(scores, key=lambda score: -score.score))


def response_embedding(response: Any) -> list[float]:
    """Return the embedding of the first image; raises ModelError without one."""
    values: list[float] = _first_row(response, EMBEDDING, _NUMBERS)
    return values


def _first_row(response: Any, output: str, dtypes: Collection[int]) -> list[Any]:
    if output not in response.outputs:
        raise _not_in_contract(f"The model does not answer with {output}.")
    proto = response.outputs[output]
    if proto.dtype not in dtypes:
        kind = types_pb2.DataType.Name(proto.dtype)
        raise _not_in_contract(f"The model answered with {output} of the type {kind}.")
    try:
        array = from_proto(proto, output, allows_surplus=False).array
    except ServingError as error:
        raise _not_in_contract(
            f"The model answered with {output} that do not fit their shape."
        ) from error
    if array.ndim != 2 or not len(array):
        raise _not_in_contract(
            f"The model answered with {output} of an unexpected shape {list(array.shape)}."
        )
    return list(array[0].tolist())


def _not_in_contract(message: str) -> ModelError:
    return ModelError(message, _ADVICE)
