"""Sentences about versions, how they were made and how good they are."""

from __future__ import annotations

import math
from collections.abc import Sequence

from backend.contract import (
    AuditAction,
    AuditEntry,
    CanarySummary,
    Certainty,
    Comparison,
    Decision,
    EvaluationReport,
    RunState,
    TrainingRun,
    Verification,
    VersionSummary,
)
from desktop import formats
from desktop.formats import count, percent, plural
from desktop.moments import ago
from desktop.service_sentences import translated
from desktop.translation import tr, tr_number, tr_plural
from serving.exporting.formats import ExportFormat

_MAX_ERROR = 0.22
"""Of an accuracy that is shown: one wrong answer of one photo would be `0.0% ± 39.7`."""
_FEW_PHOTOS = 5
"""Labels of a run that measures too few photos to say what it changed."""
_MANY_NAMES = 6
"""Class names in a sentence; the others are counted."""

IMAGE_EXPLANATION = tr(
    "A container image that serves this version by itself, with no folder"
    " mounted, on any machine that runs containers."
)


EXPORT_FORMATS = {
    ExportFormat.SAVED_MODEL.value: tr("SavedModel, for TensorFlow Serving"),
    ExportFormat.TFLITE.value: "TensorFlow Lite",
    ExportFormat.ONNX.value: "ONNX",
    ExportFormat.SERVERY.value: tr("For another Servery"),
}
_READER = tr(
    "A reader of photos and an example in Python stand beside it, with the"
    " classes, the model card and the licence."
)
EXPORT_EXPLANATIONS = {
    ExportFormat.SAVED_MODEL: tr(
        "The version as it is, in a folder that"
        " TensorFlow Serving loads, with the classes,"
        " the model card and the licence."
    ),
    ExportFormat.TFLITE: " ".join(
        (tr("A file for phones and small computers, from pixels to scores."), _READER)
    ),
    ExportFormat.ONNX: " ".join(
        (tr("A file for ONNX Runtime and others, from pixels to scores."), _READER)
    ),
    ExportFormat.SERVERY: tr(
        "A zip file with the version, its labels and what"
        " is learned from them: `servery models import`"
        " brings it in there, and it can be taught further"
        " without the photos."
    ),
}


def accuracy(share: float | None, error: float | None) -> str:
    """Return `91.4% ± 1.2`, or `91%` if the error is unknown; empty if it is not known, or from
    so few photos that it says nothing."""
    if share is None or (error is not None and error > _MAX_ERROR):
        return ""
    return formats.accuracy(share, error)


def class_changes(version: VersionSummary, before: VersionSummary | None) -> str:
    """Say which classes a version has that the one before had not, and the reverse."""
    if before is None:
        return plural(len(version.classes), "class", "classes")
    # Sets would lose the order of the model.
    old, new = set(before.classes), set(version.classes)
    added = [name for name in version.classes if name not in old]
    removed = [name for name in before.classes if name not in new]
    if not added and not removed:
        return tr_plural(
            "The same {count} class", "The same {count} classes", len(version.classes)
        ).format(count=count(len(version.classes)))
    parts = [tr("Added {names}", names=_listed(added))] if added else []
    parts += [tr("Removed {names}", names=_listed(removed))] if removed else []
    return ". ".join(parts)


def photos_change(version: VersionSummary, before: VersionSummary | None) -> str:
    """Return `200 photos, 12 more`; empty for a version that learned from none."""
    if not version.labels:
        return ""
    text = plural(version.labels, "photo")
    more = version.labels - (before.labels if before else 0)
    if before is None or not before.labels or not more:
        return text
    if more > 0:
        return tr("{photos}, {count} more", photos=text, count=count(more))
    return tr("{photos}, {count} fewer", photos=text, count=count(-more))


