"""How a version gets from its folder into memory, ready to answer at full speed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.model_server import examples, inference
from serving.model_server.inference import Job
from serving.model_server.servable import Servable
from serving.model_server.session import Session
from serving.model_server.status import Code, ServingError, invalid
from serving.predict.messages import prediction_log_pb2

WARM_UP_FILE = Path("assets.extra") / "tf_serving_warmup_requests"
WARM_UP_LIMIT = 1000
_LENGTH_BYTES, _CHECKSUM_BYTES = 8, 4


@dataclass(frozen=True)
class Loader:
    """Loads versions one way; safe to call from several threads."""

    tags: Sequence[str] = ("serve",)
    intra_op_threads: int = 0
    inter_op_threads: int = 0
    warm_up: bool = True
    warm_up_iterations: int = 1
    checks_methods: bool = False

    def __call__(self, model: str, version: int, folder: Path) -> Servable:
        """Load and warm up; raises ServingError, having freed everything."""
        session = Session(folder, self.tags, self.intra_op_threads, self.inter_op_threads)
        try:
            servable = Servable(model, version, session, self.checks_methods)
            if self.warm_up:
                self._warm_up(servable, folder / WARM_UP_FILE)
        except BaseException:
            session.close()
            raise
        return servable

    def _warm_up(self, servable: Servable, path: Path) -> None:
        if not path.is_file():
            return
        for number, record in enumerate(records(path.read_bytes()), start=1):
            if number > WARM_UP_LIMIT:
                raise invalid(
                    f"Number of warmup records exceeds the maximum ({WARM_UP_LIMIT}) at {path}"
                )
            try:
                log = prediction_log_pb2.PredictionLog.FromString(record)
            except Exception as error:
                raise invalid(f"Failed to parse warmup record: {error}") from error
            for _ in range(max(1, self.warm_up_iterations)):
                _replay(servable, log)


def records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a TFRecord file; raises ServingError (DATA_LOSS) if cut short."""
    at = 0
    while at < len(data):
        length = int.from_bytes(data[at : at + _LENGTH_BYTES], "little")
        start = at + _LENGTH_BYTES + _CHECKSUM_BYTES
        at = start + length + _CHECKSUM_BYTES
        if at > len(data):
            raise ServingError(
                Code.DATA_LOSS,
                f"truncated record at {start}. "
                "Please verify your warmup data is in TFRecord format.",
            )
        yield data[start : start + length]


_JOBS: dict[str | None, Callable[[Servable, Any], Job]] = {
    "predict_log": inference.predict_job,
    "classify_log": examples.classify_job,
    "regress_log": examples.regress_job,
    "multi_inference_log": examples.multi_inference_job,
}


def _replay(servable: Servable, log: Any) -> None:
    kind = log.WhichOneof("log_type")
    if kind not in _JOBS:
        raise ServingError(Code.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}")
    job = _JOBS[kind](servable, getattr(log, kind).request)
    job.finish(job.computation(job.feeds, None))
