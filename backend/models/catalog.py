"""The models and versions there are, as types of the contract."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from backend.contract import CanarySummary, ModelSummary, VersionSummary
from backend.store.store import Store
from backend.training.worker_protocol import REPORT_PATH
from serving.errors import ModelError
from serving.models.card import ModelCard
from serving.models.repository import ModelRepository
from serving.models.served import ServedModels
from serving.models.version import Version
from serving.models.version_trust import untrusted_parts
from serving.tf.names import SAVED_MODEL_FILE
from serving.tf.trust import read_trusted, version_digest

_MAX_GRAPH_BYTES = 2**28
"""Of a version that is looked through for what it could do besides computing."""
_MAX_DIGEST_BYTES = 2**30
"""Of a version that is read to see whether it is on the list of trusted ones."""


@dataclass(frozen=True)
class _VersionFiles:
    """What the files of a version say, which never changes."""

    card: ModelCard
    size_bytes: int
    has_report: bool


class ModelCatalog:
    """Reads the model repository; every version once, since versions never change."""

    def __init__(
        self,
        repository: ModelRepository,
        store: Store,
        canary: Callable[[str], CanarySummary | None],
    ) -> None:
        """`canary` returns how the canary of a model stands."""
        self._repository = repository
        self._store = store
        self._canary = canary
        self._files: dict[tuple[Path, int, int], _VersionFiles] = {}
        self._digests: dict[tuple[Path, int, int], str] = {}

    async def models(self) -> list[ModelSummary]:
        """Return every model with its versions, the current one first, then by name."""
        labels = await self._store.labels.totals()
        return await asyncio.to_thread(self._models, labels)

    async def model(self, name: str) -> ModelSummary:
        """Return one model with its versions."""
        labels = await self._store.labels.totals()
        served = self._repository.served()
        return await asyncio.to_thread(self._model, name, served, labels.get(name, 0))

    async def versions(self, model: str) -> list[VersionSummary]:
        """Return the versions of `model`, newest first."""
        return await asyncio.to_thread(self._versions, model)

    async def version(self, model: str, number: int) -> VersionSummary:
        """Return one version; raises ModelError if it does not exist."""

        def read() -> VersionSummary:
            version = self._repository.version(model, number)
            pinned = self._repository.settings(model).pinned
            trusted = read_trusted(self._repository.trusted_path)
            return self._version(version, self._live_number(model), pinned, trusted)

        return await asyncio.to_thread(read)

    async def live_number(self, model: str) -> int | None:
        """Return the number of the model's live version, if any."""
        return await asyncio.to_thread(self._live_number, model)

    async def live_classes(self, model: str) -> tuple[str, ...]:
        """Return what the live version can answer with; empty without one."""
        return (await asyncio.to_thread(self._live_card, model)).classes

    async def known_classes(self, model: str) -> frozenset[str]:
        """Return what any version of `model` can answer with."""

        def read() -> frozenset[str]:
            versions = self._repository.versions(model)
            return frozenset(
                name for version in versions for name in self._read(version).card.classes
            )

        return await asyncio.to_thread(read)

    async def class_called(self, model: str, name: str) -> str | None:
        """Return the class of the live version that has this name or other name, if any.

        As `ModelCard.class_named`.
        """
        return (await asyncio.to_thread(self._live_card, model)).class_named(name)

    def _models(self, labels: dict[str, int]) -> list[ModelSummary]:
        served = self._repository.served()
        names = sorted(
            self._repository.models(), key=lambda name: (name != served.current, name.casefold())
        )
        return [self._model(name, served, labels.get(name, 0)) for name in names]

    def _model(self, name: str, served: ServedModels, labels: int) -> ModelSummary:
        settings = self._repository.settings(name)
        card = self._live_card(name)
        versions = self._versions(name)
        return ModelSummary(
            name=name,
            live_version=self._live_number(name),
            versions=versions,
            current=name == served.current,
            served=name in served.names(),
            class_count=len(card.classes),
            labels=labels,
            accuracy=card.accuracy,
            accuracy_error=_accuracy_error(card),
            backbone=settings.backbone,
            keeps_backbone_classes=settings.keeps_backbone_classes,
            size_bytes=sum(version.size_bytes for version in versions),
            photo_milliseconds=settings.photo_milliseconds,
            memory_bytes=settings.memory_bytes,
            fallback_version=self._repository.fallback(name),
            canary=self._canary(name),
            keep_versions=settings.keep_versions,
            description=card.description,
            attribution=card.attribution or card.licence,
        )

    def _versions(self, model: str) -> list[VersionSummary]:
        live = self._live_number(model)
        pinned = self._repository.settings(model).pinned
        versions = self._repository.versions(model)
        trusted = read_trusted(self._repository.trusted_path)
        return [self._version(version, live, pinned, trusted) for version in reversed(versions)]

    def _version(
        self,
        version: Version,
        live: int | None,
        pinned: tuple[int, ...],
        trusted: Collection[str],
    ) -> VersionSummary:
        files = self._read(version)
        card = files.card
        fault = self._repository.fault(version.model, version.number)
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
            accuracy_error=_accuracy_error(card),
            labels=int(card.training.get("labelled_images", 0)),
            size_bytes=files.size_bytes,
            pinned=version.number in pinned,
            has_report=files.has_report,
            fault=fault.what if fault is not None else "",
            fault_advice=fault.advice if fault is not None else "",
            needs_trust=fault is not None and bool(self._unsafe_parts(version)),
            trusted=bool(trusted) and self._digest(version, files.size_bytes) in trusted,
        )

    def _digest(self, version: Version, size: int) -> str:
        """Return what versions are trusted by; empty for one that is too large to be read here."""
        try:
            key = _key(version)
            if size <= _MAX_DIGEST_BYTES and key not in self._digests:
                self._digests[key] = version_digest(version.path)
        except OSError:  # removed a moment ago
            return ""
        return self._digests.get(key, "")

    def _unsafe_parts(self, version: Version) -> list[str]:
        try:
            # Read each time that models are listed: a large one is not worth that.
            if (version.path / SAVED_MODEL_FILE).stat().st_size > _MAX_GRAPH_BYTES:
                return []
            return untrusted_parts(self._repository, version.model, version.number)
        except (ModelError, OSError):  # it is damaged besides
            return []

    def _live_number(self, model: str) -> int | None:
        try:
            return self._repository.live(model).number
        except ModelError:
            return None

    def _live_card(self, model: str) -> ModelCard:
        try:
            return self._read(self._repository.live(model)).card
        except ModelError:
            return ModelCard(name=model, classes=())

    def _read(self, version: Version) -> _VersionFiles:
        """Return what a version's files say; with an empty card if it has none."""
        try:
            key = _key(version)
        except OSError:  # removed a moment ago
            return _VersionFiles(ModelCard(name=version.model, classes=()), 0, has_report=False)
        if key not in self._files:
            try:
                card = version.card()
            except ModelError:
                card = ModelCard(name=version.model, classes=())
            self._files[key] = _VersionFiles(
                card,
                version.size(),
                (version.path / REPORT_PATH).is_file(),
            )
        return self._files[key]


def _key(version: Version) -> tuple[Path, int, int]:
    """Identify a version on disk: the name of a deleted model may come back with other versions.

    Raises OSError.
    """
    state = version.path.stat()
    return (version.path, state.st_ino, state.st_mtime_ns)


def _accuracy_error(card: ModelCard) -> float | None:
    error = card.metrics.get("accuracy_error")
    return None if error is None else float(error)