def change_sentence(run: TrainingRun | None) -> str:
    """Say what a run changed, both sides measured on the same held-out images; empty if it was
    not measured, or on too few."""
    if run is None or run.accuracy is None or run.base_accuracy is None:
        return ""
    if run.labels < _FEW_PHOTOS:
        return ""
    before, after = percent(run.base_accuracy), percent(run.accuracy)
    if not run.base_accuracy:  # it knew none of the classes
        return tr("{after} right of the images it was not shown.", after=after)
    if before == after:
        return tr("Stayed at {after} on the images it was not shown.", after=after)
    return tr(
        "From {before} to {after} on the images it was not shown.", before=before, after=after
    )


RUN_STATES = {
    RunState.QUEUED: tr("queued"),
    RunState.RUNNING: tr("running"),
    RunState.SUCCEEDED: tr("succeeded"),
    RunState.FAILED: tr("failed"),
    RunState.CANCELLED: tr("cancelled"),
}
"""The states of a training run, in a word."""


def run_sentence(run: TrainingRun) -> str:
    """Say how a run ended that made no version."""
    if run.step:
        return translated(run.step)
    return {
        RunState.FAILED: tr("It failed without saying why."),
        RunState.CANCELLED: tr("It was cancelled."),
        RunState.SUCCEEDED: tr("It made no version."),
    }.get(run.state, "")


def held_back_sentence(
    version: VersionSummary, run: TrainingRun | None, last: AuditEntry | None
) -> str:
    """Say why a version was held back; empty if it was not, or is live now.

    `last` is what was last done to it.
    """
    if version.live:
        return ""
    if last is not None and last.what is not AuditAction.HELD_BACK:
        return ""
    if run is not None and run.decision is Decision.HELD_BACK and run.not_promoted_because:
        return translated(run.not_promoted_because)
    return translated(last.text) if last is not None else ""


def confused_sentence(run: TrainingRun | None) -> str:
    """Name the classes that a version cannot tell apart; empty if there are none."""
    if run is None or not run.confused:
        return ""
    pairs = [
        tr("{first} and {second}", first=each.first, second=each.second) for each in run.confused
    ]
    return tr("It cannot tell apart: {pairs}.", pairs=_listed(pairs))


def canary_facts(canary: CanarySummary) -> list[tuple[str, str]]:
    """Return what is listed about a canary: pairs of a name and a value."""
    one, other = f"v{canary.version}", f"v{canary.stable}"
    facts = [(tr("Compared"), plural(canary.requests, "request"))]
    if canary.required_agreement:
        facts.append((tr("Agreement required"), percent(canary.required_agreement)))
    if canary.canary_failures or canary.stable_failures:
        failed = count(canary.canary_failures), count(canary.stable_failures)
        facts.append((tr("Failed"), f"{one} {failed[0]}, {other} {failed[1]}"))
    if canary.canary_right or canary.stable_right:
        right = count(canary.canary_right), count(canary.stable_right)
        facts.append((tr("Alone right"), f"{one} {right[0]}, {other} {right[1]}"))
    if canary.canary_milliseconds is not None and canary.stable_milliseconds is not None:
        times = _answer_time(canary.canary_milliseconds), _answer_time(canary.stable_milliseconds)
        facts.append((tr("An answer"), f"{one} {times[0]}, {other} {times[1]}"))
    facts.append((tr("Ends within"), time_left(canary.seconds_left)))
    return facts


def _answer_time(milliseconds: float) -> str:
    return (
        f"{milliseconds:.0f} ms"
        if milliseconds < 1000
        else tr_number(f"{milliseconds / 1000:.1f} s")
    )


def time_left(seconds: float) -> str:
    """Return `23 h`, `5 min` or `40 s`, rounded up."""
    for unit, name in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            return f"{math.ceil(seconds / unit)} {name}"
    return tr("a moment")


def audit_facts(entry: AuditEntry) -> str:
    """Return who did something and when: `gate, 2 hours ago`."""
    return ", ".join(part for part in (entry.by, ago(entry.when)) if part)


