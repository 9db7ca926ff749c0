"""What a fake model server answers over gRPC: the version that its configuration file pins."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf import text_format

from serving.tf.messages import get_model_status_pb2, model_server_config_pb2, predict_pb2
from tests.support.fake_prediction_server import add_method, scores_response


class FakeModelService:
    """Follows `config_file`, and behaves as `settings()` says at each moment."""

    def __init__(self, config_file: Path, settings: Callable[[], Mapping[str, Any]]) -> None:
        self._config_file = config_file
        self._settings = settings
        self._available: list[int] = []
        self._broken: set[int] = set()

    @asynccontextmanager
    async def listening(self, address: str) -> AsyncIterator[int]:
        """Answer until the end of the block, then what was accepted by then; yields the port."""
        server = grpc.aio.server()
        add_method(server, "ModelService/GetModelStatus", get_model_status_pb2, self._status)
        add_method(server, "PredictionService/Predict", predict_pb2, self._predict)
        port = server.add_insecure_port(address)
        await server.start()
        following = asyncio.create_task(self._follow())
        yield port
        await server.stop(5)
        following.cancel()

    def _pinned(self) -> int:
        config = model_server_config_pb2.ModelServerConfig()
        text_format.Parse(self._config_file.read_text(), config)
        (number,) = config.model_config_list.config[0].model_version_policy.specific.versions
        return int(number)

    async def _follow(self) -> None:
        while True:
            pinned = self._pinned()
            if pinned in self._settings().get("broken", []):
                self._broken = {pinned}
            elif pinned not in self._available:
                await asyncio.sleep(0.1 if self._available else 0)
                self._available.append(pinned)
                await asyncio.sleep(0.1)
                self._available = [pinned]
            await asyncio.sleep(0.05)

    async def _status(self, request: Any, context: Any) -> Any:
        response = get_model_status_pb2.GetModelStatusResponse()
        for version in sorted({*self._available, *self._broken}, reverse=True):
            row = response.model_version_status.add(version=version)
            row.state = row.AVAILABLE if version in self._available else row.END
            if row.state == row.END:
                row.status.error_message = "the version is broken"
        return response

    async def _predict(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(self._settings().get("delay", 0))
        return scores_response(max(self._available), cat=0.75, dog=0.25)
