"""Takes canaries from their start to their end, by what the repository says of them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from backend.canary.rule import MAX_AGREEMENT, Outcome, Tally, count, outcome, required_agreement
from backend.canary.wording import progress_sentence
from backend.contract import CanarySummary, Decision, Event, NewCanary, Rule
from backend.events import EventBroker
from backend.models.lifecycle import ModelSwitch
from backend.store.store import Store
from serving.clock import utc_now
from serving.errors import BackendError, ModelError, ServeryError
from serving.fleet.view import FleetView
from serving.models.canary import Canary, CanaryPhase, CanarySample, CanaryVerdict
from serving.models.card import ModelCard
from serving.models.pruning import prune
from serving.models.repository import ModelRepository

BY = "canary"
"""Who ended a canary, in the audit, if no person did."""
POLL_SECONDS = 1.0
IDLE_SECONDS = 10.0
"""Between two looks whether there is a canary that nobody started here."""
PUBLISH_SECONDS = 3.0
"""Between two events about the progress of a canary."""
LABEL_SECONDS = 5.0
"""Between two looks at the labels while no request comes."""
SAVE_SECONDS = 30.0
"""Between two writes of how long a canary has gone on."""
LOAD_SECONDS = 300.0
"""How long instances may take to load the version."""
OLD_ERROR_SECONDS = 10.0
"""A server goes on reporting the error of an earlier attempt until it has begun another one."""
UNLOAD_SECONDS = 60.0
"""How long requests name the version that answers, after a canary: instances may be gone."""
MIN_SHARE, MAX_SHARE = 0.01, 0.9
MIN_SECONDS, MAX_SECONDS = 60.0, 30 * 24 * 3600.0

_log = logging.getLogger(__name__)


class CanaryRefused(BackendError):
    """A canary cannot be started or ended so, as things are."""


@dataclass
class _Watched:
    """What is remembered of one canary between two looks."""

    canary: Canary
    since: float
    """When its phase was first seen, monotonic."""
    saved: float
    """When `elapsed` was written last, monotonic."""
    published: float
    samples: list[CanarySample] = field(default_factory=list)
    end: int = 0
    """Bytes of the samples that were read."""
    tally: Tally = field(default_factory=Tally)
    shown: Tally = field(default_factory=Tally)
    """What was counted when an event said so last."""
    required: float = MAX_AGREEMENT
    """On which share of the photos it has to agree."""
    asked: float | None = None
    """When the labels were asked for last, monotonic."""
    instances: str = ""
    """Which instances are waited for."""
    noted: bool = False
    """How it ended is in the history."""


class Canaries:
    """Every canary of a repository: `run` carries on with what an earlier backend left.

    `view` returns the fleet as it was seen last; `monotonic` is handed in by tests.
    """

    def __init__(
        self,
        *,
        repository: ModelRepository,
        store: Store,
        switch: ModelSwitch,
        broker: EventBroker,
        view: Callable[[], FleetView],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._repository = repository
        self._store = store
        self._switch = switch
        self._broker = broker
        self._view = view
        self._monotonic = monotonic
        self._watched: dict[str, _Watched] = {}
        self._started = asyncio.Event()

    async def run(self) -> None:
        """Look after every canary, once a second, until cancelled; without one, wait for one."""
        while True:
            self._started.clear()
            await self.step()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS if self._watched else IDLE_SECONDS):
                    await self._started.wait()

    async def step(self) -> None:
        """Look after every canary once; what fails is tried again the next time."""
        found = await asyncio.to_thread(self._repository.canaries.models)
        for model in sorted({*found, *self._watched}):
            try:
                await self._step(model)
            except (ServeryError, OSError) as error:
                _log.warning("The canary of %s cannot be looked after: %s", model, error)
            except Exception:
                _log.exception("Looking after the canary of %s failed", model)

    async def start(self, model: str, number: int, new: NewCanary, by: str) -> CanarySummary:
        """Let a version answer a share of the requests, once every instance has loaded it.

        Raises UnusableVersion if no instance could serve it, CanaryRefused for a share or a time
        outside the limits, and ModelError if there is no live version, or a canary already.
        """
        if not MIN_SHARE <= new.share <= MAX_SHARE:
            raise CanaryRefused(
                f"A canary cannot answer {100 * new.share:g}% of the requests.",
                f"Give it between {100 * MIN_SHARE:.0f}% and {100 * MAX_SHARE:.0f}%.",
            )
        if not MIN_SECONDS <= new.seconds <= MAX_SECONDS:
            raise CanaryRefused(
                f"A canary cannot go on for {new.seconds:,.0f} seconds.",
                "Give it between one minute and 30 days.",
            )
        version = await asyncio.to_thread(self._repository.version, model, number)
        live = await asyncio.to_thread(self._repository.live, model)
        await self._switch.try_version(version)
        canary = Canary(number, live.number, new.share, utc_now(), by, new.seconds)
        await asyncio.to_thread(self._repository.start_canary, model, canary)
        self._started.set()
        await self._note(model, number, Decision.CANARY, Rule.PERSON, by)
        await self._step(model)
        summary = self.summary(model)
        if summary is None:
            raise CanaryRefused("The canary ended at once.", "Look at the model's history.")
        return summary

    async def end(self, model: str, number: int, by: str) -> None:
        """End a canary against its version. Raises CanaryRefused if it is not one."""
        canary = self._repository.canaries.of(model)
        if canary is None or canary.version != number or canary.phase is CanaryPhase.ENDING:
            raise CanaryRefused(
                f"Version {number} of {model} is no canary.", "Look at the model's versions."
            )
        ended = Outcome(False, Rule.PERSON, f"{by} ended the canary.")
        await self._conclude(model, ended, by)

    def summary(self, model: str) -> CanarySummary | None:
        """Return how the canary of a model stands, if it has one that has not ended."""
        canary = self._repository.canaries.of(model)
        if canary is None or canary.phase is CanaryPhase.ENDING:
            return None
        watched = self._watched.get(model)
        tally = watched.tally if watched is not None else Tally()
        left = self._seconds_left(watched, canary)
        required = watched.required if watched is not None else MAX_AGREEMENT
        low, high = tally.agreement
        return CanarySummary(
            model=model,
            version=canary.version,
            stable=canary.stable,
            share=canary.share,
            started=canary.started,
            by=canary.by,
            phase=canary.phase,
            sentence=progress_sentence(
                canary, tally, required, watched.instances if watched else ""
            ),
            seconds_left=left,
            requests=tally.requests,
            photos=tally.photos,
            agreements=tally.agreements,
            agreement_low=low,
            agreement_high=high,
            required_agreement=required,
            canary_failures=tally.canary_failures,
            stable_failures=tally.stable_failures,
            canary_right=tally.canary_right,
            stable_right=tally.stable_right,
            canary_milliseconds=tally.canary_milliseconds,
            stable_milliseconds=tally.stable_milliseconds,
        )

    async def _step(self, model: str) -> None:
        canary = self._repository.canaries.of(model)
        if canary is None:
            if self._watched.pop(model, None) is not None:
                self._broker.publish(Event("models", model))
            return
        watched = self._look_at(model, canary)
        if canary.verdict is not None and canary.phase is not CanaryPhase.ENDING:
            await self._carry_out(model, canary)  # a backend ended before it had done so
        elif canary.phase is CanaryPhase.LOADING:
            await self._load(model, canary, watched)
        elif canary.phase is CanaryPhase.RUNNING:
            await self._compare(model, canary, watched)
        else:
            await self._end(model, canary, watched)

    def _look_at(self, model: str, canary: Canary) -> _Watched:
        now = self._monotonic()
        watched = self._watched.get(model)
        if watched is None or watched.canary.started != canary.started:
            watched = _Watched(canary, since=now, saved=now, published=now)
            self._watched[model] = watched
            self._broker.publish(Event("models", model))
        elif watched.canary.phase is not canary.phase:
            watched.since = watched.saved = now
            self._broker.publish(Event("models", model))
        watched.canary = canary
        return watched

    async def _load(self, model: str, canary: Canary, watched: _Watched) -> None:
        """Let it begin once every ready instance has loaded both versions."""
        ready = self._view().answering
        missing = [
            each
            for each in ready
            if not {canary.stable, canary.version} <= each.loaded.get(model, frozenset())
        ]
        watched.instances = ", ".join(each.instance.id for each in missing)
        if ready and not missing:
            await self._change(model, _begun)
            return
        seconds = self._monotonic() - watched.since
        for each in missing:
            said = each.refused.get(model, {}).get(canary.version)
            if said and seconds > OLD_ERROR_SECONDS:
                because = f"Instance {each.instance.id} could not load it. Its server says: {said}"
                await self._conclude(model, _not_loaded(because), BY)
                return
        if missing and seconds > LOAD_SECONDS:
            because = f"Not loaded within {LOAD_SECONDS:.0f} s by: {watched.instances}."
            await self._conclude(model, _not_loaded(because), BY)

    async def _compare(self, model: str, canary: Canary, watched: _Watched) -> None:
        """Count what came in since the last look, and end it if that decides."""
        files = self._repository.canaries
        samples, watched.end = await asyncio.to_thread(files.samples, model, canary, watched.end)
        watched.samples += samples
        now = self._monotonic()
        if samples or watched.asked is None or now - watched.asked >= LABEL_SECONDS:
            watched.asked = now
            labels = await self._store.labels.since(model, canary.started)
            card = await asyncio.to_thread(self._card, model, canary.stable)
            watched.required = required_agreement(card.accuracy)
            watched.tally = await asyncio.to_thread(count, watched.samples, card.classes, labels)
        if watched.tally != watched.shown and now - watched.published >= PUBLISH_SECONDS:
            watched.shown, watched.published = watched.tally, now
            self._broker.publish(Event("models", model))
        decided = outcome(watched.tally, self._seconds_left(watched, canary), watched.required)
        if decided is not None:
            await self._conclude(model, decided, BY)
        elif now - watched.saved >= SAVE_SECONDS:
            passed, watched.saved = now - watched.saved, now
            await self._change(model, lambda known: replace(known, elapsed=known.elapsed + passed))

    async def _conclude(self, model: str, ended: Outcome, by: str) -> None:
        """Write down how a canary ends, unless somebody has ended it meanwhile, and do that."""
        verdict = CanaryVerdict(ended.promoted, ended.rule, ended.because, by)

        def change(canary: Canary) -> Canary:
            is_over = canary.verdict is not None or canary.phase is CanaryPhase.ENDING
            return canary if is_over else replace(canary, verdict=verdict)

        await self._change(model, change)
        await self._step(model)

    async def _carry_out(self, model: str, canary: Canary) -> None:
        if canary.verdict is None or not canary.verdict.promoted:
            await asyncio.to_thread(self._repository.end_canary, model)
        elif await asyncio.to_thread(self._is_gone, model, canary.version):
            # It cannot be promoted, today or later.
            verdict = _gone(canary.version, canary.verdict)
            await self._change(model, lambda known: replace(known, verdict=verdict))
            await asyncio.to_thread(self._repository.end_canary, model)
        else:
            await asyncio.to_thread(self._repository.promote, model, canary.version)
            await asyncio.to_thread(prune, self._repository, model)
        await self._step(model)

    async def _end(self, model: str, canary: Canary, watched: _Watched) -> None:
        """Forget it once the instances have loaded nothing but what answers."""
        answering = await asyncio.to_thread(self._answering, model)
        if answering is not None and canary.answers != answering:
            # A program was killed between the writes of a promotion.
            await self._carry_out(model, canary)
            return
        if not watched.noted:
            await self._note_end(model, canary)
            watched.noted = True
        kept = frozenset({canary.answers})
        unloaded = all(each.loaded.get(model, kept) == kept for each in self._view().answering)
        if unloaded or self._monotonic() - watched.since > UNLOAD_SECONDS:
            await asyncio.to_thread(self._repository.forget_canary, model)
            await self._step(model)

    async def _note_end(self, model: str, canary: Canary) -> None:
        """Note how a canary ended, if nobody has: a backend before may have been killed."""
        decisions = await self._store.runs.decisions(model, canary.version)
        if decisions and decisions[0].decision is not Decision.CANARY:
            return
        fault = await asyncio.to_thread(self._repository.fault, model, canary.version)
        decision, rule, by = Decision.HELD_BACK, Rule.OTHER_PROMOTED, BY
        because = f"Version {canary.answers} answers all requests instead."
        if canary.verdict is not None:
            verdict = canary.verdict
            decision = Decision.PROMOTED if verdict.promoted else Decision.HELD_BACK
            rule, because, by = Rule(verdict.rule), verdict.because, verdict.by
        elif fault is not None:
            rule, because = Rule.CANARY_FAILED, fault.what
        elif canary.answers == canary.version:
            return  # promoted by a person, which is noted where that happens
        await self._note(model, canary.version, decision, rule, by, because)
        for topic in ("models", "training"):
            self._broker.publish(Event(topic, model if topic == "models" else ""))

    async def _change(self, model: str, change: Callable[[Canary], Canary]) -> None:
        changed = await asyncio.to_thread(self._repository.change_canary, model, change)
        if changed is not None:
            self._look_at(model, changed)

    async def _note(
        self,
        model: str,
        number: int,
        decision: Decision,
        rule: Rule,
        by: str,
        because: str = "",
    ) -> None:
        try:
            await self._store.runs.record_decision(model, number, decision, rule, by, because)
        except BackendError as error:
            _log.error("What became of version %s could not be recorded: %s", number, error)

    def _answering(self, model: str) -> int | None:
        """Return the version that instances load when the canary has ended."""
        return self._repository.fallback(model) or self._repository.live_number(model)

    def _is_gone(self, model: str, number: int) -> bool:
        return all(version.number != number for version in self._repository.versions(model))

    def _card(self, model: str, number: int) -> ModelCard:
        try:
            return self._repository.version(model, number).card()
        except ModelError:
            return ModelCard(name=model, classes=())

    def _seconds_left(self, watched: _Watched | None, canary: Canary) -> float:
        passed = canary.elapsed
        if watched is not None and canary.phase is CanaryPhase.RUNNING:
            passed += self._monotonic() - watched.saved
        return max(0.0, canary.seconds - passed)


def _begun(canary: Canary) -> Canary:
    if canary.phase is not CanaryPhase.LOADING:
        return canary
    return replace(canary, phase=CanaryPhase.RUNNING)


def _not_loaded(because: str) -> Outcome:
    return Outcome(False, Rule.CANARY_NOT_LOADED, because)


def _gone(number: int, verdict: CanaryVerdict) -> CanaryVerdict:
    because = (
        f"Version {number} should have gone live, but its files are gone. The version that was"
        f" live answers all requests. What had decided: {verdict.because}"
    )
    return CanaryVerdict(False, Rule.CANARY_GONE.value, because, BY)
