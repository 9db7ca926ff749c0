"""Writes the warm-up records of a version, which a server runs before it answers with it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from serving.tf import names
from serving.tf.messages import predict_pb2, prediction_log_pb2
from serving.tf.tensors import string_tensor, to_proto
from serving.tf.tfrecord import record

_BATCHES = (1, 4)
"""Photos of each record: TensorFlow prepares itself at the first, OpenVINO for these sizes.

`embed` has no record: it would cost every start of an instance 0.4 s of a core and some 30 MB,
and training computes embeddings in a process of its own.
"""


def write_warmup(version_folder: Path) -> None:
    """Write warm-up records for lone requests and for batches into a version's folder."""
    path = version_folder / names.WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    jpeg = warm_up_photo()
    path.write_bytes(b"".join(record(_request(jpeg, count)) for count in _BATCHES))


def write_warmup_embedding(version_folder: Path, embedding: Any) -> None:
    """Write what TensorFlow sees in the photo of the warm-up records: float32 [D].

    A server compares its runtime with it, and need not load the network into TensorFlow for that.
    """
    np.save(version_folder / names.WARM_UP_EMBEDDING_FILE, np.asarray(embedding, np.float32))


def _request(jpeg: bytes, count: int) -> bytes:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = names.CLASSIFY_SIGNATURE
    request.inputs[names.IMAGES].CopyFrom(to_proto(string_tensor([jpeg] * count)))
    log = prediction_log_pb2.PredictionLog()
    log.predict_log.request.CopyFrom(request)
    return bytes(log.SerializeToString())


def warm_up_photo() -> bytes:
    """Return a JPEG file of 320x240 pixels, small since every server checks its checksum."""
    ramp = np.add.outer(np.arange(240), np.arange(320)) % 256
    picture = np.stack([ramp, ramp[::-1], ramp[:, ::-1]], axis=-1).astype(np.uint8)
    jpeg = io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG")
    return jpeg.getvalue()
