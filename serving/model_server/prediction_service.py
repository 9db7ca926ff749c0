"""`PredictionService` over gRPC."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from serving.model_server import inference
from serving.model_server.models import ServedModels
from serving.model_server.replies import CallContext, replied, service_handler
from serving.model_server.status import invalid
from serving.predict.messages import get_model_metadata_pb2, predict_pb2

METADATA_FIELD = "signature_def"


class PredictionService:
    """Answers inference and metadata calls."""

    def __init__(self, models: ServedModels, threads: ThreadPoolExecutor) -> None:
        self._models = models
        self._threads = threads

    def handler(self) -> Any:
        """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        return service_handler(
            "tensorflow.serving.PredictionService",
            {
                "Predict": (self.predict, predict_pb2.PredictRequest),
                "GetModelMetadata": (
                    self.get_model_metadata,
                    get_model_metadata_pb2.GetModelMetadataRequest,
                ),
            },
        )

    async def predict(self, request: Any, context: CallContext) -> Any:
        """Run one signature on the request's tensors."""
        with replied(context):
            servable = self._models.servable(_spec(request))
            with servable.use():
                job = inference.predict_job(servable, request)
                results = await asyncio.get_running_loop().run_in_executor(
                    self._threads, job.computation, job.feeds, context.time_remaining()
                )
                return job.finish(results)

    async def get_model_metadata(self, request: Any, context: CallContext) -> Any:
        """Return the signatures of a version."""
        with replied(context):
            return metadata(self._models, request)


def metadata(models: ServedModels, request: Any) -> Any:
    """Answer GetModelMetadata; raises ServingError."""
    spec = _spec(request)
    if not request.metadata_field:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for name in request.metadata_field:
        if name != METADATA_FIELD:
            raise invalid(f"Metadata field {name} is not supported")
    servable = models.servable(spec)
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    inference.fill_spec(response.model_spec, servable, "")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, proto in servable.session.signatures.items():
        signatures.signature_def[name].CopyFrom(proto)
    response.metadata[METADATA_FIELD].Pack(signatures)
    return response


def _spec(request: Any) -> Any:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    return request.model_spec
