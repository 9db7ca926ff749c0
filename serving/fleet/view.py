"""A fleet as people see it at one moment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from serving.engines.protocol import Instance, InstanceState, InstanceStats


@dataclass(frozen=True)
class InstanceView:
    """One instance, with what only the fleet knows of it."""

    instance: Instance
    state: InstanceState
    version: int | None
    """The version that it answers with; None until it answers."""
    stats: InstanceStats | None
    requests: int
    """Since it was started, from every sender; if it does not count, those of this program."""
    requests_per_second: float
    p95_milliseconds: float | None
    """As this program saw it, or as the instance reports if this program sent nothing."""


@dataclass(frozen=True)
class FleetView:
    """All instances that serve one model, oldest first, and how many there should be."""

    model: str
    engine: str
    engine_reason: str
    """Why this engine was chosen, or what is wrong with it, as a sentence."""
    desired_count: int
    instances: tuple[InstanceView, ...] = ()

    @property
    def ready(self) -> int:
        """How many instances answer."""
        return sum(each.state is InstanceState.READY for each in self.instances)

    @property
    def live_version(self) -> int | None:
        """The version that the most ready instances answer with, the older of equals.

        None if no instance is ready. It follows a promotion once the
        instances have really switched.
        """
        versions = Counter(
            each.version
            for each in self.instances
            if each.state is InstanceState.READY and each.version is not None
        )
        return min(versions, key=lambda version: (-versions[version], version), default=None)
