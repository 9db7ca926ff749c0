"""Models, versions and reports as text for a terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from backend.contract import (
    Certainty,
    Decision,
    EvaluationReport,
    ModelSummary,
    SkippedFile,
    StartedBy,
    TrainingRun,
    VersionSummary,
)
from desktop.commands.terminal import table_lines
from desktop.formats import accuracy, count, percent, plural, short_hash
from desktop.moments import moment_in_full
from serving.text.shell import joined
from serving.units import format_bytes

MODEL_COLUMNS = ("MODEL", "ANSWERS", "LIVE", "CLASSES", "PHOTOS", "ACCURACY", "SIZE")
RUN_COLUMNS = ("RUN", "STARTED BY", "STATE", "LABELS", "VERSION", "DECISION", "RULE", "BY")
VERSION_COLUMNS = ("VERSION", "STATE", "ACCURACY", "CLASSES", "PHOTOS", "SIZE", "CREATED")
MAX_MATRIX_CLASSES = 20
"""A confusion matrix of more classes does not fit on a terminal."""
MAX_CONFUSED_PAIRS = 10
MAX_MISTAKES = 10
MAX_CLASSES_NAMED = 10
MAX_FILES_NAMED = 3
"""Of the files that were skipped for the same reason."""


def model_row(model: ModelSummary) -> tuple[str, ...]:
    if model.current:
        answers = "current"
    elif model.served:
        answers = "served"
    else:
        answers = "-"
    return (
        model.name,
        answers,
        "-" if model.live_version is None else f"v{model.live_version} of {len(model.versions)}",
        count(model.class_count),
        count(model.labels),
        accuracy(model.accuracy, model.accuracy_error),
        format_bytes(model.size_bytes),
    )


def run_row(run: TrainingRun) -> tuple[str, ...]:
    started = {
        StartedBy.PERSON: "a person",
        StartedBy.COUNT: "new labels",
        StartedBy.QUIET: "quiet time",
    }
    return (
        run.id,
        started[run.started_by],
        run.state.value,
        count(run.labels),
        "-" if run.version is None else str(run.version),
        run.decision.replace("_", " ") or "-",
        run.rule.replace("_", " ") or "-",
        run.decided_by or "-",
    )


def version_row(version: VersionSummary, run: TrainingRun | None = None) -> tuple[str, ...]:
    """Return what is known of a version; `run` is the training run that made it."""
    held_back = run is not None and run.decision is Decision.HELD_BACK and not version.live
    holds = {
        "live": version.live,
        "held back": held_back,
        "pinned": version.pinned,
        "cannot be served": version.fault,
    }
    states = [word for word, is_so in holds.items() if is_so]
    return (
        str(version.number),
        ", ".join(states) or "-",
        accuracy(version.accuracy, version.accuracy_error),
        count(len(version.classes)),
        count(version.labels),
        format_bytes(version.size_bytes),
        moment_in_full(version.created),
    )


def report_lines(report: EvaluationReport) -> list[str]:
    """Return what training measured: photos by class, accuracy, confusions and mistakes."""
    if len(report.classes) <= MAX_MATRIX_CLASSES:
        confusions = matrix_lines(report)
    else:
        confusions = confused_lines(report)
    measured = [accuracy_line(report), *never_answered_lines(report)]
    measured += certainty_lines(report.certainty)
    lines = [*photo_lines(report), "", *measured, "", *confusions]
    if report.mistakes:
        lines += ["", "Surest wrong answers:"]
        lines += [
            f"  {mistake.label}, answered {mistake.answered} ({percent(mistake.score)}): "
            f"photo {short_hash(mistake.image)}"
            for mistake in report.mistakes[:MAX_MISTAKES]
        ]
    return lines


def import_lines(report: EvaluationReport) -> list[str]:
    """Return what came of a folder, in short: `servery models report` has the rest."""
    measured = [accuracy_line(report), *never_answered_lines(report)]
    return [*photo_lines(report), "", *measured, *confused_lines(report)]


def photo_lines(report: EvaluationReport) -> list[str]:
    """Return how many photos of each class it learned from, and what was skipped and why."""
    rows = [
        (name, count(n)) for name, n in zip(report.classes, report.photos_per_class, strict=True)
    ]
    return [*table_lines(("CLASS", "PHOTOS"), rows), *skipped_lines(report.skipped)]


def skipped_lines(skipped: Sequence[SkippedFile]) -> list[str]:
    """Return how many files were skipped for each reason, with the first few names."""
    if not skipped:
        return []
    by_reason: dict[str, list[str]] = defaultdict(list)
    for each in skipped:
        by_reason[each.reason].append(Path(each.path).name)
    lines = ["", f"Skipped: {plural(len(skipped), 'file')}"]
    for reason, names in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        more = ", …" if len(names) > MAX_FILES_NAMED else ""
        lines.append(
            f"  {reason.rstrip('.')}: {count(len(names))} "
            f"({', '.join(names[:MAX_FILES_NAMED])}{more})"
        )
    return lines


def accuracy_line(report: EvaluationReport) -> str:
    if report.accuracy is None:
        return "The accuracy could not be measured: there are too few photos."
    measured = accuracy(report.accuracy, report.accuracy_error)
    return f"Accuracy {measured}, by {report.method} on {plural(report.photos, 'photo')}."


def certainty_lines(certainty: Certainty | None) -> list[str]:
    """Return how far scores can be trusted, and what is marked unsure."""
    if certainty is None:
        return []
    lines = []
    before, after = certainty.calibration_error_before, certainty.calibration_error
    if before is not None and after is not None:
        chance = ""
        if certainty.calibration_error_by_chance is not None:
            share = percent(certainty.calibration_error_by_chance)
            chance = f"; exact scores of so few photos would be by {share}"
        made = f", {percent(before)} before they were calibrated" if before != after else ""
        lines.append(
            f"Scores are off by {percent(after)} (expected calibration error){made}{chance}."
        )
    if certainty.marked_unsure is None:
        lines.append("Unsure are answers whose best score is low: no more was learned of that.")
    else:
        lines.append(
            f"Of photos of its classes {percent(certainty.marked_unsure)} are marked unsure."
        )
    if certainty.none_marked_unsure is not None:
        share = percent(certainty.none_marked_unsure)
        lines.append(f"Of photos labelled as none of its classes {share} are.")
    return lines


def never_answered_lines(report: EvaluationReport) -> list[str]:
    """Return which classes no photo was answered with, though photos showed them."""
    never = [
        name
        for name, row, column in zip(
            report.classes, report.confusion, zip(*report.confusion, strict=True), strict=True
        )
        if any(row) and not any(column)
    ]
    if not never:
        return []
    more = len(never) - MAX_CLASSES_NAMED
    others = f" and {count(more)} more" if more > 0 else ""
    return [f"Never answered: {', '.join(never[:MAX_CLASSES_NAMED])}{others}."]


def confused_lines(report: EvaluationReport) -> list[str]:
    """Return the pairs of classes that are taken for one another most often."""
    pairs = [
        (times, report.classes[shown], report.classes[answered])
        for shown, row in enumerate(report.confusion)
        for answered, times in enumerate(row)
        if times and shown != answered
    ]
    pairs.sort(key=lambda pair: -pair[0])
    if not pairs:
        return []
    return [
        "Most confused:",
        *(
            f"  {shown}, answered {answered}: {plural(times, 'photo')}"
            for times, shown, answered in pairs[:MAX_CONFUSED_PAIRS]
        ),
    ]


def matrix_lines(report: EvaluationReport) -> list[str]:
    """Return the confusion matrix; the columns have the numbers of the classes."""
    rows = [
        (f"{number} {name}", *(count(times) if times else "." for times in row))
        for number, (name, row) in enumerate(zip(report.classes, report.confusion, strict=True), 1)
    ]
    header = ("SHOWS / ANSWERED", *(str(number) for number in range(1, len(rows) + 1)))
    return table_lines(header, rows, align_right=True)


def command(*words: str) -> str:
    """Return a `servery` command line as a person can type it, within backticks."""
    return f"`{joined(['servery', *words])}`"


def no_classes_yet(model: str) -> str:
    """Say what to do with a model that cannot answer anything."""
    labelling = command("label", "--model", model, "FILE", "CLASS")
    folder = command("labels", "import", model, "FOLDER")
    return (
        f"The model {model} has no classes yet. Label photos ({labelling}), "
        f"or give it a folder of folders ({folder})."
    )


def outcome(run: TrainingRun) -> str:
    """Say what a training run made, or that it goes on."""
    if not run.state.finished:
        return (
            f"Training run {run.id} of {run.model} is {run.state.value}. "
            f"{command('models', 'versions', run.model)} lists its version once there is one."
        )
    if run.version is None:
        return f"Training run {run.id} of {run.model} made no version. {run.step}".strip()
    measured = "" if run.accuracy is None else f", {percent(run.accuracy)} on held-out images"
    learned = f"Training run {run.id} learned from {plural(run.labels, 'label')}"
    sentences = [f"{learned} and made version {run.version} of {run.model}{measured}."]
    promoted = run.decision is Decision.PROMOTED
    sentences.append("It is live." if promoted else run.not_promoted_because)
    return " ".join(filter(None, sentences))
