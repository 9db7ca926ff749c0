"""A version that answers a share of the requests, until that decides about it."""

from __future__ import annotations

from dataclasses import dataclass

from serving.models.canary import DEFAULT_SECONDS, CanaryPhase
from serving.models.canary import DEFAULT_SHARE as DEFAULT_SHARE


@dataclass(frozen=True)
class NewCanary:
    share: float = DEFAULT_SHARE
    """Of the requests that name no version, above 0 and below 1."""
    seconds: float = DEFAULT_SECONDS
    """How long it goes on at most."""
    by: str = ""
    """Who starts it; without a name, the user that the backend runs as."""


@dataclass(frozen=True)
class CanarySummary:
    """What goes on with the canary of one model, and how it stands."""

    model: str
    version: int
    stable: int
    """The version that was live when it began, and answers the other requests."""
    share: float
    started: str
    """UTC, ISO 8601."""
    by: str
    phase: CanaryPhase
    sentence: str
    """What is waited for, for people to read."""
    seconds_left: float
    requests: int = 0
    """Of its share, so many were answered and compared."""
    photos: int = 0
    """Different photos on which the two could agree."""
    agreements: int = 0
    """Of these."""
    agreement_low: float = 0.0
    """The true share of agreements lies between these two with 95%."""
    agreement_high: float = 1.0
    required_agreement: float = 0.0
    canary_failures: int = 0
    """Requests that only the stable version answered."""
    stable_failures: int = 0
    canary_right: int = 0
    """Photos labelled since it began, on which it alone was right."""
    stable_right: int = 0
    canary_milliseconds: float | None = None
    """How long an answer took, the median."""
    stable_milliseconds: float | None = None
