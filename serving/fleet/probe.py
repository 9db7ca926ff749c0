"""Whether an instance answers, and with which version of which model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

import grpc
import grpc.aio

from serving.errors import ModelError
from serving.predict.channels import open_channel
from serving.predict.request import (
    predict_method,
    predict_request,
    probe_jpeg,
    response_scores,
)
from serving.tf.messages import (
    get_model_status_pb2,
    model_service_pb2_grpc,
)
from serving.tf.names import CLASSIFY_SIGNATURE

STATUS_SECONDS = 5.0
PREDICT_SECONDS = 30.0
SILENCE_SECONDS = 15.0
"""An instance that answered before and then not for this long hangs."""

_AVAILABLE = get_model_status_pb2.ModelVersionStatus.AVAILABLE


class InstanceProbe:
    """Asks one instance which models it serves, and remembers what it last said.

    It serves a model once the model's live version is AVAILABLE and a prediction came
    back. From then on it goes on serving it while it has any version AVAILABLE, so that
    the old version counts while a new one is loaded.
    """

    def __init__(
        self,
        address: str,
        clock: Callable[[], float] = time.monotonic,
        *,
        any_version: bool = False,
        checks_answers: bool = False,
    ) -> None:
        """With `any_version` it serves a model with whatever version it has AVAILABLE.

        With `checks_answers` the prediction must have classes and scores, as those have of
        versions that were tried before they were served.
        """
        self.address = address
        self._any_version = any_version
        self._checks_answers = checks_answers
        self.versions: dict[str, int] = {}
        """By each model that it serves, the version that answers a request that names none; while
        a canary goes on, the stable one."""
        self.loaded: dict[str, frozenset[int]] = {}
        """By each model, every version that it has loaded."""
        self.refused: dict[str, dict[int, str]] = {}
        """By each model, the versions that it cannot load, and what its server says."""
        self.errors: dict[str, str] = {}
        """By each model whose live version it cannot serve, what its server says."""
        self.problem = ""
        """Why it does not answer, as a sentence; empty if it does."""
        self.reachable = False
        """It answered when it was asked last, or was only slow to."""
        self._clock = clock
        self._last_answer: float | None = None
        self._unanswered: float | None = None
        """When the first question was asked since it answered."""
        self._channel = open_channel(address)
        self._status = model_service_pb2_grpc.ModelServiceStub(self._channel).GetModelStatus
        self._predict = predict_method(self._channel)

    @property
    def silent_seconds(self) -> float:
        """How long a question has been open; 0 if none is, or it never answered."""
        if self._last_answer is None or self._unanswered is None:
            return 0.0
        return self._clock() - max(self._last_answer, self._unanswered)

    def answer_received(self, seconds_ago: float) -> None:
        """Count an answer to somebody else."""
        if self._last_answer is None and seconds_ago > SILENCE_SECONDS:
            return  # from before this began to ask, be it that the instance slept since
        self._last_answer = max(self._last_answer or 0.0, self._clock() - seconds_ago)

    async def check(
        self, live: Mapping[str, int | None], with_canary: Collection[str] = ()
    ) -> None:
        """Ask once for each model in `live`, by its live version; None if any version will do.

        Requests for models `with_canary` pin the live version or the canary's.
        """
        for known in (self.versions, self.errors, self.loaded, self.refused):
            for name in known.keys() - live.keys():
                known.pop(name, None)
        await asyncio.gather(
            *(self._check(name, number, name in with_canary) for name, number in live.items())
        )

    async def close(self) -> None:
        await self._channel.close()

    async def _check(self, model: str, live: int | None, has_canary: bool) -> None:
        try:
            rows = await self._rows(model)
            available = [int(row.version) for row in rows if row.state == _AVAILABLE]
            refused = {
                int(row.version): str(row.status.error_message)
                for row in rows
                if row.status.error_message
            }
            errors = [said for number, said in refused.items() if live in (None, number)]
            self.loaded[model], self.refused[model] = frozenset(available), refused
            if not available:
                self.versions.pop(model, None)
            elif model not in self.versions and self._may_answer(live, available):
                number = live if has_canary else None
                request = predict_request(model, CLASSIFY_SIGNATURE, probe_jpeg(), number)
                response = await self._call(self._predict, request.content, PREDICT_SECONDS)
                if self._checks_answers:
                    response_scores(response)
            if available and (model in self.versions or self._may_answer(live, available)):
                pinned = live if has_canary and live in available else None
                self.versions[model] = pinned or max(available)
            if errors:
                self.errors[model] = errors[0]
            else:
                self.errors.pop(model, None)
            self.problem = ""
            self.reachable = True
        except grpc.aio.AioRpcError as error:
            self._failed(model, error)
        except ModelError as error:
            self.reachable = True
            self.errors[model] = error.what

    def _may_answer(self, live: int | None, available: Collection[int]) -> bool:
        return self._any_version or live is None or live in available

    async def _rows(self, model: str) -> list[Any]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = model
        try:
            response = await self._call(self._status, request, STATUS_SECONDS)
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:  # it has not read of the model yet
                return []
            raise
        return list(response.model_version_status)

    async def _call(self, method: Any, request: Any, seconds: float) -> Any:
        if self._unanswered is None:
            self._unanswered = self._clock()
        try:
            response = await method(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            # Any other error comes from the instance itself.
            if error.code() not in (
                grpc.StatusCode.DEADLINE_EXCEEDED,
                grpc.StatusCode.UNAVAILABLE,
            ):
                self._answered()
            raise
        self._answered()
        return response

    def _answered(self) -> None:
        self._last_answer, self._unanswered = self._clock(), None

    def _failed(self, model: str, error: grpc.aio.AioRpcError) -> None:
        code = error.code()
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            # It may be busy: what it serves holds until its silence has lasted too long.
            self.problem = "It is slow to answer."
            return
        self.reachable = code is not grpc.StatusCode.UNAVAILABLE
        self.versions.pop(model, None)
        self.loaded.pop(model, None)
        # Not found: it was unloaded a moment after the server said that it was available.
        if code not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND):
            self.errors[model] = str(error.details() or code.name)
