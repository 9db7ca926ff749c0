"""`ModelService` over gRPC: how the versions are, and which models to serve."""

from __future__ import annotations

from typing import Any

from serving.model_server.configuration import models_from_proto
from serving.model_server.models import ServedModels, VersionRecord
from serving.model_server.replies import CallContext, replied, service_handler
from serving.model_server.status import MESSAGE_LIMIT, ServingError, invalid
from serving.predict.messages import (
    get_model_status_pb2,
    model_management_pb2,
)


class ModelService:
    """Answers status and reload calls."""

    def __init__(self, models: ServedModels) -> None:
        self._models = models

    def handler(self) -> Any:
        """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        return service_handler(
            "tensorflow.serving.ModelService",
            {
                "GetModelStatus": (
                    self.get_model_status,
                    get_model_status_pb2.GetModelStatusRequest,
                ),
                "HandleReloadConfigRequest": (
                    self.reload,
                    model_management_pb2.ReloadConfigRequest,
                ),
            },
        )

    async def get_model_status(self, request: Any, context: CallContext) -> Any:
        """Return the state of every version, newest first."""
        with replied(context):
            return status(self._models, request)

    async def reload(self, request: Any, context: CallContext) -> Any:
        """Replace the whole configuration; answers once new models are available."""
        with replied(context):
            response = model_management_pb2.ReloadConfigResponse()
            try:
                await self._models.configure(models_from_proto(request.config))
            except ServingError as error:
                response.status.error_code = error.code
                response.status.error_message = error.message[:MESSAGE_LIMIT]
            return response


def status(models: ServedModels, request: Any) -> Any:
    """Answer GetModelStatus; raises ServingError."""
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
    response = get_model_status_pb2.GetModelStatusResponse()
    for record in models.records(request.model_spec):
        _fill(response.model_version_status.add(), record)
    return response


def _fill(row: Any, record: VersionRecord) -> None:
    row.version = record.number
    row.state = int(record.state)
    row.status.error_code = 0
    if record.error is not None and record.state == row.END:
        row.status.error_code = record.error.code
        row.status.error_message = record.error.message
