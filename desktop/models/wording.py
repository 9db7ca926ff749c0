"""Sentences and figures about models and their versions."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import (
    Decision,
    DeletedModel,
    ModelSummary,
    RunState,
    TrainingRun,
)
from desktop.formats import count, percent, plural
from desktop.model_faults import live_fault
from desktop.models.entries import ModelEntry
from desktop.versions.wording import accuracy
from serving.units import format_bytes

NO_CLASSES = "Label photos, or drop a folder of folders."
"""What to do with a model that knows no class yet."""


def page_sentence(models: Sequence[ModelSummary]) -> str:
    """Return `3 models, 2 loaded`."""
    served = sum(each.served for each in models)
    return f"{plural(len(models), 'model')}, {count(served)} loaded"


def state(entry: ModelEntry) -> str:
    """Return the one state of a card, a word that `theme.state_mark` knows."""
    if entry.run is not None:
        return "queued" if entry.run.state is RunState.QUEUED else "learning"
    if entry.loading:
        return "loading"
    if entry.model is None:
        return "built in"
    if live_fault(entry.model) is not None:
        return "failed"
    if entry.model.current:
        return "current"
    return "served" if entry.model.served else "not served"


def state_words(entry: ModelEntry) -> str:
    """Return the state for people: `Current`, `Learning, 42%`, `Built in, not added`."""
    word = state(entry)
    if word == "learning" and entry.run is not None:
        return f"Learning, {percent(entry.run.progress)}"
    if word == "built in":
        return "Built in, not added"
    if word == "failed" and entry.model is not None:
        return f"v{entry.model.live_version} cannot be served"
    return word.capitalize()


def contents(model: ModelSummary) -> str:
    """Return `10 classes, 200 photos`, or what to do without any class."""
    if not model.class_count:
        return NO_CLASSES
    classes = plural(model.class_count, "class", "classes")
    return f"{classes}, {plural(model.labels, 'photo')}" if model.labels else classes


def cost(entry: ModelEntry) -> str:
    """Return size and speed on one line: `25 MB, 24 ms a photo`."""
    parts = []
    if entry.model is not None and entry.model.size_bytes:
        parts.append(format_bytes(entry.model.size_bytes))
    if entry.milliseconds is not None:
        parts.append(speed(entry.milliseconds))
    return ", ".join(parts)


def speed(milliseconds: float) -> str:
    """Return `24 ms a photo`."""
    return f"{milliseconds:.0f} ms a photo"


def memory(entry: ModelEntry) -> str:
    """Return what a model takes in an instance: measured, estimated or not known."""
    if entry.model is not None and entry.model.memory_bytes is not None:
        return format_bytes(entry.model.memory_bytes)
    if entry.memory_estimate is not None:
        return f"about {format_bytes(entry.memory_estimate)}"
    served = entry.model is not None and entry.model.served
    return "not measured yet" if served else "known once it was loaded"


def facts(entry: ModelEntry) -> list[tuple[str, str]]:
    """Return what the pane lists about a model: pairs of a name and a value."""
    model = entry.model
    if model is None:
        built_in = entry.built_in
        published = accuracy(built_in.accuracy, None) if built_in else ""
        return [("Accuracy", f"{published} on ImageNet, as published")] if published else []
    listed = [
        ("Classes", count(model.class_count) if model.class_count else "None yet"),
        ("Photos", count(model.labels) if model.labels else "None yet"),
        ("Accuracy", accuracy(model.accuracy, model.accuracy_error) or "Not measured"),
        ("Live version", "None" if model.live_version is None else f"v{model.live_version}"),
        *_canary(model),
        ("On disk", f"{format_bytes(model.size_bytes)} in {versions(model)}"),
        ("In an instance", memory(entry)),
    ]
    if entry.milliseconds is not None:
        listed.append(("Speed here", speed(entry.milliseconds)))
    if model.backbone:
        kept = "and its classes" if model.keeps_backbone_classes else "own classes only"
        listed.append(("Network", f"{model.backbone}, {kept}"))
    return listed


def _canary(model: ModelSummary) -> list[tuple[str, str]]:
    canary = model.canary
    if canary is None:
        return []
    return [("Canary", f"v{canary.version}, {percent(canary.share)} of the requests")]


def versions(model: ModelSummary) -> str:
    return plural(len(model.versions), "version")


def description(entry: ModelEntry) -> str:
    """Say what a model is, or what it waits for."""
    model = entry.model
    if model is None:
        return entry.built_in.description if entry.built_in else ""
    if not model.class_count and entry.run is None:
        return f"It knows no class yet. {NO_CLASSES}"
    return model.description


def described(entry: ModelEntry) -> str:
    """Return a card as one line of text, for a screen reader."""
    parts = [entry.name, state_words(entry)]
    if entry.model is not None:
        parts.append(contents(entry.model).rstrip("."))
        if measured := accuracy(entry.model.accuracy, entry.model.accuracy_error):
            parts.append(f"accuracy {measured}")
        parts.append(cost(entry))
    return ", ".join(part for part in parts if part)


def goes_along(model: ModelSummary) -> str:
    """Return what is deleted with a model: `3 versions and 120 labels`."""
    return f"{versions(model)} and {plural(model.labels, 'label')}"


def deleted_sentence(deleted: DeletedModel) -> str:
    along = f"{plural(deleted.versions, 'version')} and {plural(deleted.labels, 'label')}"
    return f"{deleted.name} was deleted, with {along}."


def import_outcome(run: TrainingRun) -> str:
    """Say what an import that has just succeeded made."""
    if run.version is None:
        return run.step or f"{run.model} has learned nothing new."
    if run.decision is Decision.PROMOTED:
        return f"{run.model} v{run.version} is live, made from {plural(run.labels, 'photo')}."
    return f"{run.model} v{run.version} was made. {run.not_promoted_because or run.step}".strip()
