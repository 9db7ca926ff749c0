"""The warm-up requests of a version, which are run before it becomes available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from serving.model_server import examples, inference
from serving.model_server.inference import PreparedCall
from serving.model_server.servable import Servable
from serving.tf.messages import prediction_log_pb2
from serving.tf.names import WARM_UP_FILE
from serving.tf.status import Code, ServingError, invalid
from serving.tf.tensors import Tensor
from serving.tf.tfrecord import records

MAX_WARM_UP_RECORDS = 1000
MAX_WARM_UP_BYTES = 64 * 2**20
"""Of all records together, which are in memory while they run."""


def warm_up_logs(folder: Path) -> Iterator[Any]:
    """Yield the `PredictionLog`s of a version's folder, none if it has no warm-up file.

    Raises ServingError if the file is damaged, has too many or is too large.
    """
    path = folder / WARM_UP_FILE
    if not path.is_file():
        return
    size = path.stat().st_size
    if size > MAX_WARM_UP_BYTES:
        raise invalid(
            f"{path} has {size} bytes; warmup records may have {MAX_WARM_UP_BYTES} together"
        )
    for number, record in enumerate(records(path.read_bytes()), start=1):
        if number > MAX_WARM_UP_RECORDS:
            raise invalid(
                f"Number of warmup records exceeds the maximum ({MAX_WARM_UP_RECORDS}) at {path}"
            )
        try:
            yield prediction_log_pb2.PredictionLog.FromString(record)
        except Exception as error:
            raise invalid(f"Failed to parse warmup record: {error}") from error


_PREPARERS: dict[str | None, Callable[[Servable, Any], PreparedCall]] = {
    "predict_log": inference.prepare_predict,
    "classify_log": examples.prepare_classify,
    "regress_log": examples.prepare_regress,
    "multi_inference_log": examples.prepare_multi_inference,
}


def replay(servable: Servable, log: Any) -> list[Tensor]:
    """Run the request of a `PredictionLog` and return the computed tensors."""
    kind = log.WhichOneof("log_type")
    if kind not in _PREPARERS:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    call = _PREPARERS[kind](servable, getattr(log, kind).request)
    results = call.computation(call.feeds, None)
    call.finish(results)
    return results
