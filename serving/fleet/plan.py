"""What to do so that a fleet becomes what is desired: a pure function of what is observed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.clock import recent
from serving.engines.protocol import InstanceState

BACK_OFF_SECONDS = (0.0, 2.0, 10.0, 30.0, 60.0, 120.0, 300.0)
"""How long after the last replacement the next may be, by how many there were recently."""
MAX_RESTART_SECONDS = 30.0
"""How long a failed instance is waited for at most that may come back by itself."""
FAILURE_MEMORY_SECONDS = 600.0
"""A replacement that is longer ago no longer counts."""


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


Step = Start | Stop | Replace


def plan(desired: Desired, observed: Sequence[Observed], now: float) -> list[Step]:
    """Return the steps from `observed` towards `desired`; none once it is reached.

    The oldest instances that are ready are kept. What an interrupted change left
    behind is finished. A failed instance is replaced when its back-off is over
    (see `back_off`) and it has not come back by itself, or forgotten if there are
    enough others. An instance with another spec, or one that is retiring, is
    exchanged: one instance more than desired is started, and the old one goes
    when the new one is ready, one after the other.
    """
    alive = [
        each for each in observed if each.state in (InstanceState.STARTING, InstanceState.READY)
    ]
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


def back_off(failures: Sequence[float], now: float) -> float:
    """Return in how many seconds a failed instance may be replaced; 0 for at once.

    The first recent one is replaced at once and each further one waits longer,
    so that a model that crashes its server does not keep the machine busy.
    """
    # Those in the future were written before the clock was set back: they say nothing of now.
    counted = recent(failures, now, FAILURE_MEMORY_SECONDS)
    if not counted:
        return 0.0
    pause = BACK_OFF_SECONDS[min(len(counted), len(BACK_OFF_SECONDS) - 1)]
    return max(0.0, max(counted) + pause - now)


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
    most = desired.desired_count + 1
    retained, excess = best_first[:most], best_first[most:]
    if excess:
        return [Stop(each.id) for each in excess]
    if len(retained) > desired.desired_count:
        old = [each for each in retained if _outdated(desired, each)]
        starting = [each for each in old if each.state is InstanceState.STARTING]
        ready = sum(each.state is InstanceState.READY for each in retained)
        if starting or ready > desired.desired_count:
            return [Stop((starting or old)[0].id)]
    elif len(retained) == desired.desired_count and may_start:
        return [Start()]
    return []
