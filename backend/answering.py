"""What the service needs from whoever answers: the fleet and its client offer it."""

from __future__ import annotations

from typing import Protocol

from serving.predict.prediction import Prediction


class Classifier(Protocol):
    """Answers what an image shows."""

    async def classify(self, jpeg: bytes) -> Prediction:
        """Classify a normalized JPEG; raises ImageError, ModelError, FleetUnavailable."""
        ...


class ReadyInstances(Protocol):
    """Knows how many instances could answer now."""

    @property
    def ready(self) -> int: ...
