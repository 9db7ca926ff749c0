"""Models as the backend describes them."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import BuiltInSummary, EvaluationReport, ModelSummary, VersionSummary

IMAGE = "ab" * 32
"""A SHA-256 of no photo."""


def version(
    model: str,
    number: int,
    *,
    live: bool = False,
    classes: Sequence[str] = ("cat", "dog"),
    accuracy: float | None = 0.914,
    labels: int = 0,
    base: int | None = None,
    pinned: bool = False,
) -> VersionSummary:
    return VersionSummary(
        model,
        number,
        live,
        f"2026-05-{number % 28 + 1:02}T10:00:00+00:00",
        accuracy,
        "cross-validation",
        list(classes),
        base,
        None,
        None if accuracy is None else 0.012,
        labels,
        25_000_000,
        pinned,
        has_report=base is not None,
    )


def model(
    name: str,
    *,
    classes: Sequence[str] = ("cat", "dog"),
    labels: int = 0,
    current: bool = False,
    served: bool = False,
    versions: int = 1,
    memory: int | None = None,
    backbone: str = "",
) -> ModelSummary:
    """Return a model whose newest version is live."""
    made = [
        version(
            name,
            number,
            live=number == versions,
            classes=classes,
            labels=labels if number > 1 else 0,
            base=number - 1 or None,
        )
        for number in range(versions, 0, -1)
    ]
    return ModelSummary(
        name,
        versions,
        made,
        current,
        served or current,
        len(classes),
        labels,
        made[0].accuracy,
        made[0].accuracy_error,
        backbone,
        size_bytes=25_000_000 * versions,
        memory_bytes=memory,
    )


def built_in(name: str, *, installed: bool) -> BuiltInSummary:
    return BuiltInSummary(name, name.title(), "A thousand classes.", installed, 0.75, "Apache-2.0")


def report(classes: Sequence[str], confusion: list[list[int]]) -> EvaluationReport:
    photos = [sum(line) for line in confusion]
    return EvaluationReport(
        "cross-validation", sum(photos), 0.9, 0.02, list(classes), photos, confusion
    )
