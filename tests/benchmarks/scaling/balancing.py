"""Programs that call a fleet, and the rules by which they choose an instance."""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import simpy

from serving.predict.balance import least_outstanding
from serving.predict.client import MAX_LOSSES
from serving.predict.upstream import MAX_EJECTION_SECONDS, MIN_EJECTION_SECONDS
from tests.benchmarks.scaling.instance import Call, SimulatedInstance
from tests.benchmarks.scaling.processor import EventLoop


@dataclass(eq=False)
class SimulatedUpstream:
    """An instance as one program sees it; what `serving.predict.balance` asks for, and more."""

    instance: SimulatedInstance
    outstanding: int = 0
    turn: float = 0.0
    asleep: bool = False
    ejected_until: float = 0.0
    losses: int = 0

    def __post_init__(self) -> None:
        self.instance_id = self.instance.name


Rule = Callable[[Sequence[SimulatedUpstream], str], SimulatedUpstream | None]
"""Chooses one of those that may be asked, but rather not the one with this id; None: wait."""


def round_robin(chance: random.Random) -> Rule:
    """Each in turn from some one on, whatever it has to do."""
    turn = itertools.count(chance.randrange(1000))

    def choose(able: Sequence[SimulatedUpstream], avoid: str) -> SimulatedUpstream | None:
        chosen = able[next(turn) % len(able)] if able else None
        if chosen is not None and chosen.instance_id == avoid and len(able) > 1:
            return able[next(turn) % len(able)]
        return chosen

    return choose


def at_random(chance: random.Random) -> Rule:
    """Any of them."""

    def choose(able: Sequence[SimulatedUpstream], avoid: str) -> SimulatedUpstream | None:
        return chance.choice(able) if able else None

    return choose


def two_choices(chance: random.Random) -> Rule:
    """Of two that are drawn, the one with fewer outstanding requests."""

    def choose(able: Sequence[SimulatedUpstream], avoid: str) -> SimulatedUpstream | None:
        if not able:
            return None
        return min(chance.choice(able), chance.choice(able), key=lambda each: each.outstanding)

    return choose


def our_own() -> Rule:
    """The rule of the client itself."""
    return least_outstanding


RULES: dict[str, Callable[[random.Random], Rule]] = {
    "least outstanding (Servery's)": lambda chance: our_own(),
    "power of two choices": two_choices,
    "round robin": round_robin,
    "random": at_random,
}


@dataclass(eq=False)
class _Request:
    began: float
    finished: Callable[[], None]
    losses: int = 0
    avoid: str = ""


@dataclass
class Outcome:
    """What callers met from `counted_from` on."""

    counted_from: float = 0.0
    answered_at: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """How long each answer took."""
    failed: int = 0
    retried: int = 0


class SimulatedClient:
    """One program that spreads its requests, as `serving.predict.client.PredictClient` does.

    It knows its own requests alone. What an instance loses goes to another one, and the instance
    gets nothing for a moment; with `caller` seconds of a core for each request.
    """

    def __init__(
        self,
        environment: simpy.Environment,
        rule: Rule,
        instances: Sequence[SimulatedInstance],
        outcome: Outcome,
        loop: EventLoop | None = None,
        caller: float = 0.0,
        seed: int = 0,
    ) -> None:
        self._environment, self._rule, self._outcome = environment, rule, outcome
        self._loop, self._caller = loop, caller
        self._upstreams: list[SimulatedUpstream] = []
        self._waiting: deque[_Request] = deque()
        self._turn = itertools.count(1)
        self._ejected = False
        self._chance = random.Random(seed)
        for instance in instances:
            upstream = SimulatedUpstream(instance)
            upstream.turn = self._chance.random()
            self._upstreams.append(upstream)

    def add(self, instance: SimulatedInstance) -> None:
        """An instance has become ready."""
        upstream = SimulatedUpstream(instance)
        # As `serving.predict.balance.first_turn` does, with the same figures each time.
        turns = [each.turn for each in self._upstreams] or [0.0, 1.0]
        upstream.turn = self._chance.uniform(min(turns), max(turns))
        self._upstreams.append(upstream)
        self._serve_waiting()

    def remove(self, instance: SimulatedInstance) -> None:
        """An instance gets no new request."""
        self._upstreams = [each for each in self._upstreams if each.instance is not instance]

    def classify(self, finished: Callable[[], None] = lambda: None) -> None:
        """Ask for one photo; `finished` is called when it is answered or has failed."""
        request = _Request(self._environment.now, finished)
        self._work(self._caller / 2, lambda: self._try(request))

    def _work(self, seconds: float, done: Callable[[], None]) -> None:
        if self._loop is None:
            done()
        else:
            self._loop.run(seconds, done)

    def _able(self) -> Sequence[SimulatedUpstream]:
        if not self._ejected:
            return self._upstreams
        now = self._environment.now
        return [each for each in self._upstreams if each.ejected_until <= now]

    def _try(self, request: _Request) -> None:
        upstream = self._rule(self._able(), request.avoid)
        if upstream is None:
            self._waiting.append(request)
        else:
            self._send(request, upstream)

    def _send(self, request: _Request, upstream: SimulatedUpstream) -> None:
        upstream.outstanding += 1
        upstream.turn = next(self._turn)
        upstream.instance.call(
            Call(
                lambda: self._answered(request, upstream),
                lambda in_flight: self._lost(request, upstream, in_flight),
            )
        )

    def _answered(self, request: _Request, upstream: SimulatedUpstream) -> None:
        upstream.outstanding -= 1
        upstream.losses = 0
        self._serve_waiting()
        self._work(self._caller / 2, lambda: self._finish(request))

    def _finish(self, request: _Request) -> None:
        now = self._environment.now
        if now >= self._outcome.counted_from:
            self._outcome.answered_at.append(now)
            self._outcome.seconds.append(now - request.began)
        request.finished()

    def _lost(self, request: _Request, upstream: SimulatedUpstream, in_flight: bool) -> None:
        upstream.outstanding -= 1
        self._eject(upstream)
        request.avoid = upstream.instance_id
        request.losses += in_flight
        self._outcome.retried += 1
        if request.losses >= MAX_LOSSES:
            self._outcome.failed += 1
            request.finished()
        else:
            self._try(request)

    def _eject(self, upstream: SimulatedUpstream) -> None:
        now = self._environment.now
        if upstream.ejected_until > now:
            return
        pause = min(MIN_EJECTION_SECONDS * 2**upstream.losses, MAX_EJECTION_SECONDS)
        upstream.ejected_until = now + pause
        upstream.losses += 1
        self._ejected = True
        timeout = self._environment.timeout(pause)
        timeout.callbacks.append(lambda _: self._serve_waiting())

    def _serve_waiting(self) -> None:
        while self._waiting:
            upstream = self._rule(self._able(), self._waiting[0].avoid)
            if upstream is None:
                return
            # Whoever waits takes it at once, before anybody who comes later.
            self._send(self._waiting.popleft(), upstream)
