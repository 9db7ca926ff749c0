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
from desktop.formats import count, percent, plural, size
from desktop.model_faults import live_fault
from desktop.models.entries import ModelEntry
from desktop.service_sentences import translated
from desktop.translation import tr
from desktop.versions.wording import accuracy

NO_CLASSES = tr("Label photos, or drop a folder of folders.")
"""What to do with a model that knows no class yet."""


def page_sentence(models: Sequence[ModelSummary]) -> str:
    """Return `3 models, 2 loaded`."""
    served = sum(each.served for each in models)
    return tr(
        "{models}, {served} loaded", models=plural(len(models), "model"), served=count(served)
    )


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
        return tr("Learning, {progress}", progress=percent(entry.run.progress))
    if word == "failed" and entry.model is not None:
        return tr("v{version} cannot be served", version=entry.model.live_version)
    return _STATES[word]


_STATES = {
    "queued": tr("Queued"),
    "loading": tr("Loading"),
    "built in": tr("Built in, not added"),
    "current": tr("Current"),
    "served": tr("Served"),
    "not served": tr("Not served"),
}
"""The words for each `state` that stands by itself."""


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
        parts.append(size(entry.model.size_bytes))
    if entry.milliseconds is not None:
        parts.append(speed(entry.milliseconds))
    return ", ".join(parts)


def speed(milliseconds: float) -> str:
    """Return `24 ms a photo`."""
    return tr("{milliseconds:.0f} ms a photo", milliseconds=milliseconds)


def memory(entry: ModelEntry) -> str:
    """Return what a model takes in an instance: measured, estimated or not known."""
    if entry.model is not None and entry.model.memory_bytes is not None:
        return size(entry.model.memory_bytes)
    if entry.memory_estimate is not None:
        return tr("about {size}", size=size(entry.memory_estimate))
    served = entry.model is not None and entry.model.served
    return tr("not measured yet") if served else tr("known once it was loaded")


def facts(entry: ModelEntry) -> list[tuple[str, str]]:
    """Return what the pane lists about a model: pairs of a name and a value."""
    model = entry.model
    if model is None:
        built_in = entry.built_in
        published = accuracy(built_in.accuracy, None) if built_in else ""
        return (
            [(tr("Accuracy"), tr("{accuracy} on ImageNet, as published", accuracy=published))]
            if published
            else []
        )
    listed = [
        (tr("Classes"), count(model.class_count) if model.class_count else tr("None yet")),
        (tr("Photos"), count(model.labels) if model.labels else tr("None yet")),
        (tr("Accuracy"), accuracy(model.accuracy, model.accuracy_error) or tr("Not measured")),
        (
            tr("Live version"),
            tr("None") if model.live_version is None else f"v{model.live_version}",
        ),
        *_canary(model),
        (
            tr("On disk"),
            tr(
                "{size} in {versions}",
                size=size(model.size_bytes),
                versions=versions(model),
            ),
        ),
        (tr("In an instance"), memory(entry)),
    ]
    if entry.milliseconds is not None:
        listed.append((tr("Speed here"), speed(entry.milliseconds)))
    if model.backbone:
        network = (
            tr("{network}, and its classes", network=model.backbone)
            if model.keeps_backbone_classes
            else tr("{network}, own classes only", network=model.backbone)
        )
        listed.append((tr("Network"), network))
    return listed


def _canary(model: ModelSummary) -> list[tuple[str, str]]:
    canary = model.canary
    if canary is None:
        return []
    return [
        (
            tr("Canary"),
            tr(
                "v{version}, {share} of the requests",
                version=canary.version,
                share=percent(canary.share),
            ),
        )
    ]


def versions(model: ModelSummary) -> str:
    return plural(len(model.versions), "version")


def description(entry: ModelEntry) -> str:
    """Say what a model is, or what it waits for."""
    model = entry.model
    if model is None:
        return entry.built_in.description if entry.built_in else ""
    if not model.class_count and entry.run is None:
        return tr("It knows no class yet. Label photos, or drop a folder of folders.")
    return model.description


def described(entry: ModelEntry) -> str:
    """Return a card as one line of text, for a screen reader."""
    parts = [entry.name, state_words(entry)]
    if entry.model is not None:
        parts.append(contents(entry.model).rstrip("."))
        if measured := accuracy(entry.model.accuracy, entry.model.accuracy_error):
            parts.append(tr("accuracy {accuracy}", accuracy=measured))
        parts.append(cost(entry))
    return ", ".join(part for part in parts if part)


def deleted_contents(model: ModelSummary) -> str:
    """Return what is deleted with a model: `3 versions and 120 labels`."""
    return _versions_and_labels(len(model.versions), model.labels)


def deleted_sentence(deleted: DeletedModel) -> str:
    contents = _versions_and_labels(deleted.versions, deleted.labels)
    return tr("{name} was deleted, with {contents}.", name=deleted.name, contents=contents)


def _versions_and_labels(number_of_versions: int, number_of_labels: int) -> str:
    return tr(
        "{versions} and {labels}",
        versions=plural(number_of_versions, "version"),
        labels=plural(number_of_labels, "label"),
    )


def import_outcome(run: TrainingRun, *, answers: bool = True) -> str:
    """Say what an import that has just succeeded made; `answers` is whether photos are answered
    by its model."""
    if run.version is None:
        return translated(run.step) or tr("{model} has learned nothing new.", model=run.model)
    if run.decision is Decision.PROMOTED and not answers:
        return tr(
            "{model} v{version} was made from {photos}. Another model answers until you use this"
            " one.",
            model=run.model,
            version=run.version,
            photos=plural(run.labels, "photo"),
        )
    if run.decision is Decision.PROMOTED:
        return tr(
            "{model} v{version} is live, made from {photos}.",
            model=run.model,
            version=run.version,
            photos=plural(run.labels, "photo"),
        )
    made = tr("{model} v{version} was made.", model=run.model, version=run.version)
    return f"{made} {translated(run.not_promoted_because or run.step)}".strip()
