"""A backend that answers about model files at once, or when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from backend.contract import (
    CatalogueEntry,
    ImportState,
    ModelFileJob,
    ModelFileQuery,
    ModelImport,
    NewImport,
    RunState,
)
from serving.errors import ModelError
from serving.importing.interface import (
    Channels,
    InputKind,
    Interface,
    ModelFormat,
    ModelInspection,
    OutputKind,
    Preview,
    PreviewScore,
    Resize,
    ValueRange,
)

LABELS = ("zebra", "cat", "t-shirt")


def interface(**changes: object) -> Interface:
    """Return what a small Keras file takes and gives, the values of pixels guessed."""
    made = Interface(
        signature="",
        takes=InputKind.FLOAT,
        height=32,
        width=32,
        value_range=ValueRange.UNIT,
        channels=Channels.RGB,
        resize=Resize.STRETCH,
        gives=OutputKind.SCORES,
        classes=3,
        embedding_size=8,
        guessed=("resize", "value_range", "channels"),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def inspection(**changes: object) -> ModelInspection:
    """Return what is found in a Keras file with three classes."""
    made = ModelInspection(
        ModelFormat.KERAS, interface(), LABELS, "labels.txt", name="pets", size_bytes=123_456
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def catalogue_entry(name: str = "mobilenet-v2", *, installed: bool = False) -> CatalogueEntry:
    """Return a model of the catalogue."""
    return CatalogueEntry(
        name, name.title(), "Small and fast.", installed, 0.713, 14_000_000, 224, "Apache-2.0", "Us"
    )


@dataclass
class FakeModelFiles:
    """Has the calls of BackendClient that the import of a model needs."""

    found: Callable[[ModelFileQuery], ModelInspection] = lambda query: inspection()
    inspected: list[ModelFileQuery] = field(default_factory=list)
    previewed: list[ModelFileQuery] = field(default_factory=list)
    imported: list[NewImport] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    ended_early: int = 0
    """Calls that were cancelled."""
    preview_gate: asyncio.Event | None = None
    """Previews wait for it."""
    refusal: ModelError | None = None
    """Raised by `import_model`."""
    entries: list[CatalogueEntry] = field(default_factory=list)
    downloads: list[tuple[str, str]] = field(default_factory=list)
    """Names and mirrors."""
    imports: list[ModelImport] = field(default_factory=list)
    """Those that `model_imports` answers."""
    states: list[ModelImport] = field(default_factory=list)
    """What `model_import` answers, one after the other; the last one stays."""

    async def inspect_model(self, query: ModelFileQuery) -> ModelInspection:
        self.inspected.append(query)
        return self.found(query)

    async def preview_model(self, query: ModelFileQuery) -> list[Preview]:
        self.previewed.append(query)
        try:
            if self.preview_gate is not None:
                await self.preview_gate.wait()
        except asyncio.CancelledError:
            self.ended_early += 1
            raise
        best = query.source.corrections.value_range or ValueRange.UNIT
        return [
            Preview(photo, (PreviewScore(f"cat by {best.value}", 0.9), PreviewScore("zebra", 0.1)))
            for photo in query.photos
        ]

    async def import_model(self, new: NewImport) -> ModelImport:
        self.imported.append(new)
        if self.refusal is not None:
            raise self.refusal
        return ModelImport("7", new.name, ImportState.QUEUED)

    async def model_import(self, number: str) -> ModelImport:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    async def import_archive(self, file: Path, name: str = "") -> ModelFileJob:
        return ModelFileJob("8", RunState.SUCCEEDED, file.stem, 1, str(file), labels=12)

    async def catalogue(self) -> list[CatalogueEntry]:
        return self.entries

    async def download_model(self, name: str, mirror: str = "") -> ModelImport:
        self.downloads.append((name, mirror))
        return ModelImport("7", name, ImportState.QUEUED)

    async def model_imports(self) -> list[ModelImport]:
        return self.imports

    async def cancel_model_import(self, number: str) -> ModelImport:
        self.cancelled.append(number)
        return ModelImport(number, "pets", ImportState.CANCELLED)
