"""The requests that a version brings along, to be answered before it counts as available."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from serving.model_server import examples, inference
from serving.model_server.crc32c import crc32c, masked
from serving.model_server.inference import Job
from serving.model_server.servable import Servable
from serving.model_server.status import Code, ServingError, invalid
from serving.model_server.tensors import Tensor
from serving.predict.messages import prediction_log_pb2

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
WARM_UP_LIMIT = 1000
_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 4


def warm_up_logs(folder: Path) -> Iterator[Any]:
    """Yield the `PredictionLog`s of a version's folder, none where it has no such file.

    Raises ServingError where the file is damaged or has too many.
    """
    path = folder / WARM_UP_FILE
    if not path.is_file():
        return
    for number, record in enumerate(records(path.read_bytes()), start=1):
        if number > WARM_UP_LIMIT:
            raise invalid(
                f"Number of warmup records exceeds the maximum ({WARM_UP_LIMIT}) at {path}"
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


_JOBS: dict[str | None, Callable[[Servable, Any], Job]] = {
    "predict_log": inference.predict_job,
    "classify_log": examples.classify_job,
    "regress_log": examples.regress_job,
    "multi_inference_log": examples.multi_inference_job,
}


def replay(servable: Servable, log: Any) -> list[Tensor]:
    """Answer the request of a `PredictionLog` and return what was computed for it."""
    kind = log.WhichOneof("log_type")
    if kind not in _JOBS:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    job = _JOBS[kind](servable, getattr(log, kind).request)
    results = job.computation(job.feeds, None)
    job.finish(results)
    return results
