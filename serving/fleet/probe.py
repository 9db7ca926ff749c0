"""Whether an instance answers, and with which version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from serving.predict.channels import open_channel
from serving.predict.request import (
    predict_request,
    probe_jpeg,
    response_version,
)
from serving.tf.messages import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    prediction_service_pb2_grpc,
)
from serving.tf.names import CLASSIFY_SIGNATURE

STATUS_SECONDS = 5.0
PREDICT_SECONDS = 30.0
SILENCE_SECONDS = 15.0
"""An instance that answered before and then not for this long hangs."""

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


class InstanceProbe:
    """Asks one instance whether it answers, and remembers what it last said.

    It is ready once the live version is AVAILABLE and a prediction came back.
    From then on it stays ready while it has any version AVAILABLE, so that it
    serves the old version while a new one is loaded.
    """

    def __init__(
        self, model: str, address: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.address = address
        self.ready = False
        self.version: int | None = None
        """The version that answers a request that names none."""
        self.problem = ""
        """What keeps it from being ready, as a sentence."""
        self._model = model
        self._clock = clock
        self._last_answer: float | None = None
        self._channel = open_channel(address)
        self._status = model_service_pb2_grpc.ModelServiceStub(self._channel).GetModelStatus
        self._predict = prediction_service_pb2_grpc.PredictionServiceStub(self._channel).Predict

    @property
    def silent_seconds(self) -> float:
        """How long since it last answered; 0 if it never did."""
        return 0.0 if self._last_answer is None else self._clock() - self._last_answer

    def answer_received(self, seconds_ago: float) -> None:
        """Count an answer to somebody else."""
        self._last_answer = max(self._last_answer or 0.0, self._clock() - seconds_ago)

    async def check(self, live: int | None) -> None:
        """Ask once; `live` is the version that it should serve, None if any will do."""
        try:
            versions = await self._available()
            self._last_answer = self._clock()
            if not versions:
                self.ready, self.version = False, None
            elif self.ready:
                self.version = max(versions)
            elif live is None or live in versions:
                self.version = await self._answering_version()
                self.ready, self.problem = True, ""
        except grpc.aio.AioRpcError as error:
            self._failed(error)

    async def close(self) -> None:
        await self._channel.close()

    async def _available(self) -> list[int]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = self._model
        response = await self._status(request, timeout=STATUS_SECONDS)
        rows: list[Any] = list(response.model_version_status)
        errors = [row.status.error_message for row in rows if row.status.error_message]
        self.problem = f"Its server says: {errors[0]}" if errors else ""
        return [int(row.version) for row in rows if row.state == _AVAILABLE]

    async def _answering_version(self) -> int:
        request = predict_request(self._model, CLASSIFY_SIGNATURE, probe_jpeg())
        response = await self._predict(request, timeout=PREDICT_SECONDS)
        self._last_answer = self._clock()
        return response_version(response)

    def _failed(self, error: grpc.aio.AioRpcError) -> None:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # It may be busy: it stays ready until its silence has lasted too long.
            self.problem = "It is slow to answer."
            return
        self.ready = False
        if code is not grpc.StatusCode.UNAVAILABLE:
            self._last_answer = self._clock()
            self.problem = f"It cannot answer: {error.details()}"
