"""Classifies images with whichever instance is ready and least busy."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import grpc

from serving.errors import FleetUnavailable, ImageError, ModelError, ModelNotServed
from serving.models.canary import CanarySource
from serving.models.served import ServedModels
from serving.predict.canary import CanarySplit, NoCanaries, VersionAnswer
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
from serving.predict.traffic import InstanceTraffic, TrafficMeter
from serving.predict.upstream import InstanceLost, ModelNotLoaded, RequestRefused, Upstream
from serving.predict.wait_queue import WaitQueue
from serving.text.shell import quoted
from serving.tf.cores import core_count
from serving.tf.names import CLASSIFY_SIGNATURE, EMBED_SIGNATURE

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""How long a request may take once it has been sent, retries included."""
MAX_OUTSTANDING = max(8, core_count())
"""Requests that one instance works on at a time. More wait here, where they can still
go to any instance: sent all at once they only slow each other down."""
MAX_LOSSES = 4
"""An image that this many instances were answering as they ended fails, so that an image
that kills servers does not kill a whole fleet again and again."""
CANARY_SECONDS = 10.0
"""How long a canary may take before the stable version is asked in its place."""
MAX_METERS = 64
LARGE_BYTES = 2 * 2**20
"""Copying such a photo takes longer than asking a thread to."""


@dataclass(frozen=True)
class InstanceAddress:
    """Where a ready instance answers."""

    instance_id: str
    address: str
    """`host:port` of its gRPC service."""


@dataclass
class RequestState:
    """One request, from the first attempt to the answer."""

    model: str | None
    """The model that the caller named; None for whichever is the current one."""
    deadline: float | None = None
    """Set when it is first sent: waiting for the first ready instance does not count."""
    losses: int = 0
    avoid: str = ""
    """The instance that lost it last; another one is preferred."""
    reason: str = ""
    """Why it was lost last."""
    waiting_since: float | None = None
    """When it first found no ready instance."""


