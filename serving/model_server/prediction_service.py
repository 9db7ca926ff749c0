"""`PredictionService`: inference and metadata, for gRPC and for REST."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from serving.model_server import examples, inference
from serving.model_server.grpc_calls import Call, Calls, Method
from serving.model_server.limits import RequestLimits
from serving.model_server.memory_budget import Share
from serving.model_server.models import ServerModels
from serving.model_server.monitoring import Metrics
from serving.model_server.scheduler import InferenceScheduler, Prepare
from serving.tf.messages import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
)
from serving.tf.status import ServingError, invalid

SIGNATURES_FIELD = "signature_def"

_MAX_DEADLINE_SECONDS = 86_400.0
"""A call that may take longer is run without a deadline."""


@dataclass(frozen=True)
class GrpcOptions:
    """Settings of the gRPC API."""

    as_content: bool = False
    """Whether Predict answers in `tensor_content` instead of the typed fields."""
    enforces_deadlines: bool = True
    """Whether a computation ends when the call's deadline has passed."""


class PredictionService:
    """Answers inference and metadata calls; every method raises ServingError."""

    def __init__(
        self,
        models: ServerModels,
        scheduler: InferenceScheduler,
        metrics: Metrics,
        options: GrpcOptions,
        limits: RequestLimits,
    ) -> None:
        self._models, self._scheduler, self._metrics = models, scheduler, metrics
        self._options, self._limits = options, limits

    def handler(self, calls: Calls) -> Any:
        """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        limits = self._limits
        return calls.handler(
            "tensorflow.serving.PredictionService",
            {
                "Predict": self._inference(
                    "Predict",
                    predict_pb2.PredictRequest,
                    partial(
                        inference.prepare_predict,
                        as_content=self._options.as_content,
                        limits=limits,
                    ),
                ),
                "Classify": self._inference(
                    "Classify",
                    classification_pb2.ClassificationRequest,
                    partial(examples.prepare_classify, limits=limits),
                ),
                "Regress": self._inference(
                    "Regress",
                    regression_pb2.RegressionRequest,
                    partial(examples.prepare_regress, limits=limits),
                ),
                "MultiInference": self._inference(
                    "MultiInference",
                    inference_pb2.MultiInferenceRequest,
                    partial(examples.prepare_multi_inference, limits=limits),
                ),
                "GetModelMetadata": Method(
                    get_model_metadata_pb2.GetModelMetadataRequest, self._metadata
                ),
            },
        )

    async def answer(
        self,
        api: str,
        entrypoint: str,
        spec: Any,
        prepare: Prepare,
        request: Any,
        seconds: float | None,
        share: Share,
    ) -> Any:
        """Compute `request` on the version that `spec` selects, within `seconds`.

        It is counted under `api` and `entrypoint`, and what it takes in `share`.
        """
        with self._metrics.request(spec.name, api, entrypoint):
            servable = self._models.servable(spec)
            return await self._scheduler.answer(servable, prepare, request, seconds, share)

    def require(self, spec: Any) -> None:
        """Raise ServingError unless there is a version that `spec` selects."""
        self._models.servable(spec)

    def is_full(self, spec: Any) -> bool:
        """Say whether as many requests wait for the version that `spec` selects as may."""
        try:
            return self._models.servable(spec).is_full
        except ServingError:
            return False

    def metadata(self, request: Any) -> Any:
        """Return the signatures of a version."""
        spec = _spec(request)
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for name in request.metadata_field:
            if name != SIGNATURES_FIELD:
                raise invalid(f"Metadata field {name} is not supported")
        servable = self._models.servable(spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        inference.fill_spec(response.model_spec, servable, "")
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in servable.signatures.items():
            signatures.signature_def[name].CopyFrom(signature.proto)
        response.metadata[SIGNATURES_FIELD].Pack(signatures)
        return response

    async def _metadata(self, request: Any, _call: Call) -> Any:
        return self.metadata(request)

    def _inference(self, api: str, request_type: Any, prepare: Prepare) -> Method:
        async def answer(request: Any, call: Call) -> Any:
            seconds = call.context.time_remaining()
            if seconds is not None and not self._enforced(seconds):
                seconds = None
            spec = _task_spec(request) if api == "MultiInference" else _spec(request)
            return await self.answer(api, "GRPC", spec, prepare, request, seconds, call.share)

        failures = partial(self._metrics.failures, "")
        return Method(request_type, answer, self._models.is_full, failures)

    def _enforced(self, seconds: float) -> bool:
        return self._options.enforces_deadlines and seconds <= _MAX_DEADLINE_SECONDS


def _task_spec(request: Any) -> Any:
    return request.tasks[0].model_spec if request.tasks else model_pb2.ModelSpec()


def _spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec
