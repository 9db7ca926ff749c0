"""Writes the warm-up records of a version, which a server runs before it answers with it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from serving.tf import names
from serving.tf.messages import predict_pb2, prediction_log_pb2
from serving.tf.tensors import string_tensor, to_proto
from serving.tf.tfrecord import record

_REQUESTS = (
    (names.CLASSIFY_SIGNATURE, 1),
    (names.CLASSIFY_SIGNATURE, 8),
    (names.EMBED_SIGNATURE, 1),
)
"""Signature and number of photos of each record: lone requests, and a batch."""


def write_warmup(version_folder: Path) -> None:
    """Write warm-up records for lone requests and for batches into a version's folder."""
    path = version_folder / names.WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    jpeg = _photo()
    path.write_bytes(b"".join(record(_request(*request, jpeg)) for request in _REQUESTS))


def _request(signature: str, count: int, jpeg: bytes) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs[names.IMAGES].CopyFrom(to_proto(string_tensor([jpeg] * count)))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return bytes(log.SerializeToString())


def _photo() -> bytes:
    """Return a JPEG file of 320x240 pixels, small since every server checks its checksum."""
    ramp = np.add.outer(np.arange(240), np.arange(320)) % 256
    picture = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG")
    return jpeg.getvalue()
