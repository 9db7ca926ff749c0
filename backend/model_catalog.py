"""The models and versions there are, as types of the contract."""

from __future__ import annotations

from backend.contract import ModelSummary, VersionSummary
from serving.errors import ModelError
from serving.models.card import ModelCard
from serving.models.repository import ModelRepository, Version


class ModelCatalog:
    """Reads the model repository; every card once, since versions never change.

    Its methods read files: call them off the event loop.
    """

    def __init__(self, repository: ModelRepository) -> None:
        self._repository = repository
        self._cards: dict[tuple[str, int], ModelCard] = {}

    def models(self) -> list[ModelSummary]:
        """Return every model with its versions."""
        return [
            ModelSummary(name, self.live_number(name), self.versions(name))
            for name in self._repository.models()
        ]

    def versions(self, model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        live = self.live_number(model)
        versions = self._repository.versions(model)
        return [self._summary(version, live) for version in reversed(versions)]

    def version(self, model: str, number: int) -> VersionSummary:
        """Return one version; raises ModelError if it does not exist."""
        return self._summary(self._repository.version(model, number), self.live_number(model))

    def live_number(self, model: str) -> int | None:
        """Return the number of the version that the fleet serves, if any."""
        try:
            return self._repository.live(model).number
        except ModelError:
            return None

    def live_classes(self, model: str) -> tuple[str, ...]:
        """Return what the live version can answer with; empty without one."""
        try:
            return self._card(self._repository.live(model)).classes
        except ModelError:
            return ()

    def known_classes(self, model: str) -> frozenset[str]:
        """Return what any version of `model` can answer with."""
        return frozenset(
            name
            for version in self._repository.versions(model)
            for name in self._card(version).classes
        )

    def _summary(self, version: Version, live: int | None) -> VersionSummary:
        card = self._card(version)
        return VersionSummary(
            model=version.model,
            number=version.number,
            live=version.number == live,
            created=card.created,
            accuracy=card.accuracy,
            measured_on=str(card.metrics.get("measured_on", "")),
            classes=list(card.classes),
            base_version=card.base_version,
            training_run=card.training_run,
        )

    def _card(self, version: Version) -> ModelCard:
        """Return the card of a version, an empty one if it has none."""
        key = (version.model, version.number)
        card = self._cards.get(key)
        if card is None:
            try:
                card = version.card()
            except ModelError:
                return ModelCard(name=version.model, classes=())
            self._cards[key] = card
        return card
