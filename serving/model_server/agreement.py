"""Whether OpenVINO computes what TensorFlow does."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from serving.model_server.accelerated_session import AcceleratedSession, NotAccelerated
from serving.tf.messages import types_pb2
from serving.tf.names import EMBEDDING_NODE, IMAGES, WARM_UP_EMBEDDING_FILE
from serving.tf.runtime_choice import BF16, F32
from serving.tf.tensors import Array, Tensor, from_proto, string_tensor

TOLERANCE = 0.02
"""By how much a score may differ; larger numbers, by this share of the largest."""
_DISTANCES = {F32: 0.001, BF16: 0.045}
"""How far an embedding may be from the expected one, as a share of its length. The second is what a
cosine of 0.999 comes to."""
_MAX_EMBEDDING_BYTES = 2**24


def check_agreement(expected: Sequence[Tensor], actual: Sequence[Tensor]) -> None:
    """Raise NotAccelerated unless both are the same answer.

    Numbers may differ by `TOLERANCE`. Only the first string of each row is compared: the
    others may be in another order if their scores are nearly equal.
    """
    for ours, theirs in zip(expected, actual, strict=True):
        if ours.dtype != theirs.dtype or ours.array.shape != theirs.array.shape:
            raise NotAccelerated("Its answers have another type or shape on OpenVINO.")
        if not ours.array.size:
            continue
        if ours.dtype == types_pb2.DT_STRING:
            rows = (len(ours.array), -1)
            agree = bool((ours.array.reshape(rows)[:, 0] == theirs.array.reshape(rows)[:, 0]).all())
        else:
            scale = max(1.0, float(np.abs(ours.array).max()))
            agree = bool(np.abs(ours.array - theirs.array).max() <= TOLERANCE * scale)
        if not agree:
            raise NotAccelerated("Its warm-up records are answered differently by OpenVINO.")


def sees_as_expected(
    session: AcceleratedSession, folder: Path, record: Any, precision: str
) -> bool:
    """Say whether the photo of a warm-up record has the embedding that the version's folder says.

    False if the folder does not say, or anything else stands in the way.
    """
    expected = _expected(folder)
    if expected is None or record.WhichOneof("log_type") != "predict_log":
        return False
    photos = from_proto(record.predict_log.request.inputs[IMAGES], IMAGES)
    (name,) = {each.inputs[IMAGES].name for each in session.signatures.values()}
    compute = session.computation([name], [EMBEDDING_NODE])
    found = compute([string_tensor(list(photos.array[:1]))], None)[0].array
    if found.shape != (1, *expected.shape):
        return False
    distance = np.linalg.norm(found[0] - expected)
    return bool(distance <= _DISTANCES[precision] * np.linalg.norm(expected))


def _expected(folder: Path) -> Array | None:
    path = folder / WARM_UP_EMBEDDING_FILE
    with suppress(OSError, ValueError):
        if path.stat().st_size <= _MAX_EMBEDDING_BYTES:
            found = np.load(path, allow_pickle=False)
            if found.dtype == np.float32 and found.ndim == 1:
                return np.asarray(found)
    return None
