"""Sentences and figures about models and their versions."""

from __future__ import annotations

from collections.abc import Sequence

from backend.contract import (
    Decision,
    DeletedModel,
    EvaluationReport,
    ModelSummary,
    RunState,
    TrainingRun,
    Verification,
    VersionSummary,
)
from desktop import formats
from desktop.formats import count, percent, plural
from desktop.model_faults import live_fault
from desktop.models.entries import ModelEntry
from serving.units import format_bytes

NO_CLASSES = "Label photos, or drop a folder of folders."
"""What to do with a model that knows no class yet."""
_MANY_NAMES = 6
"""Class names in a sentence; the others are counted."""


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


def accuracy(share: float | None, error: float | None) -> str:
    """Return `91.4% ± 1.2`, `91%` if the error is unknown, or an empty text."""
    return "" if share is None else formats.accuracy(share, error)


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
        ("On disk", f"{format_bytes(model.size_bytes)} in {versions(model)}"),
        ("In an instance", memory(entry)),
    ]
    if entry.milliseconds is not None:
        listed.append(("Speed here", speed(entry.milliseconds)))
    if model.backbone:
        kept = "and its classes" if model.keeps_backbone_classes else "own classes only"
        listed.append(("Network", f"{model.backbone}, {kept}"))
    return listed


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


def verification_sentence(result: Verification) -> str:
    name = f"{result.model} v{result.version}"
    if not result.recorded:
        return f"{name} was made by an older Servery, which recorded no checksums."
    if not result.changed:
        return f"Every file of {name} is as it was made."
    return f"{plural(len(result.changed), 'file')} of {name} changed: {_listed(result.changed)}."


def class_changes(version: VersionSummary, before: VersionSummary | None) -> str:
    """Say which classes a version has that the one before had not, and the reverse."""
    if before is None:
        return plural(len(version.classes), "class", "classes")
    # Sets would lose the order of the model.
    old, new = set(before.classes), set(version.classes)
    added = [name for name in version.classes if name not in old]
    removed = [name for name in before.classes if name not in new]
    if not added and not removed:
        return f"The same {plural(len(version.classes), 'class', 'classes')}"
    parts = [f"Added {_listed(added)}"] if added else []
    parts += [f"Removed {_listed(removed)}"] if removed else []
    return ". ".join(parts)


def photos_change(version: VersionSummary, before: VersionSummary | None) -> str:
    """Return `200 photos, 12 more`; empty for a version that learned from none."""
    if not version.labels:
        return ""
    text = plural(version.labels, "photo")
    more = version.labels - (before.labels if before else 0)
    if before is None or not before.labels or not more:
        return text
    return f"{text}, {count(abs(more))} {'more' if more > 0 else 'fewer'}"


def report_sentence(report: EvaluationReport) -> str:
    """Say how good a version is and how that was measured."""
    measured = accuracy(report.accuracy, report.accuracy_error)
    if not measured:
        return "There were too few photos to measure how good it is."
    photos = plural(report.photos, "photo")
    if report.method == "cross-validation":
        return f"{measured} right of {photos}, by cross-validation."
    return f"{measured} right of {photos} that were held out."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MANY_NAMES])
    more = len(names) - _MANY_NAMES
    return f"{shown} and {count(more)} more" if more > 0 else shown


def version_states(version: VersionSummary) -> list[str]:
    """Return the words for what holds of a version besides its numbers."""
    holds = {"live": version.live, "pinned": version.pinned, "cannot be served": version.fault}
    return [word for word, is_so in holds.items() if is_so]
