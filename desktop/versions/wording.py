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

_MANY_NAMES = 6
"""Class names in a sentence; the others are counted."""


def accuracy(share: float | None, error: float | None) -> str:
    """Return `91.4% ± 1.2`, `91%` if the error is unknown, or an empty text."""
    return "" if share is None else formats.accuracy(share, error)


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


def change_sentence(run: TrainingRun | None) -> str:
    """Say what a run changed, both sides measured on the same held-out images."""
    if run is None or run.accuracy is None or run.base_accuracy is None:
        return ""
    before, after = percent(run.base_accuracy), percent(run.accuracy)
    if not run.base_accuracy:  # it knew none of the classes
        return f"{after} right of the images it was not shown."
    if before == after:
        return f"Stayed at {after} on the images it was not shown."
    return f"From {before} to {after} on the images it was not shown."


def run_sentence(run: TrainingRun) -> str:
    """Say how a run ended that made no version."""
    if run.step:
        return run.step
    return {
        RunState.FAILED: "It failed without saying why.",
        RunState.CANCELLED: "It was cancelled.",
        RunState.SUCCEEDED: "It made no version.",
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
        return run.not_promoted_because
    return last.text if last is not None else ""


def confused_sentence(run: TrainingRun | None) -> str:
    """Name the classes that a version cannot tell apart; empty if there are none."""
    if run is None or not run.confused:
        return ""
    pairs = [f"{each.first} and {each.second}" for each in run.confused]
    return f"It cannot tell apart: {_listed(pairs)}."


def canary_facts(canary: CanarySummary) -> list[tuple[str, str]]:
    """Return what is listed about a canary: pairs of a name and a value."""
    one, other = f"v{canary.version}", f"v{canary.stable}"
    facts = [("Compared", plural(canary.requests, "request"))]
    if canary.canary_failures or canary.stable_failures:
        failed = count(canary.canary_failures), count(canary.stable_failures)
        facts.append(("Failed", f"{one} {failed[0]}, {other} {failed[1]}"))
    if canary.canary_right or canary.stable_right:
        right = count(canary.canary_right), count(canary.stable_right)
        facts.append(("Alone right", f"{one} {right[0]}, {other} {right[1]}"))
    if canary.canary_milliseconds is not None and canary.stable_milliseconds is not None:
        times = canary.canary_milliseconds, canary.stable_milliseconds
        facts.append(("An answer", f"{one} {times[0]:.0f} ms, {other} {times[1]:.0f} ms"))
    facts.append(("Ends within", time_left(canary.seconds_left)))
    return facts


def time_left(seconds: float) -> str:
    """Return `23 h`, `5 min` or `40 s`, rounded up."""
    for unit, name in ((3600, "h"), (60, "min"), (1, "s")):
        if seconds >= unit:
            return f"{math.ceil(seconds / unit)} {name}"
    return "a moment"


def audit_facts(entry: AuditEntry) -> str:
    """Return who did something and when: `gate, 2 hours ago`."""
    return ", ".join(part for part in (entry.by, ago(entry.when)) if part)


def report_sentence(report: EvaluationReport) -> str:
    """Say how good a version is and how that was measured."""
    measured = accuracy(report.accuracy, report.accuracy_error)
    if not measured:
        return "There were too few photos to measure how good it is."
    photos = plural(report.photos, "photo")
    if report.method == "cross-validation":
        return f"{measured} right of {photos}, by cross-validation."
    return f"{measured} right of {photos} that were held out."


def certainty_sentence(certainty: Certainty | None) -> str:
    """Say how far the scores of a version can be trusted; empty if that is not known."""
    if certainty is None:
        return ""
    sentences = []
    if certainty.calibration_error is not None:
        before = certainty.calibration_error_before
        learned = "" if before is None else f" ({100 * before:.1f}% before they were calibrated)"
        error = f"{100 * certainty.calibration_error:.1f}%"
        sentences.append(f"Scores are off by {error} on average{learned}.")
    if certainty.marked_unsure is not None:
        marked = f"Unsure: {percent(certainty.marked_unsure)} of these photos"
        if certainty.none_marked_unsure is not None:
            marked += f", {percent(certainty.none_marked_unsure)} of those labelled none of these"
        sentences.append(f"{marked}.")
    return " ".join(sentences)


def verification_sentence(result: Verification) -> str:
    name = f"{result.model} v{result.version}"
    if not result.recorded:
        return f"{name} was made by an older Servery, which recorded no checksums."
    if not result.changed:
        return f"Every file of {name} is as it was made."
    return f"{plural(len(result.changed), 'file')} of {name} changed: {_listed(result.changed)}."


def version_states(
    version: VersionSummary, held_back: bool = False, canary: CanarySummary | None = None
) -> list[str]:
    """Return the words for what holds of a version besides its numbers."""
    is_canary = canary is not None and canary.version == version.number
    holds = {
        "live": version.live,
        f"canary, {percent(canary.share)}" if canary is not None else "canary": is_canary,
        "held back": held_back and not is_canary,
        "pinned": version.pinned,
        "cannot be served": bool(version.fault),
    }
    return [word for word, is_so in holds.items() if is_so]


def comparison_sentence(comparisons: Sequence[Comparison], unreadable: int = 0) -> str:
    """Return `12 of 200 answers changed: 9 became right, 2 became wrong`."""
    if not comparisons:
        return ""
    changed = [each for each in comparisons if each.answers[0] != each.answers[1]]
    text = f"{count(len(changed))} of {plural(len(comparisons), 'answer')} changed"
    labelled = [each for each in changed if each.label]
    if labelled:
        better = sum(each.label == each.answers[1] for each in labelled)
        worse = sum(each.label == each.answers[0] for each in labelled)
        text = f"{text}: {count(better)} became right, {count(worse)} became wrong"
    return f"{text}. {plural(unreadable, 'photo')} cannot be read." if unreadable else f"{text}."


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MANY_NAMES])
    more = len(names) - _MANY_NAMES
    return f"{shown} and {count(more)} more" if more > 0 else shown
