"""Whether a version is live everywhere, and if not, on which instances it is late."""

from __future__ import annotations

from dataclasses import dataclass

from serving.clock import Sightings
from serving.engines.protocol import ANSWERING_STATES, InstanceState
from serving.fleet.view import FleetView, InstanceView

LATE_SECONDS = 30.0
"""How long a ready instance may take to load a version that went live; then it counts as late."""


@dataclass(frozen=True)
class Rollout:
    """Which instances answer with the version of a model that should answer."""

    model: str
    version: int | None
    """None if no version of the model is live, or it is not served."""
    live: tuple[str, ...] = ()
    """Ids of instances that answer with it."""
    waiting: tuple[str, ...] = ()
    """Those that do not yet."""
    late: tuple[str, ...] = ()
    """Those of `waiting` that should have by now."""
    reasons: tuple[str, ...] = ()
    """For each of `late`, what its server says; empty if it says nothing."""

    @property
    def everywhere(self) -> bool:
        """Whether every instance that runs answers with it; not without any instance."""
        return bool(self.live) and not self.waiting

    @property
    def sentence(self) -> str:
        """Say for people where it is."""
        if self.version is None:
            return f"{self.model} is not served."
        name = f"Version {self.version} of {self.model}"
        count = len(self.live) + len(self.waiting)
        if not count:
            return f"{name} is live once an instance runs."
        if not self.waiting:
            return f"{name} is live everywhere."
        arrived = f"{name} is live on {len(self.live)} of {_instances(count)}."
        if not self.late:
            return arrived
        said = next((f" Its server says: {each}" for each in self.reasons if each), "")
        return f"{arrived} Not within {LATE_SECONDS:.0f} s on {', '.join(self.late)}.{said}"


class RolloutWatch:
    """Follows the views of a fleet, and knows since when each instance is waited for."""

    def __init__(self) -> None:
        self._seen = Sightings()

    def look(self, view: FleetView, now: float) -> dict[str, Rollout]:
        """Return how far each served model is, by its name; `now` is monotonic seconds."""
        waited: set[tuple[str, str, int]] = set()
        found = {
            model: self._rollout(view, model, version, now, waited)
            for model, version in view.live_versions.items()
        }
        self._seen.keep_only(waited)
        return found

    def _rollout(
        self,
        view: FleetView,
        model: str,
        version: int | None,
        now: float,
        waited: set[tuple[str, str, int]],
    ) -> Rollout:
        if version is None:
            return Rollout(model, None)
        live, waiting, late = [], [], []
        for each in filter(_should_answer, view.instances):
            name = each.instance.id
            if each.versions.get(model) == version:
                live.append(name)
                continue
            waiting.append(name)
            key = (name, model, version)
            waited.add(key)
            # How long a new instance takes to start is not the version's doing.
            if each.state in ANSWERING_STATES and self._seen.seconds(key, now) >= LATE_SECONDS:
                late.append((name, each.load_errors.get(model, "")))
        names, reasons = [name for name, _ in late], [reason for _, reason in late]
        return Rollout(model, version, tuple(live), tuple(waiting), tuple(names), tuple(reasons))


def _should_answer(each: InstanceView) -> bool:
    return each.state in (InstanceState.STARTING, *ANSWERING_STATES)


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"
