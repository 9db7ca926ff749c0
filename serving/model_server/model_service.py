"""`ModelService`: the state of the versions, and which models to serve."""

from __future__ import annotations

import logging
from typing import Any

from serving.model_server.configuration import models_from_proto
from serving.model_server.grpc_calls import Call, Calls, Method
from serving.model_server.models import ServerModels
from serving.model_server.served_model import VersionRecord
from serving.tf.messages import get_model_status_pb2, model_management_pb2
from serving.tf.status import Code, ServingError, invalid

log = logging.getLogger(__name__)


class ModelService:
    """Answers status and reload calls; every method raises ServingError."""

    def __init__(self, models: ServerModels, *, refuses_reload: bool = False) -> None:
        self._models = models
        self._refuses_reload = refuses_reload

    def handler(self, calls: Calls) -> Any:
        """Return what `grpc.aio.Server.add_generic_rpc_handlers` takes."""
        return calls.handler(
            "tensorflow.serving.ModelService",
            {
                "GetModelStatus": Method(get_model_status_pb2.GetModelStatusRequest, self._status),
                "HandleReloadConfigRequest": Method(
                    model_management_pb2.ReloadConfigRequest, self._reload
                ),
            },
        )

    def status(self, request: Any) -> Any:
        """Return the state of every requested version, newest first."""
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        response = get_model_status_pb2.GetModelStatusResponse()
        for record in self._models.records(request.model_spec):
            _fill(response.model_version_status.add(), record)
        return response

    async def _status(self, request: Any, _call: Call) -> Any:
        return self.status(request)

    async def _reload(self, request: Any, _call: Call) -> Any:
        """Replace the whole configuration; answers once new models are available."""
        if self._refuses_reload:
            raise ServingError(
                Code.PERMISSION_DENIED,
                "This server takes no configuration from callers, since nobody proves who they "
                "are. Promote a version, or change the file in --model_config_file.",
            )
        if request.config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. "
                "Only ModelConfigList is currently supported"
            )
        try:
            await self._models.configure(models_from_proto(request.config))
        except ServingError as error:
            log.error("The configuration was not applied: %s", error.message)
            raise
        response = model_management_pb2.ReloadConfigResponse()
        response.status.error_code = 0
        return response


def _fill(row: Any, record: VersionRecord) -> None:
    row.version = record.number
    row.state = int(record.state)
    row.status.error_code = 0
    if record.error is not None and record.state == row.END:
        row.status.error_code = record.error.code
        row.status.error_message = record.error.message