def report_sentence(report: EvaluationReport) -> str:
    """Say how good a version is and how that was measured."""
    measured = accuracy(report.accuracy, report.accuracy_error)
    if not measured:
        return tr("There were too few photos to measure how good it is.")
    if report.method == "cross-validation":
        text = tr_plural(
            "{accuracy} right of {count} photo, by cross-validation.",
            "{accuracy} right of {count} photos, by cross-validation.",
            report.photos,
        )
    else:
        text = tr_plural(
            "{accuracy} right of {count} photo that was held out.",
            "{accuracy} right of {count} photos that were held out.",
            report.photos,
        )
    return text.format(accuracy=measured, count=count(report.photos))


def certainty_sentence(certainty: Certainty | None) -> str:
    """Say how far the scores of a version can be trusted; empty if that is not known."""
    if certainty is None:
        return ""
    sentences = []
    if certainty.calibration_error is not None:
        error, before = certainty.calibration_error, certainty.calibration_error_before
        sentences.append(
            tr("Scores are off by {error} on average.", error=_tenths(error))
            if before is None
            else tr(
                "Scores are off by {error} on average ({before} before they were calibrated).",
                error=_tenths(error),
                before=_tenths(before),
            )
        )
    if certainty.marked_unsure is not None:
        share, none = certainty.marked_unsure, certainty.none_marked_unsure
        sentences.append(
            tr("Unsure: {share} of these photos.", share=percent(share))
            if none is None
            else tr(
                "Unsure: {share} of these photos, {none} of those labelled none of these.",
                share=percent(share),
                none=percent(none),
            )
        )
    return " ".join(sentences)


def _tenths(share: float) -> str:
    return tr("{value}%", value=tr_number(f"{100 * share:.1f}"))


def verification_sentence(result: Verification) -> str:
    name = f"{result.model} v{result.version}"
    if not result.recorded:
        return tr("{name} was made by an older Servery, which recorded no checksums.", name=name)
    if not result.changed:
        return tr("Every file of {name} is as it was made.", name=name)
    return tr_plural(
        "{count} file of {name} changed: {files}.",
        "{count} files of {name} changed: {files}.",
        len(result.changed),
    ).format(count=count(len(result.changed)), name=name, files=_listed(result.changed))


def version_states(
    version: VersionSummary, held_back: bool = False, canary: CanarySummary | None = None
) -> list[str]:
    """Return the words for what holds of a version besides its numbers."""
    is_canary = canary is not None and canary.version == version.number
    share = percent(canary.share if canary is not None else 0)
    holds = [
        (tr("live"), version.live),
        (tr("canary, {share}", share=share), is_canary),
        (tr("held back"), held_back and not is_canary),
        (tr("pinned"), version.pinned),
        (tr("cannot be served"), bool(version.fault)),
    ]
    return [word for word, is_so in holds if is_so]


def comparison_sentence(comparisons: Sequence[Comparison], unreadable: int = 0) -> str:
    """Return `12 of 200 answers changed: 9 became right, 2 became wrong`."""
    if not comparisons:
        return ""
    changed = [each for each in comparisons if each.answers[0] != each.answers[1]]
    labelled = [each for each in changed if each.label]
    if labelled:
        text = tr_plural(
            "{changed} of {count} answer changed: {better} became right, {worse} became wrong.",
            "{changed} of {count} answers changed: {better} became right, {worse} became wrong.",
            len(comparisons),
        )
    else:
        text = tr_plural(
            "{changed} of {count} answer changed.",
            "{changed} of {count} answers changed.",
            len(comparisons),
        )
    sentence = text.format(
        changed=count(len(changed)),
        count=count(len(comparisons)),
        better=count(sum(each.label == each.answers[1] for each in labelled)),
        worse=count(sum(each.label == each.answers[0] for each in labelled)),
    )
    if not unreadable:
        return sentence
    missing = tr_plural(
        "{count} photo cannot be read.", "{count} photos cannot be read.", unreadable
    ).format(count=count(unreadable))
    return f"{sentence} {missing}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MANY_NAMES])
    more = len(names) - _MANY_NAMES
    return tr("{names} and {count} more", names=shown, count=count(more)) if more > 0 else shown
