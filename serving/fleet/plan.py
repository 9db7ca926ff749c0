"""What to do so that a fleet becomes what is desired: a pure function of what is observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.clock import recent
from serving.engines.protocol import (
    ANSWERING_STATES,
    CHANGING_STATES,
    ROLLBACK_STATES,
    InstanceState,
    ReplicatedService,
)

BACK_OFF_SECONDS = (0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0)
"""How long after the last replacement the next may be, by how many there were recently."""
STABLE_SECONDS = 10.0
"""How long the newest replacement must answer so that the failures before it no longer count."""
MAX_RESTART_SECONDS = 30.0
"""How long a failed instance is waited for at most that may come back by itself."""
FAILURE_MEMORY_SECONDS = 3600.0
"""A replacement that is longer ago no longer counts. All the pauses together are shorter, so that
the longest of them recurs."""


@dataclass(frozen=True)
class Observed:
    """What planning needs to know of an instance."""

    id: str
    state: InstanceState
    spec_hash: str
    started: float
    """Seconds since the epoch."""
    may_restart_until: float = 0.0
    """Until when a failed one may come back by itself, in seconds since the epoch."""


@dataclass(frozen=True)
class Desired:
    """What a fleet should be."""

    desired_count: int
    """How many instances."""
    spec_hash: str
    """The spec that they should have."""
    retiring: frozenset[str] = frozenset()
    """Instances to replace by new ones."""
    failures: tuple[float, ...] = ()
    """When failed instances were replaced, in seconds since the epoch, oldest first."""
    applied_hash: str = ""
    """The spec that an engine that replicates by itself was told last."""


@dataclass(frozen=True)
class Start:
    """Start one more instance."""


@dataclass(frozen=True)
class Stop:
    """Take an instance away: it finishes its requests, then it stops."""

    instance_id: str


@dataclass(frozen=True)
class Replace:
    """Forget a failed instance and start another in its place."""

    instance_id: str


@dataclass(frozen=True)
class Apply:
    """Tell an engine that replicates by itself what there should be."""

    count: int
    restart: bool = False
    """Whether every instance is replaced, whatever its spec."""


Step = Start | Stop | Replace | Apply


def plan(desired: Desired, observed: Sequence[Observed], now: float) -> list[Step]:
    """Return the steps from `observed` towards `desired`; none once it is reached.

    The oldest instances that are ready are kept. What an interrupted change left
    behind is finished. A failed instance is replaced when its back-off is over
    (see `back_off`) and it has not come back by itself, or forgotten if there are
    enough others. An instance with another spec, or one that is retiring, is
    exchanged: one instance more than desired is started, and the old one goes
    when the new one is ready, one after the other.
    """
    alive = [each for each in observed if each.state in (InstanceState.STARTING, *ANSWERING_STATES)]
    failed = [each for each in observed if each.state is InstanceState.FAILED]
    steps: list[Step] = [
        Stop(each.id)
        for each in observed
        if each.state in (InstanceState.DRAINING, InstanceState.STOPPED)
    ]
    exchanging = desired.desired_count > 0 and any(_outdated(desired, each) for each in alive)
    # While exchanging there may be one more than desired, which a failed one may take.
    slots = max(0, desired.desired_count + exchanging - len(alive))
    replacements, forgotten = failed[:slots], failed[slots:]
    steps += [Stop(each.id) for each in forgotten]
    if back_off(desired.failures, now) <= 0:
        steps += [Replace(each.id) for each in replacements if not _may_restart(each, now)]
    steps += [Start()] * (desired.desired_count - len(alive) - len(replacements))
    if exchanging:
        return steps + _exchange(desired, alive, may_start=not replacements)
    return steps + [Stop(each.id) for each in _best_first(desired, alive)[desired.desired_count :]]


def plan_replicated(
    desired: Desired,
    service: ReplicatedService | None,
    own: Sequence[Observed],
    others: Sequence[Observed],
) -> list[Step]:
    """Return what to tell an engine that keeps and replaces instances by itself.

    `own` are its instances; `others`, on engines that the fleet moves away from, go one after the
    other once enough of its own are ready. An update is left to come to its end before the number
    changes, since what the engine would go back to is what it was told before. What it went back
    from is not told it again.
    """
    steps: list[Step] = []
    if not desired.desired_count:
        steps = [Stop(each.id) for each in others]
        if service is not None and (service.count or not own):
            steps.append(Apply(0))
        return steps
    ready = sum(each.state in ANSWERING_STATES for each in own)
    if others and ready >= desired.desired_count:
        steps.append(Stop(others[0].id))
    restart = any(each.id in desired.retiring for each in own)
    if service is None:
        return [*steps, Apply(desired.desired_count)]
    if service.spec_hash != desired.spec_hash:
        was_refused = (
            service.update in ROLLBACK_STATES and desired.applied_hash == desired.spec_hash
        )
        if not was_refused:
            return [*steps, Apply(desired.desired_count)]
    if service.update not in CHANGING_STATES and (
        restart or service.count != desired.desired_count
    ):
        steps.append(Apply(desired.desired_count, restart))
    return steps


def back_off(failures: Sequence[float], now: float) -> float:
    """Return in how many seconds a failed instance may be replaced; 0 for at once.

    The first recent one is replaced at once and each further one waits longer, so that a
    model that crashes its server does not keep the machine busy. One that is killed now and
    then does not wait: failures are forgotten once a replacement `is_stable`.
    """
    # Those in the future were written before the clock was set back: they say nothing of now.
    counted = recent(failures, now, FAILURE_MEMORY_SECONDS)
    if not counted:
        return 0.0
    pause = BACK_OFF_SECONDS[min(len(counted), len(BACK_OFF_SECONDS) - 1)]
    return max(0.0, max(counted) + pause - now)


def is_stable(failures: Sequence[float], started: float, answering_seconds: float) -> bool:
    """Whether an instance shows that the failures are over: it replaced the last, and lasts.

    `started` is when, in seconds since the epoch; `answering_seconds` how long it has answered.
    """
    return started >= max(failures, default=0.0) and answering_seconds >= STABLE_SECONDS


def _may_restart(each: Observed, now: float) -> bool:
    """Whether a failed instance is waited for, which no moment that is far ahead makes."""
    return 0 < each.may_restart_until - now <= MAX_RESTART_SECONDS


def _outdated(desired: Desired, each: Observed) -> bool:
    return each.spec_hash != desired.spec_hash or each.id in desired.retiring


def _best_first(desired: Desired, alive: Sequence[Observed]) -> list[Observed]:
    def sort_key(each: Observed) -> tuple[bool, bool, float, str]:
        starting = each.state is InstanceState.STARTING
        return starting, _outdated(desired, each), each.started, each.id

    return sorted(alive, key=sort_key)


def _exchange(desired: Desired, alive: Sequence[Observed], *, may_start: bool) -> list[Step]:
    """Return the next step of exchanging outdated instances, with one more than desired."""
    best_first = _best_first(desired, alive)
    max_instances = desired.desired_count + 1
    retained, excess = best_first[:max_instances], best_first[max_instances:]
    if excess:
        return [Stop(each.id) for each in excess]
    if len(retained) > desired.desired_count:
        old = [each for each in retained if _outdated(desired, each)]
        starting = [each for each in old if each.state is InstanceState.STARTING]
        ready = sum(each.state in ANSWERING_STATES for each in retained)
        if starting or ready > desired.desired_count:
            return [Stop((starting or old)[0].id)]
    elif len(retained) == desired.desired_count and may_start:
        return [Start()]
    return []
