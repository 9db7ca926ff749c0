"""One instance as the client sees it: its connection, and what a failed call means."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from serving.predict.channels import open_channel
from serving.predict.request import ImageRequest, predict_method
from serving.predict.traffic import TrafficMeter

CONNECT_SECONDS = 2.0
WAKE_SECONDS = 30.0
"""How long a connection to an instance that sleeps may take, on a machine that is busy."""
MIN_EJECTION_SECONDS = 0.2
MAX_EJECTION_SECONDS = 5.0
MISSING_MODEL_RETRY_SECONDS = 0.2
"""Before an instance that has not loaded a model is asked for that model again."""

_LOST = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.ABORTED,
    }
)
"""Errors after which another instance, or this one a little later, may well answer."""


class InstanceLost(Exception):
    """The instance did not answer, and another one may; `in_flight` if it had the request."""

    def __init__(self, reason: str, *, in_flight: bool) -> None:
        super().__init__(reason)
        self.in_flight = in_flight


class ModelNotLoaded(Exception):
    """The instance answers, but has not loaded the model or version, or has just unloaded it."""


class RequestRefused(Exception):
    """The instance answered with an error that another one would repeat."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code
        self.details = details


class Upstream:
    """A connection to one instance, the requests on it, and whether it is ejected."""

    def __init__(
        self,
        instance_id: str,
        address: str,
        meter: TrafficMeter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.instance_id = instance_id
        self.address = address
        self.outstanding = 0
        self.asleep = False
        """It has to wake before it answers."""
        self.sleep_count = 0
        """`InstanceAddress.sleep_count` of when the connection was made."""
        self.draining = False
        """Gets no new request; it is closed once it has answered the others."""
        self.turn = 0.0
        """Grows with each request; the upstream with the smallest one is next in turn."""
        self.ejected_until = 0.0
        """Gets no request before then, by `clock`."""
        self._retry_model_at: dict[str, float] = {}
        """Until when it gets no request for a model that it had not loaded, by the model."""
        self._losses = 0
        self._meter = meter
        self._clock = clock
        self._channel = open_channel(address)
        self._predict = predict_method(self._channel)
        self._calls: set[Any] = set()

    def resumes(self, model: str) -> float:
        """Return from when on it may get requests for `model`, by `clock`."""
        return max(self.ejected_until, self._retry_model_at.get(model, 0.0))

    async def predict(self, request: ImageRequest, seconds: float) -> Any:
        """Return the PredictResponse.

        Raises InstanceLost, ModelNotLoaded, RequestRefused, or TimeoutError after that
        many `seconds`.
        """
        started = self._clock()
        try:
            await self._connect()
            response = await self._call(request, seconds)
        except InstanceLost:
            self._meter.failed()
            self._eject()
            raise
        except TimeoutError:
            self._meter.failed()
            raise
        except ModelNotLoaded:
            self._answered(started)
            # One that lacks a version may well have another.
            if request.version is None:
                self._retry_model_at[request.model] = self._clock() + MISSING_MODEL_RETRY_SECONDS
            raise
        except RequestRefused:
            self._answered(started)
            raise
        self._answered(started)
        self._retry_model_at.pop(request.model, None)
        return response

    def wake(self) -> None:
        """Connect, by which an instance wakes that sleeps."""
        with contextlib.suppress(grpc.aio.UsageError):  # it has just been closed
            self._channel.get_state(try_to_connect=True)

    def fail_over(self) -> None:
        """End every outstanding call with InstanceLost."""
        for call in list(self._calls):
            call.cancel()

    async def close(self) -> None:
        await self._channel.close()

    def _answered(self, started: float) -> None:
        self._meter.answered((self._clock() - started) * 1000)
        self._losses = 0
        self.ejected_until = 0.0
        self.asleep = False

    def _eject(self) -> None:
        now = self._clock()
        # Requests that were lost together are one loss: only the first makes the pause longer.
        if self.ejected_until <= now:
            pause = min(MIN_EJECTION_SECONDS * 2**self._losses, MAX_EJECTION_SECONDS)
            self.ejected_until = now + pause
            self._losses += 1

    async def _connect(self) -> None:
        """Return once connected; a request that is lost before was never in flight."""
        ready = grpc.ChannelConnectivity.READY
        state = self._channel.get_state(try_to_connect=True)
        if state is ready:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAKE_SECONDS if self.asleep else CONNECT_SECONDS):
                while state is not ready and state is not grpc.ChannelConnectivity.SHUTDOWN:
                    await self._channel.wait_for_state_change(state)
                    state = self._channel.get_state(try_to_connect=True)
                    # The channel would try again by itself; another instance is sooner.
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        break
        if state is not ready:
            raise InstanceLost(f"no connection to {self.address}", in_flight=False)

    async def _call(self, request: ImageRequest, seconds: float) -> Any:
        try:
            call = self._predict(request.content, timeout=seconds)
        except grpc.aio.UsageError as error:
            raise InstanceLost("the connection was closed", in_flight=False) from error
        self._calls.add(call)
        try:
            return await call
        except asyncio.CancelledError as error:
            # `fail_over` cancels the call alone; a caller that goes away cancels the task.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            raise InstanceLost("the request was taken back", in_flight=True) from error
        except grpc.aio.AioRpcError as error:
            code, details = error.code(), error.details() or ""
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise TimeoutError from error
            if code is grpc.StatusCode.RESOURCE_EXHAUSTED:
                # It has too much to do to take the request, which therefore does it no harm.
                raise InstanceLost(f"{code.name}: {details}", in_flight=False) from error
            if code in _LOST:
                raise InstanceLost(f"{code.name}: {details}", in_flight=True) from error
            if code is grpc.StatusCode.NOT_FOUND:
                raise ModelNotLoaded(details) from error
            raise RequestRefused(code, details) from error
        finally:
            self._calls.discard(call)
