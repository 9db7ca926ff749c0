"""The requests that a version brings along, to be answered before it counts as available."""

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
from serving.tf.tfrecord import crc32c, masked

MAX_WARM_UP_RECORDS = 1000
_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 4


def warm_up_logs(folder: Path) -> Iterator[Any]:
    """Yield the `PredictionLog`s of a version's folder, none where it has no such file.

    Raises ServingError where the file is damaged or has too many.
    """
    path = folder / WARM_UP_FILE
    if not path.is_file():
        return
    for number, record in enumerate(records(path.read_bytes()), start=1):
        if number > MAX_WARM_UP_RECORDS:
            raise invalid(
                f"Number of warmup records exceeds the maximum ({MAX_WARM_UP_RECORDS}) at {path}"
            )
        try:
            yield prediction_log_pb2.PredictionLog.FromString(record)
        except Exception as error:
            raise invalid(f"Failed to parse warmup record: {error}") from error


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a TFRecord file.

    Raises ServingError (DATA_LOSS) where it is cut short or a checksum does not fit.
    """
    at = 0
    while at < len(data):
        header = _checked(data, at, at, _LENGTH_BYTES)
        start = at + _LENGTH_BYTES + _CHECKSUM_BYTES
        length = int.from_bytes(header, "little")
        yield _checked(data, at, start, length)
        at = start + length + _CHECKSUM_BYTES


def _checked(data: bytes, record: int, start: int, length: int) -> bytes:
    """Return the bytes that are followed by their checksum."""
    stop = start + length
    if stop + _CHECKSUM_BYTES > len(data):
        raise _lost(f"truncated record at {record}")
    content = data[start:stop]
    checksum = int.from_bytes(data[stop : stop + _CHECKSUM_BYTES], "little")
    if masked(crc32c(content)) != checksum:
        raise _lost(f"corrupted record at {start}")
    return content


def _lost(what: str) -> ServingError:
    return ServingError(
        Code.DATA_LOSS, f"{what}. Please verify your warmup data is in TFRecord format."
    )


_PREPARERS: dict[str | None, Callable[[Servable, Any], PreparedCall]] = {
    "predict_log": inference.prepare_predict,
    "classify_log": examples.prepare_classify,
    "regress_log": examples.prepare_regress,
    "multi_inference_log": examples.prepare_multi_inference,
}


def replay(servable: Servable, log: Any) -> list[Tensor]:
    """Answer the request of a `PredictionLog` and return what was computed for it."""
    kind = log.WhichOneof("log_type")
    if kind not in _PREPARERS:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    call = _PREPARERS[kind](servable, getattr(log, kind).request)
    results = call.computation(call.feeds, None)
    call.finish(results)
    return results
