"""Classifies images with whichever instance is ready and least busy."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc

from serving.errors import FleetUnavailable, ImageError, ModelError
from serving.predict.peer import InstanceLost, Peer, RequestRefused
from serving.predict.prediction import Prediction
from serving.predict.request import (
    CLASSIFY_SIGNATURE,
    EMBED_SIGNATURE,
    answered_embedding,
    answered_scores,
    answered_version,
    predict_request,
    probe_jpeg,
)
from serving.predict.traffic import InstanceTraffic, TrafficMeter

log = logging.getLogger(__name__)

DEADLINE_SECONDS = 60.0
"""How long a request may take once it has been sent, retries included."""
MOST_OUTSTANDING = max(8, os.cpu_count() or 1)
"""Requests that one instance works on at a time. More wait here, where they can still
go to any instance: sent all at once they only slow each other down."""
MOST_LOSSES = 4
"""An image that was being answered by this many instances as they ended is given up,
so that an image that kills servers does not kill a whole fleet again and again."""
METERS_KEPT = 64


@dataclass(frozen=True)
class Endpoint:
    """Where a ready instance answers."""

    instance_id: str
    address: str
    """`host:port` of its gRPC service."""


@dataclass
class _Journey:
    """One request on its way, from the first try to the answer."""

    started: float
    deadline: float
    losses: int = 0
    avoid: str = ""
    """The instance that lost it last; another one is preferred."""
    reason: str = ""
    """Why it was lost last."""
    waiting_since: float | None = None
    """When it first found no ready instance."""


class PredictClient:
    """Spreads requests for one model over the ready instances.

    Each request goes to the instance with the fewest outstanding ones, in turn
    among equals. One that an instance loses (it ended, cannot be reached, or let
    go of the request) goes to another instance: Predict changes nothing, so it
    may be repeated. An instance that lost one is left alone for a moment, longer
    each time, until it answers again.

    Belongs to one event loop. `use` says which instances are ready; where none
    is, requests wait up to `patience` seconds for one.
    """

    def __init__(self, model: str, *, patience: float = 15.0) -> None:
        self.model = model
        self.patience = patience
        self._ready: dict[str, Peer] = {}
        self._leaving: dict[str, list[Peer]] = {}
        self._meters: dict[str, TrafficMeter] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turn = itertools.count(1)
        self._listeners: list[Callable[[str], None]] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._closed = False

    def use(self, endpoints: Iterable[Endpoint]) -> None:
        """Make `endpoints` the ready set.

        An instance that is no longer in it gets no new request and keeps those
        it has, see `drained`.
        """
        wanted = {endpoint.instance_id: endpoint for endpoint in endpoints}
        for instance_id, peer in list(self._ready.items()):
            endpoint = wanted.get(instance_id)
            if endpoint is None or endpoint.address != peer.address:
                del self._ready[instance_id]
                self._leave(peer)
        for endpoint in wanted.values():
            if endpoint.instance_id not in self._ready:
                self._ready[endpoint.instance_id] = Peer(
                    endpoint.instance_id, endpoint.address, self._meter(endpoint.instance_id)
                )
        self._wake_all()

    def give_up(self, instance_id: str) -> None:
        """Send what this instance has not answered to another one, now.

        For an instance that is known to be gone or to hang; take it out of the
        ready set first.
        """
        for peer in self._peers(instance_id):
            peer.give_up()

    async def drained(self, instance_id: str, seconds: float) -> bool:
        """Wait until the instance has answered all it was sent; False after `seconds`."""
        end = time.monotonic() + seconds
        while any(peer.outstanding for peer in self._peers(instance_id)):
            if time.monotonic() >= end:
                return False
            await asyncio.sleep(0.02)
        return True

    def on_loss(self, listener: Callable[[str], None]) -> Callable[[], None]:
        """Call `listener(instance_id)` when an instance loses a request; returns its undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    async def classify(self, jpeg: bytes) -> Prediction:
        """Return the ranked classes for one image of upright bytes.

        Raises ImageError where the model cannot decode the image, ModelError
        where it answers outside its contract or fails on it, FleetUnavailable
        where no ready instance answered in time.
        """
        started = time.monotonic()
        response, instance_id = await self._predict(CLASSIFY_SIGNATURE, jpeg)
        return Prediction(
            model=self.model,
            version=answered_version(response),
            scores=answered_scores(response),
            instance_id=instance_id,
            milliseconds=(time.monotonic() - started) * 1000,
        )

    async def embed(self, jpeg: bytes) -> tuple[int, list[float]]:
        """Return the version that answered and the embedding of one upright image.

        Raises as `classify` does.
        """
        response, _ = await self._predict(EMBED_SIGNATURE, jpeg)
        return answered_version(response), answered_embedding(response)

    def counters(self) -> Mapping[str, InstanceTraffic]:
        """Return what this client sent to each instance, by instance id."""
        return {
            instance_id: meter.read(sum(peer.outstanding for peer in self._peers(instance_id)))
            for instance_id, meter in self._meters.items()
        }

    async def close(self) -> None:
        """Close every connection; requests on their way raise FleetUnavailable."""
        self._closed = True
        peers = [*self._ready.values(), *itertools.chain(*self._leaving.values())]
        self._ready.clear()
        self._leaving.clear()
        self._wake_all()
        for peer in peers:
            await peer.close()
        await asyncio.gather(*self._closing)

    async def _predict(self, signature: str, jpeg: bytes) -> tuple[Any, str]:
        request = predict_request(self.model, signature, jpeg)
        journey = _Journey(started=time.monotonic(), deadline=0.0)
        while True:
            peer = await self._acquire(journey)
            journey.deadline = journey.deadline or time.monotonic() + DEADLINE_SECONDS
            try:
                return await self._send(peer, request, journey), peer.instance_id
            except InstanceLost as loss:
                self._lost(peer, loss, journey)
            except RequestRefused as refusal:
                if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
                    raise self._model_error(refusal) from refusal
                if await self._answers_probe(peer, signature, journey):
                    raise ImageError(
                        "The model cannot decode this image.",
                        "Save the image as a JPEG file again and try that one.",
                    ) from refusal
                raise self._model_error(refusal) from refusal
            finally:
                self._released(peer)

    async def _send(self, peer: Peer, request: Any, journey: _Journey) -> Any:
        remaining = journey.deadline - time.monotonic()
        if remaining <= 0:
            raise _too_slow(peer.instance_id)
        try:
            return await peer.predict(request, remaining)
        except TimeoutError as error:
            raise _too_slow(peer.instance_id) from error

    async def _answers_probe(self, peer: Peer, signature: str, journey: _Journey) -> bool:
        """Say whether a known good image is answered, so that a refused one is at fault."""
        try:
            await self._send(peer, predict_request(self.model, signature, probe_jpeg()), journey)
        except (InstanceLost, RequestRefused):
            return False
        return True

    def _lost(self, peer: Peer, loss: InstanceLost, journey: _Journey) -> None:
        log.debug("Instance %s lost a request: %s", peer.instance_id, loss)
        journey.avoid = peer.instance_id
        journey.reason = str(loss)
        if loss.under_way:
            journey.losses += 1
        if journey.losses >= MOST_LOSSES:
            raise FleetUnavailable(
                f"{journey.losses} instances ended while they answered this image.",
                "Look at the instances' logs; if other images work, leave this one out.",
            ) from loss
        for listener in list(self._listeners):
            listener(peer.instance_id)

    def _model_error(self, refusal: RequestRefused) -> ModelError:
        return ModelError(
            f"Model {self.model} could not answer: {refusal.details or refusal.code.name}",
            "Try again; if it fails again, make an earlier version live.",
        )

    async def _acquire(self, journey: _Journey) -> Peer:
        """Return the best peer with one more request outstanding; see `_released`."""
        first = True
        while True:
            if self._closed:
                raise FleetUnavailable(
                    "The connection to the instances has been closed.", "Start Servery again."
                )
            now = time.monotonic()
            peer = self._best(journey.avoid, now)
            if peer is not None:
                peer.outstanding += 1
                peer.turn = next(self._turn)
                return peer
            pause = self._until_trusted(now)
            if all(peer.suspect_until > now for peer in self._ready.values()):
                pause = min(pause, self._patience_left(journey, now))
            await self._wait(pause, first=first)
            first = False

    def _best(self, avoid: str, now: float) -> Peer | None:
        free = [
            peer
            for peer in self._ready.values()
            if peer.suspect_until <= now and peer.outstanding < MOST_OUTSTANDING
        ]
        preferred = [peer for peer in free if peer.instance_id != avoid] or free
        return min(preferred, key=lambda peer: (peer.outstanding, peer.turn), default=None)

    def _until_trusted(self, now: float) -> float:
        """Return in how many seconds the next suspect may be tried again."""
        pauses = [peer.suspect_until - now for peer in self._ready.values()]
        return min((pause for pause in pauses if pause > 0), default=math.inf)

    def _patience_left(self, journey: _Journey, now: float) -> float:
        """Return how long to wait for a ready instance; raises FleetUnavailable for no more."""
        if journey.waiting_since is None:
            journey.waiting_since = now
        left = journey.waiting_since + self.patience - now
        if left > 0:
            return left
        raise FleetUnavailable(
            f"No instance could answer ({journey.reason})."
            if journey.reason
            else "No instance is ready to answer.",
            "Start one on the Fleet page, or with `servery fleet start`.",
        )

    async def _wait(self, pause: float, *, first: bool) -> None:
        """Wait for `pause` seconds at most, or until something changes."""
        woken = asyncio.get_running_loop().create_future()
        if first:
            self._waiting.append(woken)
        else:
            self._waiting.appendleft(woken)
        try:
            await asyncio.wait({woken}, timeout=None if math.isinf(pause) else pause)
        except asyncio.CancelledError:
            if woken.done():
                self._wake_one()
            raise
        finally:
            if not woken.done():
                woken.cancel()
                self._waiting.remove(woken)

    def _released(self, peer: Peer) -> None:
        peer.outstanding -= 1
        self._wake_one()
        if not peer.outstanding and peer in self._leaving.get(peer.instance_id, ()):
            self._shut(peer)

    def _wake_one(self) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(None)

    def _wake_all(self) -> None:
        while self._waiting:
            self._wake_one()

    def _leave(self, peer: Peer) -> None:
        self._leaving.setdefault(peer.instance_id, []).append(peer)
        if not peer.outstanding:
            self._shut(peer)

    def _shut(self, peer: Peer) -> None:
        leaving = self._leaving[peer.instance_id]
        leaving.remove(peer)
        if not leaving:
            del self._leaving[peer.instance_id]
        task = asyncio.get_running_loop().create_task(peer.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _peers(self, instance_id: str) -> list[Peer]:
        ready = self._ready.get(instance_id)
        leaving = self._leaving.get(instance_id, [])
        return [*leaving, ready] if ready is not None else list(leaving)

    def _meter(self, instance_id: str) -> TrafficMeter:
        if instance_id not in self._meters:
            for old in list(self._meters):
                if len(self._meters) < METERS_KEPT:
                    break
                if not self._peers(old):
                    del self._meters[old]
            self._meters[instance_id] = TrafficMeter()
        return self._meters[instance_id]


def _too_slow(instance_id: str) -> FleetUnavailable:
    return FleetUnavailable(
        f"Instance {instance_id} did not answer within {DEADLINE_SECONDS:.0f} s.",
        "Start more instances, or send fewer images at a time.",
    )
