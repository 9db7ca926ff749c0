"""What a fake model server answers over gRPC: the versions that its configuration file pins."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
from google.protobuf import text_format

from serving.tf.messages import get_model_status_pb2, model_server_config_pb2, predict_pb2
from tests.support.fake_prediction_server import add_method, scores_response


class FakeModelService:
    """Follows `config_file`, and behaves as `settings()` says at each moment.

    Each model goes from one version to the next by itself, as in a real server. One that the
    file does not name any more is unloaded.
    """

    def __init__(self, config_file: Path, settings: Callable[[], Mapping[str, Any]]) -> None:
        self._config_file = config_file
        self._settings = settings
        self._available: dict[str, list[int]] = {}
        self._broken: dict[str, set[int]] = {}

    @asynccontextmanager
    async def listening(self, *addresses: str) -> AsyncIterator[list[int]]:
        """Answer until the end of the block, then what was accepted by then; yields the ports."""
        server = grpc.aio.server()
        add_method(server, "ModelService/GetModelStatus", get_model_status_pb2, self._status)
        add_method(server, "PredictionService/Predict", predict_pb2, self._predict)
        ports = [server.add_insecure_port(address) for address in addresses]
        await server.start()
        following = asyncio.create_task(self._follow())
        yield ports
        await server.stop(5)
        following.cancel()

    def _pinned(self) -> dict[str, int]:
        config = model_server_config_pb2.ModelServerConfig()
        text_format.Parse(self._config_file.read_text(), config)
        return {
            entry.name: int(number)
            for entry in config.model_config_list.config
            for number in entry.model_version_policy.specific.versions
        }

    async def _follow(self) -> None:
        while True:
            pinned = self._pinned()
            for model in self._available.keys() - pinned.keys():
                self._available[model] = []
            await asyncio.gather(*(self._change(*each) for each in pinned.items()))
            await asyncio.sleep(0.05)

    async def _change(self, model: str, pinned: int) -> None:
        available = self._available.setdefault(model, [])
        if f"{model}/{pinned}" in self._settings().get("deadly", []):
            os.abort()
        broken = self._settings().get("broken", [])
        if pinned in broken or f"{model}/{pinned}" in broken:
            self._broken[model] = {pinned}
        elif pinned not in available and model not in self._settings().get("slow", []):
            self._broken[model] = set()
            await asyncio.sleep(0.1 if available else 0)
            available.append(pinned)
            await asyncio.sleep(0.1)
            available[:] = [pinned]

    async def _status(self, request: Any, context: Any) -> Any:
        model = request.model_spec.name
        available, broken = self._available.get(model, []), self._broken.get(model, set())
        if model not in self._available:
            details = f"Could not find any versions of model {model}"
            await context.abort(grpc.StatusCode.NOT_FOUND, details)
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in sorted({*available, *broken}, reverse=True):
            row = response.model_version_status.add(version=version)
            row.state = row.AVAILABLE if version in available else row.END
            if row.state == row.END:
                row.status.error_message = "the version is broken"
        return response

    async def _predict(self, request: Any, context: Any) -> Any:
        model = request.model_spec.name
        await asyncio.sleep(self._settings().get("delay", 0))
        if not self._available.get(model):
            details = f"Servable not found for request: Latest({model})"
            await context.abort(grpc.StatusCode.NOT_FOUND, details)
        return scores_response(max(self._available[model]), **{model: 0.75, "other": 0.25})
