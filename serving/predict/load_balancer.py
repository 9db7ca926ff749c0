"""Chooses which ready instance gets a request, and lets requests wait until one can take them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from serving.errors import FleetUnavailable
from serving.predict.balance import first_turn, least_outstanding, should_wake
from serving.predict.traffic import InstanceTraffic, TrafficMeter
from serving.predict.upstream import Upstream
from serving.predict.wait_queue import WaitQueue

MAX_METERS = 64


@dataclass(frozen=True)
class InstanceAddress:
    """Where a ready instance answers."""

    instance_id: str
    address: str
    """`host:port` of its gRPC service."""
    asleep: bool = False
    """It answers, but only after it has woken."""
    sleep_count: int = 0
    """How often it has fallen asleep; 0 while it sleeps, or if that is not known. After it woke,
    it listens at the same address again, so that another number asks for a new connection."""


@dataclass(slots=True)
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
    version: int | None = None
    """The version that the caller named; None for whichever is live."""
    not_loaded: int = 0
    """How many instances have said that they have not loaded that version."""


class LoadBalancer:
    """Spreads requests over the ready instances, which all serve the same models.

    Each request goes to the instance with the fewest outstanding ones, in turn among equals. An
    instance that lost one is ejected: it gets no request for a moment, longer each time, until
    it answers again. One that has not loaded a model yet, or has just unloaded it, gets no request
    for that model for a moment. While no instance can take a request, it waits up to `timeout`
    seconds.

    `served_name` returns the model that a request means, and may raise; it is called for every
    attempt, since another one may have become current. Belongs to one event loop; `clock` returns
    seconds.
    """

    def __init__(
        self,
        served_name: Callable[[str | None], str],
        timeout: float,
        clock: Callable[[], float],
    ) -> None:
        self._served_name = served_name
        self.timeout = timeout
        self._clock = clock
        self._upstreams: list[Upstream] = []
        self._meters: dict[str, TrafficMeter] = {}
        self._waiting: WaitQueue[tuple[str, Upstream]] = WaitQueue(
            lambda taken: self.release(taken[1])
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
        new = {instance.instance_id: instance for instance in instances}
        for upstream in self.ready():
            found = new.get(upstream.instance_id)
            # One that has woken passes on what comes by an old connection: a new one is faster.
            if (
                found
                and found.address == upstream.address
                and found.sleep_count in (0, upstream.sleep_count)
            ):
                upstream.asleep = found.asleep
                del new[upstream.instance_id]
            else:
                upstream.draining = True
                self._close_if_drained(upstream)
        others = self.ready()
        for instance_id, found in new.items():
            meter = self._meter(instance_id)
            upstream = Upstream(instance_id, found.address, meter, self._clock)
            upstream.asleep, upstream.sleep_count = found.asleep, found.sleep_count
            upstream.turn = first_turn(others)
            self._upstreams.append(upstream)
        self._waiting.wake_all()

    def ready(self) -> list[Upstream]:
        """Return the instances that may get requests, those that are ejected too."""
        return [upstream for upstream in self._upstreams if not upstream.draining]

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

    def notify_lost(self, upstream: Upstream) -> None:
        """Call what `on_loss` was given."""
        for listener in list(self._listeners):
            listener(upstream.instance_id)

    def counters(self) -> Mapping[str, InstanceTraffic]:
        """Return what was sent to each instance, by instance id."""
        return {
            instance_id: meter.read(self._outstanding(instance_id))
            for instance_id, meter in self._meters.items()
        }

    async def close(self) -> None:
        """Close every connection; outstanding requests raise FleetUnavailable."""
        self._closed = True
        upstreams, self._upstreams = self._upstreams, []
        self._waiting.wake_all()
        for upstream in upstreams:
            await upstream.close()
        await asyncio.gather(*self._closing)

    async def acquire(self, state: RequestState) -> tuple[str, Upstream]:
        """Return the model to ask for, and the best upstream with one more request outstanding.

        See `release`. Raises FleetUnavailable if there is none in time.
        """
        again = False
        while True:
            taken = self._take(state)
            if taken is not None:
                return taken
            now, name = self._clock(), self._served_name(state.model)
            pause = self._until_retry(name, now)
            if all(upstream.resumes(name) > now for upstream in self.ready()):
                pause = min(pause, self._timeout_left(state, now))
            taken = await self._waiting.wait(partial(self._take, state), pause, again=again)
            if taken is not None:
                return taken
            again = True

    def release(self, upstream: Upstream) -> None:
        """Count a request that an upstream was acquired for as over."""
        upstream.outstanding -= 1
        self._waiting.wake_one()
        self._close_if_drained(upstream)

    def _take(self, state: RequestState) -> tuple[str, Upstream] | None:
        """Do what `acquire` does if an upstream can take the request now; None if not."""
        if self._closed:
            raise FleetUnavailable(
                "The connection to the instances has been closed.", "Start Servery again."
            )
        name = self._served_name(state.model)
        upstream = self._best(name, state.avoid, self._clock())
        if upstream is None:
            return None
        upstream.outstanding += 1
        upstream.turn = next(self._turn)
        return name, upstream

    def _best(self, model: str, avoid: str, now: float) -> Upstream | None:
        able = [upstream for upstream in self.ready() if upstream.resumes(model) <= now]
        if should_wake(able):
            self._wake_all()
        return least_outstanding(able, avoid)

    def _wake_all(self) -> None:
        for upstream in self.ready():
            if upstream.asleep:
                upstream.wake()

    def _until_retry(self, model: str, now: float) -> float:
        """Return in how many seconds the next instance may be asked for `model` again."""
        pauses = [upstream.resumes(model) - now for upstream in self.ready()]
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
