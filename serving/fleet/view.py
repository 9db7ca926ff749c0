"""A fleet as people see it at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from serving.engines.protocol import ANSWERING_STATES, Instance, InstanceState, InstanceStats
from serving.models.faults import VersionFault
from serving.models.served import ServedModels


@dataclass(frozen=True)
class InstanceView:
    """One instance, with what only the fleet knows of it."""

    instance: Instance
    state: InstanceState
    model: str
    """The current model."""
    versions: Mapping[str, int]
    """The version that it answers with, by each served model that it has loaded."""
    stats: InstanceStats | None
    requests: int
    """Since it was started, from every sender; if it does not count, those of this program."""
    requests_per_second: float
    p95_milliseconds: float | None
    """As this program saw it, or as the instance reports if this program sent nothing."""
    load_errors: Mapping[str, str] = field(default_factory=dict)
    """What its server says of served models that it cannot load, by the model."""
    loaded: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Every version that it has loaded, by the model: two while a canary goes on."""
    refused: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    """The versions that it cannot load, by the model, and what its server says."""

    @property
    def version(self) -> int | None:
        """The version of the current model that it answers with; None until it answers."""
        return self.versions.get(self.model)


@dataclass(frozen=True)
class FleetView:
    """All instances of a workspace, oldest first, and how many there should be."""

    served: ServedModels
    """The models that every instance serves."""
    engine: str
    engine_reason: str
    """Why this engine was chosen, or what is wrong with it, as a sentence."""
    desired_count: int
    instances: tuple[InstanceView, ...] = ()
    faults: Mapping[str, VersionFault] = field(default_factory=dict)
    """Why the live version of a served model cannot be served, by the model."""
    live_versions: Mapping[str, int | None] = field(default_factory=dict)
    """The version of each served model that every instance should answer with."""
    canaries: Mapping[str, int] = field(default_factory=dict)
    """The version that answers a share of the requests, by the model."""
    engine_usable: bool = True
    """Whether the engine can run instances now; if not, `engine_reason` says what is wrong."""
    update: str = ""
    """What the engine says of an update that it carries out by itself, as sentences; empty if
    there is nothing to know."""
    attached: tuple[InstanceView, ...] = ()
    """Servers that somebody else runs. They are used, and nothing waits for them: they are not
    among `instances`, and not counted as `ready`."""

    @property
    def model(self) -> str:
        """The current model; empty in a workspace without any model."""
        return self.served.current

    @property
    def answering(self) -> tuple[InstanceView, ...]:
        """The instances that are ready, those that sleep included."""
        return tuple(each for each in self.instances if each.state in ANSWERING_STATES)

    @property
    def ready(self) -> int:
        """How many instances are ready."""
        return len(self.answering)

    @property
    def instances_and_attached(self) -> tuple[InstanceView, ...]:
        """The instances, then the attached servers."""
        return (*self.instances, *self.attached)

    @property
    def attached_ready(self) -> tuple[InstanceView, ...]:
        """The attached servers that answer."""
        return tuple(each for each in self.attached if each.state in ANSWERING_STATES)

    @property
    def can_answer(self) -> int:
        """How many may be sent photos: instances that are ready, and attached servers."""
        return self.ready + len(self.attached_ready)

    @property
    def live_version(self) -> int | None:
        """The version that the current model answers with, as `version_of` says."""
        return self.version_of(self.model)

    def version_of(self, model: str) -> int | None:
        """Return the version of a model that most ready instances have, the older of equals.

        None if no ready instance has loaded it. It follows a promotion once the
        instances have really switched. Attached servers count only where no instance is ready.
        """
        answering = self.answering or self.attached_ready
        versions = Counter(each.versions[model] for each in answering if model in each.versions)
        return min(versions, key=lambda version: (-versions[version], version), default=None)

    def fault_sentence(self, model: str) -> str:
        """Say why a model's live version cannot be served, and what answers in its place.

        Empty if nothing is known against it.
        """
        fault = self.faults.get(model)
        if fault is None:
            return ""
        version = self.version_of(model)
        instead = "No version answers." if version is None else f"Version {version} answers."
        return f"{fault.what} {instead}"

    def loaded_everywhere(self, model: str, version: int | None = None) -> bool:
        """Whether all ready instances answer with a model, and with this version if it is given.

        So it is if no instance is ready.
        """
        found = [each.versions.get(model) for each in self.answering]
        return all(each is not None and version in (None, each) for each in found)
