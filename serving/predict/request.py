"""The requests and answers of the servable-model contract."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any, TypeVar

from PIL import Image

from serving.errors import ModelError
from serving.predict import tensors
from serving.predict.prediction import Score
from serving.tf.messages import predict_pb2
from serving.tf.names import CLASSES, EMBEDDING, IMAGES, SCORES

_Value = TypeVar("_Value")


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
    request.inputs[IMAGES].CopyFrom(tensors.strings_tensor([jpeg]))
    return request


def response_version(response: Any) -> int:
    """Return the number of the version that answered."""
    return int(response.model_spec.version.value)


def response_scores(response: Any) -> tuple[Score, ...]:
    """Return the classes and probabilities for the first image, best first.

    Raises ModelError where the answer has no `classes` and `scores` of one length.
    """
    names = _first_row(response, CLASSES, tensors.strings)
    values = _first_row(response, SCORES, tensors.floats)
    if len(names) != len(values):
        raise ModelError(
            f"The model answered with {len(names)} classes but {len(values)} scores.",
            "Import the model again, so that Servery checks what it answers.",
        )
    scores = (
        Score(name.decode(errors="replace"), value)
        for name, value in zip(names, values, strict=True)
    )
    return tuple(sorted(scores, key=lambda score: -score.score))


def response_embedding(response: Any) -> list[float]:
    """Return the embedding of the first image; raises ModelError without one."""
    return _first_row(response, EMBEDDING, tensors.floats)


def _first_row(response: Any, output: str, read: Callable[[Any], list[_Value]]) -> list[_Value]:
    if output not in response.outputs:
        raise ModelError(
            f"The model does not answer with {output}.",
            "Import the model again, so that Servery wraps it in a form that it can use.",
        )
    tensor = response.outputs[output]
    shape = tensors.shape_of(tensor)
    if len(shape) != 2 or shape[0] < 1:
        raise ModelError(
            f"The model answered with {output} of an unexpected shape {list(shape)}.",
            "Import the model again, so that Servery wraps it in a form that it can use.",
        )
    return read(tensor)[: shape[1]]
