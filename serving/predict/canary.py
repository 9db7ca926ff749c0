"""Which requests go to a canary, and how its answers are compared with the stable version's.

The share of the requests is answered by the canary. Once the answer is out, the stable version is
asked about the same photo too, in the background, so that a canary with 10% of the requests
costs 10% more predictions. If the instances are busy with such comparisons, a few at a time
are enough: the others are left out. What the canary does not answer, the stable version does.

Requests name versions by their numbers, not by the labels: an instance that has just started
may not have them.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from serving.errors import FleetUnavailable
from serving.models.canary import Canary, CanaryPhase, CanarySample, CanarySource, Failure
from serving.predict.prediction import Prediction

MAX_COMPARISONS = 4
"""Requests of one client that are being compared at a time."""
CLOSE_SECONDS = 1.0
"""How long `close` waits for those that are on their way."""


@dataclass(frozen=True)
class VersionAnswer:
    """What one version made of a request."""

    prediction: Prediction | None
    """None if it failed."""
    milliseconds: float
    """That the instance took for it."""


PredictStable = Callable[[], Awaitable[VersionAnswer | None]]


class NoCanaries:
    """There is never one."""

    def of(self, model: str) -> Canary | None:
        return None

    def record(self, model: str, sample: CanarySample) -> None:
        return


class CanarySplit:
    """Draws the requests of one client for the canary; belongs to one event loop."""

    def __init__(self, canaries: CanarySource, draw: Callable[[], float] = random.random) -> None:
        """`draw` returns numbers from 0 to 1, below 1."""
        self._canaries = canaries
        self._draw = draw
        self._carried_shares: dict[str, tuple[Canary, float]] = {}
        """By model, the part of a request that the canary has not been given yet."""
        self._comparing: set[asyncio.Task[None]] = set()

    def draw(self, model: str) -> Canary | None:
        """Return the canary if this request is one for it.

        Of ten requests in a row, one with a share of 10% gets exactly one.
        """
        canary = self._canaries.of(model)
        if canary is None or canary.phase is not CanaryPhase.RUNNING:
            self._carried_shares.pop(model, None)
            return None
        known, carried = self._carried_shares.get(model, (None, 0.0))
        if known is None or known.version != canary.version:
            # Programs that classify a single photo would otherwise never ask it.
            carried = self._draw()
        carried += canary.share
        drawn = carried >= 1
        self._carried_shares[model] = canary, carried - 1 if drawn else carried
        return canary if drawn else None

    def compare(
        self,
        model: str,
        canary: Canary,
        jpeg: bytes,
        answer: VersionAnswer,
        predict_stable: PredictStable,
    ) -> None:
        """Ask the stable version too, in the background, and write down both answers."""
        if len(self._comparing) >= MAX_COMPARISONS:
            return

        async def work() -> None:
            with contextlib.suppress(FleetUnavailable):  # then there is nothing to compare with
                stable = await predict_stable()
                if stable is not None:
                    await self._write(model, canary, jpeg, stable, answer)

        self._start(work())

    def record(
        self,
        model: str,
        canary: Canary,
        jpeg: bytes,
        stable: VersionAnswer,
        answer: VersionAnswer,
    ) -> None:
        """Write down what the canary and the stable version answered."""
        self._start(self._write(model, canary, jpeg, stable, answer))

    async def _write(
        self,
        model: str,
        canary: Canary,
        jpeg: bytes,
        stable: VersionAnswer,
        answer: VersionAnswer,
    ) -> None:
        failed = Failure.NONE
        if stable.prediction is None or answer.prediction is None:
            failed = Failure.CANARY if answer.prediction is None else Failure.STABLE
        sample = CanarySample(
            (canary.stable, canary.version),
            await asyncio.to_thread(lambda: hashlib.sha256(jpeg).hexdigest()),
            (_best(stable), _best(answer)),
            (stable.milliseconds, answer.milliseconds),
            failed,
        )
        await asyncio.to_thread(self._canaries.record, model, sample)

    async def close(self) -> None:
        """Finish what is nearly finished."""
        if self._comparing:
            _, late = await asyncio.wait(self._comparing, timeout=CLOSE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._comparing.add(task)
        task.add_done_callback(self._comparing.discard)


def _best(answer: VersionAnswer) -> str:
    """Return the best class; empty for a failure, or a model without any class."""
    scores = answer.prediction.scores if answer.prediction is not None else ()
    return scores[0].name if scores else ""
