"""Classifies images with the instances: asks one, and another one if that one is lost."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import grpc

from serving.errors import FleetUnavailable, ImageError, ModelError, ModelNotServed
from serving.models.canary import CanarySource
from serving.models.served import ServedModels
from serving.predict.canary import CanarySplit, NoCanaries, VersionAnswer
from serving.predict.load_balancer import LoadBalancer, RequestState
from serving.predict.prediction import Prediction
from serving.predict.request import (
    ImageRequest,
    predict_request,
    probe_jpeg,
    response_embedding,
    response_embedding_bytes,
    response_familiarity,
    response_scores,
    response_version,
)
from serving.predict.upstream import InstanceLost, ModelNotLoaded, RequestRefused, Upstream
from serving.text.shell import quoted
from serving.tf.names import CLASSIFY_SIGNATURE, EMBED_SIGNATURE

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""How long a request may take once it has been sent, retries included."""
MAX_LOSSES = 4
"""An image that this many instances were answering as they ended fails, so that an image
that kills servers does not kill a whole fleet again and again."""
CANARY_SECONDS = 10.0
"""How long a canary may take before the stable version is asked in its place."""
LARGE_BYTES = 2 * 2**20
"""Copying such a photo takes longer than asking a thread to."""


class PredictClient:
    """Asks the instances that `balancer` knows of.

    `served` says which models those serve; it is called for every attempt, so a request
    that names no model goes to the one that is current by then. A request that an
    instance loses (it ended, cannot be reached, or let go of the request) goes to
    another instance: Predict changes nothing, so it may be repeated. While `canaries` knows of
    one, its share of the requests goes to its version: see `serving.predict.canary`.

    Belongs to one event loop. While no instance is ready, requests wait up to `timeout` seconds
    for one. `clock` returns seconds.
    """

    def __init__(
        self,
        served: Callable[[], ServedModels],
        *,
        canaries: CanarySource | None = None,
        timeout: float = 15.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._served = served
        self._canaries = canaries or NoCanaries()
        self._split = CanarySplit(self._canaries)
        self._clock = clock
        self.balancer = LoadBalancer(self.served_name, timeout, clock)
        """Which instances there are, and which of them gets a request."""

    async def classify(
        self,
        jpeg: bytes,
        model: str | None = None,
        *,
        version: int | None = None,
        with_embedding: bool = False,
    ) -> Prediction:
        """Return the ranked classes for one normalized JPEG, by the current model if none is named.

        `version` names one that the instances have loaded; it answers whatever canary goes on,
        and the answer counts for none. With `with_embedding` the prediction has the embedding
        too, from a version that gives it beside its scores.

        Raises ImageError if the model cannot decode the image, ModelNotServed, ModelError
        if it answers outside its contract or fails on it, FleetUnavailable if no ready
        instance answered in time.
        """
        started = self._clock()
        if version is not None:
            return await self._classify(
                jpeg, RequestState(model, version=version), started, with_embedding
            )
        name = self.served_name(model)
        canary = self._split.draw(name)
        if canary is None:
            return await self._classify(jpeg, RequestState(model), started, with_embedding)
        answer = await self._ask_version(jpeg, name, canary.version, CANARY_SECONDS, with_embedding)
        if answer is not None and answer.prediction is not None:
            predict_stable = partial(self._ask_version, jpeg, name, canary.stable, DEADLINE_SECONDS)
            self._split.compare(name, canary, jpeg, answer, predict_stable)
            return replace(answer.prediction, milliseconds=(self._clock() - started) * 1000)
        # Whoever sent the photo pays for a bad version with time alone.
        prediction = await self._classify(jpeg, RequestState(model), started, with_embedding)
        if answer is not None and prediction.version == canary.stable:
            self._split.record(name, canary, jpeg, VersionAnswer(prediction, 0.0), answer)
        return prediction

    async def _classify(
        self, jpeg: bytes, state: RequestState, started: float, with_embedding: bool
    ) -> Prediction:
        # No output is named: which version answers, and what it has, is known only then.
        name, response, instance_id = await self._predict(CLASSIFY_SIGNATURE, jpeg, state)
        return self._prediction(name, response, instance_id, started, with_embedding)

    def _prediction(
        self,
        model: str,
        response: Any,
        instance_id: str,
        started: float,
        with_embedding: bool,
    ) -> Prediction:
        return Prediction(
            model=model,
            version=response_version(response),
            scores=response_scores(response),
            instance_id=instance_id,
            milliseconds=(self._clock() - started) * 1000,
            familiarity=response_familiarity(response),
            embedding=response_embedding_bytes(response) if with_embedding else None,
        )

    async def _ask_version(
        self,
        jpeg: bytes,
        model: str,
        version: int,
        seconds: float,
        with_embedding: bool = False,
    ) -> VersionAnswer | None:
        """Ask one instance once for a version.

        None if the instance has not loaded it, or says nothing about it. Raises FleetUnavailable
        if no instance could be asked in time.
        """
        try:
            _, upstream = await self.balancer.acquire(RequestState(model))
        except ModelError:  # the model has just gone
            return None
        started = self._clock()
        try:
            request = await _request(model, CLASSIFY_SIGNATURE, jpeg, version)
            response = await self._send(upstream, request, started + seconds)
            prediction = self._prediction(
                model, response, upstream.instance_id, started, with_embedding
            )
            return VersionAnswer(prediction, prediction.milliseconds)
        except ModelNotLoaded:
            return None
        except InstanceLost as loss:
            self.balancer.notify_lost(upstream)
            return VersionAnswer(None, 0.0) if loss.in_flight else None
        except (RequestRefused, FleetUnavailable, ModelError):
            return VersionAnswer(None, 0.0)
        finally:
            self.balancer.release(upstream)

    async def embed(self, jpeg: bytes, model: str | None = None) -> tuple[int, list[float]]:
        """Return the version that answered and the embedding of one normalized JPEG.

        Raises as `classify` does.
        """
        _, response, _ = await self._predict(EMBED_SIGNATURE, jpeg, RequestState(model))
        return response_version(response), response_embedding(response)

    async def close(self) -> None:
        """Close every connection; outstanding requests raise FleetUnavailable."""
        await self._split.close()
        await self.balancer.close()

    async def _predict(
        self, signature: str, jpeg: bytes, state: RequestState
    ) -> tuple[str, Any, str]:
        """Return the model that answered, its response, and the id of the instance."""
        while True:
            name, upstream = await self.balancer.acquire(state)
            if state.deadline is None:
                state.deadline = self._clock() + DEADLINE_SECONDS
            try:
                response = await self._answer(upstream, name, signature, jpeg, state)
                return name, response, upstream.instance_id
            except InstanceLost as loss:
                self._on_lost(upstream, loss, state)
            except ModelNotLoaded as error:
                state.avoid = upstream.instance_id
                state.reason = f"{upstream.instance_id} has not loaded model {name}: {error}"
                if state.version is not None:
                    state.not_loaded += 1
                    # Other than a model, a version that is not loaded is not about to be.
                    if state.not_loaded >= len(self.balancer.ready()):
                        raise _version_not_loaded(name, state.version) from error
            except RequestRefused as refusal:
                if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise _model_error(name, refusal) from refusal
                if await self._answers_probe(upstream, name, signature, state):
                    raise ImageError(
                        "The model cannot decode this image.",
                        "Save the image as a JPEG file again and try that one.",
                    ) from refusal
                raise _model_error(name, refusal) from refusal
            finally:
                self.balancer.release(upstream)

    def served_name(self, model: str | None) -> str:
        """Return the model that answers at this moment, the current one if `model` is None.

        Raises ModelNotServed, and ModelError in a workspace without any model.
        """
        served = self._served()
        if model is None:
            if served.current:
                return served.current
            raise ModelError(
                "There is no model to classify with.",
                "Make one on the Models page, or add one with `servery models add`.",
            )
        if model in served.names():
            return model
        raise ModelNotServed(
            f"Model {model} is not served.",
            f"Serve it on the Models page, or with `servery models serve {quoted(model)}`.",
        )

    async def _send(self, upstream: Upstream, request: ImageRequest, deadline: float) -> Any:
        remaining = deadline - self._clock()
        if remaining <= 0:
            raise _deadline_exceeded(upstream.instance_id)
        try:
            return await upstream.predict(request, remaining)
        except TimeoutError as error:
            raise _deadline_exceeded(upstream.instance_id) from error

    async def _answer(
        self, upstream: Upstream, model: str, signature: str, jpeg: bytes, state: RequestState
    ) -> Any:
        """Return what an instance answers: with the version that the caller named, or with the
        stable one while a canary goes on."""
        deadline = state.deadline or self._clock() + DEADLINE_SECONDS
        if state.version is not None:
            request = await _request(model, signature, jpeg, state.version)
            return await self._send(upstream, request, deadline)
        # Looked up for every attempt, as the current model is.
        canary = self._canaries.of(model)
        if canary is not None:
            # An instance that a promotion has not reached yet answers with what it has loaded.
            with contextlib.suppress(ModelNotLoaded):
                request = await _request(model, signature, jpeg, canary.pinned)
                return await self._send(upstream, request, deadline)
        request = await _request(model, signature, jpeg)
        return await self._send(upstream, request, deadline)

    async def _answers_probe(
        self, upstream: Upstream, model: str, signature: str, state: RequestState
    ) -> bool:
        """Say whether a good image is answered, so that the refused one is at fault."""
        try:
            await self._answer(upstream, model, signature, probe_jpeg(), state)
        except (InstanceLost, ModelNotLoaded, RequestRefused):
            return False
        return True

    def _on_lost(self, upstream: Upstream, loss: InstanceLost, state: RequestState) -> None:
        log.debug("Instance %s lost a request: %s", upstream.instance_id, loss)
        state.avoid = upstream.instance_id
        state.reason = str(loss)
        if loss.in_flight:
            state.losses += 1
        if state.losses >= MAX_LOSSES:
            raise FleetUnavailable(
                f"{state.losses} instances ended while they answered this image.",
                "Look at the instances' logs; if other images work, skip this one.",
            ) from loss
        self.balancer.notify_lost(upstream)


async def _request(
    model: str, signature: str, jpeg: bytes, version: int | None = None
) -> ImageRequest:
    if len(jpeg) < LARGE_BYTES:
        return predict_request(model, signature, jpeg, version)
    return await asyncio.to_thread(predict_request, model, signature, jpeg, version)


def _model_error(model: str, refusal: RequestRefused) -> ModelError:
    return ModelError(
        f"Model {model} could not answer: {refusal.details or refusal.code.name}",
        "Try again; if it fails again, make an earlier version live.",
    )


def _version_not_loaded(model: str, version: int) -> ModelNotServed:
    return ModelNotServed(
        f"No instance has loaded version {version} of {model}.",
        f"Ask the live version, or make version {version} live on the Models page.",
    )


def _deadline_exceeded(instance_id: str) -> FleetUnavailable:
    return FleetUnavailable(
        f"Instance {instance_id} did not answer within {DEADLINE_SECONDS:.0f} s.",
        "Start more instances, or send fewer images at a time.",
    )
