"""The requests and responses of the servable-model contract."""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from PIL import Image

from serving.errors import ModelError
from serving.predict.prediction import Score
from serving.tf.messages import predict_pb2, tensor_pb2, types_pb2
from serving.tf.names import CLASSES, EMBEDDING, FAMILIARITY, IMAGES, SCORES
from serving.tf.status import ServingError
from serving.tf.tensors import from_proto, varint

_NUMBERS = frozenset({types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_HALF})
_NAMES = frozenset({types_pb2.DT_STRING})
_PLAIN_FIELDS = {types_pb2.DT_STRING: "string_val", types_pb2.DT_FLOAT: "float_val"}
_ADVICE = "Promote another version of the model."
_METHOD = "/tensorflow.serving.PredictionService/Predict"
_INPUTS = predict_pb2.PredictRequest.DESCRIPTOR.fields_by_name["inputs"].number
_STRING_VALUES = tensor_pb2.TensorProto.DESCRIPTOR.fields_by_name["string_val"].number
_KEY, _VALUE, _DELIMITED = 1, 2, 2


@dataclass(frozen=True)
class ImageRequest:
    """A PredictRequest for one image, serialized."""

    model: str
    content: bytes
    version: int | None = None
    """The one that it asks for; None for whichever the server answers with."""


@functools.cache
def probe_jpeg() -> bytes:
    """Return a small grey JPEG that every servable model can answer."""
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (128, 128, 128)).save(out, "JPEG")
    return out.getvalue()


def predict_request(
    model: str, signature: str, jpeg: bytes, version: int | None = None
) -> ImageRequest:
    """Return a request for one image, to `version` if it is given.

    A message of the library would be a copy of the photo, and serializing it two more, while no
    other thread runs. Here it is copied once, and others run meanwhile if it is large.
    """
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    if version is not None:
        request.model_spec.version.value = version
    tensor = tensor_pb2.TensorProto(dtype=types_pb2.DT_STRING)
    tensor.tensor_shape.dim.add(size=1)
    entry: tuple[bytes, ...] = (_head(_STRING_VALUES, len(jpeg)), jpeg)
    entry = _nested(_VALUE, (tensor.SerializeToString(), *entry))
    name = IMAGES.encode()
    parts = _nested(_INPUTS, (_head(_KEY, len(name)), name, *entry))
    content = b"".join((request.SerializeToString(), *parts))
    return ImageRequest(model, content, version)


def _nested(field: int, parts: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (_head(field, sum(map(len, parts))), *parts)


def _head(field: int, length: int) -> bytes:
    return varint(field << 3 | _DELIMITED) + varint(length)


def predict_method(channel: Any) -> Any:
    """Return the method Predict of a channel, which takes the content of an ImageRequest."""
    return channel.unary_unary(
        _METHOD, response_deserializer=predict_pb2.PredictResponse.FromString
    )


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
    scores = tuple(
        Score(name.decode(errors="replace"), value)
        for name, value in zip(names, values, strict=True)
    )
    # Those of our own models are in order already.
    if values == sorted(values, reverse=True):
        return scores
    return tuple(sorted(scores, key=lambda score: -score.score))


def response_embedding(response: Any) -> list[float]:
    """Return the embedding of the first image; raises ModelError without one."""
    values: list[float] = _first_row(response, EMBEDDING, _NUMBERS)
    return values


def response_familiarity(response: Any) -> float | None:
    """Return the familiarity of the first image, 0 to 1; None if the version gives none."""
    if FAMILIARITY not in response.outputs:
        return None
    try:
        array = from_proto(response.outputs[FAMILIARITY], FAMILIARITY, allows_surplus=False).array
    except ServingError:
        return None
    # A model from elsewhere may call something else by this name.
    if array.ndim != 1 or not len(array) or array.dtype.kind != "f":
        return None
    value = float(array[0])
    return min(1.0, max(0.0, value)) if math.isfinite(value) else None


def response_embedding_bytes(response: Any) -> bytes | None:
    """Return the embedding of the first image as little-endian float32; None without one."""
    if EMBEDDING not in response.outputs:
        return None
    try:
        array = from_proto(response.outputs[EMBEDDING], EMBEDDING, allows_surplus=False).array
    except ServingError:
        return None
    if array.ndim != 2 or not len(array) or array.dtype.kind != "f":
        return None
    return bytes(array[0].astype("<f4").tobytes())


def _first_row(response: Any, output: str, dtypes: Collection[int]) -> list[Any]:
    if output not in response.outputs:
        raise _not_in_contract(f"The model does not answer with {output}.")
    proto = response.outputs[output]
    if proto.dtype not in dtypes:
        kind = types_pb2.DataType.Name(proto.dtype)
        raise _not_in_contract(f"The model answered with {output} of the type {kind}.")
    plain = _plain_first_row(proto)
    if plain is not None:
        return plain
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


def _plain_first_row(proto: Any) -> list[Any] | None:
    """Return the first row if all of the tensor is in its typed field; None if it has to be read.

    An array of the few values of an answer would cost as much as the rest of reading it.
    """
    shape = proto.tensor_shape
    field = _PLAIN_FIELDS.get(proto.dtype)
    if field is None or shape.unknown_rank or len(shape.dim) != 2 or proto.tensor_content:
        return None
    rows, columns = (dimension.size for dimension in shape.dim)
    values = getattr(proto, field)
    if rows < 1 or columns < 1 or len(values) != rows * columns:
        return None
    return list(values[:columns])


def _not_in_contract(message: str) -> ModelError:
    return ModelError(message, _ADVICE)