class PredictClient:
    """Spreads requests over the ready instances, which all serve the same models.

    `served` says which models those are; it is called for every attempt, so a request
    that names no model goes to the one that is current by then. Each request goes to
    the instance with the fewest outstanding ones, in turn among equals. One that an
    instance loses (it ended, cannot be reached, or let go of the request) goes to
    another instance: Predict changes nothing, so it may be repeated. An instance that
    lost one is ejected: it gets no request for a moment, longer each time, until it
    answers again. One that has not loaded a model yet, or has just unloaded it, gets no
    request for that model for a moment. While `canaries` knows of one, its share of the
    requests goes to its version: see `serving.predict.canary`.

    Belongs to one event loop. `set_instances` says which instances are ready; while
    none is, requests wait up to `timeout` seconds for one. `clock` returns seconds.
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
        self.timeout = timeout
        self._clock = clock
        self._upstreams: list[Upstream] = []
        self._meters: dict[str, TrafficMeter] = {}
        self._waiting: WaitQueue[tuple[str, Upstream]] = WaitQueue(
            lambda taken: self._release(taken[1])
        )
        self._some_idle = asyncio.Event()
        self._turn = itertools.count(1)
        self._listeners: list[Callable[[str], None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def set_instances(self, instances: Iterable[InstanceAddress]) -> None:
        """Make `instances` the ready ones.

        An instance that is no longer among them gets no new request and keeps
        those it has, see `drained`.
        """
        new = {instance.instance_id: instance.address for instance in instances}
        for upstream in self._ready():
            if new.get(upstream.instance_id) == upstream.address:
                del new[upstream.instance_id]
            else:
                upstream.draining = True
                self._close_if_drained(upstream)
        for instance_id, address in new.items():
            meter = self._meter(instance_id)
            self._upstreams.append(Upstream(instance_id, address, meter, self._clock))
        self._waiting.wake_all()

    def fail_over(self, instance_id: str) -> None:
        """Send the requests that this instance has not answered to other instances, now.

        For an instance that is known to be gone or to hang; call `set_instances`
        without it first.
        """
        for upstream in self._upstreams:
            if upstream.instance_id == instance_id:
                upstream.fail_over()

    async def drained(self, instance_id: str, seconds: float) -> bool:
        """Wait until the instance has answered all requests; False after `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._outstanding(instance_id):
                    self._some_idle.clear()
                    await self._some_idle.wait()
                return True
        return False

    def on_loss(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(instance_id)` when an instance loses a request; returns its undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def classify(
        self, jpeg: bytes, model: str | None = None, *, with_embedding: bool = False
    ) -> Prediction:
        """Return the ranked classes for one normalized JPEG, by the current model if none is named.

        With `with_embedding` the prediction has the embedding too, from a version that gives
        it beside its scores.

        Raises ImageError if the model cannot decode the image, ModelNotServed, ModelError
        if it answers outside its contract or fails on it, FleetUnavailable if no ready
        instance answered in time.
        """
        prediction = await self._answer_with_embedding(jpeg, model)
        return prediction if with_embedding else replace(prediction, embedding=None)

    async def _answer_with_embedding(self, jpeg: bytes, model: str | None) -> Prediction:
        """As `classify`, with the embedding."""
        started = self._clock()
        name = self.served_name(model)
        canary = self._split.draw(name)
        if canary is None:
            return await self._classify(jpeg, model, started)
        answer = await self._ask_version(jpeg, name, canary.version, CANARY_SECONDS)
        if answer is not None and answer.prediction is not None:
            ask_stable = partial(self._ask_version, jpeg, name, canary.stable, DEADLINE_SECONDS)
            self._split.compare(name, canary, jpeg, answer, ask_stable)
            return replace(answer.prediction, milliseconds=(self._clock() - started) * 1000)
        # Whoever sent the photo pays for a bad version with time alone.
        prediction = await self._classify(jpeg, model, started)
        if answer is not None and prediction.version == canary.stable:
            self._split.record(name, canary, jpeg, VersionAnswer(prediction, 0.0), answer)
        return prediction

    async def _classify(self, jpeg: bytes, model: str | None, started: float) -> Prediction:
        # No output is named: which version answers, and what it has, is known only then.
        name, response, instance_id = await self._predict(CLASSIFY_SIGNATURE, jpeg, model)
        return self._prediction(name, response, instance_id, started)

    def _prediction(
        self, model: str, response: Any, instance_id: str, started: float
    ) -> Prediction:
        return Prediction(
            model=model,
            version=response_version(response),
            scores=response_scores(response),
            instance_id=instance_id,
            milliseconds=(self._clock() - started) * 1000,
            familiarity=response_familiarity(response),
            embedding=response_embedding_bytes(response),
        )

    async def _ask_version(
        self, jpeg: bytes, model: str, version: int, seconds: float
    ) -> VersionAnswer | None:
        """Ask one instance once for a version.

        None if the instance has not loaded it, or says nothing about it. Raises FleetUnavailable
        if no instance could be asked in time.
        """
        try:
            _, upstream = await self._acquire(RequestState(model))
        except ModelError:  # the model has just gone
            return None
        started = self._clock()
        try:
            request = await _request(model, CLASSIFY_SIGNATURE, jpeg, version)
            response = await self._send(upstream, request, started + seconds)
            prediction = self._prediction(model, response, upstream.instance_id, started)
            return VersionAnswer(prediction, prediction.milliseconds)
        except ModelNotLoaded:
            return None
        except InstanceLost as loss:
            self._tell_lost(upstream)
            return VersionAnswer(None, 0.0) if loss.in_flight else None
        except (RequestRefused, FleetUnavailable, ModelError):
            return VersionAnswer(None, 0.0)
        finally:
            self._release(upstream)

    async def embed(self, jpeg: bytes, model: str | None = None) -> tuple[int, list[float]]:
        """Return the version that answered and the embedding of one normalized JPEG.

        Raises as `classify` does.
        """
        _, response, _ = await self._predict(EMBED_SIGNATURE, jpeg, model)
        return response_version(response), response_embedding(response)

    def counters(self) -> Mapping[str, InstanceTraffic]:
        """Return what this client sent to each instance, by instance id."""
        return {
            instance_id: meter.read(self._outstanding(instance_id))
            for instance_id, meter in self._meters.items()
        }

    async def close(self) -> None:
        """Close every connection; outstanding requests raise FleetUnavailable."""
        await self._split.close()
        self._closed = True
        upstreams, self._upstreams = self._upstreams, []
        self._waiting.wake_all()
        for upstream in upstreams:
            await upstream.close()
        await asyncio.gather(*self._closing)

    async def _predict(
        self, signature: str, jpeg: bytes, model: str | None
    ) -> tuple[str, Any, str]:
        """Return the model that answered, its response, and the id of the instance."""
        state = RequestState(model)
        while True:
            name, upstream = await self._acquire(state)
            if state.deadline is None:
                state.deadline = self._clock() + DEADLINE_SECONDS
            try:
                response = await self._answer(upstream, name, signature, jpeg, state.deadline)
                return name, response, upstream.instance_id
            except InstanceLost as loss:
                self._on_lost(upstream, loss, state)
            except ModelNotLoaded as error:
                state.avoid = upstream.instance_id
                state.reason = f"{upstream.instance_id} has not loaded model {name}: {error}"
            except RequestRefused as refusal:
                if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise _model_error(name, refusal) from refusal
                if await self._answers_probe(upstream, name, signature, state.deadline):
                    raise ImageError(
                        "The model cannot decode this image.",
                        "Save the image as a JPEG file again and try that one.",
                    ) from refusal
                raise _model_error(name, refusal) from refusal
            finally:
                self._release(upstream)

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
        self, upstream: Upstream, model: str, signature: str, jpeg: bytes, deadline: float
    ) -> Any:
        """Return what an instance answers, with the stable version while a canary goes on."""
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
        self, upstream: Upstream, model: str, signature: str, deadline: float
    ) -> bool:
        """Say whether a good image is answered, so that the refused one is at fault."""
        try:
            await self._answer(upstream, model, signature, probe_jpeg(), deadline)
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
        self._tell_lost(upstream)

    def _tell_lost(self, upstream: Upstream) -> None:
        for listener in list(self._listeners):
            listener(upstream.instance_id)

    async def _acquire(self, state: RequestState) -> tuple[str, Upstream]:
        """Return the model to ask for, and the best upstream with one more request outstanding.

        See `_release`.
        """
        again = False
        while True:
            taken = self._take(state)
            if taken is not None:
                return taken
            now, name = self._clock(), self.served_name(state.model)
            pause = self._until_retry(name, now)
            if all(upstream.resumes(name) > now for upstream in self._ready()):
                pause = min(pause, self._timeout_left(state, now))
            taken = await self._waiting.wait(partial(self._take, state), pause, again=again)
            if taken is not None:
                return taken
            again = True

    def _take(self, state: RequestState) -> tuple[str, Upstream] | None:
        """Do what `_acquire` does if an upstream can take the request now; None if not."""
        if self._closed:
            raise FleetUnavailable(
                "The connection to the instances has been closed.", "Start Servery again."
            )
        name = self.served_name(state.model)
        upstream = self._best(name, state.avoid, self._clock())
        if upstream is None:
            return None
        upstream.outstanding += 1
        upstream.turn = next(self._turn)
        return name, upstream

    def _best(self, model: str, avoid: str, now: float) -> Upstream | None:
        free = [
            upstream
            for upstream in self._ready()
            if upstream.resumes(model) <= now and upstream.outstanding < MAX_OUTSTANDING
        ]
        preferred = [upstream for upstream in free if upstream.instance_id != avoid] or free
        return min(
            preferred, key=lambda upstream: (upstream.outstanding, upstream.turn), default=None
        )

    def _until_retry(self, model: str, now: float) -> float:
        """Return in how many seconds the next instance may be asked for `model` again."""
        pauses = [upstream.resumes(model) - now for upstream in self._ready()]
        return min((pause for pause in pauses if pause > 0), default=math.inf)

    def _timeout_left(self, state: RequestState, now: float) -> float:
        """Return how long to wait for a ready instance; raises FleetUnavailable after that."""
        if state.waiting_since is None:
            state.waiting_since = now
        left = state.waiting_since + self.timeout - now
        if left > 0:
            return left
        raise FleetUnavailable(
            f"No instance could answer ({state.reason})."
            if state.reason
            else "No instance is ready to answer.",
            "Start one on the Fleet page, or with `servery fleet start`.",
        )

    def _release(self, upstream: Upstream) -> None:
        upstream.outstanding -= 1
        self._waiting.wake_one()
        self._close_if_drained(upstream)

    def _close_if_drained(self, upstream: Upstream) -> None:
        if upstream.outstanding:
            return
        self._some_idle.set()
        # After `close` there is nothing to remove: that closes every upstream itself.
        if upstream.draining and upstream in self._upstreams:
            self._upstreams.remove(upstream)
            task = asyncio.create_task(upstream.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _ready(self) -> list[Upstream]:
        return [upstream for upstream in self._upstreams if not upstream.draining]

    def _outstanding(self, instance_id: str) -> int:
        return sum(
            upstream.outstanding
            for upstream in self._upstreams
            if upstream.instance_id == instance_id
        )

    def _meter(self, instance_id: str) -> TrafficMeter:
        if instance_id not in self._meters:
            used = {upstream.instance_id for upstream in self._upstreams}
            for old in list(self._meters):
                if len(self._meters) >= MAX_METERS and old not in used:
                    del self._meters[old]
            self._meters[instance_id] = TrafficMeter(self._clock)
        return self._meters[instance_id]


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


def _deadline_exceeded(instance_id: str) -> FleetUnavailable:
    return FleetUnavailable(
        f"Instance {instance_id} did not answer within {DEADLINE_SECONDS:.0f} s.",
        "Start more instances, or send fewer images at a time.",
    )
