"""What happened to the versions of a model, and where they are live."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from backend.contract.training import Rule


class AuditAction(StrEnum):
    """What was done."""

    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    """Promoted, in place of a newer version."""
    HELD_BACK = "held_back"
    CANARY = "canary"
    """It was given a share of the requests."""
    CLASSES_CHANGED = "classes_changed"
    """A class was renamed, merged or deleted in the labels, without a version."""
    PINNED = "pinned"
    """It is kept, however many newer ones there will be."""
    UNPINNED = "unpinned"
    DELETED = "deleted"
    """A person removed its files."""

    @property
    def is_decision(self) -> bool:
        """Whether it says if the version answers."""
        return self in (
            AuditAction.PROMOTED,
            AuditAction.ROLLED_BACK,
            AuditAction.HELD_BACK,
            AuditAction.CANARY,
        )


@dataclass(frozen=True)
class AuditEntry:
    """One thing that was done to a version, or to the classes, and who did it."""

    when: str
    """UTC, ISO 8601."""
    by: str
    """`gate`, `canary`, or the name of a person; empty if that is not known."""
    what: AuditAction
    version: int | None
    """None for what is about labels alone."""
    rule: Rule
    text: str
    """All of that as a sentence, for people to read."""


@dataclass(frozen=True)
class RolloutSummary:
    """Which instances answer with the version of a model that should answer."""

    model: str
    version: int | None
    """None if no version is live, or the model is not served."""
    live: list[str]
    """Ids of instances that answer with it."""
    waiting: list[str]
    """Those that do not yet."""
    late: list[str]
    """Those of `waiting` that should have by now."""
    everywhere: bool
    """Every instance that runs answers with it."""
    sentence: str
    """For people to read."""
